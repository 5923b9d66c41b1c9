#include "deploy/demo_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/net.h"
#include "base/route.h"
#include "base/text.h"
#include "command/command.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char *group = "ssh-and-ping", *key_name = "pilvi-demo";
constexpr auto patience = std::chrono::seconds(300);  // of a guest that is emulated

void wait_until(const std::string& what, const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!done()) {
        if (std::chrono::steady_clock::now() > deadline) throw Error(Errc::timeout, fmt::format("{} in {} s", what, patience.count()));
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

// Whether an ssh server greets there within two seconds.
bool greets(const IpAddress& address) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(22);
    to.sin_addr.s_addr = htonl(address.v4_host_order());
    if (!fd || (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)) return false;
    pollfd polled{fd.get(), POLLIN, 0};
    char text[4] = {};
    return ::poll(&polled, 1, 2000) > 0 && ::recv(fd.get(), text, sizeof text, 0) == sizeof text && std::string_view(text, 4) == "SSH-";
}

}  // namespace

void DemoServer::make() {
    make_key();
    make_group();
    json::object server = find_server();
    std::string id = string_or(server, "id");
    const std::string status = string_or(server, "status");
    if (status == "ERROR") {
        session_.call("DELETE", compute("/servers/" + id));
        wait_until("the failed server is not gone", [&] { return find_server().empty(); });
        id.clear();
    } else if (status == "SHUTOFF") {
        session_.call("POST", compute("/servers/" + id + "/action"), {{"os-start", nullptr}});
    }
    if (id.empty()) {
        const std::string image =
            string_or(Provisioner::find(session_, session_.endpoint("image") + "/v2/images?name=" + percent_encode(options_.what.image_name),
                                        "images", options_.what.image_name),
                      "id");
        const std::string net = string_or(Provisioner::find(session_, network("/networks?name=private"), "networks", "private"), "id");
        const json::value made = session_.call("POST", compute("/servers"),
                                               {{"server",
                                                 {{"name", options_.what.server},
                                                  {"imageRef", image},
                                                  {"flavorRef", flavor()},
                                                  {"key_name", key_name},
                                                  {"networks", json::array{json::object{{"uuid", net}}}},
                                                  {"security_groups", json::array{json::object{{"name", group}}}}}}});
        id = string_or(object_or_empty(made.as_object(), "server"), "id");
        provisioner_.say("made the server " + options_.what.server);
    }
    wait_until_active(id);
    make_floating_ip(id);
    wait_for_ssh(floating_ip());
}

void DemoServer::make_key() {
    const std::string file = key_file();
    if (!fs::exists(file) || !fs::exists(file + ".pub")) {
        fs::create_directories(fs::path(file).parent_path());
        fs::permissions(fs::path(file).parent_path(), fs::perms::owner_all);
        fs::remove(file);
        SystemCommandRunner().check({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key_name, "-f", file});
        provisioner_.say("made the key " + file);
    }
    const std::string key(trim(read_file(file + ".pub")));
    const std::string url = compute("/os-keypairs");
    const json::value all = session_.call("GET", url);
    for (const json::value& item : array_or_empty(all.as_object(), "keypairs")) {
        const json::object& pair = object_or_empty(item.as_object(), "keypair");
        if (string_or(pair, "name") != key_name) continue;
        if (trim(string_or(pair, "public_key")) == key) return;
        session_.call("DELETE", url + "/" + key_name);
    }
    session_.call("POST", url, {{"keypair", {{"name", key_name}, {"public_key", key}}}});
    provisioner_.say(std::string("made the key pair ") + key_name);
}

void DemoServer::make_group() {
    const std::string id =
        provisioner_.ensure(session_, network("/security-groups"), std::string("?name=") + group,
                            {"security_groups", "security_group", "security group"}, group, {{"description", "ssh and ping from everywhere"}});
    const json::value there = session_.call("GET", network("/security-group-rules?direction=ingress&security_group_id=" + id));
    const json::object wanted[] = {{{"protocol", "tcp"}, {"port_range_min", 22}, {"port_range_max", 22}}, {{"protocol", "icmp"}}};
    for (const json::object& rule : wanted) {
        const bool is_there = std::ranges::any_of(array_or_empty(there.as_object(), "security_group_rules"), [&](const json::value& item) {
            return std::ranges::all_of(rule, [&](const auto& member) { return item.as_object().at(member.key()) == member.value(); });
        });
        if (is_there) continue;
        json::object body = rule;
        body["security_group_id"] = id;
        body["direction"] = "ingress";
        body["ethertype"] = "IPv4";
        session_.call("POST", network("/security-group-rules"), {{"security_group_rule", std::move(body)}});
    }
}

// m1.nano, or the one with the least memory.
std::string DemoServer::flavor() {
    const json::value all = session_.call("GET", compute("/flavors/detail"));
    std::string id;
    std::int64_t least = 0;
    for (const json::value& item : array_or_empty(all.as_object(), "flavors")) {
        const json::object& one = item.as_object();
        if (string_or(one, "name") == "m1.nano") return string_or(one, "id");
        if (!id.empty() && integer_or(one, "ram") >= least) continue;
        id = string_or(one, "id");
        least = integer_or(one, "ram");
    }
    if (id.empty()) throw Error(Errc::not_found, "there is no flavor: CONFIG_NOVA_MANAGE_FLAVORS=y makes some");
    return id;
}

json::object DemoServer::find_server() {
    return Provisioner::find(session_, compute("/servers/detail?name=%5E" + percent_encode(options_.what.server) + "$"), "servers",
                             options_.what.server);
}

void DemoServer::wait_until_active(const std::string& id) {
    wait_until("the server did not start", [&] {
        const json::value answer = session_.call("GET", compute("/servers/" + id));
        const json::object& server = object_or_empty(answer.as_object(), "server");
        if (string_or(server, "status") == "ERROR")
            throw Error(Errc::internal,
                        fmt::format("the server {} failed: {}", options_.what.server, string_or(object_or_empty(server, "fault"), "message")));
        return string_or(server, "status") == "ACTIVE";
    });
}

std::string DemoServer::port_of(const std::string& id) {
    const json::value ports = session_.call("GET", network("/ports?device_id=" + id));
    const json::array& list = array_or_empty(ports.as_object(), "ports");
    return list.empty() ? std::string() : string_or(list.front().as_object(), "id");
}

std::string DemoServer::floating_ip() {
    const std::string id = string_or(find_server(), "id");
    if (id.empty()) return {};
    const json::value all = session_.call("GET", network("/floatingips?port_id=" + port_of(id)));
    const json::array& list = array_or_empty(all.as_object(), "floatingips");
    return list.empty() ? std::string() : string_or(list.front().as_object(), "floating_ip_address");
}

void DemoServer::make_floating_ip(const std::string& id) {
    if (!floating_ip().empty()) return;
    const std::string external = string_or(Provisioner::find(session_, network("/networks?name=public"), "networks", "public"), "id");
    const json::value made =
        session_.call("POST", network("/floatingips"), {{"floatingip", {{"floating_network_id", external}, {"port_id", port_of(id)}}}});
    provisioner_.say(fmt::format("{} has the floating IP {}", options_.what.server,
                                 string_or(object_or_empty(made.as_object(), "floatingip"), "floating_ip_address")));
}

void DemoServer::wait_for_ssh(const std::string& text) {
    const auto address = IpAddress::parse(text);
    const auto range = Cidr::parse(options_.what.floating_range);
    if (!address || !range) throw Error(Errc::internal, "the server has no floating IP");
    // Without an address in that network, who is to say that this machine has a way there?
    if (const auto own = IpAddress::parse(address_towards(text)); !own || !range->contains(*own)) return;
    bool at_once = true;
    wait_until(fmt::format("{} does not answer ssh at {}: openstack console log show {}", options_.what.server, text, options_.what.server), [&] {
        const bool answers = greets(*address);
        at_once = at_once && answers;
        return answers;
    });
    if (!at_once) provisioner_.say(fmt::format("{} answers ssh at {}", options_.what.server, text));
}

}  // namespace pilvi::cli
