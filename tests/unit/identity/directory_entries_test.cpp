// What of a directory's entries means what; escaping.
#include <doctest/doctest.h>

#include "base/error.h"
#include "domain/directory_entries.h"

using namespace pilvi;
using namespace pilvi::identity;

namespace {

DirectoryRules rules(std::initializer_list<std::pair<const char*, const char*>> options) {
    Config config({directory_settings});
    for (const auto& [key, value] : options) config.set(std::string("ldap.") + key, value);
    return DirectoryRules(config);
}
LdapEntry user(std::map<std::string, std::vector<std::string>, std::less<>> attributes) { return {"cn=a,ou=Users,dc=x", std::move(attributes)}; }

}  // namespace

TEST_CASE("values are escaped in filters") {
    CHECK(escape_filter("a*b") == "a\\2ab");
    CHECK(escape_filter(")(uid=*") == "\\29\\28uid=\\2a");
    CHECK(escape_filter("\\") == "\\5c");
    CHECK(escape_filter(std::string_view("\0", 1)) == "\\00");
    CHECK(escape_filter("ä") == "\\c3\\a4");
    CHECK(escape_filter("plain name, 1=2") == "plain name, 1=2");
    const DirectoryRules r = rules({{"user_filter", "memberOf=x"}, {"user_name_attribute", "uid"}});
    CHECK(r.users.find("uid", "*") == "(&(objectClass=inetOrgPerson)(memberOf=x)(uid=\\2a))");
    CHECK(r.users.find_all() == "(&(objectClass=inetOrgPerson)(memberOf=x)(cn=*))");
    CHECK(r.groups.find_all() == "(&(objectClass=groupOfNames)(cn=*))");
}

TEST_CASE("trees and members") {
    CHECK(rules({}).users.tree_dn == "ou=Users,cn=example,cn=com");
    CHECK(rules({{"suffix", "dc=x"}}).groups.tree_dn == "ou=UserGroups,dc=x");
    CHECK(rules({}).groups_of(user({})) == "(&(objectClass=groupOfNames)(member=cn=a,ou=Users,dc=x))");
    CHECK(rules({{"group_ad_nesting", "true"}}).groups_of(user({})) ==
          "(&(objectClass=groupOfNames)(member:1.2.840.113556.1.4.1941:=cn=a,ou=Users,dc=x))");
    CHECK(rules({{"group_members_are_ids", "true"}}).groups_of(user({{"cn", {"a"}}})) == "(&(objectClass=groupOfNames)(member=a))");
    CHECK(rules({}).member_keys(user({{"member", {"CN=A, OU=users,DC=x", "not a name"}}})) ==
          std::vector<std::string>{rules({}).member_key(user({})), "not a name"});
    CHECK(rules({{"group_members_are_ids", "true"}}).member_key(user({{"cn", {"A"}}})) == "A");
    CHECK_THROWS_AS(rules({{"query_scope", "all"}}), Error);
    CHECK_THROWS_AS(rules({{"user_enabled_mask", "2"}}), Error);
}

TEST_CASE("who is enabled") {
    struct Row {
        std::initializer_list<std::pair<const char*, const char*>> options;
        std::vector<std::string> value;
        bool enabled;
    };
    const Row table[] = {
        {{}, {}, true},
        {{}, {"TRUE"}, true},
        {{}, {"false"}, false},
        {{}, {"what"}, false},
        {{{"user_enabled_default", "False"}}, {}, false},
        {{{"user_enabled_invert", "true"}}, {"TRUE"}, false},
        {{{"user_enabled_invert", "true"}, {"user_enabled_default", "False"}}, {}, true},
        {{{"user_enabled_mask", "2"}, {"user_enabled_default", "512"}}, {"512"}, true},
        {{{"user_enabled_mask", "2"}, {"user_enabled_default", "512"}}, {"514"}, false},
        {{{"user_enabled_mask", "2"}, {"user_enabled_default", "512"}}, {}, true},
        {{{"user_enabled_mask", "2"}, {"user_enabled_default", "512"}}, {"no number"}, false},
    };
    for (const Row& row : table) CHECK(rules(row.options).enabled(user({{"enabled", row.value}})) == row.enabled);
}
