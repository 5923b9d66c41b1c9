// The whole pass with the imitated hypervisor, and with one that fails or ends in the middle.
#include <doctest/doctest.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "drivers/fake.h"
#include "steps/servers.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace pilvi::compute_agent;
namespace fs = std::filesystem;

namespace {

constexpr const char* server_id = "11111111-2222-4333-8444-555555555555";
constexpr const char* image_id = "21111111-2222-4333-8444-555555555555";

// Answers for ovs-vsctl; runs qemu-img, prlimit and genisoimage for real.
class Runner final : public CommandRunner {
public:
    CommandResult run(const Command& command) override {
        if (command.argv[0] != "/usr/bin/ovs-vsctl") return system_.run(command);
        calls.push_back(command.argv.back());
        if (command.argv[2] == "list-ports") return {.status = 0, .out = on_bridge, .err = {}};
        if (calls.back() == "Interface") return {.status = 0, .out = interfaces, .err = {}};
        return {.status = 0, .out = command.argv[2] == "--format=json" ? R"({"data": [["tap1"]], "headings": ["name"]})" : "netdev\n", .err = {}};
    }
    std::vector<std::string> calls;
    std::string on_bridge, interfaces = R"({"data": []})";

private:
    SystemCommandRunner system_;
};

// The imitation with storage, and with a failure or an end at the n-th call.
struct Ended {};
class Breakable final : public Hypervisor {
public:
    Breakable() : inner_(make_fake({})) {}
    HypervisorFacts facts() override { return inner_->facts(); }
    std::vector<DomainInfo> list() override {
        std::vector<DomainInfo> all = inner_->list();
        for (DomainInfo& info : all)
            if (info.run >= 0) info.ports = plugged[info.id];
        return all;
    }
    DomainInfo look(const std::string& id) override {
        DomainInfo info = inner_->look(id);
        if (info.run >= 0) info.ports = plugged[id];
        return info;
    }
    void start_paused(const DomainSpec& spec) override {
        last = spec;
        count();
        if (!start_error.empty()) throw Error(Errc::internal, start_error);
        inner_->start_paused(spec);
        plugged[spec.id].clear();
        for (const PortSpec& port : spec.ports) plugged[spec.id].push_back(port.id);
        count();
    }
    void resume(const std::string& id) override {
        around([&] { inner_->resume(id); });
    }
    bool knows(const std::string& id) override { return id == foreign || inner_->knows(id); }
    void attach_port(const DomainSpec& spec, const PortSpec& port) override {
        if (!attach_error.empty()) throw Error(Errc::internal, attach_error);
        around([&] { plugged[spec.id].push_back(port.id); });
    }
    void detach_port(const std::string& id, const std::string& port_id) override {
        ++detaches;
        if (!deaf) around([&] { std::erase(plugged[id], port_id); });
    }
    void ask_shutdown(const std::string& id) override {
        if (deaf) return;
        around([&] { inner_->ask_shutdown(id); });
    }
    void destroy(const std::string& id) override {
        around([&] { inner_->destroy(id); });
    }
    void remove(const std::string& id) override {
        around([&] { inner_->remove(id); });
    }
    bool needs_storage() const override { return true; }
    void on_event(std::function<void()>) override {}

    DomainSpec last;
    std::string start_error, attach_error;
    std::map<std::string, std::vector<std::string>> plugged;
    int detaches = 0;
    std::string foreign;  // a domain that is not ours
    bool deaf = false;
    int until_end = -1;

private:
    void count() {
        if (until_end > 0 && --until_end == 0) throw Ended{};
    }
    template <class F>
    void around(F&& f) {
        count();
        f();
        count();
    }
    std::unique_ptr<Hypervisor> inner_;
};

struct Node {
    testing::TempDir directory;
    Runner runner;
    QemuImg qemu_img{runner};
    Ovs ovs{runner};
    Breakable hypervisor;
    Micros now = 1'000'000'000;
    std::string epoch = "boot";
    std::atomic<int> fetched{0};
    std::string content = std::string(1 << 20, 'i');
    std::string disk_format = "raw";
    std::unique_ptr<ImageCache> images;
    std::unique_ptr<Servers> servers;
    std::mutex mutex;
    std::condition_variable changed;
    int changes = 0;

    Node() { restart(); }

    // The agent's start: nothing but the files and the hypervisor remain.
    void restart() {
        servers.reset();
        images.reset();
        images = std::make_unique<ImageCache>(
            ImageCacheOptions{.directory = directory.path() + "/_base"}, qemu_img,
            [this](const ImageRef&, const std::function<void(std::string_view)>& sink) {
                ++fetched;
                for (std::size_t at = 0; at < content.size(); at += 65536) sink(std::string_view(content).substr(at, 65536));
            },
            [this] {
                const std::lock_guard lock(mutex);
                ++changes;
                changed.notify_all();
            });
        ServersOptions o;
        o.directory = directory.path() + "/instances";
        o.scratch = directory.path();
        servers = std::make_unique<Servers>(
            o, hypervisor, *images, qemu_img, ovs, runner,
            [](const std::string&) {
                return json::object{{"meta_data", json::object{}}};
            },
            epoch, [this] { return now; });
    }

    json::object desired(std::string_view power, std::int64_t generation = 1) const {
        return parse_json(
                   R"({"id": ")" + std::string(server_id) + R"(", "name": "instance-00000001", "generation": )" + std::to_string(generation) +
                   R"(, "power": ")" + std::string(power) +
                   R"(", "vif_plugged": true, "flavor": {"name": "f", "vcpus": 1, "ram_mb": 128, "disk_gb": 1, "ephemeral_gb": 1, "swap_mb": 16},
            "image": {"id": ")" +
                   image_id + R"(", "disk_format": ")" + disk_format + R"(", "size": )" + std::to_string(content.size()) + R"(},
            "ports": [{"id": "31111111-2222-4333-8444-555555555555", "mac": "fa:16:3e:00:00:01"}], "config_drive": true, "tasks": []})")
            .as_object();
    }

    json::object pass_once(const json::object& server) {
        std::chrono::milliseconds again{0};
        const json::object set{{"servers", json::array{server}}};
        const json::object reports = servers->pass(set, &again);
        return reports.at(server_id).as_object();
    }

    // A pass, and another for each image that arrives.
    json::object pass(const json::object& server) {
        while (true) {
            int before = 0;
            {
                const std::lock_guard lock(mutex);
                before = changes;
            }
            json::object report = pass_once(server);
            if (string_or(report, "state") != "building" || !report["reason"].is_null()) return report;
            std::unique_lock lock(mutex);
            if (!changed.wait_for(lock, std::chrono::seconds(120), [&] { return changes > before; })) return report;
        }
    }

    std::string state(const json::object& server) { return string_or(pass(server), "state"); }
    std::string file(const std::string& name) const { return directory.path() + "/instances/" + server_id + "/" + name; }
    bool clean() {
        return !fs::exists(file("record.json")) && !fs::exists(directory.path() + "/instances/" + server_id) && hypervisor.list().empty();
    }
};

}  // namespace

TEST_CASE("a server's life: build, stop, start, delete") {
    Node node;
    CHECK(node.state(node.desired("running")) == "running");
    CHECK(fs::exists(node.file("disk")));
    CHECK(fs::exists(node.file("disk.config")));
    CHECK(node.hypervisor.last.userspace_datapath);
    CHECK(node.hypervisor.last.disks[0].backing_format == "raw");
    CHECK(node.qemu_img.info(node.file("disk"), "qcow2").virtual_size == 1 << 30);
    const std::vector<DiskSpec>& disks = node.hypervisor.last.disks;
    REQUIRE(disks.size() == 3);
    CHECK(disks[1].path == node.file("disk.eph0"));
    CHECK(disks[1].format == "raw");
    CHECK(fs::file_size(disks[1].path) == 1u << 30);
    CHECK(node.runner.check({"/usr/sbin/blkid", "-p", "-o", "value", "-s", "LABEL", "-s", "TYPE", disks[1].path}) == "ephemeral0\next4\n");
    CHECK(disks[2].path == node.file("disk.swap"));
    CHECK(fs::file_size(disks[2].path) == 16u << 20);
    CHECK(node.runner.check({"/usr/sbin/blkid", "-p", "-o", "value", "-s", "TYPE", disks[2].path}) == "swap\n");
    write_file(disks[2].path, "of the guest");  // what the guest wrote is there after a restart
    CHECK(node.state(node.desired("stopped", 2)) == "stopped");
    CHECK(node.state(node.desired("running", 3)) == "running");
    CHECK(read_file(node.file("disk.swap")) == "of the guest");
    CHECK(node.state(node.desired("deleted", 4)) == "absent");
    CHECK(node.clean());
    CHECK(node.runner.calls.back() == "tap1");
    CHECK(node.fetched == 1);
}

TEST_CASE("the agent's end at any instruction changes nothing of the result") {
    for (int at = 1; at <= 12; ++at) {
        CAPTURE(at);
        Node node;
        node.hypervisor.until_end = at;
        int ends = 0;
        std::int64_t generation = 0;
        for (const char* power : {"running", "stopped", "running", "deleted"}) {
            ++generation;
            const std::string wanted = std::string_view(power) == "deleted" ? "absent" : power;
            for (int tries = 0; tries < 3; ++tries) {
                try {
                    const std::string state = node.state(node.desired(power, generation));  // a CHECK would swallow Ended
                    CHECK(state == wanted);
                    break;
                } catch (const Ended&) {
                    ++ends;
                    node.restart();
                }
            }
        }
        CHECK(ends <= 1);
        CHECK(node.clean());
    }
}

TEST_CASE("a server that cannot start leaves nothing but its reason") {
    Node node;
    node.hypervisor.start_error = "no such machine type";
    json::object report = node.pass(node.desired("running"));
    CHECK(string_or(report, "state") == "error");
    CHECK(string_or(report, "reason") == "no such machine type");
    CHECK_FALSE(fs::exists(node.file("disk")));
    CHECK(node.hypervisor.list().empty());
    node.restart();
    CHECK(node.state(node.desired("running")) == "error");
    node.hypervisor.start_error.clear();
    CHECK(node.state(node.desired("running", 2)) == "running");
}

TEST_CASE("a server that ran keeps its disk when it cannot start again") {
    Node node;
    CHECK(node.state(node.desired("running")) == "running");
    write_file(node.file("precious"), "x");
    node.state(node.desired("stopped", 2));
    node.hypervisor.start_error = "broken";
    CHECK(node.state(node.desired("running", 3)) == "error");
    CHECK(fs::exists(node.file("precious")));
    node.hypervisor.start_error.clear();
    CHECK(node.state(node.desired("running", 4)) == "running");
    CHECK(fs::exists(node.file("precious")));
}

TEST_CASE("an image that does not fit the flavor's disk is refused before a disk is made") {
    Node node;
    const std::string big = node.directory.path() + "/big.qcow2";
    node.runner.check({"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", big, "2G"});
    node.content = read_file(big);
    node.disk_format = "qcow2";
    const json::object report = node.pass(node.desired("running"));
    CHECK(string_or(report, "reason") ==
          "Flavor's disk is too small for requested image. Flavor disk is 1073741824 bytes, image is 2147483648 bytes.");
}

TEST_CASE("a disk image with the wrong bytes is refused") {
    Node node;
    json::object server = node.desired("running");
    server["image"].as_object()["checksum"] = "d41d8cd98f00b204e9800998ecf8427e";
    const json::object report = node.pass(server);
    CHECK(string_or(report, "state") == "error");
    CHECK(string_or(report, "reason").find("does not have the checksum") != std::string::npos);
    CHECK(fs::is_empty(node.directory.path() + "/_base"));
}

TEST_CASE("ports are plugged into and out of a guest that runs") {
    Node node;
    const std::string first = "31111111-2222-4333-8444-555555555555", second = "41111111-2222-4333-8444-555555555555";
    const auto with = [&](std::initializer_list<std::string> ids) {
        json::object server = node.desired("running");
        json::array ports;
        for (const std::string& id : ids) ports.push_back(json::object{{"id", id}, {"mac", "fa:16:3e:00:00:02"}, {"mtu", 1400}});
        server["ports"] = std::move(ports);
        return server;
    };
    const std::vector<std::string>& plugged = node.hypervisor.plugged[server_id];
    CHECK(node.state(with({first})) == "running");
    CHECK(node.state(with({first, second})) == "running");
    CHECK(plugged == std::vector<std::string>{first, second});
    CHECK(node.state(with({second})) == "running");
    CHECK(plugged == std::vector<std::string>{second});
    // What the hypervisor refuses is tried again; the server is well.
    node.hypervisor.attach_error = "no free slot";
    json::object report = node.pass(with({first, second}));
    CHECK(string_or(report, "state") == "running");
    CHECK(string_or(report, "reason") == "no free slot");
    node.hypervisor.attach_error.clear();
    node.now += 6'000'000;
    CHECK(node.state(with({first, second})) == "running");
    CHECK(plugged.size() == 2);
    // A guest that does not let go is asked again, not at every pass.
    node.hypervisor.deaf = true;
    for (int i = 0; i < 3; ++i) CHECK(node.state(with({first})) == "running");
    CHECK(node.hypervisor.detaches == 2);
    node.now += 11'000'000;
    node.hypervisor.deaf = false;
    CHECK(node.state(with({first})) == "running");
    CHECK(node.hypervisor.detaches == 3);
    CHECK(plugged == std::vector<std::string>{first});
}

TEST_CASE("ports of guests that are gone are removed, others stay") {
    Node node;
    const std::string gone = "51111111-2222-4333-8444-555555555555", other = "61111111-2222-4333-8444-555555555555";
    const auto port = [](const std::string& name, const std::string& id, const std::string& server) {
        return R"([")" + name + R"(", ["map", [["iface-id", ")" + id + R"("], ["vm-id", ")" + server + R"("]]]])";
    };
    node.hypervisor.foreign = other;
    node.runner.on_bridge = "tapaaaaaaaa-bb\ntapbbbbbbbb-bb\ntapcccccccc-bb\ntapdddddddd-bb\nmine\n";
    node.runner.interfaces = R"({"data": [)" + port("tapaaaaaaaa-bb", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", gone) + "," +
                             port("tapbbbbbbbb-bb", "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee", other) + "," +      // libvirt knows it
                             port("tapcccccccc-bb", "cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee", server_id) + "," +  // wanted
                             port("tapeeeeeeee-bb", "eeeeeeee-bbbb-4ccc-8ddd-eeeeeeeeeeee", gone) + "," +       // on another bridge
                             port("mine", "ffffffff-bbbb-4ccc-8ddd-eeeeeeeeeeee", gone) +                       // not a name that libvirt was given
                             R"(, ["tapdddddddd-bb", ["map", []]]]})";
    const auto removed = [&] {
        std::vector<std::string> out;
        for (const std::string& call : node.runner.calls)
            if (call.starts_with("tap") || call == "mine") out.push_back(call);
        return out;
    };
    CHECK(node.state(node.desired("running")) == "running");
    CHECK(node.state(node.desired("running")) == "running");
    CHECK(removed().empty());  // seen once
    node.now += 31'000'000;
    CHECK(node.state(node.desired("running")) == "running");
    CHECK(removed() == std::vector<std::string>{"tapaaaaaaaa-bb"});
}

TEST_CASE("a hard reboot is done once") {
    Node node;
    node.state(node.desired("running"));
    const std::int64_t first = node.hypervisor.list()[0].run;
    json::object server = node.desired("running", 2);
    const std::string task = "41111111-2222-4333-8444-555555555555";
    server["tasks"] = json::array{json::object{{"id", task}, {"verb", "reboot_hard"}, {"deadline", nullptr}}};
    json::object report = node.pass(server);
    CHECK(find_path(report, "tasks." + task + ".done")->as_bool());
    CHECK(find_path(report, "tasks." + task + ".error")->is_null());
    const std::int64_t second = node.hypervisor.list()[0].run;
    CHECK(second != first);
    node.restart();
    node.pass(server);
    CHECK(node.hypervisor.list()[0].run == second);
    report = node.pass(node.desired("running", 3));
    CHECK(report.at("tasks").as_object().empty());
}

TEST_CASE("a guest that does not listen is ended after the time limit") {
    Node node;
    node.state(node.desired("running"));
    node.hypervisor.deaf = true;
    CHECK(node.state(node.desired("stopped", 2)) == "running");
    node.now += 61'000'000;
    CHECK(node.state(node.desired("stopped", 2)) == "stopped");
}

TEST_CASE("after a restart of the node its servers run again") {
    Node node;
    node.state(node.desired("running"));
    node.hypervisor.destroy(server_id);
    SUBCASE("not when only the guest ended") { CHECK(node.state(node.desired("running")) == "stopped"); }
    SUBCASE("when the node was started anew") {
        node.epoch = "another boot";
        node.restart();
        CHECK(node.state(node.desired("running")) == "running");
    }
}

TEST_CASE("what nobody wants is removed after its time") {
    Node node;
    node.state(node.desired("running"));
    std::chrono::milliseconds again{0};
    node.servers->pass({{"servers", json::array{}}}, &again);
    CHECK(node.hypervisor.list().size() == 1);
    node.now += 31'000'000;
    node.servers->pass({{"servers", json::array{}}}, &again);
    CHECK(node.clean());
}

TEST_CASE("many servers of one image fetch it once") {
    Node node;
    json::array servers;
    for (int i = 0; i < 20; ++i) {
        json::object server = node.desired("running");
        server["id"] = "11111111-2222-4333-8444-5555555555" + std::to_string(10 + i);
        server["name"] = "instance-" + std::to_string(i);
        servers.push_back(std::move(server));
    }
    const json::object set{{"servers", servers}};
    std::chrono::milliseconds again{0};
    node.servers->pass(set, &again);
    {
        std::unique_lock lock(node.mutex);
        REQUIRE(node.changed.wait_for(lock, std::chrono::seconds(120), [&] { return node.changes > 0; }));
    }
    const json::object reports = node.servers->pass(set, &again);
    for (const auto& [id, report] : reports) CHECK(string_or(report.as_object(), "state") == "running");
    CHECK(node.fetched == 1);
    CHECK(node.servers->usage().running == 20);
}
