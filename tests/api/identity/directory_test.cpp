// Users and groups in a directory server: a real slapd, on a socket of its own.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/fd.h"
#include "drivers/ldap.h"
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

std::string percent(const std::string& path) {
    std::string out;
    for (const char c : path) out += c == '/' ? std::string("%2F") : std::string(1, c);
    return out;
}

int run(const std::vector<std::string>& argv) {
    const pid_t child = ::fork();
    if (child == 0) {
        std::vector<char*> raw;
        for (const std::string& a : argv) raw.push_back(const_cast<char*>(a.c_str()));
        raw.push_back(nullptr);
        ::execv(raw[0], raw.data());
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr const char* entries = R"(dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=People,dc=example,dc=com
objectClass: organizationalUnit
ou: People

dn: ou=Groups,dc=example,dc=com
objectClass: organizationalUnit
ou: Groups

dn: uid=ann,ou=People,dc=example,dc=com
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Ann
mail: ann@example.com
employeeType: 512
userPassword: ann's password

dn: uid=bob,ou=People,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob (B*) B
sn: Bob
employeeType: 514
userPassword: bob's password

dn: uid=search,ou=People,dc=example,dc=com
objectClass: inetOrgPerson
uid: search
cn: Search
sn: Search
userPassword: searching
employeeType: 512

dn: cn=staff,ou=Groups,dc=example,dc=com
objectClass: groupOfNames
cn: staff
description: who works here
member: uid=ann,ou=People,dc=example,dc=com
member: uid=bob,ou=People,dc=example,dc=com

dn: cn=empty,ou=Groups,dc=example,dc=com
objectClass: groupOfNames
cn: empty
member: uid=search,ou=People,dc=example,dc=com
)";

// slapd in the foreground, in a directory of its own, as the user of the test.
class Slapd {
public:
    Slapd() {
        std::filesystem::create_directory(dir_ / "db");
        write_file(dir_ / "slapd.conf",
                   "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
                   "include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
                   "pidfile " +
                       (dir_ / "pid") +
                       "\nsizelimit 4\ndatabase mdb\nsuffix dc=example,dc=com\nrootdn cn=admin,dc=example,dc=com\n"
                       "rootpw admin\ndirectory " +
                       (dir_ / "db") +
                       "\nmaxsize 16777216\n"
                       "access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous auth\n");
        write_file(dir_ / "entries.ldif", entries);
        REQUIRE(run({"/usr/sbin/slapadd", "-f", dir_ / "slapd.conf", "-l", dir_ / "entries.ldif"}) == 0);
        start();
    }
    ~Slapd() { stop(); }
    void start() {
        process_ = ::fork();
        if (process_ == 0) {
            const std::string conf = dir_ / "slapd.conf", place = url();
            ::execl("/usr/sbin/slapd", "slapd", "-f", conf.c_str(), "-h", place.c_str(), "-d", "0", nullptr);
            ::_exit(127);
        }
        bool answers = false;
        for (int i = 0; i < 1200 && !answers; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
            try {
                identity::LdapServer server({.url = url(), .user = "cn=admin,dc=example,dc=com", .password = Secret("admin")});
                answers = server.search("dc=example,dc=com", identity::LdapScope::base, "(objectClass=*)", {"dc"}).size() == 1;
            } catch (const Error&) {
            }
        }
        REQUIRE(answers);
    }
    void stop() {
        if (process_ <= 0) return;
        ::kill(process_, SIGCONT);
        ::kill(process_, SIGTERM);
        ::waitpid(std::exchange(process_, -1), nullptr, 0);
        std::filesystem::remove(dir_ / "socket");
    }
    void freeze() const { ::kill(process_, SIGSTOP); }
    void modify(const std::string& ldif) const {
        write_file(dir_ / "change.ldif", ldif);
        REQUIRE(run({"/usr/bin/ldapmodify", "-x", "-H", url(), "-D", "cn=admin,dc=example,dc=com", "-w", "admin", "-f", dir_ / "change.ldif"}) == 0);
    }
    std::string url() const { return "ldapi://" + percent(dir_ / "socket"); }

private:
    TempDir dir_;
    pid_t process_ = -1;
};

struct Directory : IdentityFixture {
    Slapd slapd;
    TempDir files;
    explicit Directory(const std::string& more = {}) {
        std::filesystem::create_directories(files / "domains");
        std::filesystem::create_directories(files / "credentials");
        write_file(files / "credentials/ldap-password-corp", "searching");
        write_file(files / "domains/corp.toml", "[ldap]\nurl = \"" + slapd.url() + R"("
user = "uid=search,ou=People,dc=example,dc=com"
suffix = "dc=example,dc=com"
user_tree_dn = "ou=People,dc=example,dc=com"
user_id_attribute = "uid"
user_name_attribute = "cn"
user_enabled_attribute = "employeeType"
user_enabled_mask = 2
user_enabled_default = "512"
group_tree_dn = "ou=Groups,dc=example,dc=com"
group_name_attribute = "cn"
page_size = 2
connection_timeout = 1
)" + more);
        ::setenv("CREDENTIALS_DIRECTORY", (files / "credentials").c_str(), 1);
        app.directories = std::make_unique<identity::DirectoryDomains>(files / "domains");
        ::unsetenv("CREDENTIALS_DIRECTORY");
        admin("POST", "/v3/domains", R"({"domain": {"name": "corp"}})", 201, "", {{"corp", "domain.id"}});
    }
    http::Response admin(std::string_view method, const std::string& path, const std::string& body, int status, std::string expect = {},
                         Pairs save = {}) {
        return cases.run({.method = method,
                          .path = path,
                          .token = "${admin_token}",
                          .body = body,
                          .status = status,
                          .expect = std::move(expect),
                          .save = std::move(save)});
    }
    Case login(const std::string& name, const std::string& password, int status, const std::string& scope = {}) {
        return {.method = "POST",
                .path = "/v3/auth/tokens",
                .body = R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": ")" + name + R"(", "password": ")" +
                        password + R"(", "domain": {"name": "corp"}}}})" + scope + "}}",
                .status = status,
                .save = status == 201 ? Pairs{{"token", "header:X-Subject-Token"}, {"user", "token.user.id"}} : Pairs{}};
    }
};

}  // namespace

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
    for (const char* name : {"*", "Ann)(uid=*", "A*", "Ann*", "\\\\2a", ")(|(cn=Ann"}) f.cases.run(f.login(name, "ann's password", 401));
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
    for (int i = 0; i < 20; ++i) f.cases.run(f.login("Ann", "ann's password", 503));
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
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
