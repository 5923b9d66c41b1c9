#pragma once
// The disks of a flavor that start empty: swap space and the ephemeral disk. Sparse raw files that are never probed; `path` appears only when it is
// complete and on the disk.
#include <cstdint>
#include <string>

#include "command/command.h"

namespace pilvi::compute_agent {

// A swap area over the whole of `mib` MiB. Nothing happens where the file is there already, here and below.
void make_swap(CommandRunner& runner, const std::string& path, std::int64_t mib);
// An ext4 file system with the label "ephemeral0", as the original makes it; `os_type` "windows" (a property of the image) formats its own disk.
void make_ephemeral(CommandRunner& runner, const std::string& path, std::int64_t gib, const std::string& os_type);

}  // namespace pilvi::compute_agent
