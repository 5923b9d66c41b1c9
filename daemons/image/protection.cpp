#include "protection.h"

#include <fstream>
#include <iterator>

#include "api/service.h"
#include "base/error.h"
#include "image.h"

namespace pilvi::image {

std::unique_ptr<const PropertyRules> configured_protection(const Config& config) {
    const std::string path = config.text("property_protection.file");
    if (path.empty()) return nullptr;
    const std::string format = config.text("property_protection.format");
    if (format != "roles" && format != "policies")
        throw Error(Errc::bad_request, "property_protection.format: '" + format + "' is neither roles nor policies");
    std::ifstream file(path);
    if (!file) throw Error(Errc::bad_request, "property_protection.file: " + path + " cannot be read");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    try {
        return std::make_unique<const PropertyRules>(text, format == "roles" ? PropertyRules::Format::roles : PropertyRules::Format::policies);
    } catch (const Error& error) {
        throw Error(Errc::bad_request, path + ": " + error.message());
    }
}

void check_protection(const PropertyRules& rules, const api::Policy& policy) {
    for (const std::string& name : rules.policies())
        if (!policy.knows(name))
            throw Error(Errc::bad_request, "property_protection.file names the policy rule '" + name + "', which nobody defines");
}

bool may(const api::Call& call, std::string_view property, PropertyRight right) {
    const PropertyRules* rules = call.app<App>().protection;
    if (!rules) return true;
    const PropertyRules::Permission& permission = rules->permission(property, right);
    switch (permission.kind) {
        case PropertyRules::Permission::Kind::nobody:
            return false;
        case PropertyRules::Permission::Kind::everybody:
            return true;
        case PropertyRules::Permission::Kind::roles:
            return permission.names_role(call.who.roles) || permission.names_role(call.who.service_roles);
        case PropertyRules::Permission::Kind::policy:
            return call.service.policy().allows(permission.names.front(), call.who, {});
    }
    return false;
}

void enforce_property(const api::Call& call, std::string_view property, PropertyRight right) {
    if (!may(call, property, right)) throw Error(Errc::forbidden, "Attribute '" + std::string(property) + "' is reserved.");
}

void enforce_set(const api::Call& call, const std::map<std::string, std::string>& properties, const std::string& name) {
    const bool seen = properties.contains(name) && may(call, name, PropertyRight::read);
    enforce_property(call, name, seen ? PropertyRight::update : PropertyRight::create);
}

}  // namespace pilvi::image
