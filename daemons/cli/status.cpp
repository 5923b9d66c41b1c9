#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "cloud/services.h"
#include "commands.h"
#include "doctor/cloud_view.h"
#include "doctor/node_view.h"
#include "node/cluster_socket.h"
#include "node/facts.h"
#include "node/roles.h"
#include "node/storage.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

struct DaemonRow {
    std::string name, state;
    bool ready = false;
    int pid = 0;
    std::int64_t pss_kib = -1;  // -1: not ours to read
    std::int64_t restarts = 0;
};
struct ApiRow {
    std::string name, answer;
    bool ready = false;
};
struct Report {
    std::vector<DaemonRow> daemons;
    std::vector<ApiRow> apis;
    std::vector<AgentRow> agents;
    std::string agents_unknown;           // why
    std::optional<StorageFacts> storage;  // of a node of that role
    bool ready() const {
        // The role storage alone has no daemon.
        if ((daemons.empty() && !storage) || !agents_unknown.empty()) return false;
        for (const DaemonRow& row : daemons)
            if (!row.ready) return false;
        for (const ApiRow& row : apis)
            if (!row.ready) return false;
        for (const AgentRow& row : agents)
            if (!row.up && row.enabled) return false;
        return true;
    }
};

std::int64_t pss_of(int pid) {
    try {
        for (const std::string& line : split(read_file(fmt::format("/proc/{}/smaps_rollup", pid)), '\n', false))
            if (line.starts_with("Pss:")) return parse_integer(split(line, ' ', false).at(1)).value_or(-1);
    } catch (const Error&) {
    }
    return -1;
}

bool is_daemon(const std::string& unit) {
    for (const ServiceInfo& service : services)
        if (unit == fmt::format("pilvi-{}.service", service.name)) return true;
    return false;
}

void add_units(Report& report, const NodeView& node) {
    for (const UnitOnNode& unit : node.units) {
        if (!is_daemon(unit.name) || (unit.state == "inactive" && !(unit.enabled && is_wanted(unit.name, node.roles)))) continue;
        report.daemons.push_back({.name = unit.name.substr(0, unit.name.size() - 8),
                                  .state = unit.state + " (" + unit.sub_state + ")",
                                  .ready = unit.state == "active",
                                  .pid = unit.pid,
                                  .pss_kib = unit.pid > 0 ? pss_of(unit.pid) : -1,
                                  .restarts = unit.restarts});
    }
}

// Without systemd: what runs.
void add_processes(Report& report) {
    std::error_code missing;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", missing)) {
        const auto pid = parse_integer(entry.path().filename().string());
        if (!pid) continue;
        std::error_code unreadable;
        const std::string program = fs::read_symlink(entry.path() / "exe", unreadable).filename().string();
        if (!is_daemon(program + ".service")) continue;
        report.daemons.push_back(
            {.name = program, .state = "running", .ready = true, .pid = static_cast<int>(*pid), .pss_kib = pss_of(static_cast<int>(*pid))});
    }
}

bool has(const Report& report, std::string_view name) {
    for (const DaemonRow& row : report.daemons)
        if (row.name == fmt::format("pilvi-{}", name)) return true;
    return false;
}

void add_apis(Report& report, http::Client& client) {
    for (const ServiceInfo& service : services) {
        if (service.type.empty() || !has(report, service.name)) continue;
        ApiRow row{.name = std::string(service.name)};
        const std::string url = fmt::format("http://127.0.0.1:{}/healthcheck", service.port);
        try {
            const int status = client.send({.url = url, .timeout = std::chrono::seconds(5)}).status;
            row.ready = status == 200;
            row.answer = fmt::format("{} {}", url, status);
        } catch (const Error& error) {
            row.answer = url + ": " + error.message();
        }
        report.apis.push_back(std::move(row));
    }
}

// The members of the cluster with their roles; none where we may not ask for them.
std::map<std::string, std::set<std::string>> cluster_members(const Access& access) {
    std::map<std::string, std::set<std::string>> out;
    json::object answer;
    try {
        answer = ask_cluster(access, "GET", "/v1/nodes", nullptr, std::chrono::seconds(5));
    } catch (const Error&) {  // not root, or no cluster here
        return out;
    }
    for (const json::value& node : array_or_empty(answer, "nodes"))
        for (const json::value& role : array_or_empty(node.as_object(), "roles"))
            out[string_or(node.as_object(), "name")].insert(str(role.as_string()));
    return out;
}

// What the cloud waits for: this node's agents (under whatever name), those of every member, and the resources of those that run servers. "" for nothing.
std::string missing_agent(const Report& report, const Access& access, const std::set<std::string>& providers) {
    const auto reported = [&](std::string_view word, const std::string& host = {}) {
        return std::ranges::any_of(
            report.agents, [&](const AgentRow& row) { return (host.empty() || row.host == host) && row.kind.find(word) != std::string::npos; });
    };
    if (has(report, "compute-agent") && !reported("nova-compute")) return "pilvi-compute-agent has not reported yet";
    if (has(report, "network-agent") && !reported("agent")) return "pilvi-network-agent has not reported yet";
    if (has(report, "compute-agent") && providers.empty()) return "this node's resources are not at placement yet";
    for (const auto& [host, roles] : cluster_members(access)) {
        const bool compute = roles.contains("compute");
        if (compute && !reported("nova-compute", host)) return fmt::format("pilvi-compute-agent on {} has not reported yet", host);
        if ((compute || roles.contains("network")) && !reported("agent", host))
            return fmt::format("pilvi-network-agent on {} has not reported yet", host);
        if (compute && !providers.contains(host)) return fmt::format("the resources of {} are not at placement yet", host);
    }
    return {};
}

void add_agents(Report& report, const Access& access) {
    try {
        Session session(admin_session(access.auth_url, access.credentials, access.configuration));
        report.agents = look_at_agents(session);
        std::set<std::string> providers;
        const json::value found = session.call("GET", session.endpoint("placement") + "/resource_providers");
        for (const json::value& row : array_or_empty(found.as_object(), "resource_providers")) providers.insert(string_or(row.as_object(), "name"));
        report.agents_unknown = missing_agent(report, access, providers);
    } catch (const Error& error) {
        report.agents_unknown = error.message();
    }
}

Report look(const Access& access, bool local) {
    SystemCommandRunner runner;
    Report report;
    http::Client client;
    const NodeView node = look_at_units_only(runner);
    bool controller = true;
    if (node.has_systemd) {
        controller = std::ranges::find(node.roles, "controller") != node.roles.end();
        add_units(report, node);
        if (std::ranges::find(node.roles, "storage") != node.roles.end()) report.storage = look_at_storage(runner);
    } else {
        add_processes(report);
    }
    add_apis(report, client);
    // Another node has no password to ask with; the controller's list shows its agents.
    if (controller) add_agents(report, access);
    if (local) std::erase_if(report.agents, [host = host_name()](const AgentRow& row) { return row.host != host; });
    return report;
}

json::object as_json(const Report& report) {
    json::array daemons, apis, agents;
    for (const DaemonRow& r : report.daemons)
        daemons.push_back(
            json::object{{"name", r.name}, {"state", r.state}, {"ready", r.ready}, {"pid", r.pid}, {"pss_kib", r.pss_kib}, {"restarts", r.restarts}});
    for (const ApiRow& r : report.apis) apis.push_back(json::object{{"name", r.name}, {"ready", r.ready}, {"answer", r.answer}});
    for (const AgentRow& r : report.agents) agents.push_back(json::object{{"kind", r.kind}, {"host", r.host}, {"up", r.up}, {"enabled", r.enabled}});
    json::value unknown = nullptr;
    if (!report.agents_unknown.empty()) unknown = report.agents_unknown;
    json::object out{{"ready", report.ready()},
                     {"daemons", std::move(daemons)},
                     {"apis", std::move(apis)},
                     {"agents", std::move(agents)},
                     {"waiting_for", std::move(unknown)}};
    if (report.storage) out["storage"] = {{"volume_group", report.storage->group.has_value()}, {"text", describe(*report.storage)}};
    return out;
}

void print(const Report& report) {
    std::int64_t sum = 0;
    for (const DaemonRow& r : report.daemons) {
        const std::string memory = r.pss_kib >= 0 ? fmt::format("{:.1f} MB", static_cast<double>(r.pss_kib) / 1024) : "-";
        sum += std::max<std::int64_t>(r.pss_kib, 0);
        std::puts(fmt::format("{:<22} {:<22} {:>9}  restarts {}", r.name, r.state, memory, r.restarts).c_str());
    }
    if (!report.daemons.empty())
        std::puts(fmt::format("{:<45} {:>9}", "memory in all (PSS)", fmt::format("{:.1f} MB", static_cast<double>(sum) / 1024)).substr(0).c_str());
    else std::puts("no daemon runs here");
    if (report.storage) std::puts(("storage: " + describe(*report.storage) + "; this version has no volume service").c_str());
    for (const ApiRow& r : report.apis) std::puts(fmt::format("{:<22} {:<22} {}", r.name, r.ready ? "answers" : "does not answer", r.answer).c_str());
    for (const AgentRow& r : report.agents)
        std::puts(fmt::format("{:<22} {:<22} on {}", r.kind, !r.enabled ? "disabled" : r.up ? "up" : "down", r.host).c_str());
    if (!report.agents_unknown.empty()) std::puts(("agents: " + report.agents_unknown).c_str());
    std::puts(report.ready() ? "ready" : "not ready");
}

std::string missing(const Report& report) {
    std::string out;
    const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
    for (const DaemonRow& r : report.daemons)
        if (!r.ready) add(r.name + " " + r.state);
    for (const ApiRow& r : report.apis)
        if (!r.ready) add("API " + r.name + " does not answer");
    for (const AgentRow& r : report.agents)
        if (!r.up && r.enabled) add(r.kind + " on " + r.host + " is down");
    if (!report.agents_unknown.empty()) add(report.agents_unknown);
    return out.empty() ? "no daemon runs here" : out;
}

}  // namespace

int status(const Access& access, const StatusOptions& options) {
    const auto deadline = std::chrono::steady_clock::now() + options.wait.value_or(std::chrono::seconds(0));
    std::string said;
    Report report = look(access, options.local);
    while (options.wait && !report.ready() && std::chrono::steady_clock::now() < deadline) {
        if (const std::string text = missing(report); text != said) {
            said = text;
            std::fprintf(stderr, "not ready: %s\n", text.c_str());
        }
        std::this_thread::sleep_for(std::chrono::seconds(1));
        report = look(access, options.local);
    }
    if (options.json) std::puts(to_text(as_json(report)).c_str());
    else print(report);
    return report.ready() ? 0 : 1;
}

}  // namespace pilvi::cli
