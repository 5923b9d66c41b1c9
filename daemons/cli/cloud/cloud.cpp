#include "cloud/cloud.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"
#include "cloud/services.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string own_directory() {
    std::error_code failed;
    const fs::path self = fs::read_symlink("/proc/self/exe", failed);
    return failed ? std::string() : self.parent_path().string();
}

std::string make_directory(const std::string& wanted) {
    if (!wanted.empty()) {
        fs::create_directories(wanted);
        return fs::absolute(wanted).string();
    }
    std::string pattern = (fs::temp_directory_path() / "pilvi-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw Error(Errc::internal, "cannot make a directory in " + fs::temp_directory_path().string());
    return pattern;
}

std::string tail(const std::string& path) {
    if (!fs::exists(path)) return {};
    const std::string text = read_file(path, 64u << 20);
    return text.size() > 2000 ? text.substr(text.find('\n', text.size() - 2000) + 1) : text;
}

}  // namespace

Cloud::Cloud(CloudOptions options) : options_(std::move(options)), directory_(make_directory(options_.directory)) {}

Cloud::~Cloud() {
    stop();
    if (options_.keep || !options_.directory.empty()) return;
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

std::string find_program(const std::string& name, const std::string& directory) {
    const std::string own = own_directory();
    const char* given = std::getenv("PILVI_PROGRAMS");
    // Beside this program where that is installed or is in a build tree (daemons/cli/pilvi, tests/*/test-x).
    std::vector<std::string> places{directory, given ? given : ""};
    for (const std::string up : {"", "/..", "/../..", "/../../.."})
        for (const std::string below : {"", "/daemons", "/metadata-server", "/libexec/pilvi"}) places.push_back(own + up + below);
    places.push_back("/usr/libexec/pilvi");
    for (const std::string& place : places) {
        const std::string path = place + "/pilvi-" + name;
        if (!place.empty() && ::access(path.c_str(), X_OK) == 0 && !fs::is_directory(path)) return fs::canonical(path).string();
    }
    throw Error(Errc::not_found, "the program pilvi-" + name + " is not found: build it, or name its directory");
}

std::string Cloud::url(std::string_view service) const {
    const ServiceInfo* info = find_service(service);
    const auto socket = sockets_.find(std::string(service));
    if (!info || socket == sockets_.end()) throw Error(Errc::internal, "no such service: " + std::string(service));
    return "http://127.0.0.1:" + std::to_string(socket->second.port) + std::string(info->path);
}

std::map<std::string, std::string> Cloud::environment() const { return {{"OS_CLIENT_CONFIG_FILE", clouds_yaml()}, {"OS_CLOUD", "pilvi"}}; }

Process& Cloud::daemon(const std::string& name) {
    const auto at = processes_.find(name);
    if (at == processes_.end()) throw Error(Errc::internal, "no such daemon: " + name);
    return at->second;
}

void Cloud::fail(const std::string& name, const std::string& why) const {
    throw Error(Errc::unavailable, name + " " + why + "; the end of its log:\n" + tail(directory_ + "/" + name + ".log"));
}

void Cloud::check() {
    for (auto& [name, process] : processes_)
        if (const auto status = process.ended()) fail(name, "ended with status " + std::to_string(*status));
}

void Cloud::write_credentials() {
    fs::permissions(directory_, fs::perms::owner_all);
    const std::string base = directory_ + "/credentials/";
    const auto password = [&](const std::string& user) {
        const std::string file = base + "service-password-" + user;
        if (fs::exists(file)) return read_file(file);
        const std::string made = new_hex_id();
        write_file(file, made, 0600);
        return made;
    };
    fs::create_directories(base);
    if (!fs::exists(base + "admin-password")) write_file(base + "admin-password", new_hex_id(), 0600);
    admin_password_ = read_file(base + "admin-password");
    for (const auto& [name, member] : members_) {
        fs::create_directories(base + name);
        const ServiceInfo* info = find_service(member.program);
        if (info && !info->user.empty()) write_file(base + name + "/service-password", password(std::string(info->user)), 0600);
    }
}

void Cloud::declare_members() {
    for (const ServiceInfo& service : services) {
        const std::string name(service.name);
        if (name == "metadata") continue;  // serves namespaces, which need root
        Member member{.name = name, .program = name, .settings = {}};
        if (name != "identity") member.settings["identity.url"] = url("identity");
        if (!service.type.empty()) member.settings["database.url"] = "sqlite:" + directory_ + "/" + name + "/" + name + ".sqlite";
        if (service.port > 0) member.settings["listen.address"] = "127.0.0.1";
        members_[name] = member;
    }
    members_["identity"].settings["fernet.directory"] = directory_ + "/identity/fernet-keys";
    members_["image"].settings["store.enabled"] = "local=file:" + directory_ + "/image/store,second=file:" + directory_ + "/image/second";
    members_["image"].settings["import.staging"] = directory_ + "/image/staging";
    members_["compute"].settings["compute.host"] = "controller";
    // Each node has both agents: a server's ports are wired where it is.
    const Member compute = members_["compute-agent"], network = members_["network-agent"];
    for (int i = 1; i <= options_.compute_agents; ++i) {
        const std::string suffix = i == 1 ? "" : "-" + std::to_string(i), host = "node" + std::to_string(i);
        for (Member agent : {compute, network}) {
            agent.name = agent.program + suffix;
            agent.settings.insert({{"agent.driver", "fake"}, {"agent.host", host}});
            if (agent.program == "network-agent") {
                agent.settings["network.url"] = url("network");
            } else {
                if (i > 1) sockets_[agent.name] = listen_on_loopback();
                agent.settings.insert({{"agent.state", directory_ + "/" + agent.name},
                                       {"compute.url", url("compute")},
                                       {"agent.url", "http://127.0.0.1:" + std::to_string(sockets_[agent.name].port)}});
            }
            members_[agent.name] = agent;
        }
    }
    for (const auto& [name, member] : members_) fs::create_directories(directory_ + "/" + name);
}

Launch Cloud::launch(const Member& member) const {
    Launch launch{.argv = {find_program(member.program, options_.programs)},
                  .environment = {},
                  .listening = -1,
                  .log = directory_ + "/" + member.name + ".log"};
    launch.argv.insert(launch.argv.end(), {"--config", "/dev/null"});  // nothing of this machine's /etc
    const auto set = [&](const std::string& key, const std::string& value) { launch.argv.insert(launch.argv.end(), {"--set", key + "=" + value}); };
    for (const auto& [key, value] : member.settings) set(key, value);
    for (const auto& [program, assignment] : options_.settings)
        if (program == member.program) launch.argv.insert(launch.argv.end(), {"--set", assignment});
    launch.environment = {
        {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"CREDENTIALS_DIRECTORY", directory_ + "/credentials/" + member.name}};
    for (const char* sanitizer : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"})
        if (const char* const options = std::getenv(sanitizer)) launch.environment.emplace(sanitizer, options);
    if (const auto socket = sockets_.find(member.name); socket != sockets_.end()) launch.listening = socket->second.fd.get();
    return launch;
}

void Cloud::start_daemon(const std::string& name) {
    const auto member = members_.find(name);
    if (member == members_.end()) throw Error(Errc::internal, "no such daemon: " + name);
    processes_.insert_or_assign(name, Process(launch(member->second)));
}

void Cloud::start() {
    deadline_ = steady_clock::now() + options_.limit;
    for (const ServiceInfo& service : services)
        if (service.port > 0) sockets_[std::string(service.name)] = listen_on_loopback();
    declare_members();
    write_credentials();
    write_clouds_yaml();
    bootstrap();
    for (const auto& [name, member] : members_) start_daemon(name);
    for (const ServiceInfo& service : services)
        if (!service.type.empty()) wait_for_api(std::string(service.name));
    token_ = admin_token();
    wait_for_agents();
    if (options_.seed) seed();
}

void Cloud::bootstrap() {
    Launch launch = this->launch(members_["identity"]);
    launch.log = directory_ + "/bootstrap.log";
    launch.listening = -1;
    launch.argv.insert(launch.argv.end(), {"bootstrap", "--admin-password-file", directory_ + "/credentials/admin-password"});
    for (const ServiceInfo& service : services) {
        if (!service.user.empty() && !service.type.empty())
            launch.argv.insert(launch.argv.end(), {"--service-password-file", std::string(service.user) + "=" + directory_ +
                                                                                  "/credentials/service-password-" + std::string(service.user)});
        if (!service.type.empty()) launch.argv.insert(launch.argv.end(), {"--endpoint", std::string(service.type) + "=" + url(service.name)});
    }
    Process process(launch);
    if (const int status = process.wait(); status != 0) fail("bootstrap", "ended with status " + std::to_string(status));
}

void Cloud::wait_until(const std::string& what, const std::function<bool()>& done) {
    std::string last;
    while (true) {
        check();
        try {
            if (done()) return;
        } catch (const Error& error) {
            last = ": " + error.message();
        }
        if (steady_clock::now() > deadline_) throw Error(Errc::timeout, what + " is not there in time" + last + " (logs: " + directory_ + "/*.log)");
        std::this_thread::sleep_for(milliseconds(10));
    }
}

void Cloud::wait_for_api(const std::string& name) {
    const std::string address = "http://127.0.0.1:" + std::to_string(sockets_.at(name).port) + "/healthcheck";
    wait_until("the " + name + " API", [&] { return client_.send({.url = address, .timeout = milliseconds(1000)}).status == 200; });
}

std::string Cloud::admin_token() {
    const json::value body = parse_json(
        R"({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": ")" +
        admin_password_ + R"("}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}})");
    http::ClientRequest request{.method = "POST", .url = url("identity") + "/auth/tokens", .body = to_text(body)};
    request.headers.set("Content-Type", "application/json");
    const http::Response response = client_.send(request);
    if (response.status != 201)
        throw Error(Errc::unauthenticated, "the administrator's login was answered " + std::to_string(response.status) + ": " + response.body);
    return std::string(response.headers.get("X-Subject-Token"));
}

json::value Cloud::call(std::string_view method, const std::string& url, const json::value& body) {
    http::ClientRequest request{.method = std::string(method), .url = url};
    request.headers.set("X-Auth-Token", token_);
    if (!body.is_null()) {
        request.headers.set("Content-Type", "application/json");
        request.body = to_text(body);
    }
    const http::Response response = client_.send(request);
    if (response.status / 100 != 2)
        throw Error(Errc::bad_gateway, request.method + " " + url + " was answered " + std::to_string(response.status) + ": " + response.body);
    return response.body.empty() ? json::value(nullptr) : parse_json(response.body);
}

void Cloud::wait_for_agents() {
    const auto count = static_cast<std::size_t>(options_.compute_agents);
    wait_until("compute-agent", [&] {
        std::size_t up = 0;
        const json::value answer = call("GET", url("compute") + "/os-services?binary=nova-compute");
        for (const json::value& item : array_or_empty(answer.as_object(), "services"))
            if (string_or(item.as_object(), "state") == "up") ++up;
        return up >= count;
    });
    wait_until("this cloud's inventory", [&] {
        http::ClientRequest request{.url = url("placement") + "/resource_providers?resources=VCPU:1"};
        request.headers.set("X-Auth-Token", token_);
        request.headers.set("OpenStack-API-Version", "placement 1.4");
        const http::Response response = client_.send(request);
        if (response.status != 200) throw Error(Errc::bad_gateway, "placement answered " + std::to_string(response.status));
        const json::value answer = parse_json(response.body);
        return array_or_empty(answer.as_object(), "resource_providers").size() >= count;
    });
    wait_until("network-agent", [&] {
        const json::value answer = call("GET", url("network") + "/v2.0/agents?binary=neutron-openvswitch-agent");
        return array_or_empty(answer.as_object(), "agents").size() >= count;
    });
}

// Idempotent: a directory may be used again.
void Cloud::seed() {
    const auto have = [&](const std::string& address, const char* list, const std::string& name) {
        const json::value answer = call("GET", address);
        for (const json::value& item : array_or_empty(answer.as_object(), list))
            if (string_or(item.as_object(), "name") == name) return true;
        return false;
    };
    const struct {
        const char *id, *name;
        int ram, vcpus, disk;
    } flavors[] = {{"42", "m1.nano", 128, 1, 1}, {"1", "m1.tiny", 512, 1, 1}, {"2", "m1.small", 2048, 1, 20}};
    for (const auto& f : flavors)
        if (!have(url("compute") + "/flavors", "flavors", f.name))
            call("POST", url("compute") + "/flavors",
                 {{"flavor", {{"id", f.id}, {"name", f.name}, {"ram", f.ram}, {"vcpus", f.vcpus}, {"disk", f.disk}}}});
    if (!have(url("image") + "/v2/images", "images", "guest")) {
        const json::value image = call("POST", url("image") + "/v2/images",
                                       {{"name", "guest"}, {"disk_format", "raw"}, {"container_format", "bare"}, {"visibility", "public"}});
        http::ClientRequest upload{
            .method = "PUT", .url = url("image") + "/v2/images/" + string_or(image.as_object(), "id") + "/file", .body = std::string(1 << 20, '\0')};
        upload.headers.set("X-Auth-Token", token_);
        upload.headers.set("Content-Type", "application/octet-stream");
        if (const int status = client_.send(upload).status; status != 204)
            throw Error(Errc::bad_gateway, "the image's upload was answered " + std::to_string(status));
    }
    if (!have(url("network") + "/v2.0/networks?name=public", "networks", "public")) {
        const json::value network =
            call("POST", url("network") + "/v2.0/networks",
                 {{"network",
                   {{"name", "public"}, {"router:external", true}, {"provider:network_type", "flat"}, {"provider:physical_network", "public"}}}});
        const std::string id = str(find_path(network, "network.id")->as_string());
        call("POST", url("network") + "/v2.0/subnets",
             {{"subnet", {{"name", "public"}, {"network_id", id}, {"ip_version", 4}, {"cidr", "203.0.113.0/24"}, {"enable_dhcp", false}}}});
    }
}

void Cloud::write_clouds_yaml() {
    // JSON strings are YAML strings: nothing in a value can end it.
    const auto quoted = [](const std::string& text) { return to_text(json::value(text)); };
    std::string out = "clouds:\n  pilvi:\n    region_name: RegionOne\n    identity_api_version: 3\n    auth:\n";
    out += "      auth_url: " + quoted(url("identity")) + "\n      username: admin\n      password: " + quoted(admin_password_) + "\n";
    out += "      project_name: admin\n      user_domain_name: Default\n      project_domain_name: Default\n";
    write_file(clouds_yaml(), out, 0600);
}

void Cloud::stop() {
    // Agents first: while the APIs answer, an agent's last request ends at once.
    for (const bool agents : {true, false}) {
        const auto now = [&](const std::string& name) { return agents == (name.find("-agent") != std::string::npos); };
        for (auto& [name, process] : processes_)
            if (now(name)) process.signal(SIGTERM);
        for (auto& [name, process] : processes_)
            if (now(name)) process.stop(std::chrono::seconds(5));
    }
    processes_.clear();
    sockets_.clear();
}

}  // namespace pilvi::cli
