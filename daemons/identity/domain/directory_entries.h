#pragma once
// Users and groups as a directory server has them: which filters find them, and what of an entry means what. Rules only.
// Source: the options of keystone/conf/ldap.py, under the same names.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "drivers/ldap.h"

namespace pilvi::identity {

extern const std::span<const Setting> directory_settings;  // of one domain's file

struct EntryKind {
    std::string tree_dn, filter, objectclass, id_attribute, name_attribute, description_attribute;
    // (&(objectclass)(filter)(attribute=value)), the value escaped; "" finds all that have an id.
    std::string find(std::string_view attribute, std::string_view value) const;
    std::string find_all() const { return find(id_attribute, ""); }
};

struct DirectoryRules {
    EntryKind users, groups;
    LdapScope scope = LdapScope::one;
    std::string mail_attribute, enabled_attribute, member_attribute, enabled_default;
    std::int64_t enabled_mask = 0;
    bool enabled_invert = false;
    std::string enabled_group_dn;  // the members of this entry are the users that are enabled; "" = no emulation
    bool members_are_ids = false;
    bool nested_groups = false;  // Active Directory's rule in chain
    explicit DirectoryRules(const Config& config);
    std::vector<std::string> user_attributes() const;
    std::vector<std::string> group_attributes() const;
    // The groups that have this user as a member.
    std::string groups_of(const LdapEntry& user) const;
    // What an entry's attribute says; with emulation the caller asks enabled_group_dn instead.
    bool enabled(const LdapEntry& user) const;
    // As which a group's members name this user; and all that a group names.
    std::string member_key(const LdapEntry& user) const;
    std::vector<std::string> member_keys(const LdapEntry& group) const;
};
LdapOptions directory_options(const Config& config);

// The id that the API shows: lower-case hexadecimal SHA-256. `type`: "user" or "group".
std::string public_id(std::string_view domain_id, std::string_view type, std::string_view local_id);

}  // namespace pilvi::identity
