// Property protection files: any text is read or refused, in both formats, and what is read can be asked about any name. The first line is a property's name, the
// rest the file.
#include <cstdint>

#include "base/error.h"
#include "domain/property_protection.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using pilvi::image::PropertyRight;
    using pilvi::image::PropertyRules;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return 0;
    for (const auto format : {PropertyRules::Format::roles, PropertyRules::Format::policies}) {
        try {
            const PropertyRules rules(text.substr(end + 1), format);
            for (const auto right : {PropertyRight::create, PropertyRight::read, PropertyRight::update, PropertyRight::remove})
                (void)rules.permission(text.substr(0, end), right).names_role({"member"});
            (void)rules.policies();
        } catch (const pilvi::Error&) {
        }
    }
    return 0;
}
