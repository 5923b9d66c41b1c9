#include "mapping_test.h"

#include <cstdio>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "domain/mapping.h"

namespace pilvi::identity {

namespace {

Assertion read_assertion(const std::string& file, const std::string& prefix) {
    Assertion out;
    int number = 0;
    for (const std::string& line : split(read_file(file), '\n')) {
        ++number;
        if (trim(line).empty()) continue;
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) throw Error(Errc::bad_request, file + ":" + std::to_string(number) + ": must be NAME: VALUE");
        const std::string name(trim(std::string_view(line).substr(0, colon)));
        if (name.starts_with(prefix)) out[name] = trim(std::string_view(line).substr(colon + 1));
    }
    return out;
}

}  // namespace

int run_mapping_test(const Config&, const Arguments& arguments) {
    const std::string rules_file = arguments.text("--rules");
    json::value rules = parse_json(read_file(rules_file));
    if (rules.is_array()) rules = json::object{{"rules", std::move(rules)}};
    if (!rules.is_object()) throw Error(Errc::bad_request, rules_file + ": must be a mapping, or the list of its rules");
    check_mapping(rules.get_object());
    std::printf(
        "%s\n",
        to_text(
            apply_mapping(rules.get_object().at("rules").as_array(), read_assertion(arguments.text("--input"), arguments.text("--prefix"))).to_json())
            .c_str());
    return 0;
}

}  // namespace pilvi::identity
