// TLS between nodes beside plain HTTP on one port, with certificates of an authority of our own.
#include <filesystem>

#include "base/ids.h"
#include "base/time.h"
#include "pki/pki.h"
#include "unit/http/support.h"

using namespace test;

namespace {

constexpr Micros hour = 3'600'000'000;

// An authority and the files of nodes, in a directory of its own.
struct Authority {
    std::string directory = (std::filesystem::temp_directory_path() / ("pilvi-nodes-" + new_hex_id())).string();
    pki::Key key = pki::Key::generate();
    pki::Certificate certificate = pki::make_authority(key, "ca", {now_micros() - hour, now_micros() + 100 * hour});
    std::map<std::string, std::string> serials;  // of each node's latest
    Authority() {
        std::filesystem::create_directory(directory);
        trust({});
        certify("controller", {"controller"}, "controller.pilvi.internal");
        certify("node1", {"compute", "network"});
    }
    ~Authority() { std::filesystem::remove_all(directory); }
    void trust(const std::vector<std::string>& revoked) const {
        write_file(directory + "/trust.pem", certificate.pem() + pki::revocation_list(revoked, now_micros() - hour, certificate, key));
    }
    void certify(const std::string& name, const std::vector<std::string>& roles, const std::string& more = "x", Micros from = now_micros() - hour,
                 Micros until = now_micros() + hour) {
        const pki::Key own = pki::Key::generate();
        const pki::Certificate leaf = pki::issue(own, {name, "11111111-1111-4111-8111-111111111111", roles, {name + ".node.pilvi.internal", more}},
                                                 {from, until}, certificate, key);
        serials[name] = leaf.serial();
        write_file(directory + "/" + name + ".pem", leaf.pem() + own.pem(), 0600);
    }
    http::TlsFiles files(const std::string& name) const {
        const std::string file = directory + "/" + name + ".pem";
        return {.certificate = file, .key = file, .client_ca = directory + "/trust.pem"};
    }
    http::ClientOptions as(const std::string& name) const {
        const http::TlsFiles own = files(name);
        return {.ca_file = own.client_ca, .identity = http::TlsFiles{.certificate = own.certificate, .key = own.key}};
    }
};

std::string who(http::Request& r) {
    if (!r.tls) return "plain";
    if (!r.identity) return "tls";
    std::string out = r.identity->name + " " + r.identity->id.substr(0, 2);
    for (const std::string& role : r.identity->roles) out += " " + role;
    return out;
}

struct Both {
    Authority authority;
    http::ServerOptions options;
    std::unique_ptr<Running> server;
    explicit Both(std::optional<http::TlsFiles> open = {}) {
        options.nodes = authority.files("controller");
        options.tls = std::move(open);
        server = std::make_unique<Running>(options);
        server->handler.fn = [](http::Request& r) { return http::Response{.body = who(r)}; };
    }
    std::string ask(http::Client& client, const std::string& name = "controller.pilvi.internal") const {
        return client.send({.url = server->url("/", "https"), .tls_name = name}).body;
    }
};

// The server looks at its files once a second at most.
void until(const std::function<bool()>& holds) {
    for (int i = 0; i < 2000 && !holds(); ++i) std::this_thread::sleep_for(50ms);
    CHECK(holds());
}

}  // namespace

TEST_CASE("one port: plain HTTP, TLS without and with a node's certificate") {
    const Both both;
    http::Client plain, node(both.authority.as("node1")), anonymous({.ca_file = both.authority.directory + "/trust.pem"});
    CHECK(plain.send({.url = both.server->url("/")}).body == "plain");
    CHECK(both.ask(anonymous) == "tls");
    CHECK(both.ask(node) == "node1 11 compute network");
    CHECK(both.ask(node) == "node1 11 compute network");  // on the kept connection
    CHECK(plain.send({.url = both.server->url("/")}).body == "plain");
    // The name is verified, not the address.
    CHECK(both.ask(node, "controller.node.pilvi.internal") == "node1 11 compute network");
    CHECK_THROWS_AS(both.ask(node, "node1.node.pilvi.internal"), Error);
    CHECK_THROWS_AS(node.send({.url = both.server->url("/", "https")}), Error);
}

TEST_CASE("a client's certificate: of another authority, ended, revoked") {
    Both both;
    const Authority other;
    http::ClientOptions stranger = other.as("node1");
    stranger.ca_file = both.authority.directory + "/trust.pem";
    http::Client foreign(stranger);
    CHECK_THROWS_AS(both.ask(foreign), Error);
    both.authority.certify("late", {"compute"}, "x", now_micros() - 3 * hour, now_micros() - hour);
    http::Client late(both.authority.as("late"));
    CHECK_THROWS_AS(both.ask(late), Error);
    CHECK(both.server->handler.handled == 0);

    http::Client node(both.authority.as("node1"));
    CHECK(both.ask(node) == "node1 11 compute network");
    both.authority.trust({both.authority.serials["node1"]});
    // Its connection is kept by the client; the server does not take it any more.
    until([&] {
        try {
            both.ask(node);
            return false;
        } catch (const Error&) {
            return true;
        }
    });
    both.authority.certify("node1", {"compute"});
    until([&] {
        try {
            return both.ask(node) == "node1 11 compute";  // the client took up its new certificate
        } catch (const Error&) {
            return false;
        }
    });
}

TEST_CASE("a node without a certificate serves plain HTTP, and TLS as soon as it has one") {
    Authority authority;
    std::filesystem::rename(authority.directory + "/controller.pem", authority.directory + "/later.pem");
    http::ServerOptions options;
    options.nodes = authority.files("controller");
    Running server(options);
    server.handler.fn = [](http::Request& r) { return http::Response{.body = who(r)}; };
    http::Client plain, node(authority.as("node1"));
    const auto ask = [&] { return node.send({.url = server.url("/", "https"), .tls_name = "controller.pilvi.internal"}).body; };
    CHECK(plain.send({.url = server.url("/")}).body == "plain");
    CHECK_THROWS_AS(ask(), Error);
    std::filesystem::rename(authority.directory + "/later.pem", authority.directory + "/controller.pem");
    CHECK(ask() == "node1 11 compute network");
    // A file that is broken afterwards leaves the last good one in force.
    write_file(authority.directory + "/controller.pem", "half a fi");
    std::this_thread::sleep_for(1100ms);
    http::Client fresh(authority.as("node1"));
    CHECK(fresh.send({.url = server.url("/", "https"), .tls_name = "controller.pilvi.internal"}).body == "node1 11 compute network");
}

TEST_CASE("a public certificate besides: each client gets the one that it asks for") {
    Authority open;
    open.certify("api", {}, "localhost");
    const Both both(http::TlsFiles{.certificate = open.directory + "/api.pem", .key = open.directory + "/api.pem"});
    http::Client user({.ca_file = open.directory + "/trust.pem"}), node(both.authority.as("node1")), plain;
    CHECK(both.ask(user, "localhost") == "tls");
    CHECK(both.ask(node) == "node1 11 compute network");
    CHECK_THROWS_AS(plain.send({.url = both.server->url("/")}), Error);
    const Authority other;
    http::ClientOptions stranger = other.as("node1");
    stranger.ca_file = both.authority.directory + "/trust.pem";
    http::Client foreign(stranger);
    CHECK_THROWS_AS(both.ask(foreign), Error);
}
