#pragma once
// The services around pilvi-compute, in memory, behind its client interfaces. Any call may be the last one before a kill.
#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "domain/clients.h"

namespace pilvi::testing {

// Thrown in place of kill -9: after `calls` more calls to a fake. Half of the kills come before the call's effect, half after it.
struct Killed {};
struct Chaos {
    int calls = -1;     // -1: never
    bool after = true;  // the effect has happened
    int seen = 0;
    template <class F>
    auto run(F&& effect) {
        ++seen;
        const bool now = calls >= 0 && calls-- == 0;
        if (now && !after) throw Killed{};
        if constexpr (std::is_void_v<decltype(effect())>) {
            effect();
            if (now) throw Killed{};
        } else {
            auto result = effect();
            if (now) throw Killed{};
            return result;
        }
    }
};

struct FakeImages : compute::ImageClient {
    explicit FakeImages(Chaos& c) : chaos(c) {}
    std::optional<json::object> image(const std::string&, const std::string& id) override {
        const auto found = rows.find(id);
        return found == rows.end() ? std::nullopt : std::optional(found->second);
    }
    void add(const std::string& id, json::object more = {}) {
        json::object image{
            {"id", id},         {"name", "tiny"}, {"status", "active"}, {"disk_format", "qcow2"}, {"container_format", "bare"}, {"size", 1000},
            {"checksum", "00"}, {"min_disk", 0},  {"min_ram", 0}};
        for (const auto& m : more) image[m.key()] = m.value();
        rows[id] = image;
    }
    Chaos& chaos;
    std::map<std::string, json::object> rows;
};

struct FakePlacement : compute::PlacementClient {
    explicit FakePlacement(Chaos& c) : chaos(c) {}
    struct Consumer {
        std::string provider;
        std::map<std::string, std::int64_t> resources;
    };
    std::vector<compute::Provider> candidates(const std::map<std::string, std::int64_t>& resources, const std::set<std::string>&,
                                              const std::set<std::string>&) override {
        return chaos.run([&] {
            std::vector<compute::Provider> out;
            for (const auto& [id, capacity] : providers) {
                compute::Provider p{id, {}, {}};
                bool fits = true;
                for (const auto& [name, total] : capacity) {
                    p.capacity[name] = static_cast<double>(total);
                    p.used[name] = static_cast<double>(used(id, name));
                }
                for (const auto& [name, amount] : resources) fits = fits && capacity.contains(name) && used(id, name) + amount <= capacity.at(name);
                if (fits) out.push_back(p);
            }
            return out;
        });
    }
    std::optional<std::string> holder(const std::string& consumer) override {
        return chaos.run([&] { return consumers.contains(consumer) ? std::optional(consumers[consumer].provider) : std::nullopt; });
    }
    Claim claim(const std::string& consumer, const std::string& provider, const std::map<std::string, std::int64_t>& resources, const std::string&,
                const std::string&) override {
        return chaos.run([&] {
            if (conflicts > 0) return --conflicts, Claim::conflict;
            if (consumers.contains(consumer)) return Claim::conflict;
            consumers[consumer] = {provider, resources};
            return Claim::done;
        });
    }
    void release(const std::string& consumer) override {
        chaos.run([&] { consumers.erase(consumer); });
    }
    void remove_provider(const std::string& provider) override {
        chaos.run([&] {
            for (const auto& [id, consumer] : consumers)
                if (consumer.provider == provider) throw Error(Errc::conflict, "Unable to delete resource provider");
            providers.erase(provider);
        });
    }
    std::int64_t used(const std::string& provider, const std::string& name) const {
        std::int64_t sum = 0;
        for (const auto& [id, c] : consumers)
            if (c.provider == provider && c.resources.contains(name)) sum += c.resources.at(name);
        return sum;
    }
    Chaos& chaos;
    int conflicts = 0;
    std::map<std::string, std::map<std::string, std::int64_t>> providers;
    std::map<std::string, Consumer> consumers;
};

// Rows by collection, with equality filters on every member.
struct FakeNetwork : compute::NetworkClient {
    explicit FakeNetwork(Chaos& c) : chaos(c) {}
    static bool equals(const json::object& row, const std::string& name, const std::string& wanted) {
        const json::value* v = find(row, name == "project_id" ? "tenant_id" : name);
        if (!v) return false;
        if (v->is_bool()) return parse_boolean(wanted) == v->get_bool();
        return v->is_string() && str(v->get_string()) == wanted;
    }
    json::array list(const std::string&, const std::string& collection, const std::string& query) override {
        return chaos.run([&] {
            if (down) throw Error(Errc::unavailable, "the network service is down");
            std::map<std::string, std::vector<std::string>> wanted;
            for (const std::string& part : split(query, '&', false)) {
                const std::size_t equals_at = part.find('=');
                wanted[part.substr(0, equals_at)].push_back(*percent_decode(part.substr(equals_at + 1)));
            }
            json::array out;
            for (const auto& [id, row] : rows[collection]) {
                bool fits = true;
                for (const auto& [name, values] : wanted)
                    fits =
                        fits && std::any_of(values.begin(), values.end(), [&, &n = name, &r = row](const std::string& v) { return equals(r, n, v); });
                if (fits) out.push_back(row);
            }
            return out;
        });
    }
    std::optional<json::object> show(const std::string&, const std::string& collection, const std::string& id) override {
        if (down) throw Error(Errc::unavailable, "the network service is down");
        const auto found = rows[collection].find(id);
        return found == rows[collection].end() ? std::nullopt : std::optional(found->second);
    }
    json::object create_port(const json::object& port) override {
        return chaos.run([&] {
            if (refuse_ports) throw Error(Errc::conflict, "No more IP addresses available on network.");
            json::object row = port;
            row["id"] = new_uuid();
            row["mac_address"] = "fa:16:3e:00:00:" + std::to_string(10 + rows["ports"].size());
            row["status"] = "DOWN";
            if (!row.contains("fixed_ips")) row["fixed_ips"] = json::array{json::object{{"ip_address", "10.0.0." + std::to_string(++addresses)}}};
            row["fixed_ips"].as_array()[0].as_object()["subnet_id"] = "subnet-1";
            if (!row.contains("security_groups")) row["security_groups"] = json::array{"group-1"};
            rows["ports"][string_or(row, "id")] = row;
            return row;
        });
    }
    json::object update_port(const std::string& id, const json::object& port) override {
        return chaos.run([&] {
            if (!rows["ports"].contains(id)) throw Error(Errc::not_found, "Port " + id + " could not be found.");
            for (const auto& m : port) rows["ports"][id][m.key()] = m.value();
            return rows["ports"][id];
        });
    }
    void delete_port(const std::string& id) override {
        chaos.run([&] { rows["ports"].erase(id); });
    }
    std::optional<std::string> auto_allocated_network(const std::string&, const std::string&) override { return std::nullopt; }
    void add_network(const std::string& id, const std::string& name, const std::string& project) {
        rows["networks"][id] = {{"id", id},
                                {"name", name},
                                {"tenant_id", project},
                                {"shared", false},
                                {"mtu", 1450},
                                {"subnets", json::array{"subnet-1"}},
                                {"router:external", false}};
        rows["subnets"]["subnet-1"] = {{"id", "subnet-1"},
                                       {"network_id", id},
                                       {"cidr", "10.0.0.0/24"},
                                       {"ip_version", 4},
                                       {"gateway_ip", "10.0.0.1"},
                                       {"enable_dhcp", true},
                                       {"dns_nameservers", json::array{"9.9.9.9"}},
                                       {"host_routes", json::array{}}};
        rows["security-groups"]["group-1"] = {
            {"id", "group-1"}, {"name", "default"}, {"tenant_id", project}, {"description", ""}, {"security_group_rules", json::array{}}};
    }
    void wire_all() {
        for (auto& [id, port] : rows["ports"]) port["status"] = "ACTIVE";
    }
    Chaos& chaos;
    bool down = false, refuse_ports = false;
    int addresses = 10;
    std::map<std::string, std::map<std::string, json::object>> rows;
};

struct FakeAgents : compute::AgentClient {
    std::optional<std::string> console(const std::string&, const std::string&, const std::string& server, std::int64_t lines) override {
        if (!text) return std::nullopt;
        return lines < 0 ? *text : server.substr(0, 0) + "last";
    }
    std::optional<std::string> text = "all\nlast";
};

}  // namespace pilvi::testing
