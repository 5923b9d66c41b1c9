#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/fd.h"
#include "command/command.h"
#include "drivers/config_drive.h"
#include "drivers/qemu_img.h"
#include "steps/console.h"
#include "steps/desired.h"
#include "steps/inventory.h"
#include "steps/record.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace pilvi::compute_agent;
namespace fs = std::filesystem;

namespace {

json::object metadata() {
    return parse_json(R"({"project_id": "p", "meta_data": {"uuid": "11111111-2222-4333-8444-555555555555", "name": "n", "hostname": "n.novalocal",
        "availability_zone": "nova", "launch_index": 0, "keys": [{"name": "k", "type": "ssh", "data": "ssh-ed25519 AAAA me"}]},
        "user_data": "IyEvYmluL3NoCg==", "vendor_data": {}, "vendor_data2": {"static": {}}, "network_data": {"links": [], "networks": [], "services": []},
        "ec2": {"instance-id": "i-00000001", "local-ipv4": "10.0.0.5"}})")
        .as_object();
}

std::string file_of_iso(CommandRunner& runner, const std::string& iso, const std::string& name) {
    return runner.check({"/usr/bin/isoinfo", "-R", "-x", "/" + name, "-i", iso});
}

}  // namespace

TEST_CASE("the config drive holds what the metadata service would answer") {
    const auto files = config_drive_files(metadata(), "c2VlZA==");
    const json::value meta = parse_json(files.at("openstack/latest/meta_data.json"));
    CHECK(find_path(meta, "public_keys.k")->as_string() == "ssh-ed25519 AAAA me");
    CHECK(find_path(meta, "random_seed")->as_string() == "c2VlZA==");
    CHECK(files.at("openstack/2018-08-27/user_data") == "#!/bin/sh\n");
    const json::value ec2 = parse_json(files.at("ec2/latest/meta-data.json"));
    CHECK(find_path(ec2, "hostname")->as_string() == "n.novalocal");
    CHECK(find_path(ec2, "public-keys.0.openssh-key")->as_string() == "ssh-ed25519 AAAA me");
}

TEST_CASE("the config drive is an ISO 9660 image named config-2 that gives the same bytes back") {
    const testing::TempDir directory;
    SystemCommandRunner runner;
    const std::string iso = directory.path() + "/disk.config";
    const auto files = config_drive_files(metadata(), "c2VlZA==");
    make_config_drive(runner, files, directory.path() + "/scratch", iso);
    CHECK(runner.check({"/usr/bin/isoinfo", "-d", "-i", iso}).find("Volume id: config-2\n") != std::string::npos);
    for (const auto& [name, content] : files) CHECK(file_of_iso(runner, iso, name) == content);
    CHECK_FALSE(fs::exists(directory.path() + "/scratch"));
    CHECK((fs::status(iso).permissions() & fs::perms::others_read) == fs::perms::none);
}

TEST_CASE("an image that refers to other files is refused whatever the image service let through") {
    const testing::TempDir directory;
    SystemCommandRunner runner;
    QemuImg qemu_img(runner);
    const std::string plain = directory.path() + "/plain.qcow2", overlay = directory.path() + "/overlay.qcow2",
                      data = directory.path() + "/data.qcow2";
    runner.check({"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", plain, "10M"});
    runner.check({"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", overlay, "10M"});
    runner.check(
        {"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file=" + directory.path() + "/x.raw,data_file_raw=on", data, "10M"});
    CHECK(qemu_img.info(plain, "qcow2").virtual_size == 10 << 20);
    CHECK_NOTHROW(refuse_references(qemu_img.info(plain, "qcow2")));
    CHECK_THROWS_WITH_AS(refuse_references(qemu_img.info(overlay, "qcow2")), "The image refers to a backing file", Error);
    CHECK_THROWS_WITH_AS(refuse_references(qemu_img.info(data, "qcow2")), "The image refers to an external data file", Error);
    // A disk that is raw in our database stays raw, whatever its guest wrote at its beginning.
    CHECK(qemu_img.info(overlay, "raw").virtual_size < 1 << 20);
    CHECK_THROWS_AS(qemu_img.info(directory.path() + "/none", "qcow2"), Error);
    CHECK_THROWS_AS(qemu_img.info(plain, "../x"), Error);
}

TEST_CASE("console output: the last lines, in valid UTF-8") {
    const testing::TempDir directory;
    const std::string log = directory.path() + "/console.log";
    CHECK(console_tail(log, -1) == "");
    write_file(log, "one\ntwo\nthree\n");
    CHECK(console_tail(log, -1) == "one\ntwo\nthree\n");
    CHECK(console_tail(log, 0) == "");
    CHECK(console_tail(log, 1) == "");  // as the original: the text after the last newline is a line
    CHECK(console_tail(log, 2) == "three\n");
    CHECK(console_tail(log, 100) == "one\ntwo\nthree\n");
    write_file(log + ".0", "zero\n");
    CHECK(console_tail(log, -1) == "zero\none\ntwo\nthree\n");
    write_file(log, "\xff\xc3\xa4\xe2\x82");
    CHECK(console_tail(log, 1) == "\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
    write_file(log, std::string(300 << 10, 'x'));
    CHECK(console_tail(log, -1).size() == 100 << 10);
    fs::remove(log);
    fs::create_symlink("/etc/passwd", log);
    CHECK(console_tail(log, 1) == "");
}

TEST_CASE("the record comes back as it was") {
    Record r;
    r.built = r.ever_ran = true;
    r.launched_epoch = "e";
    r.started_at = 5;
    r.off_generation = 3;
    r.off_crashed = true;
    r.shutdown_since = 8;
    r.shutdown_asked = 9;
    r.error_generation = 4;
    r.error_reason = "why";
    r.restart = Restart{"t", true, 7, 12};
    r.tasks["a"] = {"failed"};
    r.tasks["b"] = {};
    r.unplugging["p"] = 17;
    r.base = "x.raw";
    r.base_format = "raw";
    CHECK(record_from(parse_json(to_text(to_json(r))).as_object()) == r);
    CHECK(record_from({}) == Record{});
}

TEST_CASE("a desired server that would be a path is refused") {
    json::object server =
        parse_json(R"({"id": "11111111-2222-4333-8444-555555555555", "name": "instance-00000001", "generation": 1, "power": "running",
        "flavor": {"vcpus": 1, "ram_mb": 128, "disk_gb": 1}, "image": {"id": "21111111-2222-4333-8444-555555555555", "disk_format": "qcow2"},
        "ports": [{"id": "31111111-2222-4333-8444-555555555555", "mac": "FA-16-3E-00-00-01", "mtu": 1450}]})")
            .as_object();
    CHECK(desired_server(server).ports[0].mac == "fa:16:3e:00:00:01");
    json::object bad = server;
    bad["id"] = "../../../../etc";
    CHECK_THROWS_AS(desired_server(bad), Error);
    bad = server;
    bad["name"] = "a/b";
    CHECK_THROWS_AS(desired_server(bad), Error);
    bad = server;
    bad["image"].as_object()["id"] = "..";
    CHECK_THROWS_AS(desired_server(bad), Error);
    bad = server;
    bad["flavor"].as_object()["vcpus"] = 0;
    CHECK_THROWS_AS(desired_server(bad), Error);
    bad = server;
    bad["flavor"].as_object()["swap_mb"] = -1;
    CHECK_THROWS_AS(desired_server(bad), Error);
    bad["flavor"].as_object()["swap_mb"] = 512;
    CHECK(desired_server(bad).swap_mb == 512);
    bad = server;
    bad["power"] = "deleted";
    bad.erase("flavor");
    CHECK(desired_server(bad).power == DesiredPower::deleted);
}

TEST_CASE("inventories and traits") {
    HypervisorFacts facts;
    facts.vcpus = 2;
    facts.memory_mib = 4096;
    facts.cpu_features = {"avx2", "xyz"};
    const json::object all = inventories({.host = "h", .provider_id = "p"}, facts, 0);
    CHECK(all.size() == 2);
    CHECK(find_path(all, "MEMORY_MB.reserved")->as_int64() == 512);
    CHECK(find_path(all, "VCPU.allocation_ratio")->as_double() == 16);
    const std::vector<std::string> names = traits(facts);
    CHECK(std::find(names.begin(), names.end(), "HW_CPU_X86_AVX2") != names.end());
    const testing::TempDir directory;
    const std::string id = stable_id(directory.path() + "/compute_id");
    CHECK(stable_id(directory.path() + "/compute_id") == id);
}
