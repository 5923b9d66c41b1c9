// Attributes of ports that are lists of small objects. Source: neutron_lib.api.validators.allowedaddresspairs, extra_dhcp_opt.
#include <set>

#include "base/net.h"
#include "base/text.h"
#include "resources/ports.h"

namespace pilvi::network {
namespace {

constexpr std::size_t most_pairs = 10;  // max_allowed_address_pair
constexpr std::size_t most_options = 40;

Error bad_pair(const std::string& why) { return bad("HTTPBadRequest", why); }

json::object checked_pair(const json::value& value) {
    if (!value.is_object()) throw invalid_attribute("allowed_address_pairs", fmt::format("'{}' is not a dictionary", to_text(value).substr(0, 100)));
    const json::object& pair = value.get_object();
    json::object out;
    for (const auto& member : pair) {
        if (member.key() != "ip_address" && member.key() != "mac_address")
            throw bad_pair(fmt::format("Unrecognized attribute(s) '{}'", std::string(member.key()).substr(0, 60)));
        if (!member.value().is_string())
            throw bad_pair(fmt::format("'{}' is not a valid {}", to_text(member.value()).substr(0, 60), std::string(member.key())));
    }
    if (const auto mac = optional_string(pair, "mac_address")) {
        const auto normal = normalize_mac(*mac);
        if (!normal) throw bad_pair(fmt::format("'{}' is not a valid MAC address", mac->substr(0, 60)));
        out["mac_address"] = *normal;
    }
    const auto ip = optional_string(pair, "ip_address");
    if (!ip) throw bad("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address");
    const auto cidr = Cidr::parse(*ip);
    if (!cidr) throw bad_pair(fmt::format("'{}' is not a valid IP {}", ip->substr(0, 60), ip->find('/') == std::string::npos ? "address" : "subnet"));
    out["ip_address"] = ip->find('/') == std::string::npos ? cidr->address.text() : cidr->text();
    return out;
}

bool one_line(std::string_view text) { return text.find_first_of("\r\n") == std::string_view::npos; }

json::object checked_option(const json::value& value) {
    const auto refuse = [&](const std::string& why) { return invalid_attribute("extra_dhcp_opts", why); };
    if (!value.is_object()) throw refuse(fmt::format("'{}' is not a dictionary", to_text(value).substr(0, 100)));
    const json::object& option = value.get_object();
    for (const auto& member : option)
        if (member.key() != "opt_name" && member.key() != "opt_value" && member.key() != "ip_version")
            throw refuse(fmt::format("Unexpected keys supplied: {}", std::string(member.key()).substr(0, 60)));
    const json::value *name = find(option, "opt_name"), *given = find(option, "opt_value");
    if (!name || !name->is_string() || name->get_string().empty() || name->get_string().size() > 64)
        throw refuse("No valid key specs matched for: opt_name");
    // The name becomes "option:NAME" or a number in dnsmasq's options file.
    if (name->get_string().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:.") != json::string::npos)
        throw refuse(fmt::format("'{}' is not a valid option name", to_text(*name)));
    if (!given || !(given->is_null() || given->is_string())) throw refuse("No valid key specs matched for: opt_value");
    const std::string option_name = str(name->get_string());
    if (given->is_string()) {
        const std::string text = str(given->get_string());
        if (text.size() > 255) throw refuse(fmt::format("'{}' exceeds maximum length of 255", text.substr(0, 60)));
        if (!one_line(text)) throw refuse("Multi-line string is not allowed");
        if (trim(text).empty() && option_name != "router" && option_name != "classless-static-route")
            throw refuse("'' Blank strings are not permitted");
    }
    std::int64_t version = 4;
    if (const json::value* v = find(option, "ip_version")) {
        if (v->is_int64()) version = v->get_int64();
        else if (v->is_string()) version = parse_integer(str(v->get_string())).value_or(0);
        else version = 0;
        if (version != 4 && version != 6) throw refuse(fmt::format("{} is not in [4, 6]", to_text(*v).substr(0, 60)));
    }
    return {{"opt_name", option_name}, {"opt_value", *given}, {"ip_version", version}};
}

}  // namespace

json::value convert_address_pairs(const json::value& value) {
    if (value.is_null()) return json::array{};
    if (!value.is_array()) throw bad_pair("Allowed address pairs must be a list.");
    if (value.get_array().size() > most_pairs)
        throw bad("AllowedAddressPairExhausted", fmt::format("The number of allowed address pair exceeds the maximum {}.", most_pairs));
    json::array out;
    std::set<std::string> seen;
    for (const json::value& item : value.get_array()) {
        json::object pair = checked_pair(item);
        if (!seen.insert(string_or(pair, "mac_address") + " " + string_or(pair, "ip_address")).second)
            throw bad("DuplicateAddressPairInRequest", fmt::format("Request contains duplicate address pair: mac_address {} ip_address {}.",
                                                                   string_or(pair, "mac_address", "None"), string_or(pair, "ip_address")));
        out.push_back(std::move(pair));
    }
    return out;
}

json::value convert_dhcp_options(const json::value& value) {
    if (value.is_null()) return json::array{};
    if (!value.is_array()) throw invalid_attribute("extra_dhcp_opts", fmt::format("'{}' is not a list", to_text(value).substr(0, 100)));
    if (value.get_array().size() > most_options) throw invalid_attribute("extra_dhcp_opts", fmt::format("more than {} options", most_options));
    json::array out;
    std::set<std::string> seen;
    for (const json::value& item : value.get_array()) {
        json::object option = checked_option(item);
        if (!seen.insert(fmt::format("{} {}", string_or(option, "opt_name"), integer_or(option, "ip_version"))).second)
            throw invalid_attribute("extra_dhcp_opts", fmt::format("Duplicate items in the list: '{}'", string_or(option, "opt_name")));
        out.push_back(std::move(option));
    }
    return out;
}

json::array merge_dhcp_options(const json::array& old, const json::array& wanted) {
    const auto same = [](const json::value& a, const json::value& b) {
        return string_or(a.as_object(), "opt_name") == string_or(b.as_object(), "opt_name") &&
               integer_or(a.as_object(), "ip_version") == integer_or(b.as_object(), "ip_version");
    };
    json::array out;
    for (const json::value& option : old) {
        bool replaced = false;
        for (const json::value& other : wanted) replaced = replaced || same(option, other);
        if (!replaced) out.push_back(option);
    }
    for (const json::value& option : wanted)
        if (!option.as_object().at("opt_value").is_null()) out.push_back(option);
    return out;
}

std::string host_name(const json::object& port, std::string_view address) {
    if (std::string name = string_or(port, "dns_name"); !name.empty()) return name;
    std::string out = "host-";
    for (const char c : address) out += c == '.' || c == ':' ? '-' : c;
    return out;
}

namespace {
json::object last_report(Tx& tx, const std::string& host) {
    const auto row = tx.one("SELECT report FROM node_reports WHERE host = ?", {host});
    return row ? parse_json(row->text("report")).as_object() : json::object{};
}
}  // namespace

std::string last_reported(Tx& tx, const std::string& host, std::string_view kind, const std::string& id) {
    const json::object report = last_report(tx, host);
    return string_or(object_or_empty(object_or_empty(report, kind), id), "status");
}

std::string last_floating_ip(Tx& tx, const std::string& host, const std::string& router, const std::string& id) {
    const json::object report = last_report(tx, host);
    return string_or(object_or_empty(object_or_empty(object_or_empty(report, "routers"), router), "floating_ips"), id);
}

}  // namespace pilvi::network
