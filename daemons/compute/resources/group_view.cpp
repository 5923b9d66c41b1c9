#include "resources/group_view.h"

namespace pilvi::compute {
namespace {

json::object rule_view(const json::object& rule, const json::object& names) {
    json::object range, group;
    if (const auto remote = optional_string(rule, "remote_group_id")) {
        const json::value* name = find(names, *remote);
        group = {{"name", name ? *name : json::value(*remote)}, {"tenant_id", string_or(rule, "tenant_id")}};
    } else {
        const bool v6 = string_or(rule, "ethertype") == "IPv6";
        range["cidr"] = string_or(rule, "remote_ip_prefix", v6 ? "::/0" : "0.0.0.0/0");
    }
    const auto port = [&](std::string_view name) {
        const json::value* v = find(rule, name);
        return v && v->is_int64() ? *v : json::value(nullptr);
    };
    const auto protocol = optional_string(rule, "protocol");
    return {{"id", string_or(rule, "id")},
            {"parent_group_id", string_or(rule, "security_group_id")},
            {"ip_protocol", protocol ? json::value(*protocol) : json::value(nullptr)},
            {"from_port", port("port_range_min")},
            {"to_port", port("port_range_max")},
            {"group", group},
            {"ip_range", range}};
}

}  // namespace

json::array group_views(const json::array& rows) {
    json::object names;
    for (const json::value& g : rows) names[string_or(g.as_object(), "id")] = string_or(g.as_object(), "name");
    json::array out;
    for (const json::value& g : rows) {
        const json::object& group = g.as_object();
        json::array rules;
        for (const json::value& r : array_or_empty(group, "security_group_rules"))
            if (string_or(r.as_object(), "direction") == "ingress") rules.push_back(rule_view(r.as_object(), names));
        out.push_back(json::object{{"id", string_or(group, "id")},
                                   {"name", string_or(group, "name")},
                                   {"tenant_id", string_or(group, "tenant_id", string_or(group, "project_id"))},
                                   {"description", string_or(group, "description")},
                                   {"rules", rules}});
    }
    return out;
}

}  // namespace pilvi::compute
