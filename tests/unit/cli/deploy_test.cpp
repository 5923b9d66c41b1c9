#include <doctest/doctest.h>

#include "base/error.h"
#include "deploy/deploy.h"

using namespace pilvi;
using namespace pilvi::cli;

namespace {

constexpr Micros now = 1'700'000'000'000'000;

Deployment three() {
    return deployment_of({{"CONFIG_CONTROLLER_HOST", "ctl"},
                          {"CONFIG_COMPUTE_HOSTS", "c1,c2"},
                          {"CONFIG_KEYSTONE_ADMIN_PW", "secret"},
                          {"CONFIG_NOVA_LIBVIRT_VIRT_TYPE", "qemu"},
                          {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES", "br-ex:eth1"}});
}

NodeFacts sound(const std::string& name) {
    return {.name = name,
            .uid = 0,
            .clock = now,
            .free_disk_mib = 100'000,
            .memory_mib = 8192,
            .kvm = true,
            .installed = {"controller", "compute", "network"},
            .enabled = {},
            .resolved = {"ctl"},
            .ports = {22},
            .controller = "",
            .member_roles = {},
            .volume_group = false};
}

std::map<std::string, Look> looks() { return {{"ctl", {sound("ctl"), ""}}, {"c1", {sound("c1"), ""}}, {"c2", {sound("c2"), ""}}}; }

std::vector<std::string> texts(const std::vector<Step>& steps) {
    std::vector<std::string> out;
    for (const Step& step : steps) out.push_back(step.host + ": " + step.text);
    return out;
}

}  // namespace

TEST_CASE("before anything is done, each thing in the way is named with its remedy") {
    CHECK(preflight(three(), looks(), now).empty());
    struct Case {
        const char* host;
        std::function<void(NodeFacts&)> change;
        bool fatal;
        const char *reason, *remedy;
    };
    const Case cases[] = {
        {"c1", [](NodeFacts& f) { f.uid = 1000; }, true, "not root's", "root"},
        {"c1", [](NodeFacts& f) { f.name = "c2"; }, true, "host name c2 of c1 too", "hostnamectl"},
        {"c1", [](NodeFacts& f) { f.name = "localhost"; }, true, "cannot be a node's", "hostnamectl"},
        {"c1", [](NodeFacts& f) { f.clock -= 120'000'000; }, true, "120 s away", "set-ntp"},
        {"c1", [](NodeFacts& f) { f.resolved.clear(); }, true, "the name ctl of the controller is not known", "/etc/hosts"},
        {"c1", [](NodeFacts& f) { f.free_disk_mib = 100; }, true, "100 MiB are free", "make room"},
        {"c1", [](NodeFacts& f) { f.free_disk_mib = 5000; }, false, "5000 MiB are free", "need more"},
        {"c1", [](NodeFacts& f) { f.memory_mib = 512; }, false, "512 MiB of memory", ""},
        {"c1", [](NodeFacts& f) { f.installed = {"controller"}; }, true, "compute is not installed", "apt-get install pilvi-role-compute"},
        {"c1", [](NodeFacts& f) { f.kvm = false; }, false, "/dev/kvm", "virtualization"},
        {"c1", [](NodeFacts& f) { f.controller = "other"; }, true, "a node of other already", "pilvi node remove"},
        {"ctl", [](NodeFacts& f) { f.ports.insert(9696); }, true, "port 9696 (network)", "ss -ltnp"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.reason);
        auto all = looks();
        c.change(*all[c.host].facts);
        const auto found = preflight(three(), all, now);
        REQUIRE(found.size() == 1);
        CHECK(found[0].fatal == c.fatal);
        CHECK(found[0].reason.find(c.reason) != std::string::npos);
        CHECK(found[0].remedy.find(c.remedy) != std::string::npos);
    }
    // A storage node joins, and is told what it lacks.
    const Deployment four = deployment_of({{"CONFIG_CONTROLLER_HOST", "ctl"}, {"CONFIG_COMPUTE_HOSTS", "c1,c2"}, {"CONFIG_STORAGE_HOST", "s1"}});
    auto all = looks();
    all["s1"] = {sound("s1"), ""};
    const auto missing = preflight(four, all, now);
    REQUIRE(missing.size() == 3);
    CHECK(missing[0].fatal);
    CHECK(missing[0].reason == "the role storage is not installed");
    all["s1"].facts->installed.insert("storage");
    REQUIRE(preflight(four, all, now).size() == 2);
    for (const Trouble& trouble : preflight(four, all, now)) CHECK_FALSE(trouble.fatal);
    all["s1"].facts->volume_group = true;
    CHECK(preflight(four, all, now).size() == 1);
    all = looks();
    all["c2"] = {std::nullopt, "Permission denied (publickey)."};
    const auto found = preflight(three(), all, now);
    REQUIRE(found.size() == 1);
    CHECK(found[0].reason == "Permission denied (publickey).");
    // A port that the controller's own role listens on is in nobody's way.
    all = looks();
    all["ctl"].facts->enabled = {"controller"};
    all["ctl"].facts->ports = {5000, 9696};
    CHECK(preflight(three(), all, now).empty());
}

TEST_CASE("the plan: what changes on which machine, and nothing that is so already") {
    CHECK(texts(plan(three(), looks())) == std::vector<std::string>{
                                               "ctl: eth1 is a port of the bridge br-ex",
                                               "ctl: the catalogue names ctl in region RegionOne",
                                               "ctl: the administrator has the password that was answered",
                                               "ctl: takes the roles controller, network",
                                               "ctl: administrator, service users and catalogue are as they should be",
                                               "ctl: pilvi-cluster answers",
                                               "c1: /etc/pilvi/compute-agent.d/20-answers.toml says what was answered",
                                               "c1: joins the cluster of ctl as compute",
                                               "c2: /etc/pilvi/compute-agent.d/20-answers.toml says what was answered",
                                               "c2: joins the cluster of ctl as compute",
                                               "ctl: everything is ready",
                                           });
    auto all = looks();
    all["ctl"].facts->enabled = {"controller", "network"};
    all["c1"].facts->controller = "ctl";
    all["c1"].facts->member_roles = {"compute"};
    for (const Step& step : plan(three(), all)) {
        CHECK(step.kind != Step::Kind::roles);
        CHECK_FALSE((step.kind == Step::Kind::join && step.host == "c1"));
        if (step.kind == Step::Kind::file && step.host == "c1")
            CHECK(step.content == "# Written by pilvi deploy from its answers.\n\n[libvirt]\nvirt_type = \"qemu\"\n");
    }
}

TEST_CASE("facts travel as JSON") {
    NodeFacts facts = sound("n");
    facts.member_roles = {"compute"};
    facts.controller = "ctl";
    facts.volume_group = true;
    const NodeFacts again = facts_from(to_text(to_json(facts)));
    CHECK(to_json(again) == to_json(facts));
    for (const char* text : {"", "x", "[]", "pilvi: command not found"}) CHECK_THROWS_AS(facts_from(text), Error);
}

TEST_CASE("words reach the program on the other machine as they are") {
    CHECK(shell_word("a-b.c/d") == "a-b.c/d");
    CHECK(shell_word("") == "''");
    CHECK(shell_word("a b;$(id)") == "'a b;$(id)'");
    CHECK(shell_word("it's") == "'it'\\''s'");
    struct None final : CommandRunner {
        CommandResult run(const Command&) override { return {}; }
    } none;
    CHECK(Machine(none, "here", true, "root", "").command_line({"pilvi", "a b"}) == std::vector<std::string>{"/usr/bin/env", "pilvi", "a b"});
    const auto there = Machine(none, "h1", false, "root", "/k").command_line({"pilvi", "a b"});
    CHECK(there.front() == "/usr/bin/ssh");
    CHECK(there[there.size() - 1] == "pilvi 'a b'");
    CHECK(there[there.size() - 2] == "h1");
    CHECK(there[there.size() - 3] == "--");
}
