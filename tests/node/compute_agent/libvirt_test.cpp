// The agent's pass against a real libvirtd and QEMU (TCG), with the tiny guest. Run by with-libvirt, as root.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "drivers/libvirt.h"
#include "drivers/node.h"
#include "steps/console.h"
#include "steps/servers.h"

using namespace pilvi;
using namespace pilvi::compute_agent;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

std::string required(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) throw Error(Errc::internal, std::string(name) + " is not set: run this test by tests/node/with-libvirt");
    return value;
}

// The test's own view of the node, without the agent's code.
std::string shell_free(std::vector<std::string> argv) {
    SystemCommandRunner runner;
    return runner.check(Command{.argv = std::move(argv), .limit = 60s});
}
std::vector<std::string> lines(const std::string& text) { return split(trim(text), '\n', false); }
std::vector<std::string> domains() { return lines(shell_free({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name"})); }
std::vector<std::string> taps() {
    std::vector<std::string> out;
    for (const std::string& port : lines(shell_free({"/usr/bin/ovs-vsctl", "list-ports", "br-int"}))) out.push_back(port);
    return out;
}
std::string property(const std::string& name, const char* what) {
    for (const std::string& line : lines(shell_free({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "dominfo", name})))
        if (line.starts_with(std::string(what) + ":")) return std::string(trim(std::string_view(line).substr(line.find(':') + 1)));
    return {};
}

// The image of the tiny guest, made once.
std::string guest_image() {
    static const std::string directory = [] {
        if (const char* given = std::getenv("PILVI_GUEST")) return std::string(given);
        SystemCommandRunner runner;
        const std::string out = runner.check(Command{.argv = {std::string(PILVI_SOURCE_DIR) + "/image-build/guest/build"}, .limit = 1800s});
        return lines(out).back();
    }();
    return directory + "/guest.qcow2";
}

struct Guest {
    std::string id = new_uuid(), port = new_uuid(), name = "instance-" + id.substr(0, 8), mac = "fa:16:3e:00:00:01";
    json::object desired(std::string_view power, std::int64_t generation, json::array tasks = {}, bool wired = true) const {
        return {{"id", id},
                {"name", name},
                {"hostname", "tiny <guest> & \"more\""},
                {"generation", generation},
                {"power", power},
                {"vif_plugged", wired},
                {"project_id", "p"},
                {"user_id", "u"},
                {"flavor", {{"name", "m1.nano"}, {"vcpus", 1}, {"ram_mb", 128}, {"disk_gb", 1}, {"ephemeral_gb", 1}, {"swap_mb", 16}}},
                {"image", {{"id", "21111111-2222-4333-8444-555555555555"}, {"disk_format", "qcow2"}, {"size", fs::file_size(guest_image())}}},
                {"ports", json::array{json::object{{"id", port}, {"mac", mac}, {"mtu", 1450}}}},
                {"config_drive", true},
                {"tasks", std::move(tasks)}};
    }
};

json::object metadata(const std::string& id) {
    return {
        {"meta_data", {{"uuid", id}, {"name", "tiny"}, {"hostname", "tiny.novalocal"}, {"keys", json::array{}}}},
        {"user_data", base64_encode("#!/bin/sh\necho user-data of $(hostname)\nblkid /dev/vdb /dev/vdc\n")},
        {"vendor_data", json::object{}},
        {"vendor_data2", json::object{}},
        // A fixed address: nobody answers DHCP here.
        {"network_data", parse_json(R"({"links": [{"id": "l", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": 1450}], "networks": [
                {"id": "n", "link": "l", "type": "ipv4", "ip_address": "10.0.0.5", "netmask": "255.255.255.0", "routes": []}], "services": []})")},
        {"ec2", json::object{}}};
}

// The agent's parts as main puts them together, in this process.
class Agent {
public:
    Agent() {
        ServersOptions o;
        o.directory = state() + "/instances";
        o.scratch = state();
        o.stray_grace = 0;
        o.shutdown_limit = shutdown_limit;
        o.cpu_mode = "custom";
        o.cpu_model = "Nehalem";
        o.disk_cache = direct_io_works(state()) ? "none" : "writeback";
        images_ = std::make_unique<ImageCache>(
            ImageCacheOptions{.directory = state() + "/_base"}, qemu_img_,
            [](const ImageRef&, const std::function<void(std::string_view)>& sink) { sink(read_file(guest_image(), 64u << 20)); }, [] {});
        hypervisor_ = make_libvirt("qemu:///system");
        servers_ = std::make_unique<Servers>(o, *hypervisor_, *images_, qemu_img_, ovs_, runner_, metadata, "this boot");
    }
    // How long a guest may take to go down by itself before it is ended.
    static inline std::int64_t shutdown_limit = 90'000'000;
    static std::string state() { return required("PILVI_NODE_DIR"); }

    // Passes until every server of the set reports `state` (or, where given, `reached` holds). Throws after a quarter of an hour.
    json::object until(const json::object& set, const std::string& state, const std::function<bool(const json::object&)>& reached = {}) {
        const auto deadline = std::chrono::steady_clock::now() + 900s;
        json::object reports;
        while (std::chrono::steady_clock::now() < deadline) {
            std::chrono::milliseconds again{0};
            reports = servers_->pass(set, &again);
            bool all = true;
            for (const auto& [id, report] : reports) all = all && string_or(report.as_object(), "state") == state;
            if (all && (!reached || reached(reports))) return reports;
            std::this_thread::sleep_for(100ms);
        }
        throw Error(Errc::timeout, "not " + state + " after a quarter of an hour: " + to_text(reports));
    }
    Hypervisor& hypervisor() { return *hypervisor_; }
    Servers& servers() { return *servers_; }

private:
    SystemCommandRunner runner_;
    QemuImg qemu_img_{runner_};
    Ovs ovs_{runner_};
    std::unique_ptr<ImageCache> images_;
    std::unique_ptr<Hypervisor> hypervisor_;
    std::unique_ptr<Servers> servers_;
};

// An agent in a process of its own, because libvirt allows one event loop in each and because it is to be killed. In its body REQUIRE ends it.
class AgentProcess {
public:
    template <class F>
    explicit AgentProcess(F body) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        int status = 1;
        try {
            Agent agent;
            body(agent);
            status = 0;
        } catch (const std::exception& error) {
            std::fprintf(stderr, "agent: %s\n", error.what());
        } catch (...) {  // a REQUIRE, which has said what
        }
        std::fflush(nullptr);
        ::_exit(status);
    }
    void kill_after(std::chrono::milliseconds delay) {
        std::this_thread::sleep_for(delay);
        ::kill(pid_, SIGKILL);
        wait();
    }
    int wait() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    pid_t pid_ = -1;
};

template <class F>
void agent(F body) {
    CHECK(AgentProcess(std::move(body)).wait() == 0);
}

json::object set_of(std::initializer_list<json::object> servers) {
    json::array all;
    for (const json::object& server : servers) all.push_back(server);
    return {{"servers", std::move(all)}};
}

void wait_for_console(const std::string& id, const std::string& text, int times = 1) {
    const std::string log = Agent::state() + "/instances/" + id + "/console.log";
    const auto deadline = std::chrono::steady_clock::now() + 900s;
    while (std::chrono::steady_clock::now() < deadline) {
        const std::string console = console_tail(log, -1);
        int found = 0;
        for (std::size_t at = console.find(text); at != std::string::npos; at = console.find(text, at + 1)) ++found;
        if (found >= times) return;
        std::this_thread::sleep_for(200ms);
    }
    throw Error(Errc::timeout, "the console does not say \"" + text + "\": " + console_tail(log, 40));
}

void check_nothing_left(const Guest& guest) {
    CHECK(domains().empty());
    CHECK(taps().empty());
    CHECK_FALSE(fs::exists(Agent::state() + "/instances/" + guest.id));
}

}  // namespace

TEST_CASE("a guest boots to its ready line, stops, starts, reboots and goes") {
    const Guest guest;
    const std::string task_soft = new_uuid(), task_hard = new_uuid();
    struct Patient {
        std::int64_t before = std::exchange(Agent::shutdown_limit, 600'000'000);
        ~Patient() { Agent::shutdown_limit = before; }
    } patient;
    agent([&](Agent& a) {
        a.until(set_of({guest.desired("running", 1, {}, false)}), "paused");
        REQUIRE(a.hypervisor().look(guest.id).power == Power::paused);
        const json::object reports = a.until(set_of({guest.desired("running", 2)}), "running");
        REQUIRE(find_path(reports, guest.id + ".vnc_port")->as_int64() >= 5900);
        wait_for_console(guest.id, "guest ready: host=tiny");
        wait_for_console(guest.id, "user-data of tiny");
        wait_for_console(guest.id, "/dev/vdb: LABEL=\"ephemeral0\"");
        wait_for_console(guest.id, "TYPE=\"swap\"");
    });
    CHECK(domains() == std::vector<std::string>{guest.name});
    CHECK(taps() == std::vector<std::string>{"tap" + guest.port.substr(0, 11)});
    CHECK(trim(shell_free({"/usr/bin/ovs-vsctl", "get", "Interface", "tap" + guest.port.substr(0, 11), "external_ids:iface-id"})) ==
          "\"" + guest.port + "\"");
    agent([&](Agent& a) {
        MESSAGE("a second port is plugged in and out");
        const std::string other_port = new_uuid();
        json::object more = guest.desired("running", 2);
        more["ports"].as_array().push_back(json::object{{"id", other_port}, {"mac", "fa:16:3e:00:00:02"}, {"mtu", 1450}});
        const auto plugged = [&](std::vector<std::string> ids) {
            return [&a, &guest, ids](const json::object&) { return a.hypervisor().look(guest.id).ports == ids; };
        };
        a.until(set_of({more}), "running", plugged({guest.port, other_port}));
        REQUIRE(taps().size() == 2);
        a.until(set_of({guest.desired("running", 2)}), "running", plugged({guest.port}));
        REQUIRE(taps().size() == 1);
        MESSAGE("stop by ACPI");
        a.until(set_of({guest.desired("stopped", 3)}), "stopped");
        wait_for_console(guest.id, "guest stopping");  // the guest itself went down
        REQUIRE(taps().empty());
        MESSAGE("start");
        a.until(set_of({guest.desired("running", 4)}), "running");
        wait_for_console(guest.id, "guest ready:", 2);
        MESSAGE("soft reboot");
        const auto task = [](const std::string& id, const char* verb) {
            return json::array{json::object{{"id", id}, {"verb", verb}, {"deadline", nullptr}}};
        };
        const std::int64_t first = a.hypervisor().look(guest.id).run;
        a.until(set_of({guest.desired("running", 5, task(task_soft, "reboot_soft"))}), "running",
                [&](const json::object& r) { return find_path(r, guest.id + ".tasks." + task_soft) != nullptr; });
        const std::int64_t second = a.hypervisor().look(guest.id).run;
        REQUIRE(second != first);
        wait_for_console(guest.id, "guest ready:", 3);
        MESSAGE("hard reboot");
        a.until(set_of({guest.desired("running", 6, task(task_hard, "reboot_hard"))}), "running",
                [&](const json::object& r) { return find_path(r, guest.id + ".tasks." + task_hard) != nullptr; });
        REQUIRE(a.hypervisor().look(guest.id).run != second);
        MESSAGE("the guest ends by itself");
        shell_free({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "destroy", guest.name});
        a.until(set_of({guest.desired("running", 6)}), "stopped");
        a.until(set_of({guest.desired("deleted", 7)}), "absent");
    });
    check_nothing_left(guest);
}

TEST_CASE("the agent's wakes at libvirt's events") {
    const Guest guest;
    agent([&](Agent& a) {
        int pipe[2];
        REQUIRE(::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) == 0);
        a.hypervisor().on_event([&] { [[maybe_unused]] const ssize_t n = ::write(pipe[1], "x", 1); });
        a.until(set_of({guest.desired("running", 1)}), "running");
        char drained[256];
        while (::read(pipe[0], drained, sizeof drained) > 0) {
        }
        std::this_thread::sleep_for(300ms);
        while (::read(pipe[0], drained, sizeof drained) > 0) {
        }
        shell_free({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "destroy", guest.name});
        pollfd polled{pipe[0], POLLIN, 0};
        if (::poll(&polled, 1, 60'000) != 1) throw Error(Errc::timeout, "no event came");
        a.hypervisor().on_event({});
        a.until(set_of({guest.desired("deleted", 2)}), "absent");
    });
    check_nothing_left(guest);
}

TEST_CASE("killed at random moments of a server's life, the agent converges") {
    std::mt19937 random(std::random_device{}());
    const auto chance = [&](int most) { return std::chrono::milliseconds(std::uniform_int_distribution<int>(20, most)(random)); };
    const Guest guest;
    std::int64_t generation = 0;
    for (const char* power : {"running", "stopped", "running", "deleted"}) {
        ++generation;
        const std::string state = std::string_view(power) == "deleted" ? "absent" : power;
        const json::object set = set_of({guest.desired(power, generation)});
        for (int i = 0; i < 5; ++i) AgentProcess([&](Agent& a) { a.until(set, state); }).kill_after(chance(1200));
        agent([&](Agent& a) { a.until(set, state); });
        if (state == "running") REQUIRE(property(guest.name, "State") == "running");
        if (state == "stopped") REQUIRE(property(guest.name, "State") == "shut off");
        REQUIRE(domains().size() <= 1);
    }
    check_nothing_left(guest);
}

TEST_CASE("a domain of ours that nobody wants goes, others stay") {
    const Guest guest;
    const std::string foreign = Agent::state() + "/foreign.xml";
    write_file(foreign, "<domain type='qemu'><name>instance-0000beef</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>");
    shell_free({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "define", foreign});
    agent([&](Agent& a) {
        a.until(set_of({guest.desired("running", 1)}), "running");
        a.until(set_of({}), "none");
        a.until(set_of({}), "none");
    });
    CHECK(domains() == std::vector<std::string>{"instance-0000beef"});
    shell_free({"/usr/bin/virsh", "-q", "-c", "qemu:///system", "undefine", "instance-0000beef"});
    check_nothing_left(guest);
}

TEST_CASE("QEMU's refusal is the server's error, and nothing stays") {
    const Guest guest;
    json::object server = guest.desired("running", 1);
    server["image"].as_object()["properties"] = json::object{{"hw_machine_type", "pc-q35-99.0"}};
    agent([&](Agent& a) {
        const json::object reports = a.until(set_of({server}), "error");
        REQUIRE(string_or(reports.at(guest.id).as_object(), "reason").find("pc-q35-99.0") != std::string::npos);
        REQUIRE_FALSE(fs::exists(Agent::state() + "/instances/" + guest.id + "/disk"));
        a.until(set_of({guest.desired("deleted", 2)}), "absent");
    });
    check_nothing_left(guest);
}

TEST_CASE("what the node can do is read from libvirt") {
    agent([](Agent& a) {
        const HypervisorFacts facts = a.hypervisor().facts();
        if (facts.type != "QEMU" || facts.vcpus < 1 || facts.memory_mib < 100 || facts.version < 7'000'000 || facts.arch != "x86_64")
            throw Error(Errc::internal, "facts are wrong: " + facts.type + " " + facts.arch + " " + std::to_string(facts.version));
    });
}
