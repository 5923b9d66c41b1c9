#include <doctest/doctest.h>

#include <filesystem>
#include <thread>

#include "authority.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "keeper.h"
#include "pilvi_cluster_schema.h"
#include "support/code_of.h"

using namespace pilvi;
using cluster::day;
using testing::code_of;

namespace {

struct Cloud {
    std::string directory = (std::filesystem::temp_directory_path() / ("pilvi-cluster-" + new_hex_id())).string();
    Micros now = 1'700'000'000'000'000;
    std::unique_ptr<Store> store;
    std::unique_ptr<cluster::Authority> authority;
    Cloud() {
        std::filesystem::create_directory(directory);
        store = Store::open("sqlite:" + directory + "/cluster.sqlite", cluster::migrations());
        authority = std::make_unique<cluster::Authority>(*store, [this] { return now; });
        authority->advance();
    }
    ~Cloud() { std::filesystem::remove_all(directory); }
    std::string secret(const std::vector<std::string>& roles = {"compute"}, Micros life = 3'600'000'000) const {
        return split(authority->make_token(roles, life).text, '.').at(2);
    }
};

// A node: its key, its certificate, whom it trusts.
struct Node {
    Cloud& cloud;
    std::string name;
    pki::Key key = pki::Key::generate();
    cluster::Membership member;
    Node(Cloud& in, std::string called, const std::vector<std::string>& roles = {"compute"}) : cloud(in), name(std::move(called)) {
        member = cloud.authority->join({.token = cloud.secret(roles), .name = name, .request = pki::make_request(key)});
    }
    pki::Certificate certificate() const { return pki::Certificate::from_pem(member.certificate); }
    cluster::RenewRequest renewal(const pki::Key& next) const {
        const std::string request = pki::make_request(next);
        return {.certificate = certificate().pem(), .request = request, .signature = key.sign(request)};
    }
    // As pilvi node renew does it: follows the authorities from those that it knows, then asks.
    void renew() {
        const json::object path = cloud.authority->path();
        const auto trusted = pki::follow(pki::Certificate::all(member.trust), pki::Certificate::all(string_or(path, "authorities")),
                                         pki::Certificate::all(string_or(path, "crosses")));
        REQUIRE_FALSE(trusted.empty());
        const pki::Key next = pki::Key::generate();
        member = cloud.authority->renew(renewal(next));
        key = next;
    }
    bool due() const { return cloud.now >= cluster::renewal_due(certificate().not_before(), certificate().not_after()); }
};

std::string accepted(const std::string& chain, const std::string& trust, Micros now) { return pki::verify_chain(chain, trust, now, true); }

}  // namespace

TEST_CASE("a token is good once, for its time and its roles") {
    Cloud cloud;
    const std::string secret = cloud.secret({"network", "compute", "compute"});
    const pki::Key key = pki::Key::generate(), other = pki::Key::generate();
    const auto join = [&](const std::string& token, const pki::Key& with, const std::string& name) {
        return cloud.authority->join({.token = token, .name = name, .request = pki::make_request(with)});
    };
    const cluster::Membership member = join(secret, key, "node1");
    CHECK(member.roles == std::vector<std::string>{"compute", "network"});
    CHECK(accepted(member.certificate, member.trust, cloud.now).empty());
    CHECK(code_of([&] { join(secret, other, "node2"); }) == Errc::forbidden);
    // Its answer was lost: the same key gets it again, and stays one node.
    CHECK(join(secret, key, "node1").id == member.id);
    CHECK(cloud.authority->nodes().size() == 1);
    CHECK(code_of([&] { join("wrong", other, "node2"); }) == Errc::forbidden);
    const std::string late = cloud.secret({"compute"}, 60'000'000);
    cloud.now += 60'000'000;
    CHECK(code_of([&] { join(late, other, "node2"); }) == Errc::forbidden);
    CHECK(code_of([&] { join(cloud.secret(), other, "node1"); }) == Errc::conflict);
    for (const char* name : {"", "a b", "-x", "a/b", "a..b", "a.", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x,DNS:evil"})
        CHECK(code_of([&] { join(cloud.secret(), other, name); }) == Errc::bad_request);
    CHECK(code_of([&] { cloud.authority->make_token({"king"}, day); }) == Errc::bad_request);
    CHECK(code_of([&] { cloud.authority->make_token({}, day); }) == Errc::bad_request);
    CHECK(code_of([&] { cloud.authority->join({.token = cloud.secret(), .name = "n", .request = "no request"}); }) == Errc::bad_request);
    // A refused join leaves its token good.
    const std::string again = cloud.secret();
    CHECK(code_of([&] { join(again, other, "node1"); }) == Errc::conflict);
    CHECK(join(again, other, "node3").name == "node3");
    // The database keeps no secret.
    CHECK(read_file(cloud.directory + "/cluster.sqlite").find(again) == std::string::npos);
}

TEST_CASE("of many that use one token at the same moment, one joins") {
    Cloud cloud;
    const std::string secret = cloud.secret();
    std::atomic<int> joined{0}, refused{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            const std::string request = pki::make_request(pki::Key::generate());
            const auto code = code_of([&] { cloud.authority->join({.token = secret, .name = "node" + std::to_string(i), .request = request}); });
            if (!code) ++joined;
            if (code == Errc::forbidden) ++refused;
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(joined == 1);
    CHECK(refused == 7);
    CHECK(cloud.authority->nodes().size() == 1);
}

TEST_CASE("renewal: by proof of the old key, also after the end, not after removal") {
    Cloud cloud;
    Node node(cloud, "node1"), other(cloud, "node2");
    const pki::Key next = pki::Key::generate();
    CHECK(cloud.authority->renew(node.renewal(next)).id == node.member.id);
    cluster::RenewRequest forged = node.renewal(next);
    forged.signature = other.key.sign(forged.request);
    CHECK(code_of([&] { cloud.authority->renew(forged); }) == Errc::forbidden);
    forged = node.renewal(next);
    forged.request = pki::make_request(other.key);  // signed was another request
    CHECK(code_of([&] { cloud.authority->renew(forged); }) == Errc::forbidden);
    // A certificate of somebody else's authority with our node's name.
    const pki::Key foreign = pki::Key::generate();
    const pki::Certificate ca = pki::make_authority(foreign, "x", {cloud.now - day, cloud.now + day});
    forged = node.renewal(next);
    forged.certificate =
        pki::issue(node.key, {"node1", node.member.id, {"compute"}, {"node1.node.pilvi.internal"}}, {cloud.now - day, cloud.now + day}, ca, foreign)
            .pem();
    CHECK(code_of([&] { cloud.authority->renew(forged); }) == Errc::forbidden);

    cloud.now += 5 * 365 * day;  // long ended
    CHECK_FALSE(accepted(node.member.certificate, cloud.authority->trust(), cloud.now).empty());
    node.renew();
    CHECK(accepted(node.member.certificate, cloud.authority->trust(), cloud.now).empty());
    cloud.now += 11 * 365 * day;
    CHECK(code_of([&] { cloud.authority->renew(node.renewal(next)); }) == Errc::forbidden);

    cloud.authority->advance();
    Node third(cloud, "node3");
    CHECK(accepted(third.member.certificate, cloud.authority->trust(), cloud.now).empty());
    cloud.authority->remove_node("node3");
    CHECK(accepted(third.member.certificate, cloud.authority->trust(), cloud.now) == "certificate revoked");
    CHECK(code_of([&] { cloud.authority->renew(third.renewal(next)); }) == Errc::forbidden);
    CHECK(code_of([&] { cloud.authority->remove_node("node3"); }) == Errc::not_found);
    Node again(cloud, "node3");  // the name is free, as another node
    CHECK(again.member.id != third.member.id);
    CHECK(code_of([&] { cloud.authority->renew(third.renewal(next)); }) == Errc::forbidden);
}

TEST_CASE("roles: more with a token, fewer with a renewal") {
    Cloud cloud;
    Node node(cloud, "node1");
    const pki::Key next = pki::Key::generate();
    const std::string request = pki::make_request(next);
    const auto more = [&](const std::string& token, const std::string& signature) {
        return cloud.authority->join(
            {.token = token, .name = "node1", .request = request, .certificate = node.certificate().pem(), .signature = signature});
    };
    CHECK(code_of([&] { more(cloud.secret({"network"}), "x"); }) == Errc::forbidden);
    const cluster::Membership both = more(cloud.secret({"network"}), node.key.sign(request));
    CHECK(both.id == node.member.id);
    CHECK(both.roles == std::vector<std::string>{"compute", "network"});
    CHECK(pki::Certificate::from_pem(both.certificate).roles() == both.roles);
    cluster::RenewRequest fewer = node.renewal(next);
    fewer.roles = {"network"};
    CHECK(cloud.authority->renew(fewer).roles == std::vector<std::string>{"network"});
    fewer.roles = {"network", "storage"};
    CHECK(code_of([&] { cloud.authority->renew(fewer); }) == Errc::forbidden);
    // Removed, it comes back as another node, with what the new token says and no more.
    cloud.authority->remove_node("node1");
    CHECK(code_of([&] { more("0", node.key.sign(request)); }) == Errc::forbidden);
    const cluster::Membership anew = more(cloud.secret({"storage"}), node.key.sign(request));
    CHECK(anew.id != node.member.id);
    CHECK(anew.roles == std::vector<std::string>{"storage"});
}

TEST_CASE("a quarter of a century: nobody is stranded, whoever sleeps how long") {
    Cloud cloud;
    cluster::Keeper keeper(*cloud.authority, [&] { return cloud.now; },
                           {.host = "ctl", .identity = cloud.directory + "/identity.pem", .trust = cloud.directory + "/trust.pem"});
    keeper.keep();
    struct Sleeper {
        Node node;
        Micros every;  // it is awake for a moment so often
        Micros wakes = 0;
        int renewals = 0;
    };
    std::vector<Sleeper> sleepers;
    for (const auto& [name, every] : {std::pair{"always", 10 * day}, {"monthly", 30 * day}, {"yearly", 365 * day}, {"rarely", 9 * 365 * day}})
        sleepers.push_back({.node = Node(cloud, name), .every = every, .wakes = cloud.now + every});
    const Micros end = cloud.now + 28 * 365 * day;
    for (; cloud.now < end; cloud.now += 10 * day) {
        keeper.keep();
        const std::string controller = read_file(cloud.directory + "/identity.pem"), trust = read_file(cloud.directory + "/trust.pem");
        for (Sleeper& sleeper : sleepers) {
            if (cloud.now < sleeper.wakes) continue;
            sleeper.wakes += sleeper.every;
            if (sleeper.node.due()) {
                sleeper.node.renew();
                ++sleeper.renewals;
            }
            // Each accepts the other.
            REQUIRE(accepted(sleeper.node.member.certificate, trust, cloud.now).empty());
            REQUIRE(pki::verify_chain(controller, sleeper.node.member.trust, cloud.now, false).empty());
        }
    }
    CHECK(sleepers[0].renewals > 28 * 365 / 41);
    CHECK(sleepers[3].renewals == 3);
    CHECK(pki::Certificate::all(string_or(cloud.authority->path(), "authorities")).size() > 7);
    // Old authorities are not trusted for ever.
    CHECK(pki::Certificate::all(cloud.authority->trust()).size() <= 4);
}

TEST_CASE("the keeper writes what is missing, wrong or due, and nothing else") {
    Cloud cloud;
    const std::string identity = cloud.directory + "/identity.pem", trust = cloud.directory + "/trust.pem";
    cluster::Keeper keeper(*cloud.authority, [&] { return cloud.now; }, {.host = "ctl", .identity = identity, .trust = trust});
    keeper.keep();
    const std::string first = read_file(identity);
    CHECK((std::filesystem::status(identity).permissions() & std::filesystem::perms::others_all) == std::filesystem::perms::none);
    CHECK(accepted(first, read_file(trust), cloud.now).empty());
    CHECK(pki::Certificate::from_pem(first).roles() == std::vector<std::string>{"controller"});
    keeper.keep();
    CHECK(read_file(identity) == first);
    cloud.now += 31 * day;
    keeper.keep();
    const std::string second = read_file(identity);
    CHECK(second != first);
    write_file(identity, "half a fi");
    keeper.keep();
    CHECK(accepted(read_file(identity), read_file(trust), cloud.now).empty());
    std::filesystem::remove(trust);
    keeper.keep();
    CHECK(accepted(read_file(identity), read_file(trust), cloud.now).empty());
    Node node(cloud, "node1");
    cloud.authority->remove_node("node1");
    keeper.keep();
    CHECK(accepted(node.member.certificate, read_file(trust), cloud.now) == "certificate revoked");
    CHECK(code_of([&] { cloud.authority->remove_node("ctl"); }) == Errc::conflict);
}

TEST_CASE("a machine that was accepted gets its certificate by its key, as often as it asks, for a week") {
    Cloud cloud;
    const pki::Key key = pki::Key::generate(), other = pki::Key::generate();
    CHECK_FALSE(cloud.authority->accepted(key));
    cloud.authority->accept("rack1", {"network", "compute"}, key.fingerprint());
    CHECK_FALSE(cloud.authority->accepted(other));
    for (int times = 0; times < 2; ++times) {
        const auto member = cloud.authority->accepted(key);
        REQUIRE(member);
        CHECK(member->name == "rack1");
        CHECK(member->roles == std::vector<std::string>{"compute", "network"});
        CHECK(pki::Certificate::from_pem(member->certificate).key().fingerprint() == key.fingerprint());
        CHECK(accepted(member->certificate, member->trust, cloud.now) == "");
    }
    // The key is no secret of a token: nobody joins with what it is kept under.
    CHECK(code_of([&] { cloud.authority->join({.token = "accepted-" + key.fingerprint(), .name = "x", .request = pki::make_request(key)}); }) ==
          Errc::forbidden);
    cloud.now += 7 * day;
    CHECK_FALSE(cloud.authority->accepted(key));
}

TEST_CASE("a name is accepted once; what is wrong leaves nothing") {
    Cloud cloud;
    const pki::Key key = pki::Key::generate(), other = pki::Key::generate();
    CHECK(code_of([&] { cloud.authority->accept("rack 1", {"compute"}, key.fingerprint()); }) == Errc::bad_request);
    CHECK(code_of([&] { cloud.authority->accept("rack1", {"cook"}, key.fingerprint()); }) == Errc::bad_request);
    CHECK(code_of([&] { cloud.authority->accept("rack1", {}, key.fingerprint()); }) == Errc::bad_request);
    CHECK_FALSE(cloud.authority->accepted(key));
    cloud.authority->accept("rack1", {"compute"}, key.fingerprint());
    CHECK(code_of([&] { cloud.authority->accept("rack1", {"compute"}, other.fingerprint()); }) == Errc::conflict);
    CHECK_FALSE(cloud.authority->accepted(other));
    CHECK(cloud.authority->nodes().size() == 1);
    cloud.authority->remove_node("rack1");
    CHECK_FALSE(cloud.authority->accepted(key));
    cloud.authority->accept("rack1", {"compute"}, other.fingerprint());
    CHECK(cloud.authority->accepted(other));
}
