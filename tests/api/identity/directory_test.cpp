// Users and groups in a directory server.
#include "directory.h"

using namespace pilvi;
using namespace pilvi::testing;

TEST_CASE("users of a directory") {
    Directory f;
    // Paged by the server (its size limit is 4, the page 2) and by us.
    f.admin("GET", "/v3/users?domain_id=${corp}&sort_key=name", "", 200,
            R"({"users": [{"name": "Ann", "email": "ann@example.com", "enabled": true, "domain_id": "${corp}", "id": "<matches:^[0-9a-f]{64}$>"},
                {"name": "Bob (B*) B", "enabled": false
}, {"name": "Search", "enabled": true}]
})",
            {{"ann", "users.0.id"}, {"bob", "users.1.id"}});
    f.admin("GET", "/v3/users?domain_id=${corp}&limit=2", "", 200, R"({"users": ["<any>", "<any>"], "links": {"next": "<text>"}})");
    CHECK(f.cases.vars["ann"] == identity::public_id(f.cases.vars["corp"], "user", "ann"));
    f.admin("GET", "/v3/users/${ann}", "", 200, R"({"user": {"name": "Ann", "password_expires_at": null}})");
    // What changes there changes here.
    f.slapd.modify("dn: uid=ann,ou=People,dc=example,dc=com\nchangetype: modify\nreplace: mail\nmail: new@example.com\n");
    f.admin("GET", "/v3/users/${ann}", "", 200, R"({"user": {"email": "new@example.com"}})");
    f.slapd.modify("dn: uid=bob,ou=People,dc=example,dc=com\nchangetype: delete\n");
    f.admin("GET", "/v3/users/${bob}", "", 404);
    f.admin("GET", "/v3/users?domain_id=${corp}&name=Search", "", 200, R"({"users": [{"name": "Search"}]})");
}

TEST_CASE("groups of a directory and their members") {
    Directory f;
    f.admin("GET", "/v3/groups?domain_id=${corp}&sort_key=name", "", 200,
            R"({"groups": [{"name": "empty"}, {"name": "staff", "description": "who works here", "domain_id": "${corp}"}]})",
            {{"staff", "groups.1.id"}});
    f.admin("GET", "/v3/groups/${staff}/users", "", 200, R"({"users": {"<contains>": [{"name": "Ann"}, {"name": "Bob (B*) B"
}]
}
})");
    f.admin("GET", "/v3/users?domain_id=${corp}&name=Ann", "", 200, "", {{"ann", "users.0.id"}});
    f.admin("GET", "/v3/users/${ann}/groups", "", 200, R"({"groups": [{"name": "staff"}]})");
    f.admin("HEAD", "/v3/groups/${staff}/users/${ann}", "", 204);
}

TEST_CASE("logging in by a directory") {
    Directory f;
    f.cases.run(f.login("Ann", "ann's password", 201));
    f.cases.run(f.login("Ann", "wrong", 401));
    f.cases.run(f.login("Ann", "", 401));                       // a bind without password is nobody's, and passes
    f.cases.run(f.login("Bob (B*) B", "bob's password", 401));  // disabled
    f.cases.run(f.login("nobody", "x", 401));
    for (const char* name : {"*", "Ann)(uid=*", "A*", "Ann*", "\\\\2a", ")(|(cn=Ann", "*)(uid=*", "*)(cn=*))(|(cn=*", "Ann)(&"})
        f.cases.run(f.login(name, "ann's password", 401));
    // By id, and with the roles of a group.
    f.admin("GET", "/v3/groups?domain_id=${corp}&name=staff", "", 200, "", {{"staff", "groups.0.id"}});
    f.admin("PUT", "/v3/projects/${demo_project}/groups/${staff}/roles/${member_role}", "", 204);
    f.cases.run({.method = "POST",
                 .path = "/v3/auth/tokens",
                 .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "${user}", "password": "ann's password"}}},
                             "scope": {"project": {"id": "${demo_project}"}}}})",
                 .status = 201,
                 .expect = R"({"token": {"user": {"name": "Ann", "domain": {"id": "${corp}"}}, "roles": [{"name": "member"}, {"name": "reader"}]}})",
                 .save = {{"token", "header:X-Subject-Token"}}});
    f.cases.run({.path = "/v3/auth/projects", .token = "${token}", .expect = R"({"projects": [{"id": "${demo_project}"}]})"});
    // Out of the group: the next login has no roles, and the token of before none either.
    f.slapd.modify("dn: cn=staff,ou=Groups,dc=example,dc=com\nchangetype: modify\ndelete: member\nmember: uid=ann,ou=People,dc=example,dc=com\n");
    f.cases.run(f.login("Ann", "ann's password", 401, R"(, "scope": {"project": {"id": "${demo_project}"}})"));
    f.cases.run({.path = "/v3/auth/projects", .token = "${token}", .status = 401});
    // Disabled: what was logged in ends when it is seen.
    f.cases.run(f.login("Ann", "ann's password", 201));
    f.slapd.modify("dn: uid=ann,ou=People,dc=example,dc=com\nchangetype: modify\nreplace: employeeType\nemployeeType: 514\n");
    f.cases.run(f.login("Ann", "ann's password", 401));
    f.cases.run({.path = "/v3/auth/projects", .token = "${token}", .status = 401});
}

TEST_CASE("nothing is written to a directory") {
    Directory f;
    f.admin("GET", "/v3/users?domain_id=${corp}&name=Ann", "", 200, "", {{"ann", "users.0.id"}});
    f.admin("GET", "/v3/groups?domain_id=${corp}&name=staff", "", 200, "", {{"staff", "groups.0.id"}});
    const std::string refusal = R"({"error": {"code": 403, "message": "LDAP does not support write operations"}})";
    f.admin("POST", "/v3/users", R"({"user": {"name": "x", "domain_id": "${corp}", "password": "x"}})", 403, refusal);
    f.admin("PATCH", "/v3/users/${ann}", R"({"user": {"description": "x"}})", 403, refusal);
    f.admin("PATCH", "/v3/users/${ann}", R"({"user": {"password": "x"}})", 403, refusal);
    f.admin("DELETE", "/v3/users/${ann}", "", 403, refusal);
    f.admin("POST", "/v3/users/${ann}/password", R"({"user": {"original_password": "ann's password", "password": "x"}})", 403, refusal);
    f.admin("POST", "/v3/groups", R"({"group": {"name": "x", "domain_id": "${corp}"}})", 403, refusal);
    f.admin("PATCH", "/v3/groups/${staff}", R"({"group": {"name": "x"}})", 403, refusal);
    f.admin("DELETE", "/v3/groups/${staff}", "", 403, refusal);
    f.admin("PUT", "/v3/groups/${staff}/users/${member_user}", "", 403, refusal);
    f.admin("DELETE", "/v3/groups/${staff}/users/${ann}", "", 403, refusal);
}

TEST_CASE("a directory that does not answer") {
    Directory f;
    f.cases.run(f.login("Ann", "ann's password", 201));
    f.slapd.freeze();
    const auto before = std::chrono::steady_clock::now();
    f.cases.run(f.login("Ann", "ann's password", 503));
    f.cases.run(f.login("Ann", "wrong", 503));
    f.admin("GET", "/v3/users?domain_id=${corp}", "", 503);
    for (int i = 0; i < 120; ++i) f.cases.run(f.login("Ann", "ann's password", 503));
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(100));  // not a second each
    // Everybody else goes on, and so does who is logged in.
    f.cases.run({.path = "/v3/auth/projects", .token = "${token}"});
    CHECK(f.log_in("member", "member", "demo") != "");
    f.slapd.stop();
    f.cases.run(f.login("Ann", "ann's password", 503));
}

TEST_CASE("enabled by membership") {
    Directory f("user_enabled_emulation = true\nuser_enabled_emulation_dn = \"cn=staff,ou=Groups,dc=example,dc=com\"\n");
    f.admin("GET", "/v3/users?domain_id=${corp}&sort_key=name", "", 200,
            R"({"users": [{"name": "Ann", "enabled": true}, {"name": "Bob (B*) B", "enabled": true
}, {"name": "Search", "enabled": false}]
})");
    f.cases.run(f.login("Bob (B*) B", "bob's password", 201));
    f.cases.run(f.login("Search", "searching", 401));
}
