#pragma once
// A real slapd on a socket of its own, and an identity service with a domain whose users and groups are there.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/fd.h"
#include "drivers/ldap.h"
#include "fixture.h"

namespace pilvi::testing {

inline std::string percent(const std::string& path) {
    std::string out;
    for (const char c : path) out += c == '/' ? std::string("%2F") : std::string(1, c);
    return out;
}

inline int run(const std::vector<std::string>& argv) {
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

inline constexpr const char* directory_entries = R"(dn: dc=example,dc=com
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
    // `configuration`: lines before that of the database. `entries`: LDIF after the entries above. `urls`: where it listens besides its socket.
    struct More {
        std::string configuration, entries, urls;
    };
    explicit Slapd(More given = {}) : more(std::move(given)) {
        std::filesystem::create_directory(dir_ / "db");
        write_file(dir_ / "slapd.conf",
                   "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
                   "include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
                   "pidfile " +
                       (dir_ / "pid") + "\nsizelimit size.soft=4 size.hard=4 size.prtotal=unlimited\n" + more.configuration +
                       "database mdb\nsuffix dc=example,dc=com\nrootdn cn=admin,dc=example,dc=com\n"
                       "rootpw admin\ndirectory " +
                       (dir_ / "db") +
                       "\nmaxsize 16777216\n"
                       "access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous auth\n");
        write_file(dir_ / "entries.ldif", directory_entries + more.entries);
        REQUIRE(run({"/usr/sbin/slapadd", "-f", dir_ / "slapd.conf", "-l", dir_ / "entries.ldif"}) == 0);
        start();
    }
    ~Slapd() { stop(); }
    void start() {
        process_ = ::fork();
        if (process_ == 0) {
            const std::string conf = dir_ / "slapd.conf", place = url() + " " + more.urls;
            ::execl("/usr/sbin/slapd", "slapd", "-f", conf.c_str(), "-h", place.c_str(), "-d", "0", nullptr);
            ::_exit(127);
        }
        bool answers = false;
        for (int i = 0; i < 6000 && !answers; ++i) {
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
    void thaw() const { ::kill(process_, SIGCONT); }
    void modify(const std::string& ldif) const {
        write_file(dir_ / "change.ldif", ldif);
        REQUIRE(run({"/usr/bin/ldapmodify", "-x", "-H", url(), "-D", "cn=admin,dc=example,dc=com", "-w", "admin", "-f", dir_ / "change.ldif"}) == 0);
    }
    std::string socket() const { return dir_ / "socket"; }
    std::string url() const { return "ldapi://" + percent(socket()); }

private:
    More more;
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

}  // namespace pilvi::testing
