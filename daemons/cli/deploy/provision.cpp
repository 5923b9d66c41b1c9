#include "deploy/provision.h"

#include <fmt/format.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/route.h"
#include "base/text.h"
#include "deploy/demo_server.h"
#include "deploy/download.h"
#include "deploy/provisioner.h"
#include "doctor/cloud_view.h"
#include "node/facts.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* mark = "# Written by pilvi";

struct Flavor {
    const char *id, *name;
    int ram, disk, vcpus;
};
// Those of Nova's documentation, and DevStack's smallest.
constexpr Flavor flavors[] = {{"42", "m1.nano", 128, 1, 1},    {"1", "m1.tiny", 512, 1, 1},    {"2", "m1.small", 2048, 20, 1},
                              {"3", "m1.medium", 4096, 40, 2}, {"4", "m1.large", 8192, 80, 4}, {"5", "m1.xlarge", 16384, 160, 8}};

std::string content_of(const std::string& file) { return fs::exists(file) ? read_file(file) : std::string(); }

}  // namespace

Provisioner::Provisioner(const Access& access, const ProvisionOptions& options)
    : access_(access), options_(options), admin_(admin_session(access.auth_url, access.credentials, access.configuration)) {}

void Provisioner::say(const std::string& text) { std::puts(text.c_str()); }

std::string Provisioner::demo_password() {
    if (!fs::exists(options_.demo_password_file)) write_file(options_.demo_password_file, new_hex_id(), 0600);
    return std::string(trim(read_file(options_.demo_password_file, 65536)));
}

Session& Provisioner::demo() {
    if (!demo_) {
        SessionOptions options = admin_session(access_.auth_url, access_.credentials, access_.configuration);
        options.username = options.project = "demo";
        options.password = Secret(demo_password());
        demo_.emplace(std::move(options));
    }
    return *demo_;
}

json::object Provisioner::find(Session& session, const std::string& url, const char* collection, const std::string& name) {
    const json::value answer = session.call("GET", url);
    for (const json::value& item : array_or_empty(answer.as_object(), collection))
        if (item.is_object() && string_or(item.get_object(), "name") == name) return item.get_object();
    return {};
}

std::string Provisioner::ensure(Session& session, const std::string& url, const std::string& query, const Kind& kind, const std::string& name,
                                json::object body) {
    const json::object found = find(session, url + query, kind.collection, name);
    if (!found.empty()) return string_or(found, "id");
    body["name"] = name;
    const json::value made = session.call("POST", url, json::object{{kind.singular, std::move(body)}});
    say(fmt::format("made the {} {}", kind.text, name));
    return string_or(object_or_empty(made.as_object(), kind.singular), "id");
}

void Provisioner::clean_catalogue() {
    const std::string url = access_.auth_url + "/endpoints";
    const std::string region = admin_session(access_.auth_url, access_.credentials, access_.configuration).region;
    const json::value all = admin_.call("GET", url);
    const json::array& endpoints = array_or_empty(all.as_object(), "endpoints");
    std::set<std::string> own{"127.0.0.1"};
    for (const json::value& item : endpoints)
        if (string_or(item.as_object(), "region_id") == region) own.insert(host_of_url(string_or(item.as_object(), "url")));
    std::size_t gone = 0;
    for (const json::value& item : endpoints) {
        const json::object& endpoint = item.as_object();
        if (string_or(endpoint, "region_id") == region || !own.contains(host_of_url(string_or(endpoint, "url")))) continue;
        admin_.call("DELETE", url + "/" + string_or(endpoint, "id"));
        ++gone;
    }
    if (gone > 0) say(fmt::format("took {} endpoints of other regions out of the catalogue", gone));
}

void Provisioner::make_flavors() {
    const std::string url = admin_.endpoint("compute") + "/flavors";
    const json::value there = admin_.call("GET", url);
    for (const Flavor& flavor : ::pilvi::cli::flavors) {
        const bool known = std::ranges::any_of(array_or_empty(there.as_object(), "flavors"), [&](const json::value& item) {
            return string_or(item.as_object(), "name") == flavor.name || string_or(item.as_object(), "id") == flavor.id;
        });
        if (known) continue;
        admin_.call("POST", url,
                    {{"flavor", {{"id", flavor.id}, {"name", flavor.name}, {"ram", flavor.ram}, {"disk", flavor.disk}, {"vcpus", flavor.vcpus}}}});
        say(fmt::format("made the flavor {}", flavor.name));
    }
}

void Provisioner::make_image() {
    const Provision& what = options_.what;
    const std::string url = admin_.endpoint("image") + "/v2/images", source = what.image.empty() ? guest_image : what.image;
    const json::object there = find(admin_, url + "?name=" + percent_encode(what.image_name), "images", what.image_name);
    if (string_or(there, "status") == "active") return;
    const UniqueFd data = is_url(source) ? download(source) : UniqueFd(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
    if (!data)
        throw Error(Errc::not_found, what.image.empty() ? fmt::format("there is no image: install the package pilvi-guest-image ({}), or name one by "
                                                                      "CONFIG_PROVISION_IMAGE_URL",
                                                                      source)
                                                        : fmt::format("the image {} cannot be read on the controller", source));
    // What an upload that was ended left.
    if (!there.empty()) admin_.call("DELETE", url + "/" + string_or(there, "id"));
    json::object body{{"name", what.image_name}, {"disk_format", what.image_format}, {"container_format", "bare"}, {"visibility", "public"}};
    for (const auto& [name, value] : what.image_properties) body[name] = value;
    const json::value made = admin_.call("POST", url, body);
    upload_image(url + "/" + string_or(made.as_object(), "id"), data);
    say(fmt::format("made the image {} from {}", what.image_name, source));
}

void Provisioner::upload_image(const std::string& url, const UniqueFd& data) {
    http::ClientRequest request{.method = "PUT", .url = url + "/file"};
    request.headers.set("Content-Type", "application/octet-stream");
    request.content_length = ::lseek(data.get(), 0, SEEK_END);
    ::lseek(data.get(), 0, SEEK_SET);
    request.source = [&](char* buffer, std::size_t size) {
        const ssize_t got = ::read(data.get(), buffer, size);
        if (got < 0) throw Error(Errc::unavailable, "cannot read the image");
        return static_cast<std::size_t>(got);
    };
    if (const http::Response answer = admin_.send(std::move(request)); answer.status != 204) throw error_of(answer, "PUT " + url);
}

void Provisioner::make_networks() {
    make_project();
    const Provision& what = options_.what;
    const std::string base = admin_.endpoint("network") + "/v2.0/";
    const std::string external =
        ensure(admin_, base + "networks", "?name=public", {"networks", "network", "external network"}, "public",
               {{"router:external", true}, {"provider:network_type", "flat"}, {"provider:physical_network", what.physical_network}});
    json::object subnet{{"network_id", external}, {"ip_version", 4}, {"cidr", what.floating_range}, {"enable_dhcp", false}};
    if (!what.gateway.empty()) subnet["gateway_ip"] = what.gateway;
    json::array pools;
    for (const auto& [first, last] : what.pools) pools.push_back(json::object{{"start", first}, {"end", last}});
    if (!pools.empty()) subnet["allocation_pools"] = std::move(pools);
    ensure(admin_, base + "subnets", "?network_id=" + external, {"subnets", "subnet", "subnet"}, "public_subnet", std::move(subnet));
    const std::string own = ensure(demo(), base + "networks", "?name=private", {"networks", "network", "network"}, "private", {});
    const std::string inner = ensure(demo(), base + "subnets", "?network_id=" + own, {"subnets", "subnet", "subnet"}, "private_subnet",
                                     {{"network_id", own}, {"ip_version", 4}, {"cidr", what.fixed_range}});
    const std::string router = ensure(demo(), base + "routers", "?name=router1", {"routers", "router", "router"}, "router1",
                                      {{"external_gateway_info", {{"network_id", external}}}});
    const json::value ports = demo().call("GET", base + "ports?device_id=" + router);
    for (const json::value& port : array_or_empty(ports.as_object(), "ports"))
        for (const json::value& address : array_or_empty(port.as_object(), "fixed_ips"))
            if (string_or(address.as_object(), "subnet_id") == inner) return;
    demo().call("PUT", base + "routers/" + router + "/add_router_interface", {{"subnet_id", inner}});
    say("router1 joins private and public");
}

void Provisioner::make_project() {
    const std::string& base = access_.auth_url;
    const std::string password = demo_password();
    const std::string project =
        ensure(admin_, base + "/projects", "?name=demo&domain_id=default", {"projects", "project", "project"}, "demo", {{"domain_id", "default"}});
    const std::string user = ensure(admin_, base + "/users", "?name=demo&domain_id=default", {"users", "user", "user"}, "demo",
                                    {{"domain_id", "default"}, {"password", password}});
    const std::string role = string_or(find(admin_, base + "/roles?name=member", "roles", "member"), "id");
    admin_.call("PUT", fmt::format("{}/projects/{}/users/{}/roles/{}", base, project, user, role));
    try {
        demo().token();
    } catch (const Error& error) {
        if (error.code() != Errc::unauthenticated) throw;
        // The file's password is the one that counts.
        admin_.call("PATCH", base + "/users/" + user, {{"user", {{"password", password}}}});
        demo_.reset();
        demo().token();
        say("the user demo has the password of " + options_.demo_password_file);
    }
}

std::vector<Login> Provisioner::logins() {
    SessionOptions options = admin_session(access_.auth_url, access_.credentials, access_.configuration);
    const std::string region = options.region;
    options.interface = "public";
    Session outside(options);
    const std::string url = outside.endpoint("identity");
    std::vector<Login> out{{"pilvi", "admin", "admin", std::string(options.password.reveal()), url, region}};
    if (options_.what.demo) out.push_back({"pilvi-demo", "demo", "demo", demo_password(), url, region});
    return out;
}

std::string Provisioner::clouds_file() const {
    const std::string usual = options_.home + "/.config/openstack/clouds.yaml";
    return fs::exists(usual) && !content_of(usual).starts_with(mark) ? options_.home + "/clouds-pilvi.yaml" : usual;
}

void Provisioner::write_files() {
    const std::vector<Login> all = logins();
    const auto write = [&](const std::string& file, const std::string& text) {
        if (content_of(file) == text) return;
        fs::create_directories(fs::path(file).parent_path());
        write_file(file, text, 0600);
        say("wrote " + file);
    };
    for (const Login& login : all) write(options_.home + "/keystonerc_" + login.user, keystonerc(login));
    write(clouds_file(), clouds_yaml(all));
}

void Provisioner::print_summary() {
    const std::vector<Login> all = logins();
    say("");
    say(fmt::format("identity API   {}", all.front().auth_url));
    for (const Login& login : all) say(fmt::format("{:<14} . {}/keystonerc_{}", login.user, options_.home, login.user));
    const std::string file = clouds_file();
    say(fmt::format("clouds.yaml    {}: --os-cloud {}", file, all.back().cloud));
    if (options_.what.server.empty()) return;
    DemoServer server(*this, demo(), options_);
    say(fmt::format("{:<14} ssh -i {} {}@{}", options_.what.server, server.key_file(), options_.what.image_user, server.floating_ip()));
}

int provision(const Access& access, const ProvisionOptions& options) {
    Provisioner provisioner(access, options);
    if (options.part == "catalogue") provisioner.clean_catalogue();
    else if (options.part == "flavors") provisioner.make_flavors();
    else if (options.part == "image") provisioner.make_image();
    else if (options.part == "networks") provisioner.make_networks();
    else if (options.part == "files") provisioner.write_files();
    else if (options.part == "summary") provisioner.print_summary();
    else if (options.part == "server") DemoServer(provisioner, provisioner.demo(), options).make();
    else throw Error(Errc::bad_request, "there is nothing of the name " + options.part);
    return 0;
}

}  // namespace pilvi::cli
