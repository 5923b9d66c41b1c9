#include "base/url.h"

namespace pilvi {

bool parsable_url(std::string_view text) noexcept {
    const std::size_t end = text.find_first_of(":/?#");
    return end == std::string_view::npos || text[end] != ':' || text.substr(end + 1).starts_with('/');
}

}  // namespace pilvi
