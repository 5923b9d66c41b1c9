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

std::string Condition::where() const { return parts.empty() ? std::string() : " WHERE " + join(parts, " AND "); }

Condition provider_condition(const Call& call) {
    Condition c;
    const auto member = [&](bool wanted, std::string_view table, std::string_view column, const Names& names) {
        c.parts.push_back(fmt::format("{}EXISTS (SELECT 1 FROM {} x WHERE x.provider_uuid = p.uuid AND x.{} IN ({}))", wanted ? "" : "NOT ", table,
                                      column, marks(names.size())));
        append(c.values, names);
    };
    const auto equals = [&](std::string_view name, std::string_view condition) {
        const auto value = call.query.get(name);
        if (!value || value->empty()) return;
        c.parts.emplace_back(condition);
        c.values.emplace_back(name == "name" ? *value : canonical_uuid(*value));
    };
    equals("name", "p.name = ?");
    equals("uuid", "p.uuid = ?");
    equals("in_tree", "p.root_uuid = (SELECT t.root_uuid FROM resource_providers t WHERE t.uuid = ?)");
    const AggregateFilter aggregates = parse_member_of(call);
    for (const Names& any : aggregates.required) member(true, "provider_aggregates", "aggregate_uuid", any);
    if (!aggregates.forbidden.empty()) member(false, "provider_aggregates", "aggregate_uuid", aggregates.forbidden);
    const TraitFilter traits = parse_required(call);
    for (const Names& any : traits.required) {
        member(true, "provider_traits", "trait", any);
        c.traits.insert(any.begin(), any.end());
    }
    if (!traits.forbidden.empty()) {
        member(false, "provider_traits", "trait", traits.forbidden);
        c.traits.insert(traits.forbidden.begin(), traits.forbidden.end());
    }
    if (const auto text = call.query.get("resources"))
        for (const auto& [resource_class, amount] : parse_resources(*text)) {
            c.resource_classes.insert(resource_class);
            if (amount > max_integer) {  // above every max_unit
                c.parts.emplace_back("1 = 0");
                continue;
            }
            c.parts.emplace_back(
                "EXISTS (SELECT 1 FROM inventories i WHERE i.provider_uuid = p.uuid AND i.resource_class = ? AND "
                "i.used + ? <= (i.total - i.reserved) * i.allocation_ratio AND i.min_unit <= ? AND i.max_unit >= ? AND "
                "CAST(? AS BIGINT) % i.step_size = 0)");
            for (const Value& value : {Value(resource_class), Value(amount), Value(amount), Value(amount), Value(amount)}) c.values.push_back(value);
        }
    return c;
}

}  // namespace pilvi::placement
