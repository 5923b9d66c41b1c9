#include <doctest/doctest.h>

#include "api/policy.h"
#include "base/error.h"

using namespace pilvi;
using namespace pilvi::api;

namespace {
Context caller(std::vector<std::string> roles, std::string project = "p1") {
    Context who;
    who.user_id = "u1";
    who.project_id = std::move(project);
    who.roles = std::move(roles);
    who.is_admin = who.has_role("admin");
    return who;
}
bool holds(std::string_view check, const Context& who, const json::object& target = {{"project_id", "p1"}}) {
    return Policy().allows_check(check, who, target);
}
}  // namespace

TEST_CASE("expressions") {
    const Context member = caller({"member", "reader"});
    CHECK(holds("role:MEMBER", member));
    CHECK_FALSE(holds("role:admin", member));
    CHECK(holds("role:admin or role:reader and project_id:%(project_id)s", member));
    CHECK_FALSE(holds("(role:admin or role:reader) and project_id:%(project_id)s", member, {{"project_id", "p2"}}));
    CHECK(holds("not role:admin", member));
    CHECK(holds("@", member));
    CHECK(holds("", member));
    CHECK_FALSE(holds("!", member));
    CHECK(holds("'x':%(name)s", member, {{"name", "x"}}));
    CHECK(holds("user_id:%(target.user.id)s", member, {{"target", {{"user", {{"id", "u1"}}}}}}));
    CHECK(holds("None:%(owner)s", member, {{"owner", nullptr}}));
    CHECK(holds("True:%(shared)s", member, {{"shared", true}}));
    CHECK(holds("is_admin:True", caller({"admin"})));
}

TEST_CASE("an attribute that the caller lacks never matches an empty target") {
    CHECK_FALSE(holds("project_id:%(project_id)s", caller({}, ""), {{"project_id", ""}}));
    CHECK_FALSE(holds("project_id:%(missing)s", caller({})));
    CHECK_FALSE(holds("rule:unknown", caller({"admin"})));
}

TEST_CASE("rules refer to rules, and a circle denies") {
    Policy policy;
    policy.add("a", "rule:b");
    policy.add("b", "rule:a");
    policy.add("c", "rule:d or role:admin");
    policy.add("d", "role:reader");
    CHECK_FALSE(policy.allows("a", caller({"admin"}), {}));
    CHECK(policy.allows("c", caller({"reader"}), {}));
    CHECK_FALSE(policy.allows("nothing", caller({"admin"}), {}));
}

TEST_CASE("broken checks are refused") {
    for (const char* bad : {"role:admin and", "(role:a", "role:a)", "and role:a", "roleadmin", "http://x/", "not", "role:a role:b", ":x"})
        CHECK_THROWS_AS(parse_check(bad), Error);
    CHECK_THROWS_AS(parse_check(std::string(200, '(') + "role:a" + std::string(200, ')')), Error);
}

TEST_CASE("a rule is for tokens of its scopes only, whatever its check says") {
    Policy policy;
    policy.add("open", "@");
    policy.add("narrow", "@");
    policy.limit_scope("narrow", system_or_project);
    Context system = caller({"reader"}, ""), domain = caller({"admin"}, "");
    system.system = true;
    domain.domain_id = "d1";
    CHECK(policy.allows("open", domain, {}));
    CHECK_FALSE(policy.allows("narrow", domain, {}));
    CHECK(policy.allows("narrow", system, {}));
    CHECK(policy.allows("narrow", caller({}), {}));
    CHECK(policy.allows("narrow", caller({}, ""), {}));  // without a scope: as of a project
    policy.add("narrow", "role:admin");                  // an override changes the check, not the scopes
    CHECK_FALSE(policy.allows("narrow", domain, {}));
    policy.limit_scope("narrow", system_scope);
    CHECK_FALSE(policy.allows("narrow", caller({"admin"}), {}));
    policy.enforce_scope(false);
    CHECK(policy.allows("narrow", domain, {}));
}
