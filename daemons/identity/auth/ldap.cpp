#include "auth/ldap.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "auth/tokens.h"
#include "base/fd.h"
#include "base/text.h"
#include "log/log.h"

namespace pilvi::identity {

namespace {

std::string valid_name(const std::string& text) { return is_utf8(text) && utf8_length(text) <= 255 ? std::string(trim(text)) : std::string(); }

}  // namespace

struct DirectoryDomains::Domain {
    std::string name;
    DirectoryRules rules;
    mutable LdapServer server;

    Domain(std::string name_, const Config& config, LdapOptions options) : name(std::move(name_)), rules(config), server(std::move(options)) {}

    std::string user_id(std::string_view domain_id, const LdapEntry& user) const {
        return public_id(domain_id, "user", user.first(rules.users.id_attribute));
    }
    std::string group_id(std::string_view domain_id, const LdapEntry& group) const {
        return public_id(domain_id, "group", group.first(rules.groups.id_attribute));
    }
    std::vector<LdapEntry> users(const std::string& filter) const {
        return server.search(rules.users.tree_dn, rules.scope, filter, rules.user_attributes());
    }
    std::vector<LdapEntry> groups(const std::string& filter) const {
        return server.search(rules.groups.tree_dn, rules.scope, filter, rules.group_attributes());
    }
    // Whether each of them is enabled.
    std::vector<bool> enabled(const std::vector<LdapEntry>& found) const {
        std::vector<bool> out;
        if (rules.enabled_group_dn.empty()) {
            for (const LdapEntry& user : found) out.push_back(rules.enabled(user));
            return out;
        }
        const auto group = server.search(rules.enabled_group_dn, LdapScope::base, "(objectClass=*)", {rules.member_attribute});
        std::set<std::string> members;
        for (const LdapEntry& one : group)
            for (std::string& key : rules.member_keys(one)) members.insert(std::move(key));
        for (const LdapEntry& user : found) out.push_back(members.contains(rules.member_key(user)));
        return out;
    }
    std::optional<LdapEntry> user_by(std::string_view attribute, const std::string& value) const {
        if (value.empty()) return std::nullopt;
        auto found = users(rules.users.find(attribute, value));
        // Two entries of one name are nobody.
        return found.size() == 1 ? std::optional(std::move(found.front())) : std::nullopt;
    }
};

namespace {

// Writes within a transaction, and whether anything was another one before.
struct Copy {
    Tx& tx;
    std::string domain_id;
    bool changed = false;

    void map(const std::string& id, const std::string& local_id, std::string_view type) {
        if (tx.exec("INSERT INTO id_mapping (public_id, domain_id, local_id, entity_type) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    {id, domain_id, local_id, type}) > 0)
            changed = true;
    }
    // False where another object has the name: that one stays.
    bool user(const std::string& id, const DirectoryRules& rules, const LdapEntry& entry, bool enabled, Micros now) {
        const std::string name = valid_name(entry.first(rules.users.name_attribute)), description = entry.first(rules.users.description_attribute);
        const std::string mail = entry.first(rules.mail_attribute), extra = mail.empty() ? "{}" : to_text(json::object{{"email", mail}});
        if (name.empty() || !is_utf8(description) || !is_utf8(mail)) return false;
        const Value about = description.empty() ? Value() : Value(description);
        if (tx.one("SELECT 1 FROM users WHERE domain_id = ? AND name = ? AND kind <> 'federated' AND id <> ?", {domain_id, name, id})) return false;
        const auto before = tx.one("SELECT name, description, enabled, extra, kind FROM users WHERE id = ?", {id});
        if (!before) {
            tx.insert("users", {{"id", id},
                                {"name", name},
                                {"domain_id", domain_id},
                                {"enabled", enabled},
                                {"description", about},
                                {"valid_from", 0},
                                {"options", "{}"},
                                {"extra", extra},
                                {"kind", "ldap"}});
            changed = true;
        } else if (before->text("name") != name || before->text("description") != description || before->boolean("enabled") != enabled ||
                   before->text("extra") != extra || before->text("kind") != "ldap") {
            tx.exec("UPDATE users SET name = ?, description = ?, enabled = ?, extra = ?, kind = 'ldap' WHERE id = ?",
                    {name, about, enabled, extra, id});
            if (before->boolean("enabled") && !enabled) tx.exec("UPDATE users SET valid_from = ? WHERE id = ?", {now / 1'000'000 + 1, id});
            changed = true;
        }
        map(id, entry.first(rules.users.id_attribute), "user");
        return true;
    }
    bool group(const std::string& id, const DirectoryRules& rules, const LdapEntry& entry) {
        const std::string name = valid_name(entry.first(rules.groups.name_attribute)), description = entry.first(rules.groups.description_attribute);
        if (name.empty() || !is_utf8(description)) return false;
        if (tx.one("SELECT 1 FROM user_groups WHERE domain_id = ? AND name = ? AND id <> ?", {domain_id, name, id})) return false;
        const auto before = tx.one("SELECT name, description FROM user_groups WHERE id = ?", {id});
        if (!before) {
            tx.insert("user_groups", {{"id", id}, {"name", name}, {"domain_id", domain_id}, {"description", description}, {"extra", "{}"}});
            changed = true;
        } else if (before->text("name") != name || before->text("description") != description) {
            tx.exec("UPDATE user_groups SET name = ?, description = ? WHERE id = ?", {name, description, id});
            changed = true;
        }
        map(id, entry.first(rules.groups.id_attribute), "group");
        return true;
    }
    // What the directory has no more is hidden, not removed: a wrong filter or an empty answer must not cost anybody their assignments and credentials.
    void hide_other_users(const std::set<std::string>& there, Micros now) {
        for (const Row& row : tx.query("SELECT id FROM users WHERE domain_id = ? AND kind = 'ldap'", {domain_id}))
            if (const std::string id = row.at(0).text(); !there.contains(id)) hide_user(id, now);
    }
    void hide_user(const std::string& id, Micros now) {
        tx.exec("UPDATE users SET kind = 'gone', enabled = 0, name = id, valid_from = ? WHERE id = ?", {now / 1'000'000 + 1, id});
        tx.exec("DELETE FROM group_members WHERE user_id = ?", {id});
        changed = true;
    }
    // A group's assignments stay with its id, which it has again when it comes back.
    void remove_other_groups(const std::set<std::string>& there) {
        for (const Row& row : tx.query("SELECT g.id FROM user_groups g JOIN id_mapping m ON m.public_id = g.id WHERE g.domain_id = ?", {domain_id}))
            if (const std::string id = row.at(0).text(); !there.contains(id)) {
                tx.exec("DELETE FROM user_groups WHERE id = ?", {id});
                changed = true;
            }
    }
    void set_groups(const std::string& user_id, const std::set<std::string>& groups) {
        std::set<std::string> before;
        for (const Row& row : tx.query("SELECT group_id FROM group_members WHERE user_id = ?", {user_id})) before.insert(row.at(0).text());
        if (before == groups) return;
        changed = true;
        tx.exec("DELETE FROM group_members WHERE user_id = ?", {user_id});
        for (const std::string& group : groups) tx.exec("INSERT INTO group_members (group_id, user_id) VALUES (?, ?)", {group, user_id});
    }
};

}  // namespace

DirectoryDomains::DirectoryDomains(const std::string& directory, Configured configured, std::size_t at_once)
    : configured_(std::move(configured)), at_once_(at_once) {
    load(directory, [](const std::string& name) { return Secret(read_credential("ldap-password-" + name)); });
}

void DirectoryDomains::load(const std::string& directory, const std::function<Secret(const std::string& name)>& password_of) {
    std::error_code ignored;
    if (directory.empty() || !std::filesystem::is_directory(directory, ignored)) return;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() != ".toml") continue;
        Config config({directory_settings});
        config.load_file(entry.path().string());
        const std::string name = entry.path().stem().string();
        try {
            LdapOptions options = directory_options(config);
            if (!options.user.empty()) options.password = password_of(name);
            domains_.push_back(std::make_shared<const Domain>(name, config, std::move(options)));
        } catch (const Error& wrong) {
            throw Error(wrong.code(), entry.path().string() + ": " + wrong.message());
        }
    }
}

void DirectoryDomains::check(const std::string& directory) {
    const bool sealed = std::getenv("CREDENTIALS_DIRECTORY") == nullptr;
    DirectoryDomains().load(directory, [&](const std::string& name) { return sealed ? Secret() : Secret(read_credential("ldap-password-" + name)); });
}

DirectoryDomains::~DirectoryDomains() = default;

namespace {

std::string text_of(const json::value& value) {
    if (value.is_string()) return str(value.get_string());
    return value.is_null() ? std::string() : to_text(value);
}

// Options that this program has no use for are left out, as are empty ones. The original's time limit of a pool may be -1, for none: ours is kept then.
Config config_of(const json::object& options) {
    Config config({directory_settings});
    for (const Setting& setting : directory_settings) {
        const std::string_view name = setting.key.substr(std::string_view("ldap.").size());
        if (const json::value* given = pilvi::find(options, name); given && !text_of(*given).empty()) config.set(setting.key, text_of(*given));
    }
    if (const json::value* limit = pilvi::find(options, "pool_connection_timeout"); limit && parse_integer(text_of(*limit)).value_or(0) > 0)
        config.set("ldap.connection_timeout", text_of(*limit));
    return config;
}

}  // namespace

DirectoryDomains::Found DirectoryDomains::find(Tx& tx, std::string_view domain_id) const {
    if (domain_id.empty() || (domains_.empty() && !configured_)) return nullptr;
    const auto domain = find_domain(tx, domain_id);
    if (!domain) return nullptr;
    for (const auto& candidate : domains_)
        if (domain->name == candidate->name) return candidate;
    const json::object given = configured_ ? configured_(tx, domain_id) : json::object();
    if (string_or(object_or_empty(given, "identity"), "driver") != "ldap") return nullptr;
    const std::string text = to_text(given);
    const std::lock_guard lock(mutex_);
    auto& [before, found] = by_api_[std::string(domain_id)];
    if (found && before == text) return found;
    const json::object& options = object_or_empty(given, "ldap");
    try {
        const Config config = config_of(options);
        LdapOptions how = directory_options(config);
        how.password = Secret(string_or(options, "password"));
        found = std::make_shared<const Domain>(domain->name, config, std::move(how));
        before = text;
        return found;
    } catch (const Error& wrong) {
        log::warning("domain " + domain->name + ": " + wrong.message() + "; its users cannot log in until its configuration is mended");
        throw Error(Errc::unavailable, "The configuration of the domain's directory server is wrong.");
    }
}

// A request's turn at a directory server: others of this daemon's threads must go on.
class DirectoryDomains::Turn {
public:
    explicit Turn(const DirectoryDomains& of) : asking_(of.asking_) {
        if (asking_.fetch_add(1) < of.at_once_) return;
        asking_.fetch_sub(1);
        throw Error(Errc::unavailable, "Too many requests wait for directory servers.");
    }
    ~Turn() { asking_.fetch_sub(1); }
    Turn(const Turn&) = delete;

private:
    std::atomic<std::size_t>& asking_;
};

bool DirectoryDomains::holds(Tx& tx, std::string_view domain_id) const { return find(tx, domain_id) != nullptr; }

void DirectoryDomains::refuse_write(Tx& tx, std::string_view domain_id) const {
    if (holds(tx, domain_id)) throw Error(Errc::forbidden, "LDAP does not support write operations");
}

namespace {

// Runs `write` on a copy in a transaction; tokens are looked up again where it changed anything.
template <class F>
void renew(Store& store, Tokens& tokens, std::string_view domain_id, F&& write) {
    store.write([&](Tx& tx) {
        Copy copy{tx, std::string(domain_id)};
        write(copy);
        if (copy.changed) tokens.changed(tx);
    });
}

}  // namespace

void DirectoryDomains::renew_users(Store& store, Tokens& tokens, std::string_view domain_id) const {
    const Found domain = store.read([&](Tx& tx) { return find(tx, domain_id); });
    if (!domain) return;
    const Turn turn(*this);
    const std::vector<LdapEntry> found = domain->users(domain->rules.users.find_all());
    const std::vector<bool> enabled = domain->enabled(found);
    renew(store, tokens, domain_id, [&](Copy& copy) {
        std::set<std::string> there;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const std::string id = domain->user_id(domain_id, found[i]);
            if (!found[i].first(domain->rules.users.id_attribute).empty() && copy.user(id, domain->rules, found[i], enabled[i], tokens.now()))
                there.insert(id);
        }
        copy.hide_other_users(there, tokens.now());
    });
}

void DirectoryDomains::renew_groups(Store& store, Tokens& tokens, std::string_view domain_id) const {
    const Found domain = store.read([&](Tx& tx) { return find(tx, domain_id); });
    if (!domain) return;
    const Turn turn(*this);
    const std::vector<LdapEntry> found = domain->groups(domain->rules.groups.find_all());
    const std::vector<LdapEntry> users = domain->users(domain->rules.users.find_all());
    const std::vector<bool> enabled = domain->enabled(users);
    renew(store, tokens, domain_id, [&](Copy& copy) {
        std::set<std::string> there;
        std::map<std::string, std::set<std::string>> groups_of;  // by user
        std::map<std::string, std::string> ids;                  // of users, by what groups call them
        for (std::size_t i = 0; i < users.size(); ++i) {
            const std::string id = domain->user_id(domain_id, users[i]);
            if (!copy.user(id, domain->rules, users[i], enabled[i], tokens.now())) continue;
            groups_of[id];
            ids[domain->rules.member_key(users[i])] = id;
        }
        for (const LdapEntry& group : found) {
            const std::string id = domain->group_id(domain_id, group);
            if (group.first(domain->rules.groups.id_attribute).empty() || !copy.group(id, domain->rules, group)) continue;
            there.insert(id);
            for (const std::string& key : domain->rules.member_keys(group))
                if (const auto member = ids.find(key); member != ids.end()) groups_of[member->second].insert(id);
        }
        copy.remove_other_groups(there);
        for (const auto& [user, groups] : groups_of) copy.set_groups(user, groups);
    });
}

void DirectoryDomains::renew_groups_of(Store& store, Tokens& tokens, std::string_view group_id) const {
    const std::string domain_id = store.read([&](Tx& tx) {
        const auto row = tx.one("SELECT domain_id FROM id_mapping WHERE public_id = ? AND entity_type = 'group'", {group_id});
        return row ? row->at(0).text() : std::string();
    });
    if (!domain_id.empty()) renew_groups(store, tokens, domain_id);
}

namespace {

struct Place {
    std::string domain_id, local_id;
};

std::optional<Place> place_of(Tx& tx, std::string_view user_id) {
    const auto row = tx.one("SELECT domain_id, local_id FROM id_mapping WHERE public_id = ? AND entity_type = 'user'", {user_id});
    return row ? std::optional(Place{row->at(0).text(), row->at(1).text()}) : std::nullopt;
}

}  // namespace

void DirectoryDomains::renew_user(Store& store, Tokens& tokens, std::string_view domain_id, std::string_view name) const {
    const Found domain = store.read([&](Tx& tx) { return find(tx, domain_id); });
    if (!domain) return;
    const Turn turn(*this);
    const auto user = domain->user_by(domain->rules.users.name_attribute, std::string(name));
    const std::vector<LdapEntry> groups = user ? domain->groups(domain->rules.groups_of(*user)) : std::vector<LdapEntry>();
    const bool enabled = user && domain->enabled({*user}).front();
    renew(store, tokens, domain_id, [&](Copy& copy) {
        const auto known = find_user(copy.tx, name, domain_id);
        const std::string id = user ? domain->user_id(domain_id, *user) : std::string();
        if (known && known->id != id && place_of(copy.tx, known->id)) copy.hide_user(known->id, tokens.now());
        if (!user || user->first(domain->rules.users.id_attribute).empty() || !copy.user(id, domain->rules, *user, enabled, tokens.now())) return;
        std::set<std::string> in;
        for (const LdapEntry& group : groups)
            if (const std::string group_id = domain->group_id(domain_id, group); copy.group(group_id, domain->rules, group)) in.insert(group_id);
        copy.set_groups(id, in);
    });
}

void DirectoryDomains::renew_user(Store& store, Tokens& tokens, std::string_view user_id) const {
    const auto place = store.read([&](Tx& tx) { return place_of(tx, user_id); });
    const Found domain = place ? store.read([&](Tx& tx) { return find(tx, place->domain_id); }) : nullptr;
    if (!domain) return;
    const auto user = [&] {
        const Turn turn(*this);
        return domain->user_by(domain->rules.users.id_attribute, place->local_id);
    }();
    if (user) return renew_user(store, tokens, place->domain_id, user->first(domain->rules.users.name_attribute));
    renew(store, tokens, place->domain_id, [&](Copy& copy) { copy.hide_user(std::string(user_id), tokens.now()); });
}

std::optional<bool> DirectoryDomains::password_holds(Store& store, const UserRecord& user, const Secret& password) const {
    const auto place = store.read([&](Tx& tx) { return place_of(tx, user.id); });
    if (!place) return std::nullopt;
    const Found domain = store.read([&](Tx& tx) { return find(tx, place->domain_id); });
    if (!domain) return false;  // its directory is not configured any more
    const Turn turn(*this);
    const auto entry = domain->user_by(domain->rules.users.id_attribute, place->local_id);
    return entry && domain->server.password_holds(entry->dn, password);
}

}  // namespace pilvi::identity
