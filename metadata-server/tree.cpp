#include "tree.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace pilvi::metadata {

namespace {

constexpr std::array<std::string_view, 9> ec2_versions = {"1.0",        "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10",
                                                          "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04"};
constexpr std::array<std::string_view, 9> openstack_versions = {"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30",
                                                                "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14"};
constexpr std::string_view grizzly = "2013-04-04", havana = "2013-10-17", liberty = "2015-10-15", newton_one = "2016-06-30",
                           newton_two = "2016-10-06", victoria = "2020-10-14";
constexpr const char* json_type = "application/json";

template <std::size_t N>
std::string listing(const std::array<std::string_view, N>& versions) {
    std::string text;
    for (auto version : versions) text += std::string(version) + "\n";
    return text + "latest";
}

// The version that is meant, "" where there is none of that name.
template <std::size_t N>
std::string_view resolve(const std::array<std::string_view, N>& versions, std::string_view name) {
    if (name == "latest") return versions.back();
    auto found = std::find(versions.begin(), versions.end(), name);
    return found == versions.end() ? std::string_view() : *found;
}

std::optional<std::string> user_data(const json::object& server) {
    auto encoded = optional_string(server, "user_data");
    if (!encoded) return std::nullopt;
    return base64_decode(*encoded);
}

std::string meta_data(const json::object& server, std::string_view version, std::string_view seed) {
    const json::object& from = object_or_empty(server, "meta_data");
    json::object out;
    for (std::string_view key : {"uuid", "hostname", "name", "launch_index", "availability_zone"}) {
        const auto* value = find(from, key);
        out[key] = value ? *value : json::value(nullptr);
    }
    if (const auto& meta = object_or_empty(from, "meta"); !meta.empty()) out["meta"] = meta;
    if (const auto& keys = array_or_empty(from, "keys"); !keys.empty() && keys.front().is_object()) {
        const auto& key = keys.front().get_object();
        out["public_keys"] = json::object{{string_or(key, "name"), string_or(key, "data")}};
        out["keys"] =
            json::array{json::object{{"name", string_or(key, "name")}, {"type", string_or(key, "type", "ssh")}, {"data", string_or(key, "data")}}};
    }
    if (version >= grizzly) out["random_seed"] = base64_encode(seed);
    if (version >= liberty) out["project_id"] = string_or(from, "project_id");
    if (version >= newton_one) out["devices"] = array_or_empty(from, "devices");
    if (version >= victoria) out["dedicated_cpus"] = array_or_empty(from, "dedicated_cpus");
    return to_text(out);
}

std::string version_listing(const json::object& server, std::string_view version) {
    std::string text = "meta_data.json";
    if (user_data(server)) text += "\nuser_data";
    if (version >= grizzly) text += "\npassword";
    if (version >= havana) text += "\nvendor_data.json";
    if (version >= liberty) text += "\nnetwork_data.json";
    if (version >= newton_two) text += "\nvendor_data2.json";
    return text;
}

std::optional<Answer> openstack_item(const json::object& server, const std::vector<std::string>& segments, std::string_view seed) {
    std::string_view version = resolve(openstack_versions, segments[1]);
    if (version.empty()) return std::nullopt;
    if (segments.size() == 2) return Answer{.body = version_listing(server, version)};
    if (segments.size() > 3) return std::nullopt;
    const std::string& name = segments[2];
    if (name == "version") return Answer{.body = version_listing(server, version)};
    if (name == "meta_data.json") return Answer{.body = meta_data(server, version, seed), .content_type = json_type};
    if (name == "network_data.json") return Answer{.body = to_text(object_or_empty(server, "network_data"))};
    if (name == "password" && version >= grizzly) return Answer{.body = string_or(server, "password"), .password = true};
    if (name == "vendor_data.json" && version >= havana) {
        return Answer{.body = to_text(object_or_empty(server, "vendor_data")), .content_type = json_type};
    }
    if (name == "vendor_data2.json" && version >= newton_two) {
        return Answer{.body = to_text(object_or_empty(server, "vendor_data2")), .content_type = json_type};
    }
    if (name == "user_data") {
        if (auto data = user_data(server)) return Answer{.body = *data};
    }
    return std::nullopt;
}

// The EC2 tree of one version as nested objects; leaves are strings, numbers and lists.
json::object ec2_tree(const json::object& server, std::string_view version) {
    const json::object& meta = object_or_empty(server, "meta_data");
    const json::object& ec2 = object_or_empty(server, "ec2");
    json::object out;
    std::string hostname = string_or(meta, "hostname");
    out["ami-id"] = string_or(ec2, "ami-id");
    out["ami-launch-index"] = integer_or(meta, "launch_index");
    out["ami-manifest-path"] = "FIXME";  // what the original answers
    out["instance-id"] = string_or(ec2, "instance-id");
    out["hostname"] = hostname;
    out["local-ipv4"] = string_or(ec2, "local-ipv4");
    out["reservation-id"] = string_or(ec2, "reservation-id");
    out["security-groups"] = array_or_empty(ec2, "security-groups");
    if (const auto& keys = array_or_empty(meta, "keys"); !keys.empty() && keys.front().is_object()) {
        const auto& key = keys.front().get_object();
        out["public-keys"] = json::object{{"0", json::object{{"_name", "0=" + string_or(key, "name")}, {"openssh-key", string_or(key, "data")}}}};
    }
    if (version >= "2007-01-19") {
        out["local-hostname"] = hostname;
        out["public-hostname"] = hostname;
        out["public-ipv4"] = string_or(ec2, "public-ipv4");
    }
    if (version >= "2007-08-29") out["instance-type"] = string_or(ec2, "instance-type");
    if (version >= "2007-12-15") {
        out["block-device-mapping"] = object_or_empty(ec2, "block-device-mapping");
        for (std::string_view key : {"kernel-id", "ramdisk-id"}) {
            if (auto id = optional_string(ec2, key)) out[key] = *id;
        }
    }
    if (version >= "2008-02-01") out["placement"] = json::object{{"availability-zone", string_or(meta, "availability_zone")}};
    if (version >= "2008-09-01") out["instance-action"] = "none";
    json::object tree{{"meta-data", std::move(out)}};
    if (auto data = user_data(server)) tree["user-data"] = *data;
    return tree;
}

std::string ec2_text(const json::value& data) {
    if (data.is_string()) return str(data.get_string());
    std::string text;
    if (data.is_array()) {
        for (const auto& item : data.get_array()) text += (text.empty() ? "" : "\n") + (item.is_string() ? str(item.get_string()) : to_text(item));
        return text;
    }
    if (!data.is_object()) return to_text(data);
    std::vector<std::string> names;
    for (const auto& [key, value] : data.get_object()) names.emplace_back(key);
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
        if (name == "_name") continue;
        const json::value& value = data.get_object().at(name);
        if (!text.empty()) text += "\n";
        if (const auto* alias = value.is_object() ? find(value.get_object(), "_name") : nullptr) text += str(alias->as_string());
        else text += value.is_object() ? name + "/" : name;
    }
    return text;
}

std::optional<Answer> ec2_item(const json::object& server, const std::vector<std::string>& segments) {
    std::string_view version = resolve(ec2_versions, segments[1]);
    if (version.empty()) return std::nullopt;
    json::value tree = ec2_tree(server, version);
    const json::value* at = &tree;
    for (std::size_t i = 2; i < segments.size(); ++i) {
        if (!at->is_object()) return std::nullopt;
        at = find(at->get_object(), segments[i]);
        if (!at) return std::nullopt;
    }
    return Answer{.body = ec2_text(*at)};
}

}  // namespace

std::optional<std::vector<std::string>> path_segments(std::string_view path) {
    auto decoded = percent_decode(path);
    if (!decoded || decoded->find('\0') != std::string::npos) return std::nullopt;
    std::vector<std::string> segments;
    for (auto& part : split(*decoded, '/', false)) {
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            if (!segments.empty()) segments.pop_back();
        } else {
            segments.push_back(std::move(part));
        }
    }
    return segments;
}

bool is_root(const std::vector<std::string>& segments) { return segments.empty(); }

std::string root_listing() { return listing(ec2_versions); }

std::optional<Answer> lookup(const json::object& server, const std::vector<std::string>& segments, std::string_view seed) {
    std::vector<std::string> path = segments;
    if (path.empty() || (path[0] != "ec2" && path[0] != "openstack")) path.insert(path.begin(), "ec2");
    bool openstack = path[0] == "openstack";
    if (path.size() == 1) return Answer{.body = openstack ? listing(openstack_versions) : listing(ec2_versions)};
    return openstack ? openstack_item(server, path, seed) : ec2_item(server, path);
}

}  // namespace pilvi::metadata
