#include <doctest/doctest.h>

#include "steps/plan.h"

using namespace pilvi;
using namespace pilvi::compute_agent;

namespace {

constexpr Micros second = 1'000'000;
const std::string this_boot = "boot:2", other_boot = "boot:1";

struct Case {
    DesiredServer desired;
    Record record;
    DomainInfo domain;
    Micros now = 1000 * second;
    bool leftovers = true;
    Case() {
        desired.id = "s";
        desired.generation = 5;
        desired.vif_plugged = true;
        record.built = true;
        record.ever_ran = true;
        record.launched_epoch = this_boot;
        domain.power = Power::running;
        domain.run = 7;
    }
    Decision decide() const {
        return plan({.desired = desired,
                     .record = record,
                     .domain = domain,
                     .epoch = this_boot,
                     .now = now,
                     .shutdown_limit = 60 * second,
                     .leftovers = leftovers});
    }
    Action action() const { return decide().action; }
    void off(bool crashed = false) {
        domain.power = Power::shutoff;
        domain.run = -1;
        domain.crashed = crashed;
    }
};

}  // namespace

TEST_CASE("a server is built, started, held until its ports are wired, and run") {
    Case c;
    c.record = {};
    c.domain = {};
    c.desired.vif_plugged = false;
    CHECK(c.action() == Action::build);
    CHECK(c.decide().state == "building");
    c.record.built = true;
    CHECK(c.action() == Action::start);
    c.domain.power = Power::paused;
    CHECK(c.decide() == Decision{Action::none, "paused", "wait_for_ports"});
    c.desired.vif_plugged = true;
    CHECK(c.action() == Action::resume);
    c.domain.power = Power::running;
    CHECK(c.action() == Action::note_running);
    c.record.launched_epoch = this_boot;
    CHECK(c.decide() == Decision{Action::none, "running", ""});
}

TEST_CASE("a running guest is never paused because a port is unplugged") {
    Case c;
    c.desired.vif_plugged = false;
    CHECK(c.action() == Action::none);
    c.domain.power = Power::paused;
    CHECK(c.action() == Action::resume);
}

TEST_CASE("a guest that powers itself off is not started again by itself") {
    Case c;
    c.off();
    CHECK(c.decide() == Decision{Action::note_off, "stopped", ""});
    c.record.off_generation = 5;
    CHECK(c.decide() == Decision{Action::none, "stopped", ""});
    SUBCASE("until its user asks") {
        c.desired.generation = 6;
        CHECK(c.action() == Action::start);
    }
    SUBCASE("and is settled when compute follows") {
        c.desired.power = DesiredPower::stopped;
        CHECK(c.action() == Action::note_stopped);
    }
}

TEST_CASE("a crash is told from a power-off") {
    Case c;
    c.off(true);
    CHECK(c.decide().state == "crashed");
}

TEST_CASE("after a restart of the node, what should run is started again") {
    Case c;
    c.record.launched_epoch = other_boot;
    c.off();
    CHECK(c.action() == Action::start);
    c.domain.power = Power::absent;
    CHECK(c.action() == Action::start);
    c.desired.power = DesiredPower::stopped;
    CHECK(c.action() == Action::note_stopped);
}

TEST_CASE("what the hypervisor stopped is left to it") {
    Case c;
    c.domain.power = Power::paused;
    c.domain.blocked = true;
    CHECK(c.decide() == Decision{Action::none, "paused", ""});
}

TEST_CASE("stopping asks, asks again, and then ends the guest") {
    Case c;
    c.desired.power = DesiredPower::stopped;
    CHECK(c.action() == Action::ask_shutdown);
    c.record.shutdown_since = c.record.shutdown_asked = c.now;
    CHECK(c.action() == Action::wait);
    c.now += 11 * second;
    CHECK(c.action() == Action::ask_shutdown);
    c.record.shutdown_asked = c.now;
    c.now += 60 * second;
    CHECK(c.action() == Action::destroy);
    c.off();
    CHECK(c.action() == Action::note_stopped);
    c.record = {};
    c.record.built = true;
    CHECK(c.decide() == Decision{Action::none, "stopped", ""});
}

TEST_CASE("a guest that never ran is ended without asking it") {
    Case c;
    c.desired.power = DesiredPower::stopped;
    c.domain.power = Power::paused;
    CHECK(c.action() == Action::destroy);
}

TEST_CASE("a hard reboot survives the agent's end at any point") {
    Case c;
    c.desired.tasks = {{.id = "t", .verb = Verb::reboot_hard}};
    CHECK(c.decide() == Decision{Action::begin_restart, "running", "shutdown", "t", false});
    c.record.restart = Restart{.task_id = "t", .old_run = 7, .since = c.now};
    CHECK(c.action() == Action::destroy);
    c.off();
    CHECK(c.action() == Action::start);
    c.domain.power = Power::paused;
    c.domain.run = 8;
    CHECK(c.action() == Action::resume);
    c.domain.power = Power::running;
    CHECK(c.decide() == Decision{Action::finish_restart, "running", "run", "t"});
    c.record.restart.reset();
    c.record.tasks["t"] = {};
    CHECK(c.action() == Action::none);
}

TEST_CASE("a soft reboot becomes a hard one when the guest does not listen") {
    Case c;
    c.desired.tasks = {{.id = "t", .verb = Verb::reboot_soft}};
    CHECK(c.decide().soft);
    c.record.restart = Restart{.task_id = "t", .soft = true, .old_run = 7, .since = c.now};
    CHECK(c.action() == Action::ask_shutdown);
    c.record.shutdown_since = c.record.shutdown_asked = c.now;
    CHECK(c.action() == Action::wait);
    c.now += 61 * second;
    CHECK(c.action() == Action::destroy);
}

TEST_CASE("tasks that cannot be done end with a reason") {
    Case c;
    c.desired.tasks = {{.id = "t", .verb = Verb::unknown, .verb_text = "dance"}};
    CHECK(c.decide().text == "This node's agent does not know the task dance");
    c.desired.tasks = {{.id = "t", .verb = Verb::reboot_hard, .deadline = c.now - 1}};
    CHECK(c.decide().action == Action::finish_task);
    c.desired.tasks = {{.id = "t", .verb = Verb::reboot_hard}};
    c.desired.power = DesiredPower::stopped;
    CHECK(c.decide().text == "The server is not meant to run");
}

TEST_CASE("an error stays until something else is asked for") {
    Case c;
    c.off();
    c.record.error_generation = 5;
    CHECK(c.decide() == Decision{Action::none, "error", ""});
    c.desired.generation = 6;
    c.record.launched_epoch.clear();
    CHECK(c.action() == Action::start);
    c.desired.generation = 5;
    c.desired.power = DesiredPower::deleted;
    CHECK(c.action() == Action::remove);
}

TEST_CASE("a deleted server is absent when nothing is left") {
    Case c;
    c.desired.power = DesiredPower::deleted;
    CHECK(c.action() == Action::remove);
    c.domain.power = Power::absent;
    CHECK(c.action() == Action::remove);
    c.leftovers = false;
    CHECK(c.decide() == Decision{Action::none, "absent", ""});
}
