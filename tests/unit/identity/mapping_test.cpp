// Federation mappings: the combinations of the administrator's guide, the form that is accepted, and what breaks.
#include <doctest/doctest.h>

#include "base/error.h"
#include "domain/mapping.h"
#include "domain/python_text.h"

using namespace pilvi;
using namespace pilvi::identity;

namespace {

const Assertion employee{{"UserName", "testacct"},
                         {"FirstName", "Test"},
                         {"LastName", "Account"},
                         {"Email", "t@example.com"},
                         {"orgPersonType", "Tester"},
                         {"Groups", "Developers;Testers;Contractors"},
                         {"OneGroup", "Developers"},
                         {"GroupIds", "abc123;def456"},
                         {"Empty", ""},
                         {"Quoted", "it's;a \"b\""},
                         {"Json", R"(JSON:{"name":"g1","domain":{"name":"D"}};JSON:{"name":"g2","domain":{"id":"d2"}})"}};

struct Combination {
    const char* name;
    const char* rules;     // JSON array
    const char* expected;  // Mapped::to_json(), or "bad" (no user comes out), "broken" (the rule cannot work)
};

const Combination combinations[] = {
    {"a user by name", R"([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "UserName"}]}])",
     R"({"user": {"type": "ephemeral", "name": "testacct"}, "group_ids": [], "group_names": [], "projects": []})"},
    {"several values in one text",
     R"([{"local": [{"user": {"name": "{0} {1}", "email": "{2}"}}, {"group": {"id": "0cd5e9"}}],
          "remote": [{"type": "FirstName"}, {"type": "LastName"}, {"type": "Email"}]}])",
     R"({"user": {"type": "ephemeral", "name": "Test Account", "email": "t@example.com"}, "group_ids": ["0cd5e9"], "group_names": [], "projects": []})"},
    {"conditions are not counted",
     R"([{"local": [{"user": {"name": "{0}"}}, {"group": {"name": "testers", "domain": {"name": "D"}}}],
          "remote": [{"type": "orgPersonType", "any_one_of": ["Tester", "Other"]}, {"type": "Groups", "not_any_of": ["Evil"]}, {"type": "UserName"}]}])",
     R"({"user": {"type": "ephemeral", "name": "testacct"}, "group_ids": [], "group_names": [{"name": "testers", "domain": {"name": "D"}}], "projects": []})"},
    {"any_one_of without one", R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "orgPersonType", "any_one_of": ["Customer"]}]}])", "bad"},
    {"not_any_of with one", R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "Groups", "not_any_of": ["Testers"]}]}])", "bad"},
    {"an attribute that is missing", R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "Nothing"}]}])", "bad"},
    {"an attribute that is empty", R"([{"local": [{"user": {"name": "x{0}"}}], "remote": [{"type": "Empty"}]}])",
     R"({"user": {"type": "ephemeral", "name": "x"}, "group_ids": [], "group_names": [], "projects": []})"},
    {"any_one_of by expression",
     R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "Email", "any_one_of": [".*@example\\.com$"], "regex": true}]}])",
     R"({"user": {"type": "ephemeral", "name": "x"}, "group_ids": [], "group_names": [], "projects": []})"},
    {"not_any_of by expression",
     R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "Email", "not_any_of": ["@example"], "regex": true}]}])", "bad"},
    {"the expression is one only where the rule says so",
     R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "Email", "any_one_of": [".*"]}]}])", "bad"},
    {"whitelist", R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}", "domain": {"id": "default"}}],
                       "remote": [{"type": "Groups", "whitelist": ["Developers", "Testers", "Others"]}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [{"name": "Developers", "domain": {"id": "default"}},
         {"name": "Testers", "domain": {"id": "default"}}], "projects": []})"},
    {"blacklist", R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}", "domain": {"name": "D"}}],
                       "remote": [{"type": "Groups", "blacklist": ["Developers", "Testers"]}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [{"name": "Contractors", "domain": {"name": "D"}}], "projects": []})"},
    {"whitelist by expression", R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}", "domain": {"name": "D"}}],
                                     "remote": [{"type": "Groups", "whitelist": ["^D", "ors$"], "regex": true}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [{"name": "Developers", "domain": {"name": "D"}},
         {"name": "Contractors", "domain": {"name": "D"}}], "projects": []})"},
    {"a whitelist that lets nothing through",
     R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}", "domain": {"name": "D"}}], "remote": [{"type": "Groups", "whitelist": []}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [], "projects": []})"},
    {"groups of one value", R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}", "domain": {"name": "D"}}], "remote": [{"type": "OneGroup"}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [{"name": "Developers", "domain": {"name": "D"}}], "projects": []})"},
    {"groups with quotes survive",
     R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}", "domain": {"name": "D"}}], "remote": [{"type": "Quoted"}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [{"name": "it's", "domain": {"name": "D"}},
         {"name": "a \"b\"", "domain": {"name": "D"}}], "projects": []})"},
    {"groups as another Keystone asserts them", R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}"}], "remote": [{"type": "Json"}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": [], "group_names": [{"name": "g1", "domain": {"name": "D"}},
         {"name": "g2", "domain": {"id": "d2"}}], "projects": []})"},
    {"groups without domain", R"([{"local": [{"user": {"name": "u"}}, {"groups": "{0}"}], "remote": [{"type": "Groups"}]}])", "bad"},
    {"group ids", R"([{"local": [{"user": {"name": "u"}, "group_ids": "{0}"}, {"group": {"id": "abc123"}}], "remote": [{"type": "GroupIds"}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": ["abc123", "def456"], "group_names": [], "projects": []})"},
    {"one group id", R"([{"local": [{"user": {"name": "u"}, "group_ids": "{0}"}], "remote": [{"type": "OneGroup"}]}])",
     R"({"user": {"type": "ephemeral", "name": "u"}, "group_ids": ["Developers"], "group_names": [], "projects": []})"},
    {"a local user", R"([{"local": [{"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}], "remote": [{"type": "UserName"}]}])",
     R"({"user": {"type": "local", "name": "testacct", "domain": {"id": "default"}}, "group_ids": [], "group_names": [], "projects": []})"},
    {"projects", R"([{"local": [{"user": {"name": "{0}"}}, {"projects": [{"name": "Dev for {0}", "roles": [{"name": "member"}, {"name": "reader"}]},
                     {"name": "Stage", "roles": []}]}], "remote": [{"type": "UserName"}]}])",
     R"({"user": {"type": "ephemeral", "name": "testacct"}, "group_ids": [], "group_names": [],
         "projects": [{"name": "Dev for testacct", "roles": [{"name": "member"}, {"name": "reader"}]}, {"name": "Stage", "roles": []}]})"},
    {"rules add up, the first user counts",
     R"([{"local": [{"user": {"name": "first"}}, {"group": {"id": "g1"}}], "remote": [{"type": "UserName"}]},
         {"local": [{"user": {"name": "second"}}, {"group": {"id": "g2"}}], "remote": [{"type": "Email"}]},
         {"local": [{"group": {"id": "g3"}}], "remote": [{"type": "Nothing"}]}])",
     R"({"user": {"type": "ephemeral", "name": "first"}, "group_ids": ["g1", "g2"], "group_names": [], "projects": []})"},
    {"braces", R"([{"local": [{"user": {"name": "{{{0}}} {}"}}], "remote": [{"type": "UserName"}]}])",
     R"({"user": {"type": "ephemeral", "name": "{testacct} testacct"}, "group_ids": [], "group_names": [], "projects": []})"},
    {"one of several values", R"([{"local": [{"user": {"name": "{0[1]}"}}], "remote": [{"type": "Groups"}]}])",
     R"({"user": {"type": "ephemeral", "name": "Testers"}, "group_ids": [], "group_names": [], "projects": []})"},
    {"a group alone", R"([{"local": [{"group": {"id": "g"}}], "remote": [{"type": "UserName"}]}])",
     R"({"user": {"type": "ephemeral"}, "group_ids": ["g"], "group_names": [], "projects": []})"},
    {"a match that is not there", R"([{"local": [{"user": {"name": "{1}"}}], "remote": [{"type": "UserName"}]}])", "broken"},
    {"a name in braces", R"([{"local": [{"user": {"name": "{name}"}}], "remote": [{"type": "UserName"}]}])", "broken"},
    {"an attribute of the value", R"([{"local": [{"user": {"name": "{0.__class__}"}}], "remote": [{"type": "UserName"}]}])", "broken"},
    {"an open brace", R"([{"local": [{"user": {"name": "{0"}}], "remote": [{"type": "UserName"}]}])", "broken"},
    {"a broken expression", R"([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "UserName", "any_one_of": ["("], "regex": true}]}])",
     "broken"},
};

}  // namespace

TEST_CASE("mapping combinations") {
    for (const Combination& c : combinations) {
        CAPTURE(c.name);
        const json::value rules = parse_json(c.rules);
        check_mapping({{"rules", rules}});
        std::string outcome;
        try {
            const json::object mapped = apply_mapping(rules.as_array(), employee).to_json();
            CHECK_MESSAGE(std::string_view(c.expected).starts_with('{'), to_text(mapped));
            if (std::string_view(c.expected).starts_with('{')) CHECK(to_text(mapped) == to_text(parse_json(c.expected)));
        } catch (const Error& error) {
            outcome = error.code() == Errc::bad_request ? "bad" : "broken";
            CHECK_MESSAGE(outcome == c.expected, error.message());
        }
    }
}

TEST_CASE("an expression without end is given up") {
    const json::value rules = parse_json(R"([{"local": [], "remote": [{"type": "a", "any_one_of": ["^(a+)+$"], "regex": true}]}])");
    CHECK_THROWS_AS(apply_mapping(rules.as_array(), {{"a", std::string(5000, 'a') + "b"}}), Error);
}

TEST_CASE("the form of a mapping") {
    const std::pair<const char*, const char*> bad[] = {
        {R"({})", "'rules' is a required property\n"},
        {R"({"rules": []})", "[] is too short\n"},
        {R"({"rules": {}})", "{} is not of type 'array'\n"},
        {R"({"rules": [1]})", "1 is not of type 'object'\n"},
        {R"({"rules": [{"local": []}]})", "'remote' is a required property\n"},
        {R"({"rules": [{"local": [], "remote": []}]})", "[] is too short\n"},
        {R"({"rules": [{"local": [], "remote": [{"type": "a"}], "more": 1}]})", "Additional properties are not allowed ('more' was unexpected)\n"},
        {R"({"rules": [{"local": [{"user": {"name": 1}}], "remote": [{"type": "a"}]}]})", "1 is not of type 'string'\n"},
        {R"({"rules": [{"local": [{"user": {"type": "x"}}], "remote": [{"type": "a"}]}]})", "'x' is not one of ['ephemeral', 'local']\n"},
        {R"({"rules": [{"local": [{"users": {}}], "remote": [{"type": "a"}]}]})", "Additional properties are not allowed ('users' was unexpected)\n"},
        {R"({"rules": [{"local": [{"group": {"name": "g"}}], "remote": [{"type": "a"}]}]})",
         "{'name': 'g'} is not valid under any of the given schemas\n"},
        {R"({"rules": [{"local": [], "remote": [{"type": "a", "any_one_of": [], "not_any_of": []}]}]})",
         "{'type': 'a', 'any_one_of': [], 'not_any_of': []} is not valid under any of the given schemas\n"},
        {R"({"rules": [{"local": [], "remote": [{"type": "a", "regex": true}]}]})",
         "{'type': 'a', 'regex': True} is not valid under any of the given schemas\n"},
        {R"({"rules": [{"local": [{"projects": [{"name": "p"}]}], "remote": [{"type": "a"}]}]})", "'roles' is a required property\n"},
        {R"({"rules": [{"local": [{"projects": [{"name": "p", "roles": [{}]}]}], "remote": [{"type": "a"}]}]})", "'name' is a required property\n"},
    };
    for (const auto& row : bad) {
        const auto &text = row.first, &message = row.second;
        CAPTURE(text);
        const json::value mapping = parse_json(text);
        try {
            check_mapping(mapping.as_object());
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.code() == Errc::bad_request);
            CHECK(error.message() == message);
        }
    }
}

TEST_CASE("lists as Python writes them") {
    CHECK(python_repr(std::vector<std::string>{"a", "it's", "a\"'b", "\\", "\n", "ä"}) == R"(['a', "it's", 'a"\'b', '\\', '\n', 'ä'])");
    for (const std::vector<std::string>& list :
         {std::vector<std::string>{}, {""}, {"a"}, {"it's", "\"", "a\"'b", "\\n", "\t\n\r\x01", "ä", "]", ", "}})
        CHECK(parse_python_list(python_repr(list)) == list);
    CHECK(parse_python_list(" [ 'a' , \"b\", 1, -2.5,] ") == std::vector<std::string>{"a", "b", "1", "-2.5"});
    CHECK(parse_python_list(R"(['\x41\u00e4\q'])") == std::vector<std::string>{"A\xc3\xa4\\q"});
    for (const char* text : {"", "a", "[", "[a]", "['a'", "['a' 'b']", "['a'] x", "[['a']]", "('a',)", "5", "[-]", "[1.2.3]", "['\\x4']", "['a\n']"})
        CHECK_FALSE(parse_python_list(text).has_value());
}
