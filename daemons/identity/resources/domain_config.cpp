// /v3/domains/{domain_id}/config: settings that hold for one domain (identity driver, LDAP), and their defaults.
#include "resources/domain_config.h"

#include <algorithm>

#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

// `fallback`: JSON, the original's default. A sensitive option is written, and never shown.
struct Option {
    std::string_view group, name, fallback;
    bool sensitive = false;
};
constexpr Option options[] = {
    {"identity", "driver", R"("sql")"},
    {"identity", "list_limit", "null"},
    {"ldap", "url", R"("ldap://localhost")"},
    {"ldap", "user", "null"},
    {"ldap", "password", "null", true},
    {"ldap", "suffix", R"("cn=example,cn=com")"},
    {"ldap", "query_scope", R"("one")"},
    {"ldap", "page_size", "0"},
    {"ldap", "alias_dereferencing", R"("default")"},
    {"ldap", "debug_level", "null"},
    {"ldap", "chase_referrals", "null"},
    {"ldap", "user_tree_dn", "null"},
    {"ldap", "user_filter", "null"},
    {"ldap", "user_objectclass", R"("inetOrgPerson")"},
    {"ldap", "user_id_attribute", R"("cn")"},
    {"ldap", "user_name_attribute", R"("sn")"},
    {"ldap", "user_mail_attribute", R"("mail")"},
    {"ldap", "user_description_attribute", R"("description")"},
    {"ldap", "user_pass_attribute", R"("userPassword")"},
    {"ldap", "user_enabled_attribute", R"("enabled")"},
    {"ldap", "user_enabled_invert", "false"},
    {"ldap", "user_enabled_mask", "0"},
    {"ldap", "user_enabled_default", R"("True")"},
    {"ldap", "user_attribute_ignore", R"(["default_project_id"])"},
    {"ldap", "user_default_project_id_attribute", "null"},
    {"ldap", "user_enabled_emulation", "false"},
    {"ldap", "user_enabled_emulation_dn", "null"},
    {"ldap", "user_enabled_emulation_use_group_config", "false"},
    {"ldap", "user_additional_attribute_mapping", "[]"},
    {"ldap", "group_tree_dn", "null"},
    {"ldap", "group_filter", "null"},
    {"ldap", "group_objectclass", R"("groupOfNames")"},
    {"ldap", "group_id_attribute", R"("cn")"},
    {"ldap", "group_name_attribute", R"("ou")"},
    {"ldap", "group_members_are_ids", "false"},
    {"ldap", "group_member_attribute", R"("member")"},
    {"ldap", "group_desc_attribute", R"("description")"},
    {"ldap", "group_attribute_ignore", "[]"},
    {"ldap", "group_additional_attribute_mapping", "[]"},
    {"ldap", "tls_cacertfile", "null"},
    {"ldap", "tls_cacertdir", "null"},
    {"ldap", "use_tls", "false"},
    {"ldap", "tls_req_cert", R"("demand")"},
    {"ldap", "use_pool", "true"},
    {"ldap", "pool_size", "10"},
    {"ldap", "pool_retry_max", "3"},
    {"ldap", "pool_retry_delay", "0.1"},
    {"ldap", "pool_connection_timeout", "-1"},
    {"ldap", "pool_connection_lifetime", "600"},
    {"ldap", "use_auth_pool", "true"},
    {"ldap", "auth_pool_size", "100"},
    {"ldap", "auth_pool_connection_lifetime", "60"},
};

[[noreturn]] void invalid(const std::string& reason) { throw Error(Errc::forbidden, "Invalid domain specific configuration: " + reason + "."); }

const Option* find_option(std::string_view group, std::string_view name) {
    const auto at = std::find_if(std::begin(options), std::end(options), [&](const Option& o) { return o.group == group && o.name == name; });
    return at == std::end(options) ? nullptr : at;
}

void check_group(const std::string& group) {
    if (std::none_of(std::begin(options), std::end(options), [&](const Option& o) { return o.group == group; }))
        invalid("Group " + group.substr(0, 100) + " is not supported for domain specific configurations");
}

void check_option(const std::string& group, const std::string& name) {
    check_group(group);
    if (!find_option(group, name))
        invalid("Option " + name.substr(0, 100) + " in group " + group + " is not supported for domain specific configurations");
}

// Names of a path, where "" is none.
void check_name(const std::string& group, const std::string& name) {
    if (!name.empty()) check_option(group, name);
    else if (!group.empty()) check_group(group);
}

// Which part of a configuration the path names; "" = all of them.
struct Part {
    std::string domain_id, group, option;
    bool covers(std::string_view g, std::string_view o) const { return (group.empty() || group == g) && (option.empty() || option == o); }
};

std::string argument(const Call& call, std::string_view name) { return call.path.contains(name) ? call.arg(name) : std::string(); }
Part part_of(const Call& call) { return {argument(call, "domain_id"), argument(call, "group"), argument(call, "option")}; }

void need_domain(Tx& tx, const std::string& id) {
    if (!find_domain(tx, id)) throw not_found(Dialect::identity, domain_resource, id);
}

[[noreturn]] void no_such_part(const Part& part) {
    const std::string what = !part.option.empty()  ? "option " + part.option + " in group " + part.group
                             : !part.group.empty() ? "group " + part.group
                                                   : "any options";
    throw Error(Errc::not_found, "Could not find " + what + " in domain configuration for domain " + part.domain_id + ".");
}

struct Stored {
    std::string group, option, value;
    bool sensitive;
};

std::vector<Stored> load(Tx& tx, const Part& part) {
    std::vector<Stored> out;
    for (const Row& row : tx.query("SELECT group_name, option_name, value, sensitive FROM domain_options WHERE domain_id = ?"
                                   " ORDER BY group_name, option_name",
                                   {part.domain_id}))
        if (part.covers(row.at(0).text(), row.at(1).text()))
            out.push_back({row.at(0).text(), row.at(1).text(), row.at(2).text(), row.at(3).boolean()});
    return out;
}

void add(json::object& config, const std::string& group, const std::string& option, json::value value) {
    if (!config.contains(group)) config[group] = json::object();
    config[group].as_object()[option] = std::move(value);
}

// What the path names of `config`: an option stands by itself.
json::object answer(const Part& part, json::object config) {
    if (!part.option.empty()) return {{"config", config.at(part.group)}};
    return {{"config", std::move(config)}};
}

json::object shown(const Part& part, const std::vector<Stored>& stored) {
    json::object config;
    for (const Stored& s : stored)
        if (!s.sensitive) add(config, s.group, s.option, parse_json(s.value));
    if (config.empty()) no_such_part(part);
    return answer(part, std::move(config));
}

// {group: {option: value}} of a body, every name known.
const json::object& check_config(const json::object& config) {
    if (config.empty()) invalid("No options specified");
    for (const auto& group : config) {
        if (!group.value().is_object() || group.value().get_object().empty())
            invalid("The value of group " + std::string(group.key()).substr(0, 100) + " specified in the config should be a dictionary of options");
        for (const auto& option : group.value().get_object()) check_option(group.key(), option.key());
    }
    return config;
}

void store(Call& call, Tx& tx, const std::string& domain_id, const json::object& config) {
    for (const auto& group : config)
        for (const auto& option : group.value().get_object()) {
            const bool sensitive = find_option(group.key(), option.key())->sensitive;
            const std::string text = to_text(option.value());
            tx.exec("DELETE FROM domain_options WHERE domain_id = ? AND group_name = ? AND option_name = ?",
                    {domain_id, std::string_view(group.key()), std::string_view(option.key())});
            tx.insert("domain_options", {{"domain_id", domain_id},
                                         {"group_name", std::string_view(group.key())},
                                         {"option_name", std::string_view(option.key())},
                                         {"value", sensitive ? app(call).seal(text) : text},
                                         {"sensitive", sensitive ? 1 : 0}});
        }
    app(call).tokens.changed(tx);
}

Reply create_config(Call& call) {
    return call.store().write([&](Tx& tx) -> Reply {
        const Part part = part_of(call);
        need_domain(tx, part.domain_id);
        check_config(call.body);
        const bool there = tx.exec("DELETE FROM domain_options WHERE domain_id = ?", {part.domain_id}) > 0;
        store(call, tx, part.domain_id, call.body);
        json::object config;
        for (const Stored& s : load(tx, part))
            if (!s.sensitive) add(config, s.group, s.option, parse_json(s.value));
        Reply reply = json::object{{"config", std::move(config)}};
        reply.status = there ? 200 : 201;
        return reply;
    });
}

// PATCH of one option takes {"config": {option: value}}.
void check_update(const Part& part, const json::object& config) {
    if (part.group.empty()) return;
    if (config.size() != 1 || (!part.option.empty() && config.begin()->value().is_object() && config.begin()->value().get_object().size() != 1))
        invalid(part.option.empty() ? "Trying to update group " + part.group + ", so that, and only that, group must be specified in the config"
                                    : "Trying to update option " + part.option + " in group " + part.group +
                                          ", so that, and only that, option must be specified  in the config");
    const std::string group = config.begin()->key();
    if (group != part.group)
        invalid("request to update group " + part.group + ", but config provided contains group " + group.substr(0, 100) + " instead");
    const json::object& given = config.begin()->value().as_object();
    if (!part.option.empty() && !given.contains(part.option))
        invalid("Trying to update option " + part.option + " in group " + part.group + ", but config provided contains option " +
                std::string(given.begin()->key()).substr(0, 100) + " instead");
}

Reply update_config(Call& call) {
    return call.store().write([&](Tx& tx) -> Reply {
        const Part part = part_of(call);
        need_domain(tx, part.domain_id);
        const json::object config = part.option.empty() ? call.body : json::object{{part.group, call.body}};
        check_config(config);
        check_name(part.group, part.option);
        check_update(part, config);
        if (!part.group.empty() && load(tx, part).empty()) no_such_part(part);
        store(call, tx, part.domain_id, config);
        const Part whole{part.domain_id, "", ""};
        return shown(whole, load(tx, whole));
    });
}

Reply remove_config(Call& call) {
    call.store().write([&](Tx& tx) {
        const Part part = part_of(call);
        need_domain(tx, part.domain_id);
        check_name(part.group, part.option);
        if (!part.group.empty() && load(tx, part).empty()) no_such_part(part);
        std::string sql = "DELETE FROM domain_options WHERE domain_id = ?";
        Values values{part.domain_id};
        if (!part.group.empty()) {
            sql += " AND group_name = ?";
            values.emplace_back(part.group);
        }
        if (!part.option.empty()) {
            sql += " AND option_name = ?";
            values.emplace_back(part.option);
        }
        tx.exec(sql, values);
        app(call).tokens.changed(tx);
    });
    return {};
}

Reply show_config(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Part part = part_of(call);
        need_domain(tx, part.domain_id);
        check_name(part.group, part.option);
        return shown(part, load(tx, part));
    });
}

// The password rules of this service: everybody may know them before choosing one.
Reply show_compliance(Call& call) {
    const Part part{call.arg("domain_id"), "security_compliance", argument(call, "option")};
    if (part.domain_id != "default")
        invalid("Reading security compliance information for any domain other than the default domain is not allowed or supported.");
    const Compliance& rules = app(call).options.compliance;
    const auto text = [](const std::string& value) { return value.empty() ? json::value(nullptr) : json::value(value); };
    const json::object known{{"password_regex", text(rules.password_regex)}, {"password_regex_description", text(rules.password_regex_description)}};
    if (part.option.empty()) return json::object{{"config", {{"security_compliance", known}}}};
    if (!known.contains(part.option))
        invalid("Reading security compliance values other than password_regex and password_regex_description is not allowed.");
    return json::object{{"config", {{part.option, known.at(part.option)}}}};
}

Reply show_default(Call& call) {
    const Part part = part_of(call);
    check_name(part.group, part.option);
    json::object config;
    for (const Option& o : options)
        if (!o.sensitive && part.covers(o.group, o.name)) add(config, std::string(o.group), std::string(o.name), parse_json(o.fallback));
    if (config.empty()) invalid("Reading the default for option " + part.option + " in group " + part.group + " is not supported");
    return answer(part, std::move(config));
}

constexpr std::string_view whole = "/v3/domains/{domain_id}/config";
constexpr std::string_view one_group = "/v3/domains/{domain_id}/config/{group}";
constexpr std::string_view one_option = "/v3/domains/{domain_id}/config/{group}/{option}";

constexpr Route showing(std::string_view path, std::string_view policy, Handler handler) {
    return {.method = "GET", .path = path, .policy = policy, .check = admin_or_system_reader, .handler = handler, .scopes = system_or_project};
}
constexpr Route updating(std::string_view method, std::string_view path, std::string_view policy, Handler handler) {
    return {.method = method,
            .path = path,
            .policy = policy,
            .check = admin,
            .handler = handler,
            .wrapper = "config",
            .extra = true,
            .scopes = system_or_project};
}
constexpr Route removing(std::string_view path) {
    return {.method = "DELETE",
            .path = path,
            .policy = "identity:delete_domain_config",
            .check = admin,
            .handler = &remove_config,
            .status = 204,
            .scopes = system_or_project};
}

constexpr Route routes[] = {
    showing(whole, "identity:get_domain_config", &show_config),
    showing(one_group, "identity:get_domain_config", &show_config),
    showing(one_option, "identity:get_domain_config", &show_config),
    updating("PUT", whole, "identity:create_domain_config", &create_config),
    updating("PATCH", whole, "identity:update_domain_config", &update_config),
    updating("PATCH", one_group, "identity:update_domain_config", &update_config),
    updating("PATCH", one_option, "identity:update_domain_config", &update_config),
    removing(whole),
    removing(one_group),
    removing(one_option),
    showing("/v3/domains/config/default", "identity:get_domain_config_default", &show_default),
    showing("/v3/domains/config/{group}/default", "identity:get_domain_config_default", &show_default),
    showing("/v3/domains/config/{group}/{option}/default", "identity:get_domain_config_default", &show_default),
    {.method = "GET",
     .path = "/v3/domains/{domain_id}/config/security_compliance",
     .policy = "identity:get_security_compliance_domain_config",
     .check = anyone,
     .handler = &show_compliance},
    {.method = "GET",
     .path = "/v3/domains/{domain_id}/config/security_compliance/{option}",
     .policy = "identity:get_security_compliance_domain_config",
     .check = anyone,
     .handler = &show_compliance},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> domain_config_routes() { return routes; }

json::object domain_configuration(const App& app, Tx& tx, std::string_view domain_id) {
    json::object config;
    std::map<std::string, std::string> secrets;
    const std::vector<Stored> stored = load(tx, {std::string(domain_id), "", ""});
    for (const Stored& s : stored)
        if (s.sensitive) {
            json::value value = parse_json(app.unseal(s.value));
            if (value.is_string()) secrets[s.option] = str(value.as_string());
            add(config, s.group, s.option, std::move(value));
        }
    for (const Stored& s : stored) {
        if (s.sensitive) continue;
        json::value value = parse_json(s.value);
        if (value.is_string()) {
            std::string text = str(value.as_string());
            for (const auto& [name, secret] : secrets)
                for (std::size_t at = text.find("%(" + name + ")s"); at != text.npos; at = text.find("%(" + name + ")s", at + secret.size()))
                    text.replace(at, name.size() + 4, secret);
            value = text;
        }
        add(config, s.group, s.option, std::move(value));
    }
    return config;
}

}  // namespace pilvi::identity
