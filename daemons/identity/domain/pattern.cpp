#include "domain/pattern.h"

#include <boost/regex.hpp>

#include "base/error.h"

namespace pilvi::identity {

// Boost's matcher does not recurse (std::regex does, one frame a character) and gives up when its work grows beyond all bounds.
bool pattern_found(const std::string& expression, std::string_view text) {
    try {
        const boost::regex compiled(expression, boost::regex::perl);
        return boost::regex_search(text.begin(), text.end(), compiled);
    } catch (const std::runtime_error& failed) {
        throw Error(Errc::internal, "the regular expression '" + expression.substr(0, 200) + "' cannot be used: " + failed.what());
    }
}

}  // namespace pilvi::identity
