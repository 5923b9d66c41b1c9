// How a directory server is reached: over TLS, after it was away, while it hangs, by settings that the API gives.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <future>
#include <set>

#include "directory.h"
#include "http/http.h"
#include "resources/domain_config.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

// A TCP socket on a free port of this machine, which listens and answers nothing.
struct Trap {
    UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    int port = 0;
    Trap() {
        sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        socklen_t size = sizeof(address);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(socket.get(), 16) == 0);
        REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port = ntohs(address.sin_port);
    }
    bool visited() const { return UniqueFd(::accept(socket.get(), nullptr, nullptr)).get() >= 0; }
};

int free_port() { return Trap().port; }

// Between a client and a unix socket: lets so many bytes of answers through, then closes everything.
class Relay {
public:
    Relay(std::string from, std::string to) : to_(std::move(to)), listening_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const sockaddr_un address = place(from);
        REQUIRE(::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
        REQUIRE(::listen(listening_.get(), 16) == 0);
        thread_ = std::thread([this] { run(); });
    }
    ~Relay() {
        ending_ = true;
        ::shutdown(listening_.get(), SHUT_RDWR);
        thread_.join();
    }
    void let_through(long bytes) { left_ = bytes; }

private:
    static sockaddr_un place(const std::string& path) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        return address;
    }
    // One connection at a time.
    void run() {
        while (!ending_) {
            const UniqueFd client(::accept(listening_.get(), nullptr, nullptr));
            if (client.get() < 0) continue;
            const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const sockaddr_un address = place(to_);
            if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) pass(client.get(), server.get());
        }
    }
    void pass(int client, int server) {
        char buffer[65536];
        while (!ending_) {
            pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
            if (::poll(both, 2, 20) == 0) {
                if (left_ == 0) return;
                continue;
            }
            if (both[0].revents) {
                const ssize_t got = ::read(client, buffer, sizeof(buffer));
                if (got <= 0 || ::write(server, buffer, static_cast<std::size_t>(got)) != got) return;
            }
            if (both[1].revents) {
                const ssize_t got = std::min<ssize_t>(::read(server, buffer, sizeof(buffer)), left_.load());
                if (got <= 0 || ::write(client, buffer, static_cast<std::size_t>(got)) != got || (left_ -= got) == 0) return;
            }
        }
    }
    std::string to_;
    UniqueFd listening_;
    std::atomic<long> left_{1'000'000};
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

// A certificate authority and a server's certificate for 127.0.0.1, made by openssl.
struct Certificates {
    TempDir dir;
    std::string ca = dir / "ca.pem", certificate = dir / "server.pem", key = dir / "server.key";
    Certificates() {
        make({"-subj", "/CN=Test authority", "-keyout", dir / "ca.key", "-out", ca});
        make({"-subj", "/CN=directory", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE", "-CA", ca, "-CAkey",
              dir / "ca.key", "-keyout", key, "-out", certificate});
    }
    static void make(const std::vector<std::string>& more) {
        std::vector<std::string> argv{"/usr/bin/openssl", "req",    "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                      "-nodes",           "-batch", "-days", "2"};
        argv.insert(argv.end(), more.begin(), more.end());
        REQUIRE(run(argv) == 0);
    }
};

// A domain whose directory the API says.
struct Configured : IdentityFixture {
    Slapd slapd;
    json::object options{{"url", slapd.url()},
                         {"user", "uid=search,ou=People,dc=example,dc=com"},
                         {"password", "searching"},
                         {"user_tree_dn", "ou=People,dc=example,dc=com"},
                         {"user_id_attribute", "uid"},
                         {"user_name_attribute", "cn"},
                         {"user_enabled_attribute", "employeeType"},
                         {"user_enabled_mask", 2},
                         {"user_enabled_default", "512"},
                         {"group_tree_dn", "ou=Groups,dc=example,dc=com"},
                         {"group_name_attribute", "cn"}};
    std::set<std::string> there;  // domains that have a configuration
    explicit Configured(Slapd::More more = {}) : slapd(std::move(more)) {
        app.directories = std::make_unique<identity::DirectoryDomains>(
            "", [this](Tx& tx, std::string_view id) { return identity::domain_configuration(app, tx, id); });
        admin("POST", "/v3/domains", R"({"domain": {"name": "corp"}})", 201, {}, {{"corp", "domain.id"}});
    }
    void admin(std::string_view method, const std::string& path, const std::string& body, int status, std::string expect = {}, Pairs save = {}) {
        cases.run({.method = method,
                   .path = path,
                   .token = "${admin_token}",
                   .body = body,
                   .status = status,
                   .expect = std::move(expect),
                   .save = std::move(save)});
    }
    // Puts the options, these over the usual ones.
    void configure(const json::object& more) {
        json::object all = options;
        for (const auto& option : more) all[option.key()] = option.value();
        admin("PUT", "/v3/domains/${corp}/config", to_text(json::object{{"config", {{"identity", {{"driver", "ldap"}}}, {"ldap", all}}}}),
              there.insert(cases.vars["corp"]).second ? 201 : 200);
    }
    static std::string login_of(const std::string& name, const std::string& password, const std::string& domain = "corp") {
        return to_text(json::object{{"auth",
                                     {{"identity",
                                       {{"methods", json::array{"password"}},
                                        {"password", {{"user", {{"name", name}, {"password", password}, {"domain", {{"name", domain}}}}}}}}}}}});
    }
    void login(int status, const std::string& name = "Ann", const std::string& password = "ann's password") {
        CAPTURE(name);
        cases.run({.method = "POST", .path = "/v3/auth/tokens", .body = login_of(name, password), .status = status});
    }
};

}  // namespace

TEST_CASE("a directory by TLS: its name and its authority must hold") {
    const Certificates good, other;
    const std::string plain = std::to_string(free_port()), tls = std::to_string(free_port());
    // ldapi:// counts as 71, TLS as 128 and more, a plain connection as 0.
    Configured f({.configuration = "TLSCertificateFile " + good.certificate + "\nTLSCertificateKeyFile " + good.key + "\nTLSCACertificateFile " +
                                   good.ca + "\nsecurity ssf=64\n",
                  .entries = {},
                  .urls = "ldap://127.0.0.1:" + plain + " ldaps://localhost:" + tls});
    struct Way {
        const char* what;
        json::object options;
        int status;
    };
    const Way ways[] = {
        {"StartTLS", {{"url", "ldap://127.0.0.1:" + plain}, {"use_tls", true}, {"tls_cacertfile", good.ca}}, 201},
        {"ldaps", {{"url", "ldaps://127.0.0.1:" + tls}, {"tls_cacertfile", good.ca}}, 201},
        {"the second of two", {{"url", "ldaps://127.0.0.1:1 ldaps://127.0.0.1:" + tls}, {"tls_cacertfile", good.ca}}, 201},
        {"no TLS at all", {{"url", "ldap://127.0.0.1:" + plain}}, 503},
        {"StartTLS, another authority", {{"url", "ldap://127.0.0.1:" + plain}, {"use_tls", true}, {"tls_cacertfile", other.ca}}, 503},
        {"ldaps, another authority", {{"url", "ldaps://127.0.0.1:" + tls}, {"tls_cacertfile", other.ca}}, 503},
        {"ldaps, the system's authorities", {{"url", "ldaps://127.0.0.1:" + tls}}, 503},
        {"StartTLS, another name", {{"url", "ldap://localhost:" + plain}, {"use_tls", true}, {"tls_cacertfile", good.ca}}, 503},
        {"ldaps, another name", {{"url", "ldaps://localhost:" + tls}, {"tls_cacertfile", good.ca}}, 503},
        {"ldaps, unchecked", {{"url", "ldaps://localhost:" + tls}, {"tls_req_cert", "never"}}, 201},
        {"both kinds of TLS", {{"url", "ldaps://127.0.0.1:" + tls}, {"use_tls", true}, {"tls_cacertfile", good.ca}}, 503},
        {"no such file", {{"url", "ldaps://127.0.0.1:" + tls}, {"tls_cacertfile", good.dir / "none"}}, 503},
        {"no such check", {{"url", "ldaps://127.0.0.1:" + tls}, {"tls_req_cert", "perhaps"}}, 503},
        {"no URL", {{"url", "http://localhost"}}, 503},
        {"StartTLS again", {{"url", "ldap://127.0.0.1:" + plain}, {"use_tls", true}, {"tls_cacertfile", good.ca}}, 201},
    };
    for (const Way& way : ways) {
        CAPTURE(way.what);
        f.configure(way.options);
        f.login(way.status);
        if (way.status == 201) f.login(401, "Ann", "wrong");
    }
}

TEST_CASE("a directory by the API's configuration, from the next request on") {
    Configured f({.configuration = "include /etc/ldap/schema/nis.schema\n",
                  .entries = "\ndn: cn=unix,ou=Groups,dc=example,dc=com\nobjectClass: posixGroup\ncn: unix\ngidNumber: 1\nmemberUid: ann\n",
                  .urls = {}});
    f.login(401);
    f.admin("GET", "/v3/users?domain_id=${corp}", "", 200, R"({"users": []})");
    f.configure({});
    f.login(201);
    f.admin("GET", "/v3/domains/${corp}/config", "", 200, R"({"config": {"ldap": {"user_name_attribute": "cn", "password": "<absent>"}}})");
    f.admin("GET", "/v3/users?domain_id=${corp}&name=Ann", "", 200, R"({"users": [{"name": "Ann"}]})", {{"ann", "users.0.id"}});
    f.admin("POST", "/v3/users", R"({"user": {"name": "x", "domain_id": "${corp}"}})", 403);
    // Groups that name their members by DN, then by id.
    f.admin("GET", "/v3/users/${ann}/groups", "", 200, R"({"groups": [{"name": "staff"}]})");
    f.configure({{"group_objectclass", "posixGroup"}, {"group_member_attribute", "memberUid"}, {"group_members_are_ids", true}});
    f.admin("GET", "/v3/users/${ann}/groups", "", 200, R"({"groups": [{"name": "unix"}]})");
    f.admin("GET", "/v3/groups?domain_id=${corp}", "", 200, R"({"groups": [{"name": "unix"}]})", {{"unix", "groups.0.id"}});
    f.admin("GET", "/v3/groups/${unix}/users", "", 200, R"({"users": [{"name": "Ann"}]})");
    // Who is enabled: by a bit, by the attribute's text, by its opposite.
    f.login(401, "Bob (B*) B", "bob's password");
    f.configure({{"user_enabled_mask", 4}});
    f.login(201, "Bob (B*) B", "bob's password");
    f.configure({{"user_enabled_mask", 0}, {"user_enabled_default", "True"}});
    f.login(401);
    f.configure({{"user_enabled_mask", 0}, {"user_enabled_default", "False"}, {"user_enabled_invert", true}});
    f.login(201);
    f.slapd.modify("dn: uid=ann,ou=People,dc=example,dc=com\nchangetype: modify\nreplace: employeeType\nemployeeType: TRUE\n");
    f.login(401);
    f.configure({{"user_enabled_mask", 0}, {"user_enabled_default", "False"}});
    f.login(201);
    // Another filter, and one option alone.
    f.configure({{"user_enabled_mask", 0}, {"user_filter", "(uid=bob)"}});
    f.login(401);
    f.admin("PATCH", "/v3/domains/${corp}/config/ldap/user_filter", R"({"config": {"user_filter": "uid=ann"}})", 200);
    f.login(201);
    f.admin("PATCH", "/v3/domains/${corp}/config/ldap/password", R"({"config": {"password": "wrong"}})", 200);
    f.login(503);
    // No directory any more: nobody of it logs in.
    f.admin("DELETE", "/v3/domains/${corp}/config", "", 204);
    f.there.clear();
    f.login(401);
    f.configure({});
    f.slapd.modify("dn: uid=ann,ou=People,dc=example,dc=com\nchangetype: modify\nreplace: employeeType\nemployeeType: 512\n");
    f.login(201);
}

TEST_CASE("a limit of the server is no reason to leave it alone") {
    Configured f;
    f.slapd.modify("dn: uid=c,ou=People,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\nuid: c\ncn: c\nsn: c\n");
    f.slapd.modify("dn: uid=d,ou=People,dc=example,dc=com\nchangetype: add\nobjectClass: inetOrgPerson\nuid: d\ncn: d\nsn: d\n");
    f.configure({});
    f.admin("GET", "/v3/users?domain_id=${corp}", "", 503);  // five users, at most four in an answer
    f.login(201);
    f.configure({{"page_size", 2}});
    f.admin("GET", "/v3/users?domain_id=${corp}&sort_key=name", "", 200,
            R"({"users": [{"name": "Ann"}, {"name": "Bob (B*) B"}, {"name": "Search"}, {"name": "c"}, {"name": "d"}]})");
}

TEST_CASE("referrals to other servers are not followed") {
    const Trap trap;
    const std::string there = "ldap://127.0.0.1:" + std::to_string(trap.port) + "/";
    Configured f(
        {.configuration = {},
         .entries = "\ndn: cn=else,ou=People,dc=example,dc=com\nobjectClass: referral\nobjectClass: extensibleObject\ncn: else\nref: " + there +
                    "ou=People,dc=example,dc=com\n\ndn: ou=Away,dc=example,dc=com\nobjectClass: referral\nobjectClass: extensibleObject\n"
                    "ou: Away\nref: " +
                    there + "ou=Away,dc=example,dc=com\n",
         .urls = {}});
    f.configure({{"query_scope", "sub"}});
    f.admin("GET", "/v3/users?domain_id=${corp}&sort_key=name", "", 200,
            R"({"users": [{"name": "Ann"}, {"name": "Bob (B*) B"}, {"name": "Search"}]})");
    f.login(201);
    f.configure({{"user_tree_dn", "ou=Away,dc=example,dc=com"}});
    f.admin("GET", "/v3/users?domain_id=${corp}", "", 200, R"({"users": []})");
    f.login(401);
    f.configure({{"query_scope", "sub"}, {"chase_referrals", true}});  // Keystone's option is known, and has no effect
    f.login(201);
    CHECK_FALSE(trap.visited());
}

TEST_CASE("a directory server that was started again") {
    Directory f;
    f.cases.run(f.login("Ann", "ann's password", 201));
    f.slapd.stop();
    f.slapd.start();
    f.cases.run(f.login("Ann", "ann's password", 201));  // nobody noticed: the connections that were kept are made anew
    f.admin("GET", "/v3/users?domain_id=${corp}&name=Ann", "", 200, R"({"users": [{"name": "Ann"}]})");
}

TEST_CASE("a connection that breaks in the middle of an answer") {
    const Slapd slapd;
    const TempDir dir;
    Relay relay(dir / "socket", slapd.socket());
    identity::LdapServer server({.url = "ldapi://" + percent(dir / "socket"),
                                 .user = "cn=admin,dc=example,dc=com",
                                 .password = Secret("admin"),
                                 .pause = std::chrono::seconds(0)});
    const auto users = [&] { return server.search("ou=People,dc=example,dc=com", identity::LdapScope::one, "(uid=*)", {"uid", "cn"}).size(); };
    CHECK(users() == 3);
    relay.let_through(120);
    CHECK_THROWS_AS(users(), Error);  // a part of an answer is none
    relay.let_through(1'000'000);
    CHECK(users() == 3);
}

TEST_CASE("servers that hang keep nobody else waiting") {
    Configured f;
    f.options["pool_connection_timeout"] = 60;
    f.options["pool_size"] = 8;
    for (const char* domain : {"corp2", "corp3"}) {
        f.admin("POST", "/v3/domains", R"({"domain": {"name": ")" + std::string(domain) + "\"}}", 201, {}, {{"corp", "domain.id"}});
        f.configure({});
    }
    http::Server server(f.service, {});  // four threads, of which three may ask directory servers
    const std::string url = "http://127.0.0.1:" + std::to_string(server.listen("127.0.0.1", 0)) + "/v3/auth/tokens";
    server.start();
    const auto log_in = [&](const std::string& body) {
        http::Client client;
        http::ClientRequest request{.method = "POST", .url = url, .body = body, .timeout = std::chrono::seconds(50)};
        request.headers.set("Content-Type", "application/json");
        return client.send(request).status;
    };
    f.slapd.freeze();
    std::vector<std::future<int>> waiting;
    for (int i = 0; i < 16; ++i)
        waiting.push_back(std::async(std::launch::async, log_in, Configured::login_of("Ann", "ann's password", i % 2 ? "corp2" : "corp3")));
    for (int i = 0; i < 4; ++i) CHECK(log_in(IdentityFixture::login_body("member", "member", "demo")) == 201);
    f.slapd.thaw();
    int in = 0;
    for (std::future<int>& one : waiting) {
        const int status = one.get();
        CHECK((status == 201 || status == 503));
        in += status == 201;
    }
    CHECK(in > 0);
}

TEST_CASE("checking the configuration of directories and of the front door") {
    const TempDir dir;
    std::filesystem::create_directories(dir / "domains");
    const auto check = [&](const std::string& file, const std::vector<std::pair<std::string, std::string>>& more = {}) -> std::string {
        write_file(dir / "domains/corp.toml", "[ldap]\n" + file);
        Config config({identity::settings});
        config.set("ldap.domains", dir / "domains");
        for (const auto& [key, value] : more) config.set(key, value);
        try {
            identity::check_settings(config);
            return "good";
        } catch (const Error& wrong) {
            return wrong.message();
        }
    };
    const std::string in_file = dir / "domains/corp.toml";
    CHECK(check("url = \"ldaps://ldap.example\"\nuser = \"cn=search\"\n") == "good");
    for (const char* wrong : {"url = \"http://x\"\n", "user_mask = 2\n", "page_size = -1\n", "query_scope = \"two\"\n", "tls_req_cert = \"maybe\"\n",
                              "tls_cacertfile = \"/nowhere/ca.pem\"\n", "url = \"ldaps://x\"\nuse_tls = true\n",
                              "user_enabled_mask = 2\nuser_enabled_default = \"True\"\n"}) {
        CAPTURE(wrong);
        CHECK(check(wrong).starts_with(in_file + ":"));
    }
    const std::string none;
    CHECK(check(none, {{"federation.listen", "unix:/run/pilvi/front"}}) == "good");
    CHECK(check(none, {{"federation.listen", "127.0.0.1:5001"}}) == "good");
    CHECK(check(none, {{"federation.listen", "192.0.2.1:5001"}}).starts_with("federation.listen"));
    CHECK(check(none, {{"federation.listen", "front"}}).starts_with("federation.listen"));
    CHECK(check(none, {{"federation.header_prefix", ""}}).starts_with("federation.header_prefix"));
    CHECK(check(none, {{"federation.trusted_dashboards", "https://a.example/,b.example"}}).starts_with("federation.trusted_dashboards"));
    CHECK(check(none, {{"token.provider", "uuid"}}).starts_with("token.provider"));
    CHECK(check(none, {{"limits.enforcement_model", "round"}}).starts_with("limits.enforcement_model"));
    // Where the credentials are, they are looked for.
    ::setenv("CREDENTIALS_DIRECTORY", dir.path().c_str(), 1);
    CHECK(check("user = \"cn=search\"\n").starts_with(in_file + ":"));
    CHECK(check(none, {{"federation.listen", "127.0.0.1:5001"}}).find("federation-secret") != std::string::npos);
    write_file(dir / "ldap-password-corp", "x");
    CHECK(check("user = \"cn=search\"\n") == "good");
    ::unsetenv("CREDENTIALS_DIRECTORY");
}
