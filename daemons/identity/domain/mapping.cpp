#include "domain/mapping.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "domain/pattern.h"
#include "domain/python_text.h"

namespace pilvi::identity {

namespace {

using Values = std::vector<std::string>;
using Attributes = std::map<std::string, Values, std::less<>>;

[[noreturn]] void broken(const std::string& why) { throw Error(Errc::internal, "the mapping cannot work: " + why); }

const json::object& object_of(const json::value& value) {
    if (!value.is_object()) broken(python_repr(value).substr(0, 200) + " is not an object");
    return value.get_object();
}

// The values of `given` that the listed ones (or expressions) meet.
Values matches(const json::array& listed, bool regex, const Values& given) {
    Values out;
    for (const std::string& value : given)
        for (const json::value& item : listed) {
            if (!item.is_string()) continue;
            const std::string wanted = str(item.get_string());
            if (regex ? !pattern_found(wanted, value) : wanted != value) continue;
            out.push_back(value);
            break;
        }
    return out;
}

Values without(const Values& all, const Values& removed) {
    Values out;
    for (const std::string& v : all)
        if (std::find(removed.begin(), removed.end(), v) == removed.end()) out.push_back(v);
    return out;
}

// What {0}, {1}, ... stand for where the rule fits this assertion; nullopt where it does not. Requirements with any_one_of or not_any_of are
// conditions only and are not counted.
std::optional<std::vector<Values>> direct_values(const json::array& requirements, const Attributes& attributes) {
    std::vector<Values> out;
    for (const json::value& entry : requirements) {
        const json::object& requirement = object_of(entry);
        const auto found = attributes.find(string_or(requirement, "type"));
        if (found == attributes.end()) return std::nullopt;
        const bool regex = boolean_or(requirement, "regex");
        const auto met = [&](std::string_view keyword) { return matches(array_or_empty(requirement, keyword), regex, found->second); };
        if (requirement.contains("any_one_of")) {
            if (met("any_one_of").empty()) return std::nullopt;
        } else if (requirement.contains("not_any_of")) {
            if (!met("not_any_of").empty()) return std::nullopt;
        } else if (requirement.contains("blacklist")) {
            out.push_back(without(found->second, met("blacklist")));
        } else if (requirement.contains("whitelist")) {
            out.push_back(met("whitelist"));
        } else {
            out.push_back(found->second);
        }
    }
    return out;
}

// str.format() with positions only: {0}, {} (counted), {0[1]} (one of several values), {{ and }}.
class Format {
public:
    Format(std::string_view text, const std::vector<Values>& values) : text_(text), values_(values) {}

    std::string run() {
        std::string out;
        for (std::size_t at = 0; at < text_.size(); ++at) {
            const char c = text_[at];
            if (c != '{' && c != '}') {
                out += c;
            } else if (at + 1 < text_.size() && text_[at + 1] == c) {
                out += c;
                ++at;
            } else {
                const std::size_t end = c == '{' ? text_.find('}', at) : std::string_view::npos;
                if (end == std::string_view::npos) broken("unpaired '" + std::string(1, c) + "' in '" + std::string(text_.substr(0, 200)) + "'");
                out += field(text_.substr(at + 1, end - at - 1));
                at = end;
            }
        }
        return out;
    }

private:
    std::string field(std::string_view name) {
        std::optional<std::size_t> item;
        if (const std::size_t bracket = name.find('['); bracket != std::string_view::npos) {
            if (!name.ends_with(']')) broken("'{" + std::string(name.substr(0, 100)) + "}'");
            item = number(name.substr(bracket + 1, name.size() - bracket - 2));
            name = name.substr(0, bracket);
        }
        const std::size_t at = name.empty() ? counted_++ : number(name);
        if (at >= values_.size()) broken("a local section refers to a remote match that does not exist: {" + std::to_string(at) + "}");
        const Values& values = values_[at];
        if (item && *item >= values.size()) broken("there is no value {" + std::to_string(at) + "[" + std::to_string(*item) + "]}");
        if (item) return values[*item];
        return values.size() == 1 ? values.front() : python_repr(values);
    }
    static std::size_t number(std::string_view text) {
        const auto value = parse_integer(text);
        if (!value || *value < 0) broken("'{" + std::string(text.substr(0, 100)) + "}' is not the number of a remote match");
        return static_cast<std::size_t>(*value);
    }
    std::string_view text_;
    const std::vector<Values>& values_;
    std::size_t counted_ = 0;
};

json::value filled(const json::value& local, const std::vector<Values>& values) {
    if (local.is_string()) return json::value(Format(str(local.get_string()), values).run());
    if (local.is_array()) {
        json::array out;
        for (const json::value& item : local.get_array()) out.push_back(filled(item, values));
        return out;
    }
    if (!local.is_object()) return local;
    json::object out;
    for (const auto& member : local.get_object()) out[member.key()] = filled(member.value(), values);
    return out;
}

DomainReference domain_of(const json::object& of) {
    const json::object& domain = object_or_empty(of, "domain");
    return {string_or(domain, "id"), string_or(domain, "name")};
}

// A text that may be a list ("['a', 'b']", from an attribute of several values) or one value.
Values list_of(const std::string& text) { return parse_python_list(text).value_or(Values{text}); }

void add_group(Mapped& to, MappedGroup group) {
    for (const MappedGroup& g : to.groups)
        if (g.name == group.name && g.domain.id == group.domain.id && g.domain.name == group.domain.name) return;
    to.groups.push_back(std::move(group));
}

// "groups": names that share the local entry's domain, or JSON:{"name": ..., "domain": {...}} as another Keystone asserts them.
void add_groups(Mapped& to, const json::object& local) {
    constexpr std::string_view prefix = "JSON:";
    for (const std::string& name : list_of(string_or(local, "groups"))) {
        const bool described = name.starts_with(prefix);
        const json::value parsed = described ? parse_json(std::string_view(name).substr(prefix.size())) : json::value(local);
        if (!parsed.is_object() || !parsed.get_object().contains("domain"))
            throw Error(Errc::bad_request, "Invalid rule: " + python_repr(json::value(local)).substr(0, 500) +
                                               ". Both 'groups' and 'domain' keywords must be specified.");
        const json::object& description = parsed.get_object();
        add_group(to, {described ? string_or(description, "name") : name, domain_of(description)});
    }
}

void set_user(Mapped& to, const json::object& user) {
    const std::string type = string_or(user, "type", "ephemeral");
    if (type != "ephemeral" && type != "local") throw Error(Errc::bad_request, "User type " + type + " not supported");
    to.local = type == "local";
    to.user_id = string_or(user, "id");
    to.user_name = string_or(user, "name");
    to.email = string_or(user, "email");
    to.has_domain = user.contains("domain");
    to.user_domain = domain_of(user);
}

void add_group_id(Mapped& to, std::string id) {
    if (std::find(to.group_ids.begin(), to.group_ids.end(), id) == to.group_ids.end()) to.group_ids.push_back(std::move(id));
}

std::vector<MappedProject> projects_of(const json::object& local) {
    std::vector<MappedProject> out;
    for (const json::value& entry : array_or_empty(local, "projects")) {
        MappedProject project{string_or(object_of(entry), "name"), {}};
        for (const json::value& role : array_or_empty(entry.get_object(), "roles")) project.roles.push_back(string_or(object_of(role), "name"));
        out.push_back(std::move(project));
    }
    return out;
}

json::object to_json(const DomainReference& domain) {
    json::object out;
    if (!domain.id.empty()) out["id"] = domain.id;
    if (!domain.name.empty()) out["name"] = domain.name;
    return out;
}

// Adds what one local entry of a rule that fits says. The first user counts, the last projects.
void collect(Mapped& to, const json::object& local, bool& has_user) {
    if (const json::value* user = pilvi::find(local, "user"); user && !has_user && !object_of(*user).empty()) {
        set_user(to, user->get_object());
        has_user = true;
    }
    if (const json::value* group = pilvi::find(local, "group")) {
        const json::object& named = object_of(*group);
        if (named.contains("id")) add_group_id(to, string_or(named, "id"));
        else add_group(to, {string_or(named, "name"), domain_of(named)});
    }
    if (local.contains("groups")) add_groups(to, local);
    if (local.contains("group_ids"))
        for (std::string& id : list_of(string_or(local, "group_ids"))) add_group_id(to, std::move(id));
    if (local.contains("projects")) to.projects = projects_of(local);
}

}  // namespace

Mapped apply_mapping(const json::array& rules, const Assertion& assertion) {
    Attributes attributes;
    for (const auto& [name, value] : assertion) attributes[name] = split(value, ';');
    Mapped out;
    bool fits = false, has_user = false;
    for (const json::value& entry : rules) {
        const json::object& rule = object_of(entry);
        const auto values = direct_values(array_or_empty(rule, "remote"), attributes);
        if (!values) continue;
        for (const json::value& local : array_or_empty(rule, "local")) {
            fits = true;
            const json::value made = filled(local, *values);
            collect(out, object_of(made), has_user);
        }
    }
    if (!fits)
        throw Error(Errc::bad_request,
                    "Could not map any federated user properties to identity values. Check debug logs or the mapping used for additional details.");
    return out;
}

json::object Mapped::to_json() const {
    json::object user{{"type", local ? "local" : "ephemeral"}};
    if (!user_id.empty()) user["id"] = user_id;
    if (!user_name.empty()) user["name"] = user_name;
    if (!email.empty()) user["email"] = email;
    if (has_domain) user["domain"] = identity::to_json(user_domain);
    json::array ids(group_ids.begin(), group_ids.end()), names, wanted;
    for (const MappedGroup& g : groups) names.push_back(json::object{{"name", g.name}, {"domain", identity::to_json(g.domain)}});
    for (const MappedProject& p : projects) {
        json::array roles;
        for (const std::string& role : p.roles) roles.push_back(json::object{{"name", role}});
        wanted.push_back(json::object{{"name", p.name}, {"roles", std::move(roles)}});
    }
    return {{"user", std::move(user)}, {"group_ids", std::move(ids)}, {"group_names", std::move(names)}, {"projects", std::move(wanted)}};
}

}  // namespace pilvi::identity
