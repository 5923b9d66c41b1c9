#include "base/url.h"

#include <boost/url/src.hpp>

namespace pilvi {

bool parsable_url(std::string_view text) noexcept {
    const std::size_t end = text.find_first_of(":/?#");
    return end == std::string_view::npos || text[end] != ':' || text.substr(end + 1).starts_with('/');
}

std::string redirected_url(std::string_view url, std::string_view location) {
    if (location.empty() || !parsable_url(url) || !parsable_url(location)) return {};
    const auto from = boost::urls::parse_uri(url), to = boost::urls::parse_uri_reference(location);
    boost::urls::url next;
    if (!from || !to || !boost::urls::resolve(*from, *to, next)) return {};
    next.remove_fragment();
    return std::string(next.buffer());
}

}  // namespace pilvi
