#include "bootstrap.h"

#include <cstdio>

#include "app.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::identity {

namespace {

struct StandardService {
    std::string_view type, name, description;
    std::string_view url;  // behind http://HOST
};
constexpr StandardService standard_services[] = {
    {"identity", "keystone", "Identity", ":5000/v3"}, {"image", "glance", "Image", ":9292"},      {"placement", "placement", "Placement", ":8778"},
    {"compute", "nova", "Compute", ":8774/v2.1"},     {"network", "neutron", "Network", ":9696"},
};

constexpr std::string_view persona_roles[] = {"admin", "manager", "member", "reader", "service"};
constexpr std::pair<std::string_view, std::string_view> implications[] = {{"admin", "manager"}, {"manager", "member"}, {"member", "reader"}};
constexpr std::string_view immutable = R"({"immutable":true})";

using Columns = std::vector<std::pair<std::string, Value>>;

class Bootstrap {
public:
    Bootstrap(Tx& tx, const BootstrapPlan& plan, const std::map<std::string, std::string>& hashes, Micros now)
        : tx_(tx), plan_(plan), hashes_(hashes), now_(now) {}

    std::vector<std::string> run() {
        domain();
        project("admin", "Bootstrap project for initializing the cloud.");
        project("service", "Users of the services.");
        for (const std::string_view name : persona_roles) role(name);
        for (const auto& [prior, implied] : implications) imply(prior, implied);
        user("admin");
        for (const std::string_view name : {"admin", "manager", "member", "reader"}) grant("admin", "project", projects_["admin"], name);
        grant("admin", "system", "system", "admin");
        for (const auto& [name, password] : plan_.service_passwords) {
            user(name);
            grant(name, "project", projects_["service"], "admin");
            grant(name, "project", projects_["service"], "service");
            if (name == "glance") grant(name, "system", "system", "reader");  // reads every project's limits
        }
        region();
        for (const auto& [type, url] : plan_.endpoints) service(type, url);
        if (!changes_.empty()) touch(tx_);
        return changes_;
    }

private:
    void changed(std::string what) { changes_.push_back(std::move(what)); }

    // The id of the row that matches, made from `columns` where there is none.
    std::string need(const std::string& table, const std::string& condition, const Values& values, Columns columns, const std::string& what) {
        if (const auto row = tx_.one("SELECT id FROM " + table + " WHERE " + condition, values)) return row->at(0).text();
        const std::string id = columns.front().first == "id" ? columns.front().second.text() : new_hex_id();
        if (columns.front().first != "id") columns.emplace_back("id", id);
        tx_.insert(table, columns);
        changed("created " + what);
        return id;
    }

    void enable(const std::string& table, const std::string& id, const std::string& what) {
        if (tx_.exec("UPDATE " + table + " SET enabled = 1 WHERE id = ? AND enabled = 0", {id}) > 0) changed("enabled " + what);
    }

    void domain() {
        need("projects", "id = 'default'", {},
             {{"id", "default"},
              {"name", "Default"},
              {"description", "The default domain"},
              {"enabled", 1},
              {"is_domain", 1},
              {"options", "{}"},
              {"valid_from", 0},
              {"extra", "{}"}},
             "domain Default");
        enable("projects", "default", "domain Default");
    }

    void project(const std::string& name, const std::string& description) {
        projects_[name] = need("projects", "domain_id = 'default' AND name = ?", {name},
                               {{"name", name},
                                {"domain_id", "default"},
                                {"parent_id", "default"},
                                {"description", description},
                                {"enabled", 1},
                                {"is_domain", 0},
                                {"options", "{}"},
                                {"valid_from", 0},
                                {"extra", "{}"}},
                               "project " + name);
        enable("projects", projects_[name], "project " + name);
    }

    void role(std::string_view name) {
        roles_[std::string(name)] = need("roles", "domain_id IS NULL AND name = ?", {name}, {{"name", name}, {"options", immutable}, {"extra", "{}"}},
                                         "role " + std::string(name));
    }

    void imply(std::string_view prior, std::string_view implied) {
        const std::string a = roles_[std::string(prior)], b = roles_[std::string(implied)];
        if (tx_.exec("INSERT INTO implied_roles (prior_role_id, implied_role_id) VALUES (?, ?) ON CONFLICT DO NOTHING", {a, b}) > 0)
            changed("role " + std::string(prior) + " implies " + std::string(implied));
    }

    void user(const std::string& name) {
        const auto hash = hashes_.find(name);  // there where the password has to be set
        const Value fresh = hash == hashes_.end() ? Value() : Value(hash->second);
        const std::size_t before = changes_.size();
        users_[name] = need("users", "domain_id = 'default' AND name = ?", {name},
                            {{"name", name},
                             {"domain_id", "default"},
                             {"enabled", 1},
                             {"password_hash", fresh},
                             {"valid_from", 0},
                             {"options", "{}"},
                             {"extra", "{}"}},
                            "user " + name);
        if (changes_.size() > before) return;
        enable("users", users_[name], "user " + name);
        if (fresh.is_null()) return;
        tx_.exec("UPDATE users SET password_hash = ?, password_expires_at = NULL, valid_from = ? WHERE id = ?",
                 {fresh, now_ / 1'000'000 + 1, users_[name]});
        changed("set the password of user " + name);
    }

    void grant(const std::string& user, std::string_view target_type, const std::string& target_id, std::string_view role) {
        if (tx_.exec("INSERT INTO assignments (actor_type, actor_id, target_type, target_id, role_id, inherited) VALUES ('user', ?, ?, ?, ?, 0)"
                     " ON CONFLICT DO NOTHING",
                     {users_[user], target_type, target_id, roles_[std::string(role)]}) > 0)
            changed("granted role " + std::string(role) + " to user " + user + " on " + std::string(target_type));
    }

    void region() {
        need("regions", "id = ?", {plan_.region}, {{"id", plan_.region}, {"description", ""}, {"extra", "{}"}}, "region " + plan_.region);
    }

    void service(const std::string& type, const std::string& url) {
        std::string name = type, description;
        for (const StandardService& s : standard_services)
            if (s.type == type) {
                name = s.name;
                description = s.description;
            }
        const std::string id =
            need("services", "type = ?", {type}, {{"type", type}, {"name", name}, {"description", description}, {"enabled", 1}, {"extra", "{}"}},
                 "service " + type);
        enable("services", id, "service " + type);
        for (const std::string_view interface : {"public", "internal", "admin"}) {
            const std::string what = std::string(interface) + " endpoint of " + type;
            const std::string endpoint = need(
                "endpoints", "service_id = ? AND interface = ? AND region_id = ?", {id, interface, plan_.region},
                {{"interface", interface}, {"service_id", id}, {"region_id", plan_.region}, {"url", url}, {"enabled", 1}, {"extra", "{}"}}, what);
            if (tx_.exec("UPDATE endpoints SET url = ?, enabled = 1 WHERE id = ? AND (url <> ? OR enabled = 0)", {url, endpoint, url}) > 0)
                changed("set the URL of the " + what + " to " + url);
        }
    }

    Tx& tx_;
    const BootstrapPlan& plan_;
    const std::map<std::string, std::string>& hashes_;
    Micros now_;
    std::map<std::string, std::string> projects_, roles_, users_;  // name -> id
    std::vector<std::string> changes_;
};

std::pair<std::string, std::string> key_value(const std::string& option, const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos || equals + 1 == text.size())
        throw Error(Errc::bad_request, option + " takes NAME=VALUE, not '" + text + "'");
    return {text.substr(0, equals), text.substr(equals + 1)};
}

Secret password_in(const std::string& file) {
    Secret password{std::string(trim(read_file(file, 64 * 1024)))};
    if (password.empty()) throw Error(Errc::bad_request, file + " has no password in it");
    return password;
}

BootstrapPlan read_arguments(const Arguments& arguments) {
    BootstrapPlan plan;
    const std::string file = arguments.text("--admin-password-file");
    plan.admin_password = file.empty() ? Secret(read_credential("admin-password")) : password_in(file);
    for (const std::string& given : arguments.all("--service-password-file")) {
        const auto [user, password_file] = key_value("--service-password-file", given);
        plan.service_passwords[user] = password_in(password_file);
    }
    plan.region = arguments.text("--region", plan.region);
    plan.endpoints = standard_endpoints(arguments.text("--host", "127.0.0.1"));
    for (const std::string& given : arguments.all("--endpoint")) {
        const auto [type, url] = key_value("--endpoint", given);
        plan.endpoints[type] = url;
    }
    return plan;
}

}  // namespace

std::map<std::string, std::string> standard_endpoints(const std::string& host) {
    const std::string shown = host.find(':') != host.npos && !host.starts_with('[') ? "[" + host + "]" : host;
    std::map<std::string, std::string> out;
    for (const StandardService& s : standard_services) out[std::string(s.type)] = "http://" + shown + std::string(s.url);
    return out;
}

std::vector<std::string> bootstrap(Store& store, const PasswordHasher& hasher, const BootstrapPlan& plan, Micros now) {
    // Passwords first, outside of the transaction: they take long.
    std::map<std::string, std::string> hashes;
    const auto prepare = [&](const std::string& name, const Secret& password) {
        const auto user = store.read([&](Tx& tx) { return find_user(tx, name, "default"); });
        if (!user || !hasher.verify(user->password_hash, password)) hashes[name] = hasher.hash(password);
    };
    prepare("admin", plan.admin_password);
    for (const auto& [name, password] : plan.service_passwords) prepare(name, password);
    return store.write([&](Tx& tx) { return Bootstrap(tx, plan, hashes, now).run(); });
}

int run_bootstrap(const Config& config, const Arguments& arguments) {
    const BootstrapPlan plan = read_arguments(arguments);
    const auto store = open_store(config);
    const PasswordHasher hasher(password_cost(config));
    const std::vector<std::string> changes = bootstrap(*store, hasher, plan, now_micros());
    for (const std::string& change : changes) std::printf("%s\n", change.c_str());
    if (changes.empty()) std::printf("nothing to change\n");
    return 0;
}

}  // namespace pilvi::identity
