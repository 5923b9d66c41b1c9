#include "domain/directory_entries.h"

#include "base/error.h"
#include "base/text.h"
#include "domain/digest.h"

namespace pilvi::identity {

namespace {

constexpr Setting table[] = {
    {"ldap.url", SettingKind::text, "ldap://localhost",
     "ldap://, ldaps:// or ldapi:// URL of the server; several, separated by spaces, are tried in order."},
    {"ldap.user", SettingKind::text, "", "DN that searches; its password is the credential ldap-password-DOMAIN. Empty: nobody."},
    {"ldap.suffix", SettingKind::text, "cn=example,cn=com", "Top of the tree, for trees that are not named."},
    {"ldap.query_scope", SettingKind::text, "one", "one: directly below a tree's DN; sub: anywhere below it."},
    {"ldap.page_size", SettingKind::integer, "0", "Entries of one page of a search; 0 for all at once.", 0, 100'000},
    {"ldap.use_tls", SettingKind::boolean, "false", "StartTLS."},
    {"ldap.tls_cacertfile", SettingKind::text, "", "PEM file of the authorities that the server is trusted by; empty for the system's."},
    {"ldap.tls_cacertdir", SettingKind::text, "", "Directory of such files."},
    {"ldap.tls_req_cert", SettingKind::text, "demand", "demand, allow or never: whether the server's certificate must hold."},
    {"ldap.connection_timeout", SettingKind::seconds, "5", "How long a connection or an answer may take.", 1, 60},
    {"ldap.pool_size", SettingKind::integer, "2", "Requests that ask the server at a time; more are answered 503.", 1, 64},
    {"ldap.user_tree_dn", SettingKind::text, "", "Where users are; empty for ou=Users below the suffix."},
    {"ldap.user_filter", SettingKind::text, "", "What users meet besides their class, in parentheses."},
    {"ldap.user_objectclass", SettingKind::text, "inetOrgPerson", "Class of users."},
    {"ldap.user_id_attribute", SettingKind::text, "cn", "Attribute that is unique and never changes."},
    {"ldap.user_name_attribute", SettingKind::text, "sn", "Attribute that users log in by."},
    {"ldap.user_description_attribute", SettingKind::text, "description", "Attribute with the description."},
    {"ldap.user_mail_attribute", SettingKind::text, "mail", "Attribute with the e-mail address."},
    {"ldap.user_enabled_attribute", SettingKind::text, "enabled", "Attribute that says whether a user may log in."},
    {"ldap.user_enabled_invert", SettingKind::boolean, "false", "The attribute says the opposite (nsAccountLock)."},
    {"ldap.user_enabled_mask", SettingKind::integer, "0", "The bit of the attribute that disables (userAccountControl: 2); 0 for true or false."},
    {"ldap.user_enabled_default", SettingKind::text, "True", "What counts where the attribute is missing; a number with a mask."},
    {"ldap.user_enabled_emulation", SettingKind::boolean, "false", "Users are enabled that are members of an entry."},
    {"ldap.user_enabled_emulation_dn", SettingKind::text, "", "That entry; empty for cn=enabled_users below the users' tree."},
    {"ldap.group_tree_dn", SettingKind::text, "", "Where groups are; empty for ou=UserGroups below the suffix."},
    {"ldap.group_filter", SettingKind::text, "", "What groups meet besides their class, in parentheses."},
    {"ldap.group_objectclass", SettingKind::text, "groupOfNames", "Class of groups."},
    {"ldap.group_id_attribute", SettingKind::text, "cn", "Attribute that is unique and never changes."},
    {"ldap.group_name_attribute", SettingKind::text, "ou", "Attribute with the name."},
    {"ldap.group_desc_attribute", SettingKind::text, "description", "Attribute with the description."},
    {"ldap.group_member_attribute", SettingKind::text, "member", "Attribute that lists the members."},
    {"ldap.group_members_are_ids", SettingKind::boolean, "false", "It lists ids of users instead of DNs (memberUid)."},
    {"ldap.group_ad_nesting", SettingKind::boolean, "false", "Members of a group's groups are members, by Active Directory's own rule."},
};

std::string clause(std::string_view filter) {
    if (filter.empty()) return {};
    return filter.starts_with('(') ? std::string(filter) : "(" + std::string(filter) + ")";
}

std::string or_else(const std::string& text, const std::string& fallback) { return text.empty() ? fallback : text; }

EntryKind kind_of(const Config& config, const std::string& name, const std::string& below) {
    const auto option = [&](const char* key) { return config.text("ldap." + name + key); };
    return {.tree_dn = or_else(option("_tree_dn"), below + "," + config.text("ldap.suffix")),
            .filter = option("_filter"),
            .objectclass = option("_objectclass"),
            .id_attribute = option("_id_attribute"),
            .name_attribute = option("_name_attribute"),
            .description_attribute = option(name == "user" ? "_description_attribute" : "_desc_attribute")};
}

}  // namespace

const std::span<const Setting> directory_settings = table;

std::string EntryKind::find(std::string_view attribute, std::string_view value) const {
    return "(&(objectClass=" + escape_filter(objectclass) + ")" + clause(filter) + "(" + std::string(attribute) + "=" +
           (value.empty() ? "*" : escape_filter(value)) + "))";
}

DirectoryRules::DirectoryRules(const Config& config)
    : users(kind_of(config, "user", "ou=Users")),
      groups(kind_of(config, "group", "ou=UserGroups")),
      scope(config.text("ldap.query_scope") == "sub" ? LdapScope::sub : LdapScope::one),
      mail_attribute(config.text("ldap.user_mail_attribute")),
      enabled_attribute(config.text("ldap.user_enabled_attribute")),
      member_attribute(config.text("ldap.group_member_attribute")),
      enabled_default(config.text("ldap.user_enabled_default")),
      enabled_mask(config.integer("ldap.user_enabled_mask")),
      enabled_invert(config.boolean("ldap.user_enabled_invert")),
      members_are_ids(config.boolean("ldap.group_members_are_ids")),
      nested_groups(config.boolean("ldap.group_ad_nesting")) {
    if (config.text("ldap.query_scope") != "one" && config.text("ldap.query_scope") != "sub")
        throw Error(Errc::bad_request, "ldap.query_scope must be one or sub");
    if (enabled_mask != 0 && !parse_integer(enabled_default))
        throw Error(Errc::bad_request, "with ldap.user_enabled_mask, ldap.user_enabled_default must be a number");
    if (config.boolean("ldap.user_enabled_emulation"))
        enabled_group_dn = or_else(config.text("ldap.user_enabled_emulation_dn"), "cn=enabled_users," + users.tree_dn);
}

std::vector<std::string> DirectoryRules::user_attributes() const {
    return {users.id_attribute, users.name_attribute, users.description_attribute, mail_attribute, enabled_attribute};
}

std::vector<std::string> DirectoryRules::group_attributes() const {
    return {groups.id_attribute, groups.name_attribute, groups.description_attribute, member_attribute};
}

std::string DirectoryRules::groups_of(const LdapEntry& user) const {
    return groups.find(nested_groups ? member_attribute + ":1.2.840.113556.1.4.1941:" : member_attribute,
                       members_are_ids ? user.first(users.id_attribute) : user.dn);
}

bool DirectoryRules::enabled(const LdapEntry& user) const {
    const std::string text = or_else(user.first(enabled_attribute), enabled_default);
    // Something that is no number says nothing good of a user.
    if (enabled_mask != 0) return (parse_integer(text).value_or(enabled_mask) & enabled_mask) != enabled_mask;
    return equals_ignoring_case(text, "true") != enabled_invert;
}

std::string DirectoryRules::member_key(const LdapEntry& user) const { return members_are_ids ? user.first(users.id_attribute) : normal_dn(user.dn); }

std::vector<std::string> DirectoryRules::member_keys(const LdapEntry& group) const {
    std::vector<std::string> out;
    for (const std::string& member : group.all(member_attribute)) out.push_back(members_are_ids ? member : normal_dn(member));
    return out;
}

LdapOptions directory_options(const Config& config) {
    LdapOptions out;
    out.url = config.text("ldap.url");
    out.user = config.text("ldap.user");
    out.start_tls = config.boolean("ldap.use_tls");
    out.ca_file = config.text("ldap.tls_cacertfile");
    out.ca_directory = config.text("ldap.tls_cacertdir");
    out.require_certificate = config.text("ldap.tls_req_cert");
    if (out.require_certificate != "demand" && out.require_certificate != "allow" && out.require_certificate != "never")
        throw Error(Errc::bad_request, "ldap.tls_req_cert must be demand, allow or never");
    out.page_size = static_cast<int>(config.integer("ldap.page_size"));
    out.timeout = config.seconds("ldap.connection_timeout");
    out.connections = static_cast<std::size_t>(config.integer("ldap.pool_size"));
    return out;
}

std::string public_id(std::string_view domain_id, std::string_view type, std::string_view local_id) {
    return sha256_hex(std::string(domain_id) + std::string(type) + std::string(local_id));
}

}  // namespace pilvi::identity
