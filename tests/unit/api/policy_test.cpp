#include <doctest/doctest.h>

#include "api/policy.h"
#include "api/policy_tools.h"
#include "base/error.h"
#include "base/fd.h"
#include "service/subcommands.h"
#include "support/temp_dir.h"

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

namespace {

struct PolicyFile {
    testing::TempDir dir;
    std::string path = dir / "policy.yaml";
    Policy policy;
    explicit PolicyFile(const std::string& text) {
        policy.add("admin_required", "role:admin");
        policy.add("get", "role:reader");
        policy.add("set", "rule:admin_required");
        policy.rename("old:get", "get");
        write_file(path, text);
    }
    std::string fault() {
        try {
            policy.load_file(path);
        } catch (const Error& error) {
            return error.message();
        }
        return "accepted";
    }
};

}  // namespace

TEST_CASE("overrides") {
    PolicyFile f(R"("set": "role:member"
"helper": "role:special"
get: [["role:one", "role:two"], ["rule:helper"]]
nobodys: "@"
)");
    CHECK(f.policy.load_file(f.path) ==
          std::vector<std::string>{f.path + ":4: nobodys: this service has no operation of this name, and no rule refers to it"});
    CHECK(f.policy.allows("set", caller({"member"}), {}));
    CHECK_FALSE(f.policy.allows("set", caller({"admin"}), {}));
    CHECK(f.policy.allows("get", caller({"one", "two"}), {}));
    CHECK_FALSE(f.policy.allows("get", caller({"one"}), {}));
    CHECK(f.policy.allows("get", caller({"special"}), {}));
}

TEST_CASE("an earlier name stands for the rule unless the file names that, too") {
    PolicyFile f("old:get: role:x\n");
    CHECK(f.policy.load_file(f.path).empty());
    CHECK(f.policy.allows("get", caller({"x"}), {}));
    PolicyFile both("old:get: role:x\nget: role:y\n");
    both.policy.load_file(both.path);
    CHECK_FALSE(both.policy.allows("get", caller({"x"}), {}));
    CHECK(both.policy.allows("get", caller({"y"}), {}));
}

TEST_CASE("the rule default decides what has no rule") {
    PolicyFile f("default: role:fallback\n");
    f.policy.load_file(f.path);
    CHECK(f.policy.allows("unheard-of", caller({"fallback"}), {}));
    CHECK_FALSE(f.policy.allows("unheard-of", caller({"admin"}), {}));
    CHECK_FALSE(f.policy.allows("get", caller({"fallback"}), {}));
}

TEST_CASE("what is wrong with a file is said by line, and nothing of it counts") {
    const std::pair<const char*, const char*> bad[] = {
        {"get: role:a and\n", ":1: get: policy check 'role:a and': it ends too early"},
        {"a: role:x\nget: 'roleadmin'\nset: '('\n",
         ":2: get: policy check 'roleadmin': 'roleadmin' is not KIND:MATCH\n@:3: set: policy check '(': it ends too early"},
        {"get: role:a\nget: role:b\n", ":2: get: is there already, in line 1"},
        {"get: rule:nowhere\n", ":1: get: refers to rule:nowhere, which nobody defines"},
        {"a: rule:b\nb: not rule:a\n",
         ":1: a: refers to itself, directly or through other rules\n@:2: b: refers to itself, directly or through other rules"},
        {"get: {a: b}\n", ":1: get: the check must be text, or a list of lists of checks"},
        {"get: http://example/check\n", ":1: get: policy check 'http://example/check': remote checks are not supported"},
        {"- a\n", ":1: must be a mapping of rule names to checks"},
        {"get: [\n", ":2: "},
    };
    for (const auto& [text, expected] : bad) {
        PolicyFile f(text);
        CAPTURE(text);
        std::string wanted = f.path + expected;
        for (std::size_t at; (at = wanted.find('@')) != std::string::npos;) wanted.replace(at, 1, f.path);
        CHECK(f.fault().substr(0, wanted.size()) == wanted);
        CHECK(f.policy.allows("get", caller({"reader"}), {}));
        CHECK_FALSE(f.policy.knows("a"));
    }
    PolicyFile empty("");
    CHECK(empty.fault() == "accepted");
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
    CHECK_FALSE(policy.explain("narrow", caller({"admin"}), {}).held);
    policy.enforce_scope(false);
    CHECK(policy.allows("narrow", domain, {}));
    CHECK(policy.explain("narrow", caller({"admin"}), {}).held);
}

TEST_CASE("every part of a decision is explained, as it is decided") {
    Policy policy;
    policy.add("admin", "role:admin");
    policy.add("get", "rule:admin or (role:reader and project_id:%(project_id)s) or not role:member");
    const Explanation why = policy.explain("get", caller({"member", "reader"}), {{"project_id", "p2"}});
    CHECK_FALSE(why.held);
    REQUIRE(why.parts.size() == 1);
    const Explanation& any = why.parts.front();
    CHECK(any.text == "or");
    REQUIRE(any.parts.size() == 3);
    CHECK(any.parts[0].text == "rule:admin");
    CHECK(any.parts[0].parts.front().note == "the caller's roles: member, reader");
    CHECK_FALSE(any.parts[1].held);
    CHECK(any.parts[1].parts[0].held);
    CHECK(any.parts[1].parts[1].note == "the caller's: p1, wanted: p2");
    CHECK(any.parts[2].text == "not");
    CHECK(any.parts[2].parts.front().held);
    CHECK(policy.explain("get", caller({"reader"}), {{"project_id", "p1"}}).held);
    CHECK(policy.explain("none", caller({"admin"}), {}).note == "there is no rule of this name, so it is denied");
}

TEST_CASE("questions about a service's operations") {
    static constexpr Field fields[] = {{.name = "id", .use = show}};
    static constexpr Operation operations[] = {{Verb::list, "x:list", "@"}, {Verb::update, "x:set", "rule:owner"}};
    static constexpr Resource resource{.name = "x", .plural = "xs", .path = "/v1/xs", .table = "xs", .fields = fields, .operations = operations};
    static constexpr Action actions[] = {{.key = "go", .policy = "x:go", .check = "role:driver", .handler = +[](Call&) -> Reply { return {}; }}};
    static constexpr Route routes[] = {{.method = "POST", .path = "/v1/xs/{id}/action", .actions = actions}};
    static constexpr PolicyRule rules[] = {{"owner", "user_id:%(target.x.user_id)s", "who made it"}};
    const ServiceSpec spec{
        .style = {.dialect = Dialect::compute, .service_type = "x"}, .resources = {&resource}, .routes = {routes}, .rules = {rules}};
    const auto ask = [&](const std::vector<std::string>& arguments) {
        return explain_decision(spec, default_policy(spec), read_question(parse_arguments(subcommands::policy_check, arguments)));
    };
    CHECK(ask({"PUT", "/v1/xs/7", "--user", "u", "--target", "target.x.user_id=u"}) ==
          "allowed\nyes  x:set\n  yes  rule:owner\n    yes  user_id:%(target.x.user_id)s   (the caller's: u, wanted: u)\n");
    CHECK(ask({"x:set", "--user", "u", "--target", "target.x.user_id=v"}).starts_with("denied\nno   x:set\n"));
    CHECK(ask({"x:set", "--user", "u"}).find("the target has no such value") != std::string::npos);
    CHECK(ask({"POST", "/v1/xs/7/action", "--roles", "a,driver"}).starts_with("allowed\nyes  x:go\n"));
    CHECK(ask({"GET", "/v1/xs?limit=1"}).starts_with("allowed\n"));
    CHECK_THROWS_AS(ask({"DELETE", "/v1/xs/7"}), Error);
    for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
             {}, {"a", "b", "c"}, {"x:set", "--user"}, {"x:set", "--target", "a"}, {"x:set", "--what", "a"}, {"--system"}})
        CHECK_THROWS_AS(ask(bad), Error);
    CHECK(sample_policy(spec) ==
          "# who made it\n#\"owner\": \"user_id:%(target.x.user_id)s\"\n\n# POST  /v1/xs/{id}/action\n#\"x:go\": \"role:driver\"\n\n"
          "# GET  /v1/xs\n#\"x:list\": \"@\"\n\n# PUT  /v1/xs/{id}\n#\"x:set\": \"rule:owner\"\n\n");
}
