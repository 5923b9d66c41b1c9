#include <doctest/doctest.h>

#include "domain/keys.h"
#include "domain/names.h"
#include "domain/scheduler.h"
#include "domain/states.h"

using namespace pilvi::compute;

TEST_CASE("status vocabulary") {
    struct Row {
        const char *vm_state, *task_state, *status;
    };
    for (const Row& r :
         {Row{"building", "scheduling", "BUILD"}, Row{"active", "", "ACTIVE"}, Row{"active", "powering-off", "ACTIVE"},
          Row{"active", "rebooting", "REBOOT"}, Row{"active", "rebooting_hard", "HARD_REBOOT"}, Row{"stopped", "powering-on", "SHUTOFF"},
          Row{"error", "deleting", "ERROR"}, Row{"paused", "", "PAUSED"}, Row{"nonsense", "", "UNKNOWN"}})
        CHECK(status_of(r.vm_state, r.task_state, false) == r.status);
    CHECK(status_of("active", "", true) == "DELETED");
    CHECK(states_of({"active"}).vm_states == std::vector<std::string_view>{"active"});
    CHECK(states_of({"reboot"}).task_states.size() == 3);
    CHECK(states_of({"bogus"}).vm_states.empty());
}

TEST_CASE("verbs and states") {
    CHECK(may(Verb::start, "stopped", "").allowed);
    CHECK_FALSE(may(Verb::start, "active", "").allowed);
    CHECK(may(Verb::stop, "active", "").allowed);
    CHECK(may(Verb::stop, "error", "").allowed);
    CHECK(may(Verb::reboot_soft, "stopped", "").attribute == "vm_state");
    CHECK(may(Verb::reboot_soft, "active", "rebooting").attribute == "task_state");
    CHECK(may(Verb::reboot_hard, "active", "rebooting").allowed);
    CHECK(may(Verb::reboot_hard, "error", "").allowed);
}

TEST_CASE("what a report changes") {
    Known building{.vm_state = "building", .task_state = "spawning", .power = "running", .generation = 3};
    CHECK(observe(building, {.state = "building", .generation = 3}) == Change{});
    CHECK(observe(building, {.state = "running", .generation = 2}) == Change{});
    const Change up = observe(building, {.state = "running", .generation = 3});
    CHECK(up.vm_state == "active");
    CHECK(up.launched);
    CHECK(up.power_state == 1);
    CHECK(observe(building, {.state = "error", .generation = 3, .reason = "no space"}).failed == "no space");
    Known active{.vm_state = "active", .power = "running", .generation = 4, .power_state = 1};
    CHECK(observe(active, {.state = "running", .generation = 4}) == Change{});
    CHECK(observe(active, {.state = "crashed", .generation = 4}).power == "stopped");
    Known stopping = active;
    stopping.task_state = "powering-off";
    CHECK(observe(stopping, {.state = "running", .generation = 4}) == Change{});
    CHECK(observe(stopping, {.state = "stopped", .generation = 4}).finished);
    Known rebooting = active;
    rebooting.task_state = "rebooting";
    rebooting.has_task = true;
    CHECK(observe(rebooting, {.state = "stopped", .generation = 4}).power_state == 4);
    CHECK_FALSE(observe(rebooting, {.state = "stopped", .generation = 4}).vm_state);
    CHECK(observe(rebooting, {.state = "running", .generation = 4, .task_done = true}).task_seen);
    CHECK(observe(rebooting, {.state = "running", .generation = 4, .task_done = true, .task_error = "late"}).failed == "late");
    Known deleting = active;
    deleting.power = "deleted";
    CHECK_FALSE(observe(deleting, {.state = "running", .generation = 9}).gone);
    CHECK(observe(deleting, {.state = "absent", .generation = 0}).gone);
}

TEST_CASE("scheduler: filters say why, weighers spread") {
    std::vector<Candidate> hosts{{.host = "a", .zone = "nova", .free_memory_mb = 1000},
                                 {.host = "b", .zone = "nova", .free_memory_mb = 9000},
                                 {.host = "c", .zone = "other"},
                                 {.host = "d", .zone = "nova", .up = false},
                                 {.host = "e", .zone = "nova", .enabled = false}};
    Wanted wanted;
    wanted.zone = "nova";
    const Choice choice = choose(hosts, wanted);
    REQUIRE(choice.hosts.size() == 2);
    CHECK(choice.hosts[0].host == "b");
    CHECK(describe(choice.rejections).find("d: ComputeFilter: the service is down") != std::string::npos);
    CHECK(describe(choice.rejections).find("c: AvailabilityZoneFilter") != std::string::npos);
    wanted.host = "a";
    CHECK(choose(hosts, wanted).hosts.at(0).host == "a");
    wanted.host.clear();
    wanted.excluded = {"b"};
    CHECK(choose(hosts, wanted).hosts.size() == 1);
    wanted.excluded.clear();
    wanted.group_policy = "anti-affinity";
    wanted.group_hosts = {{"b", 1}};
    CHECK(choose(hosts, wanted).hosts.at(0).host == "a");
    wanted.group_policy = "affinity";
    CHECK(choose(hosts, wanted).hosts.size() == 1);
    wanted.group_policy = "soft-anti-affinity";
    CHECK(choose(hosts, wanted).hosts.size() == 2);
}

TEST_CASE("what a flavor asks placement for") {
    Wanted wanted{.vcpus = 2, .memory_mb = 512, .disk_gb = 0};
    request_of_flavor(wanted,
                      {{"resources:VCPU", "0"}, {"resources:CUSTOM_X", "3"}, {"trait:HW_A", "required"}, {"trait:HW_B", "forbidden"}, {"hw:x", "y"}});
    CHECK(wanted.resources == std::map<std::string, std::int64_t>{{"CUSTOM_X", 3}, {"MEMORY_MB", 512}});
    CHECK(wanted.required_traits.contains("HW_A"));
    CHECK(wanted.forbidden_traits.contains("HW_B"));
}

TEST_CASE("names") {
    CHECK(host_name("My Server_1", "x") == "my-server-1");
    CHECK(host_name("...", "fallback") == "fallback");
    CHECK(host_name(std::string(80, 'a'), "x").size() == 63);
    CHECK(host_id("p", "").empty());
    CHECK(host_id("p", "h").size() == 56);
    CHECK(domain_name(42) == "instance-0000002a");
    CHECK(admin_password().size() == 12);
    CHECK(is_name("a b"));
    CHECK_FALSE(is_name(" a"));
    CHECK_FALSE(is_name(""));
    CHECK_FALSE(is_name("a\n"));
    CHECK_FALSE(is_name(std::string(256, 'a')));
}

TEST_CASE("ssh keys") {
    const KeyPair pair = generate_rsa("x");
    CHECK(pair.private_key.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    const auto print = ssh_fingerprint(pair.public_key);
    REQUIRE(print);
    CHECK(print->size() == 47);
    // Made and measured with ssh-keygen -E md5.
    CHECK(ssh_fingerprint("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPPq3i6PaZCjgEKlm1mO455L31fj6gQ8wvJYyeBfcxcT me") ==
          "4b:27:ca:79:93:10:a2:7e:f0:bf:e9:f6:d5:3c:04:09");
    CHECK_FALSE(ssh_fingerprint("ssh-rsa AAAA"));
    CHECK_FALSE(ssh_fingerprint("ssh-rsa not base64 !"));
    CHECK_FALSE(ssh_fingerprint("bogus AAAAC3NzaC1lZDI1NTE5AAAAIPPq3i6PaZCjgEKlm1mO455L31fj6gQ8wvJYyeBfcxcT"));
    CHECK_FALSE(ssh_fingerprint(""));
}
