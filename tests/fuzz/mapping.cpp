// Federation mappings: any JSON is a mapping or refused, and what is accepted can be applied to an assertion. The first line is the mapping, every
// further one an attribute NAME=VALUE.
#include <cstdint>

#include "base/error.h"
#include "base/text.h"
#include "domain/mapping.h"
#include "domain/python_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)identity::parse_python_list(text);
    const std::vector<std::string> lines = split(text, '\n');
    identity::Assertion assertion;
    for (std::size_t i = 1; i < lines.size() && i < 20; ++i) {
        const std::size_t at = lines[i].find('=');
        if (at != std::string::npos) assertion[lines[i].substr(0, at)] = lines[i].substr(at + 1);
    }
    try {
        const json::value mapping = parse_json(lines.front());
        if (!mapping.is_object()) return 0;
        const json::value* rules = find(mapping.get_object(), "rules");
        if (rules && rules->is_array()) {
            try {
                (void)identity::apply_mapping(rules->get_array(), assertion);  // whatever its form
            } catch (const Error&) {
            }
        }
        identity::check_mapping(mapping.get_object());
        (void)identity::apply_mapping(rules->get_array(), assertion).to_json();
    } catch (const Error&) {
    }
    return 0;
}
