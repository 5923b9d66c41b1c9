#include "resources/parameters.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/text.h"

namespace pilvi::placement {
namespace {

Names names_of(std::string_view text) {
    Names names;
    for (const std::string& part : split(text, ',')) names.emplace(trim(part));
    return names;
}

Names without_mark(const Names& traits) {
    Names names;
    for (const std::string& trait : traits)
        if (trait.starts_with('!'))
            names.insert(trait.substr(trait.find_first_not_of('!') == std::string::npos ? trait.size() : trait.find_first_not_of('!')));
    return names;
}

}  // namespace

std::map<std::string, std::int64_t> parse_resources(const std::string& text) {
    constexpr std::string_view form =
        "Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: ";
    if (trim(text).empty()) bad_query(std::string(form) + "empty string.");
    std::map<std::string, std::int64_t> resources;
    for (const std::string& item : split(text, ',')) {
        const auto parts = split(item, ':');
        if (parts.size() != 2) bad_query(fmt::format("{}{}.", form, item));
        const auto amount = parse_integer(trim(parts[1]));
        if (!amount) bad_query(fmt::format("Requested resource {} expected positive integer amount. Got: {}.", parts[0], parts[1]));
        if (*amount < 1) bad_query(fmt::format("Requested resource {} requires amount >= 1. Got: {}.", parts[0], *amount));
        resources[parts[0]] = *amount;
    }
    return resources;
}

TraitFilter parse_required_value(const std::string& value, bool allow_forbidden, bool allow_any) {
    constexpr std::string_view prefix = "Invalid query string parameters: ";
    TraitFilter filter;
    if (value.starts_with("in:")) {
        if (!allow_any)
            bad_query(fmt::format("{}The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: {}", prefix, value));
        const Names any = names_of(value.substr(3));
        if (any.contains(""))
            bad_query(fmt::format("{}Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: {}",
                                  prefix, value));
        if (std::any_of(any.begin(), any.end(), [](const std::string& trait) { return trait.starts_with('!'); }))
            bad_query(fmt::format("{}The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: {}", prefix, value));
        filter.required.push_back(any);
        return filter;
    }
    const Names all = names_of(value);
    filter.forbidden = without_mark(all);
    if (all.contains("") || filter.forbidden.contains(""))
        bad_query(fmt::format("{}Expected 'required' parameter value of the form: HW_CPU_X86_VMX,{}CUSTOM_MAGIC. Got an empty trait in: {}", prefix,
                              allow_forbidden ? "!" : "", value));
    if (!filter.forbidden.empty() && !allow_forbidden)
        bad_query(fmt::format("{}Expected 'required' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: {}", prefix, value));
    for (const std::string& trait : all)
        if (!trait.starts_with('!')) filter.required.push_back({trait});
    return filter;
}

TraitFilter parse_required(const Call& call, const std::string& suffix) {
    std::vector<std::string> values = call.query.all("required" + suffix);
    const bool several = call.at_least(1, 39);
    if (!several && values.size() > 1) values.erase(values.begin(), values.end() - 1);
    TraitFilter filter;
    for (const std::string& value : values) {
        const TraitFilter one = parse_required_value(value, call.at_least(1, 22), several);
        filter.required.insert(filter.required.end(), one.required.begin(), one.required.end());
        filter.forbidden.insert(one.forbidden.begin(), one.forbidden.end());
    }
    return filter;
}

AggregateFilter parse_member_of(const Call& call, const std::string& suffix) {
    const std::vector<std::string> values = call.query.all("member_of" + suffix);
    if (!call.at_least(1, 24) && values.size() > 1) bad_query(fmt::format("Multiple member_of{} parameters are not supported", suffix));
    AggregateFilter filter;
    for (const std::string& value : values) {
        const bool banned = value.starts_with('!');
        std::string_view list = std::string_view(value).substr(banned ? 1 : 0);
        const bool several = list.starts_with("in:");
        if (several) list.remove_prefix(3);
        else if (list.find(',') != std::string_view::npos)
            bad_query(fmt::format(
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid microversion. Got: {}", value));
        Names aggregates;
        for (const std::string& uuid : split(list, ',')) {
            if (!is_uuid_like(uuid))
                bad_query(fmt::format("Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: {}", uuid));
            aggregates.insert(canonical_uuid(uuid));
        }
        if (!banned) {
            filter.required.push_back(std::move(aggregates));
            continue;
        }
        if (!call.at_least(1, 32)) bad_query(fmt::format("Forbidden member_of{} parameters are not supported in the specified microversion", suffix));
        filter.forbidden.insert(aggregates.begin(), aggregates.end());
    }
    return filter;
}

ProviderFilter provider_filter(const Call& call) {
    ProviderFilter filter;
    Condition& c = filter.condition;
    const auto value_of = [&](std::string_view name) { return call.query.get(name).value_or(""); };
    if (const std::string name = value_of("name"); !name.empty()) c.add("p.name = ?", {name});
    if (const std::string uuid = value_of("uuid"); !uuid.empty()) c.add("p.uuid = ?", {canonical_uuid(uuid)});
    if (const std::string member = value_of("in_tree"); !member.empty()) c.in_tree("p.uuid", canonical_uuid(member));
    const AggregateFilter aggregates = parse_member_of(call);
    c.with_aggregates("p.uuid", aggregates.required);
    c.without_aggregates("p.uuid", aggregates.forbidden);
    const TraitFilter traits = parse_required(call);
    c.with_traits("p.uuid", traits.required);
    c.without_traits("p.uuid", traits.forbidden);
    filter.traits = traits.forbidden;
    for (const Names& any : traits.required) filter.traits.insert(any.begin(), any.end());
    if (const auto text = call.query.get("resources"))
        for (const auto& [resource_class, amount] : parse_resources(*text)) {
            filter.resource_classes.insert(resource_class);
            c.with_room("p.uuid", resource_class, amount);
        }
    return filter;
}

}  // namespace pilvi::placement
