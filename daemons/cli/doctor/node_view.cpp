#include "doctor/node_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"
#include "node/roles.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* virsh = "/usr/bin/virsh";
constexpr const char* ovs_vsctl = "/usr/bin/ovs-vsctl";
constexpr const char* ovs_ofctl = "/usr/bin/ovs-ofctl";
constexpr const char* ip = "/usr/sbin/ip";
constexpr const char* systemctl = "/usr/bin/systemctl";

bool executable(const char* path) { return ::access(path, X_OK) == 0; }

std::string ip_program() { return executable(ip) ? ip : "/sbin/ip"; }

// What a program prints; "" and a trouble where it fails.
std::string ask(CommandRunner& runner, NodeView& view, std::vector<std::string> argv) {
    try {
        return runner.check(Command{.argv = std::move(argv), .limit = std::chrono::seconds(20)});
    } catch (const Error& error) {
        view.troubles.push_back(error.message());
        return {};
    }
}

std::vector<std::string> lines(const std::string& text) { return split(text, '\n', false); }

// ["map", [["k", "v"], ...]] of OVSDB.
std::map<std::string, std::string> ovs_map(const json::value& value) {
    std::map<std::string, std::string> out;
    if (!value.is_array() || value.as_array().size() != 2 || !value.as_array()[1].is_array()) return out;
    for (const json::value& pair : value.as_array()[1].as_array())
        if (pair.is_array() && pair.as_array().size() == 2 && pair.as_array()[0].is_string() && pair.as_array()[1].is_string())
            out[str(pair.as_array()[0].as_string())] = str(pair.as_array()[1].as_string());
    return out;
}

std::string ovs_text(const json::value& value) { return value.is_string() ? str(value.as_string()) : std::string(); }

void look_at_libvirt(CommandRunner& runner, const NodePlaces& places, NodeView& view) {
    if (!executable(virsh)) return;
    view.has_libvirt = true;
    const std::string all = ask(runner, view, {virsh, "-q", "-c", places.libvirt_uri, "list", "--all", "--uuid", "--name"});
    const std::string on = ask(runner, view, {virsh, "-q", "-c", places.libvirt_uri, "list", "--uuid"});
    for (const std::string& line : lines(all)) {
        const std::vector<std::string> words = split(trim(line), ' ', false);
        if (words.size() < 2) continue;
        DomainOnNode domain{.id = words[0], .name = words[1], .running = on.find(words[0]) != std::string::npos};
        domain.ours = ask(runner, view, {virsh, "-q", "-c", places.libvirt_uri, "dumpxml", "--inactive", domain.id}).find("<pilvi:instance") !=
                      std::string::npos;
        view.domains.push_back(std::move(domain));
    }
}

void look_at_files(const NodePlaces& places, NodeView& view) {
    const std::string base = places.state + "/compute-agent";
    view.instances_path = base + "/instances";
    std::error_code missing;
    for (const fs::directory_entry& entry : fs::directory_iterator(view.instances_path, missing))
        view.instance_directories.push_back(entry.path().filename().string());
    for (const fs::directory_entry& entry : fs::directory_iterator(base + "/_base", missing)) {
        struct stat info {};
        if (entry.path().extension() == ".part" && ::stat(entry.path().c_str(), &info) == 0 && std::time(nullptr) - info.st_mtime > 3600)
            view.stale_parts.push_back(entry.path().string());
    }
}

// Where the image service runs, by its own word.
void look_at_image_data(CommandRunner& runner, const NodePlaces& places, NodeView& view) {
    if (!executable(places.image_program.c_str()) || !fs::exists(places.state + "/image")) return;
    for (const std::string& line : lines(ask(runner, view, {places.image_program, "unknown-data"})))
        if (const std::size_t tab = line.find('\t'); tab != std::string::npos)
            view.unknown_image_data.emplace_back(line.substr(0, tab), line.substr(tab + 1));
}

void look_at_switch(CommandRunner& runner, const NodePlaces& places, NodeView& view) {
    if (!executable(ovs_vsctl)) return;
    view.has_switch = true;
    std::map<std::string, std::string> bridge_of;
    const std::string bridges = ask(runner, view, {ovs_vsctl, "--timeout=10", "list-br"});
    for (const std::string& bridge : lines(bridges)) {
        for (const std::string& port : lines(ask(runner, view, {ovs_vsctl, "--timeout=10", "list-ports", bridge}))) bridge_of[port] = bridge;
        std::string mode(trim(ask(runner, view, {ovs_vsctl, "--timeout=10", "get-fail-mode", bridge})));
        view.fail_modes[bridge] = mode;
        view.datapaths[bridge] = trim(ask(runner, view, {ovs_vsctl, "--timeout=10", "get", "Bridge", bridge, "datapath_type"}));
    }
    const std::string table =
        ask(runner, view, {ovs_vsctl, "--timeout=10", "--format=json", "--columns=name,type,ofport,external_ids,error,options", "list", "Interface"});
    if (!table.empty()) view.ports = parse_interfaces(table, bridge_of);
    for (const std::string& bridge : places.bridges) {
        if (!view.fail_modes.contains(bridge)) continue;
        for (const std::string& line : lines(ask(runner, view, {ovs_ofctl, "--no-names", "--no-stats", "dump-flows", bridge}))) {
            FlowOnNode flow{.bridge = bridge, .text = std::string(trim(line)), .ports = ports_of_flow(line)};
            if (flow.text.find("actions=") != std::string::npos) view.flows.push_back(std::move(flow));
        }
    }
}

void look_at_network(CommandRunner& runner, NodeView& view) {
    view.has_namespaces = true;
    for (const std::string& line : lines(ask(runner, view, {ip_program(), "netns", "list"})))
        view.namespaces.push_back(line.substr(0, line.find(' ')));
    const std::string links = ask(runner, view, {ip_program(), "-json", "address", "show"});
    if (links.empty()) return;
    const json::value document = parse_json(links);
    if (!document.is_array()) return;
    for (const json::value& link : document.as_array()) {
        if (!link.is_object()) continue;
        view.links.push_back(string_or(link.as_object(), "ifname"));
        for (const json::value& address : array_or_empty(link.as_object(), "addr_info"))
            if (address.is_object()) view.addresses[string_or(address.as_object(), "local")] = view.links.back();
    }
}

// The id in "/.../dhcp/<network id>/..." of a command line.
std::string network_of(const std::string& command_line) {
    for (const std::string& word : split(command_line, '/', false))
        if (word.size() >= 36 && is_uuid_like(word.substr(0, 36))) return word.substr(0, 36);
    return {};
}

void look_at_processes(const NodePlaces& places, NodeView& view) {
    std::error_code missing;
    for (const fs::directory_entry& entry : fs::directory_iterator(places.proc, missing)) {
        const auto pid = parse_integer(entry.path().filename().string());
        if (!pid) continue;
        try {
            std::string command_line = read_file(entry.path().string() + "/cmdline");
            const std::string program = command_line.substr(0, command_line.find('\0'));
            if (fs::path(program).filename() != "dnsmasq") continue;
            std::replace(command_line.begin(), command_line.end(), '\0', ' ');
            if (const std::string network = network_of(command_line); !network.empty()) view.dnsmasqs.push_back({static_cast<int>(*pid), network});
        } catch (const Error&) {  // it ended meanwhile
        }
    }
}

void look_at_units(CommandRunner& runner, NodeView& view) {
    if (!fs::exists("/run/systemd/system") || !executable(systemctl)) return;
    view.has_systemd = true;
    view.roles = Roles(runner, {}).enabled();
    view.units =
        parse_units(ask(runner, view,
                        {systemctl, "show", "--property=Id,LoadState,ActiveState,SubState,Result,UnitFileState,MainPID,NRestarts",
                         "pilvi-identity.service", "pilvi-image.service", "pilvi-placement.service", "pilvi-compute.service", "pilvi-network.service",
                         "pilvi-cluster.service", "pilvi-compute-agent.service", "pilvi-network-agent.service", "pilvi-metadata.service",
                         "pilvi-setup.service", "pilvi-bootstrap.service", "libvirtd.service", "openvswitch-switch.service"}));
}

}  // namespace

std::vector<SwitchPort> parse_interfaces(const std::string& ovs_json, const std::map<std::string, std::string>& bridge_of) {
    std::vector<SwitchPort> out;
    const json::value document = parse_json(ovs_json);
    for (const json::value& row : array_or_empty(document.as_object(), "data")) {
        const json::array& cells = row.as_array();
        if (cells.size() != 6) continue;
        SwitchPort port{.bridge = {}, .name = ovs_text(cells[0]), .type = ovs_text(cells[1])};
        if (cells[2].is_int64()) port.ofport = cells[2].as_int64();
        port.external_ids = ovs_map(cells[3]);
        port.error = ovs_text(cells[4]);
        port.options = ovs_map(cells[5]);
        if (const auto bridge = bridge_of.find(port.name); bridge != bridge_of.end()) port.bridge = bridge->second;
        out.push_back(std::move(port));
    }
    return out;
}

std::set<std::int64_t> ports_of_flow(const std::string& flow) {
    std::set<std::int64_t> out;
    for (const std::string_view key : {"in_port=", "output:"}) {
        for (std::size_t at = flow.find(key); at != std::string::npos; at = flow.find(key, at + 1)) {
            // "learn(...,output:NXM_OF_IN_PORT[])" and names are no numbers.
            std::size_t end = at + key.size();
            while (end < flow.size() && flow[end] >= '0' && flow[end] <= '9') ++end;
            if (const auto number = parse_integer(std::string_view(flow).substr(at + key.size(), end - at - key.size()))) out.insert(*number);
        }
    }
    return out;
}

std::vector<UnitOnNode> parse_units(const std::string& systemctl_show) {
    std::vector<UnitOnNode> out;
    for (std::size_t at = 0; at < systemctl_show.size();) {
        std::size_t end = systemctl_show.find("\n\n", at);
        if (end == std::string::npos) end = systemctl_show.size();
        std::map<std::string, std::string> properties;
        for (const std::string& line : split(std::string_view(systemctl_show).substr(at, end - at), '\n', false))
            if (const std::size_t equals = line.find('='); equals != std::string::npos) properties[line.substr(0, equals)] = line.substr(equals + 1);
        at = end + 2;
        if (properties["LoadState"] != "loaded") continue;
        out.push_back({.name = properties["Id"],
                       .state = properties["ActiveState"],
                       .sub_state = properties["SubState"],
                       .result = properties["Result"],
                       .enabled = properties["UnitFileState"].starts_with("enabled"),
                       .pid = static_cast<int>(parse_integer(properties["MainPID"]).value_or(0)),
                       .restarts = parse_integer(properties["NRestarts"]).value_or(0)});
    }
    return out;
}

NodeView look_at_units_only(CommandRunner& runner) {
    NodeView view;
    look_at_units(runner, view);
    return view;
}

NodeView look_at_node(CommandRunner& runner, const NodePlaces& places) {
    NodeView view;
    look_at_units(runner, view);
    look_at_libvirt(runner, places, view);
    look_at_files(places, view);
    look_at_image_data(runner, places, view);
    look_at_switch(runner, places, view);
    look_at_network(runner, view);
    look_at_processes(places, view);
    return view;
}

}  // namespace pilvi::cli
