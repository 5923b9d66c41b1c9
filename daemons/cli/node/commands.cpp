// pilvi token|node|join|role: the operator's side of a cluster's members.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "commands.h"
#include "doctor/cloud_view.h"
#include "node/cluster_socket.h"
#include "node/roles.h"

namespace pilvi::cli {
namespace {

void need_root(std::string_view what) {
    if (::geteuid() != 0) throw Error(Errc::forbidden, fmt::format("{} is for root", what));
}

std::string cell(const json::object& row, std::string_view column) {
    const json::value* value = find(row, column);
    if (!value || value->is_null()) return "-";
    if (value->is_bool()) return value->get_bool() ? "yes" : "no";
    if (value->is_string()) return std::string(value->get_string());
    std::vector<std::string> items;
    for (const json::value& item : value->is_array() ? value->get_array() : json::array()) items.emplace_back(item.get_string());
    return pilvi::join(items, ",");
}

void table(const json::array& rows, const std::vector<std::string_view>& columns) {
    std::vector<std::size_t> width;
    for (const std::string_view column : columns) {
        width.push_back(column.size());
        for (const json::value& row : rows) width.back() = std::max(width.back(), cell(row.as_object(), column).size());
    }
    const auto line = [&](const auto& text) {
        std::string out;
        for (std::size_t i = 0; i < columns.size(); ++i) out += fmt::format("{:<{}}  ", text(columns[i]), width[i]);
        std::puts(std::string(out.substr(0, out.find_last_not_of(' ') + 1)).c_str());
    };
    line([](std::string_view column) { return std::string(column); });
    for (const json::value& row : rows) line([&](std::string_view column) { return cell(row.as_object(), column); });
}

int show(const json::array& rows, bool json, const std::vector<std::string_view>& columns) {
    if (json) std::puts(to_text(rows).c_str());
    else table(rows, columns);
    return 0;
}

// Its services and agents, so that nothing goes on waiting for it. What the cloud does not answer is said, and left.
void forget_in_cloud(const Access& access, const std::string& host) {
    Session session(admin_session(access.auth_url, access.credentials, access.configuration));
    http::Headers headers;
    headers.set("OpenStack-API-Version", "compute 2.53");  // services have UUIDs
    const auto remove = [&](const char* service, const std::string& list, const char* collection, const char* name) {
        try {
            const std::string base = session.endpoint(service);
            const json::value rows = session.call("GET", base + list + "?host=" + percent_encode(host), nullptr, headers);
            for (const json::value& row : array_or_empty(rows.as_object(), collection))
                session.call("DELETE", base + list + "/" + string_or(row.as_object(), "id"), nullptr, headers);
        } catch (const Error& error) {
            std::fprintf(stderr, "pilvi: the %s of %s are still listed: %s\n", name, host.c_str(), error.what());
        }
    };
    remove("network", "/v2.0/agents", "agents", "network agents");
    remove("compute", "/os-services", "services", "compute services");
}

// pilvi-setup made them before it was known that the cloud is another node's: nobody accepts them.
void drop_passwords(const Access& access) {
    namespace fs = std::filesystem;
    if (fs::exists(access.state + "/identity")) return;
    std::error_code missing;
    std::vector<fs::path> unused;
    for (const fs::directory_entry& entry : fs::directory_iterator(access.credentials, missing))
        if (const std::string name = entry.path().filename(); name == "admin-password" || name.starts_with("service-password-"))
            unused.push_back(entry.path());
    for (const fs::path& file : unused) fs::remove(file);
}

}  // namespace

int token_create(const Access& access, const TokenOptions& options) {
    const json::object token =
        ask_cluster(access, "POST", "/v1/tokens", json::object{{"roles", json::value_from(options.roles)}, {"life", options.life.count()}});
    if (options.json) std::puts(to_text(token).c_str());
    else std::puts(string_or(token, "token").c_str());
    if (!options.json && ::isatty(STDOUT_FILENO))
        std::fprintf(stderr, "On the node, as root: pilvi join CONTROLLER TOKEN. The token is good once, until %s, for: %s\n",
                     string_or(token, "expires_at").c_str(), pilvi::join(options.roles, ", ").c_str());
    return 0;
}

int token_list(const Access& access, bool json) {
    return show(array_or_empty(ask_cluster(access, "GET", "/v1/tokens"), "tokens"), json,
                {"id", "roles", "expires_at", "expired", "used_at", "node"});
}

int token_remove(const Access& access, const std::string& id) {
    ask_cluster(access, "DELETE", "/v1/tokens/" + percent_encode(id));
    return 0;
}

int node_list(const Access& access, bool json) {
    const json::object members = ask_cluster(access, "GET", "/v1/nodes"), waiting = ask_cluster(access, "GET", "/v1/waiting");
    json::array rows;
    for (const json::value& member : array_or_empty(members, "nodes")) {
        json::object row = member.as_object();
        row["state"] = "member";
        rows.emplace_back(std::move(row));
    }
    for (const json::value& applicant : array_or_empty(waiting, "waiting")) {
        json::object row = applicant.as_object();
        row["state"] = "waiting";
        row["joined_at"] = nullptr;
        rows.emplace_back(std::move(row));
    }
    std::vector<std::string_view> columns{"name", "state", "roles", "joined_at", "renewed_at", "certified_until", "certificate_ended", "id"};
    if (!array_or_empty(waiting, "waiting").empty()) columns.insert(columns.end(), {"fingerprint", "mac", "address"});
    return show(rows, json, columns);
}

int node_accept(const Access& access, const AcceptOptions& options) {
    const json::object accepted = ask_cluster(access, "POST", "/v1/waiting/" + percent_encode(options.who),
                                              json::object{{"roles", json::value_from(options.roles)}, {"name", options.name}});
    std::printf("%s (%s) is accepted: %s; it joins within seconds\n", string_or(accepted, "name").c_str(), string_or(accepted, "fingerprint").c_str(),
                pilvi::join(options.roles, ", ").c_str());
    return 0;
}

int node_remove(const Access& access, const std::string& name) {
    std::string host = name;
    const json::object answer = ask_cluster(access, "GET", "/v1/nodes");
    for (const json::value& node : array_or_empty(answer, "nodes"))
        if (string_or(node.as_object(), "id") == name) host = string_or(node.as_object(), "name");
    ask_cluster(access, "DELETE", "/v1/nodes/" + percent_encode(name));
    forget_in_cloud(access, host);
    return 0;
}

int node_renew(const Access& access, bool force) {
    const MemberPlaces places = places_of(access);
    // The timer runs everywhere: a controller's certificate is pilvi-cluster's.
    if (!force && !read_membership(places)) return 0;
    if (renew_certificate(places, now_micros(), force)) std::puts("this node has a new certificate");
    return 0;
}

namespace {

// Asks until the operator has answered. What is in the way is said once; it may go away.
MembershipRecord apply_until_accepted(const MemberPlaces& places, const ApplyOptions& options) {
    std::string said;
    const auto say = [&](const std::string& text) {
        if (text == said) return;
        std::printf("%s\n", text.c_str());
        std::fflush(stdout);
        said = text;
    };
    while (true) {
        try {
            const Application application = apply_to_cluster(places, options);
            if (application.record) return *application.record;
            say(fmt::format("this machine waits for a role; its fingerprint is {}", application.fingerprint));
        } catch (const Error& error) {
            if (error.code() == Errc::conflict || error.code() == Errc::internal) throw;
            say(fmt::format("this machine cannot ask for a role: {}; asking again", error.message()));
        }
        std::this_thread::sleep_for(std::chrono::seconds(5));
    }
}

}  // namespace

int join_command(const Access& access, const JoinCommand& command) {
    need_root("pilvi join");
    const MemberPlaces places = places_of(access);
    std::vector<std::string> before;
    if (const auto record = read_membership(places)) before = record->roles;
    const MembershipRecord record =
        command.token.empty()
            ? apply_until_accepted(places,
                                   {.controller = command.controller, .authority = command.authority, .name = command.name, .mac = command.mac})
            : join_cluster(places, {.controller = command.controller, .token = command.token, .name = command.name});
    std::printf("%s is a member of the cluster of %s: %s\n", record.name.c_str(), record.controller.c_str(), pilvi::join(record.roles, ", ").c_str());
    std::fflush(stdout);  // starting the roles takes its time
    drop_passwords(access);
    if (!command.start) return 0;
    SystemCommandRunner runner;
    Roles roles(runner, places);
    std::vector<std::string> wanted = record.roles;
    std::erase_if(wanted, [&](const std::string& role) { return std::ranges::find(before, role) != before.end(); });
    roles.restart_agents();
    roles.add(wanted.empty() ? record.roles : wanted);
    return 0;
}

int role_list(const Access& access, bool json) {
    SystemCommandRunner runner;
    const std::vector<std::string> roles = Roles(runner, places_of(access)).enabled();
    if (json) std::puts(to_text(json::value_from(roles)).c_str());
    else
        for (const std::string& role : roles) std::puts(role.c_str());
    return 0;
}

int role_add(const Access& access, const std::vector<std::string>& roles) {
    need_root("pilvi role add");
    SystemCommandRunner runner;
    Roles(runner, places_of(access)).add(roles);
    return 0;
}

int role_remove(const Access& access, const std::string& role) {
    need_root("pilvi role remove");
    SystemCommandRunner runner;
    Roles(runner, places_of(access)).remove(role, now_micros());
    return 0;
}

}  // namespace pilvi::cli
