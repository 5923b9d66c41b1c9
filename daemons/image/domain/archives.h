#pragma once
// Archives that image data may be: walked by their headers, never unpacked.
#include "domain/inspect.h"

namespace pilvi::image {

// Fills `archive` and `archive_unsafe` of `found`. `inspect_member` judges the disks inside an OVA. Bounded work, never throws on any content.
void inspect_archive(const Source& source, Finding& found, Finding (*inspect_member)(const Source& member));

}  // namespace pilvi::image
