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
            .interfaces = {{"lo", {"127.0.0.1"}}, {"eth0", {"192.0.2.10"}}, {"eth1", {}}},
            .resolved = {"ctl"},
            .ports = {22},
            .controller = "",
            .member_roles = {},
            .volume_group = false};
}

std::map<std::string, Look> looks() { return {{"ctl", {sound("ctl"), "", now}}, {"c1", {sound("c1"), "", now}}, {"c2", {sound("c2"), "", now}}}; }

std::vector<std::string> texts(const std::vector<Step>& steps) {
    std::vector<std::string> out;
    for (const Step& step : steps) out.push_back(step.host + ": " + step.text);
    return out;
}

}  // namespace

TEST_CASE("before anything is done, each thing in the way is named with its remedy") {
    CHECK(preflight(three(), looks()).empty());
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
        {"c1", [](NodeFacts& f) { f.installed = {"controller"}; }, true, "apt knows no pilvi-role-compute", "CONFIG_APT_SOURCE"},
        {"ctl", [](NodeFacts& f) { f.interfaces.erase("eth1"); }, true, "no interface eth1", "ip link"},
        {"ctl", [](NodeFacts& f) { f.interfaces["eth1"] = {"192.0.2.1"}; }, true, "eth1 has the address 192.0.2.1", "without an address"},
        {"c1", [](NodeFacts& f) { f.kvm = false; }, false, "/dev/kvm", "virtualization"},
        {"c1", [](NodeFacts& f) { f.controller = "other"; }, true, "a node of other already", "pilvi node remove"},
        {"ctl", [](NodeFacts& f) { f.ports.insert(9696); }, true, "port 9696 (network)", "ss -ltnp"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.reason);
        auto all = looks();
        c.change(*all[c.host].facts);
        const auto found = preflight(three(), all);
        REQUIRE(found.size() == 1);
        CHECK(found[0].fatal == c.fatal);
        CHECK(found[0].reason.find(c.reason) != std::string::npos);
        CHECK(found[0].remedy.find(c.remedy) != std::string::npos);
    }
    // A storage node joins, and is told what it lacks.
    const Deployment four = deployment_of({{"CONFIG_CONTROLLER_HOST", "ctl"}, {"CONFIG_COMPUTE_HOSTS", "c1,c2"}, {"CONFIG_STORAGE_HOST", "s1"}});
    auto all = looks();
    all["s1"] = {sound("s1"), "", now};
    const auto missing = preflight(four, all);
    REQUIRE(missing.size() == 3);
    CHECK(missing[0].fatal);
    CHECK(missing[0].reason == "the role storage is not installed, and apt knows no pilvi-role-storage");
    all["s1"].facts->installed.insert("storage");
    REQUIRE(preflight(four, all).size() == 2);
    for (const Trouble& trouble : preflight(four, all)) CHECK_FALSE(trouble.fatal);
    all["s1"].facts->volume_group = true;
    CHECK(preflight(four, all).size() == 1);
    all = looks();
    all["c2"] = {std::nullopt, "Permission denied (publickey).", now};
    const auto found = preflight(three(), all);
    REQUIRE(found.size() == 1);
    CHECK(found[0].reason == "Permission denied (publickey)");
    CHECK(found[0].remedy.find("ssh-copy-id root@c2") != std::string::npos);
    // A port that the controller's own role listens on is in nobody's way.
    all = looks();
    all["ctl"].facts->enabled = {"controller"};
    all["ctl"].facts->ports = {5000, 9696};
    CHECK(preflight(three(), all).empty());
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
                                               "ctl: /root has keystonerc and clouds.yaml",
                                           });
    auto all = looks();
    all["ctl"].facts->enabled = {"controller", "network"};
    all["c1"].facts->controller = "ctl";
    all["c1"].facts->member_roles = all["c1"].facts->enabled = {"compute"};
    for (const Step& step : plan(three(), all)) {
        CHECK(step.kind != Step::Kind::roles);
        CHECK_FALSE((step.kind == Step::Kind::join && step.host == "c1"));
        if (step.kind == Step::Kind::file && step.host == "c1")
            CHECK(step.content == "# Written by pilvi deploy from its answers.\n\n[libvirt]\nvirt_type = \"qemu\"\n");
    }
}

TEST_CASE("addresses are looked at before anything is done") {
    const auto reasons = [](const Deployment& deployment, const std::map<std::string, Look>& all) {
        std::vector<std::string> out;
        for (const Trouble& trouble : preflight(deployment, all)) out.push_back((trouble.fatal ? "! " : "") + trouble.reason);
        return out;
    };
    const Deployment loop = deployment_of({{"CONFIG_CONTROLLER_HOST", "127.0.0.1"}, {"CONFIG_COMPUTE_HOSTS", "c1"}});
    CHECK(reasons(loop, {{"127.0.0.1", {sound("ctl"), "", now}}, {"c1", {sound("c1"), "", now}}}) ==
          std::vector<std::string>{"! 127.0.0.1 is each machine's own address"});
    const Deployment far = deployment_of({{"CONFIG_CONTROLLER_HOST", "198.51.100.1"}, {"CONFIG_COMPUTE_HOSTS", "198.51.100.1"}});
    CHECK(reasons(far, {{"198.51.100.1", {sound("ctl"), "", now}}}) ==
          std::vector<std::string>{"none of its interfaces has the address 198.51.100.1"});
    Deployment tunnels =
        deployment_of({{"CONFIG_CONTROLLER_HOST", "ctl"}, {"CONFIG_COMPUTE_HOSTS", "ctl"}, {"CONFIG_NEUTRON_OVS_TUNNEL_IF", "eth1"}});
    CHECK(reasons(tunnels, {{"ctl", {sound("ctl"), "", now}}}) == std::vector<std::string>{"! its tunnels would end at eth1, which has no address"});
    tunnels.settings.back().value = "\"eth2\"";
    CHECK(reasons(tunnels, {{"ctl", {sound("ctl"), "", now}}}) == std::vector<std::string>{"! its tunnels would end at eth2, which it has not"});
}

TEST_CASE("packages that are missing are installed where apt has them") {
    auto all = looks();
    all["c1"].facts->installed = {};
    all["c1"].facts->available = {"compute"};
    CHECK(preflight(three(), all).empty());
    CHECK(texts(installations(three(), all)) == std::vector<std::string>{"c1: installs pilvi-role-compute"});
    // A source that the answers name is trusted to have them.
    all["c1"].facts->available = {};
    Deployment sourced = three();
    sourced.apt_source = "deb [trusted=yes] file:/srv/debs ./";
    CHECK(preflight(sourced, all).empty());
    CHECK(installations(sourced, all).at(0).content == sourced.apt_source);
    CHECK(installations(three(), looks()).empty());
    // The guest of a demo, where apt has it.
    Deployment demo = three();
    demo.provision.demo = true;
    all = looks();
    CHECK(installations(demo, all).empty());
    all["ctl"].facts->available = all["c1"].facts->available = {"pilvi-guest-image"};
    CHECK(texts(installations(demo, all)) == std::vector<std::string>{"ctl: installs pilvi-guest-image"});
    demo.provision.image = "/root/a.img";
    CHECK(installations(demo, all).empty());
}

TEST_CASE("a machine that joined and was ended starts its roles") {
    auto all = looks();
    all["c1"].facts->controller = "ctl";
    all["c1"].facts->member_roles = {"compute"};
    std::vector<std::string> of_c1;
    for (const std::string& text : texts(plan(three(), all)))
        if (text.starts_with("c1: ")) of_c1.push_back(text);
    CHECK(of_c1 == std::vector<std::string>{"c1: /etc/pilvi/compute-agent.d/20-answers.toml says what was answered", "c1: starts the roles compute"});
}

TEST_CASE("of a machine without pilvi, Debian's programs tell") {
    const NodeFacts facts =
        facts_from({{0, "c1\n"},
                    {0, "0\n"},
                    {0, "1700000000\n"},
                    {0, "Filesystem 1048576-blocks Used Available Capacity Mounted on\n/dev/vda 9999 1 5000 1% /\n"},
                    {1, ""},
                    {0,
                     "MemTotal:        2048000 kB\n  sl  local_address rem_address   st\n   0: 00000000:25E0 00000000:0000 0A x\n"
                     "   1: 0100007F:1F90 00000000:0000 01 x\n"},
                    {2, ""},
                    {0, "eth0\nlo\n"},
                    {0, "2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\n2: eth0    inet6 fd00::2/64 scope global\n"},
                    {0, "pilvi-role-compute:\n  Installed: (none)\n  Candidate: 1.0\npilvi-role-network:\n  Candidate: (none)\n"}},
                   "ctl");
    CHECK(facts.name == "c1");
    CHECK(facts.uid == 0);
    CHECK(facts.clock == now);
    CHECK(facts.free_disk_mib == 5000);
    CHECK(facts.memory_mib == 2000);
    CHECK_FALSE(facts.kvm);
    CHECK(facts.ports == std::set<int>{9696});
    CHECK(facts.resolved.empty());
    CHECK(facts.interfaces == std::map<std::string, std::vector<std::string>>{{"eth0", {"192.0.2.2", "fd00::2"}}, {"lo", {}}});
    CHECK(facts.available == std::set<std::string>{"compute"});
    CHECK(facts.installed.empty());
    // Nothing of it, or something else: no facts, but no trouble either.
    CHECK(facts_from(std::vector<ProbeAnswer>{}, "ctl").uid == -1);
    CHECK(probes("ctl").size() == 10);
}

TEST_CASE("facts travel as JSON") {
    NodeFacts facts = sound("n");
    facts.member_roles = {"compute"};
    facts.controller = "ctl";
    facts.volume_group = true;
    facts.pending = {"bootstrap", "network-agent"};
    facts.url_host = "192.0.2.10";
    facts.available = {"storage"};
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
    CHECK(std::ranges::count(there, "BatchMode=yes") == 1);
    // What goes through a connection that was opened with a password: the same, over its socket. ssh takes the first of an option's values.
    Machine shared(none, "h1", false, "root", "");
    shared.share("/tmp/x/%C");
    CHECK(std::ranges::count(shared.command_line({"true"}), "ControlPath=/tmp/x/%C") == 1);
    const auto asking = shared.ssh({"-o", "BatchMode=no"});
    CHECK(std::ranges::find(asking, "BatchMode=no") < std::ranges::find(asking, "BatchMode=yes"));
    CHECK(asking.back() == "h1");
}
