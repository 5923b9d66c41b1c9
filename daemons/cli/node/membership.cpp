#include "node/membership.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"
#include "cloud/services.h"
#include "identity/identity.h"
#include "node/facts.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

constexpr int default_port = 8771;
constexpr const char* keeper = "pilvi-cluster";  // renews the certificate
constexpr const char* readers = "pilvi";         // the daemons' group

// The daemons read the key by their group; the keeper of it writes. Where the users do not exist (a test without root), the files are ours.
void hand_over(const std::string& path) {
    const passwd* user = ::getpwnam(keeper);
    const group* all = ::getgrnam(readers);
    if (::geteuid() == 0 && user && all && ::chown(path.c_str(), user->pw_uid, all->gr_gid) != 0)
        throw Error(Errc::internal, "cannot change the owner of " + path);
}

void write_secret(const std::string& path, const std::string& content, unsigned mode) {
    write_file(path, content, mode);
    hand_over(path);
}

void make_directory(const MemberPlaces& places) {
    fs::create_directories(places.node);
    fs::permissions(places.node, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec);
    hand_over(places.node);
}

std::optional<std::string> content_of(const std::string& path) {
    try {
        return read_file(path);
    } catch (const Error& error) {
        if (error.code() == Errc::not_found) return std::nullopt;
        throw;
    }
}

// "[2001:db8::1]" or the name as it is.
std::string in_url(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

std::string joining_key(const MemberPlaces& places) { return places.node + "/joining.pem"; }

void write_record(const MemberPlaces& places, const MembershipRecord& record) {
    const json::object content{
        {"controller", record.controller},        {"port", record.port}, {"id", record.id}, {"name", record.name}, {"region", record.region},
        {"roles", json::value_from(record.roles)}};
    write_secret(places.node + "/membership.json", to_text(content) + "\n", 0640);
}

// pilvi-cluster of the controller.
class Cluster {
public:
    Cluster(std::string host, int port) : host_(std::move(host)), port_(port) {}
    explicit Cluster(const std::string& address) { std::tie(host_, port_) = controller_address(address); }
    const std::string& host() const { return host_; }
    int port() const { return port_; }

    // What everybody may know: the authorities, and how the newer ones follow from the older.
    json::object authorities() const {
        http::Client client;
        const http::Response response = client.send({.url = fmt::format("http://{}:{}/v1/authorities", in_url(host_), port_)});
        return answer(response);
    }

    // PEM of the authorities with this fingerprint: whoever answers with another one is not the controller that was meant.
    std::string trusted(const pki::Fingerprint& authority) const {
        std::string out;
        for (const pki::Certificate& one : pki::Certificate::all(string_or(authorities(), "authorities")))
            if (one.key().fingerprint() == authority) out += one.pem();
        if (out.empty())
            throw Error(Errc::forbidden, host_ + " is not the controller that was meant: its certificate authority has another fingerprint");
        return out;
    }

    // Over TLS, to a server that one of the authorities in `trust` (PEM) calls a controller.
    json::object post(const std::string& path, const json::object& body, const std::string& trust, const MemberPlaces& places) const {
        const std::string file = places.node + "/trust-" + new_hex_id();
        write_secret(file, trust, 0600);
        const std::unique_ptr<const std::string, void (*)(const std::string*)> remove(&file, [](const std::string* f) { ::unlink(f->c_str()); });
        http::Client client({.ca_file = file});
        http::ClientRequest request{.method = "POST",
                                    .url = fmt::format("https://{}:{}{}", in_url(host_), port_, path),
                                    .body = to_text(body),
                                    .tls_name = std::string(controller_tls_name)};
        request.headers.set("Content-Type", "application/json");
        return answer(client.send(request));
    }

private:
    json::object answer(const http::Response& response) const {
        if (response.status / 100 != 2) throw error_of(response, "the controller " + host_);
        json::value body = parse_json(response.body);
        if (!body.is_object()) throw Error(Errc::bad_gateway, "the controller " + host_ + " answered something that is not understood");
        return std::move(body.get_object());
    }
    std::string host_;
    int port_;
};

std::string pem_of(const std::vector<pki::Certificate>& certificates) {
    std::string out;
    for (const pki::Certificate& certificate : certificates) out += certificate.pem();
    return out;
}

std::vector<std::string> roles_in(const json::object& answer) {
    std::vector<std::string> roles;
    for (const json::value& role : array_or_empty(answer, "roles"))
        if (role.is_string()) roles.emplace_back(role.get_string());
    return roles;
}

// The new certificate with its key, in one step; the trust before it, so that there is never a certificate that nobody here trusts.
void take(const MemberPlaces& places, const json::object& answer, const pki::Key& key) {
    const std::string certificate = string_or(answer, "certificate"), trust = string_or(answer, "trust");
    if (pki::Certificate::from_pem(certificate).key().fingerprint() != key.fingerprint())
        throw Error(Errc::bad_gateway, "the controller answered a certificate for another key");
    write_secret(places.trust(), trust, 0640);
    write_secret(places.identity(), certificate + key.pem(), 0640);
}

// This machine's key while it has no certificate: kept, so that it is the same when an answer was lost.
pki::Key kept_key(const MemberPlaces& places) {
    const auto kept = content_of(joining_key(places));
    if (kept) return pki::Key::from_pem(*kept);
    const pki::Key key = pki::Key::generate();
    write_secret(joining_key(places), key.pem(), 0600);
    return key;
}

MembershipRecord become_member(const MemberPlaces& places, const Cluster& cluster, const json::object& answer, const pki::Key& key) {
    take(places, answer, key);
    const MembershipRecord record{.controller = cluster.host(),
                                  .port = cluster.port(),
                                  .id = string_or(answer, "id"),
                                  .name = string_or(answer, "name"),
                                  .region = string_or(answer, "region"),
                                  .roles = roles_in(answer)};
    write_record(places, record);
    write_configuration(places, &record, record.roles);
    ::unlink(joining_key(places).c_str());
    return record;
}

void prove(json::object& body, const std::string& identity, const std::string& request) {
    body["certificate"] = pki::Certificate::from_pem(identity).pem();
    body["signature"] = base64_encode(pki::Key::from_pem(identity).sign(request));
}

}  // namespace

std::optional<MembershipRecord> read_membership(const MemberPlaces& places) {
    const auto text = content_of(places.node + "/membership.json");
    if (!text) return std::nullopt;
    const json::value value = parse_json(*text);
    if (!value.is_object()) throw Error(Errc::internal, places.node + "/membership.json is not a JSON object");
    const json::object& record = value.get_object();
    return MembershipRecord{.controller = string_or(record, "controller"),
                            .port = static_cast<int>(integer_or(record, "port", default_port)),
                            .id = string_or(record, "id"),
                            .name = string_or(record, "name"),
                            .region = string_or(record, "region"),
                            .roles = roles_in(record)};
}

std::pair<std::string, int> controller_address(const std::string& text) {
    const auto port_of = [](const std::string& rest) -> std::optional<int> {  // what stands after the host
        if (rest.empty()) return default_port;
        const auto port = rest.front() == ':' ? parse_integer(rest.substr(1)) : std::nullopt;
        return port && *port > 0 && *port < 65536 ? std::optional(static_cast<int>(*port)) : std::nullopt;
    };
    std::string host = text, rest;
    if (const std::size_t close = text.find(']'); text.starts_with('[') && close != std::string::npos) {
        host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
    } else if (const std::size_t colon = text.find(':'); colon != std::string::npos && text.find(':', colon + 1) == std::string::npos) {
        host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    const auto port = port_of(rest);
    if (host.empty() || !port) throw Error(Errc::bad_request, "not a controller's HOST or HOST:PORT: " + text);
    return {host, *port};
}

JoinToken parse_token(std::string_view text) {
    const std::vector<std::string> parts = split(trim(text), '.');
    const auto hexadecimal = [](const std::string& part) {
        return part.size() == 64 && part.find_first_not_of("0123456789abcdef") == std::string::npos;
    };
    if (parts.size() != 3 || parts[0] != "pilvi1" || !hexadecimal(parts[1]) || !hexadecimal(parts[2]))
        throw Error(Errc::bad_request, "not a join token: it begins with pilvi1. and is made by pilvi token create on a controller");
    return {parts[1], parts[2]};
}

MembershipRecord join_cluster(const MemberPlaces& places, const JoinOptions& options) {
    const JoinToken token = parse_token(options.token);
    const Cluster cluster(options.controller);
    make_directory(places);
    const std::string trusted = cluster.trusted(token.authority);
    // The token is good for one key alone, also after an answer was lost.
    const bool goes_on = content_of(joining_key(places)).has_value();
    const pki::Key key = kept_key(places);
    const std::string request = pki::make_request(key);
    json::object body{{"token", token.secret}, {"name", options.name.empty() ? host_name() : options.name}, {"request", request}};
    const auto member = read_membership(places);
    const auto identity = content_of(places.identity());
    if (identity && member) prove(body, *identity, request);
    else if (identity && !goes_on) throw Error(Errc::conflict, "this node is a controller: it has its own certificate and joins no other cluster");
    return become_member(places, cluster, cluster.post("/v1/join", body, trusted, places), key);
}

Application apply_to_cluster(const MemberPlaces& places, const ApplyOptions& options) {
    const Cluster cluster(options.controller);
    make_directory(places);
    if (content_of(places.identity()) && !content_of(joining_key(places)))
        throw Error(Errc::conflict, "this node is a member of a cluster, or its controller: pilvi join with a token gives it more roles");
    const std::string trusted = cluster.trusted(options.authority);
    const pki::Key key = kept_key(places);
    json::object body{{"name", options.name.empty() ? host_name() : options.name}, {"request", pki::make_request(key)}};
    if (!options.mac.empty()) body["mac"] = options.mac;
    const json::object answer = cluster.post("/v1/apply", body, trusted, places);
    if (!find(answer, "certificate")) return {.fingerprint = string_or(answer, "fingerprint"), .record = std::nullopt};
    return {.fingerprint = {}, .record = become_member(places, cluster, answer, key)};
}

bool renew_certificate(const MemberPlaces& places, Micros now, bool force, const std::optional<std::vector<std::string>>& roles) {
    auto record = read_membership(places);
    const auto identity = content_of(places.identity()), trust = content_of(places.trust());
    if (!record || !identity || !trust) throw Error(Errc::not_found, "this node has not joined a cluster");
    const pki::Certificate certificate = pki::Certificate::from_pem(*identity);
    const Micros third = certificate.not_before() + (certificate.not_after() - certificate.not_before()) / 3;
    if (!force && !roles && now < third && now >= certificate.not_before()) return false;
    const Cluster cluster(record->controller, record->port);
    // The authorities may have followed one another since: from one that this node trusts, signature by signature.
    const json::object path = cluster.authorities();
    const std::vector<pki::Certificate> trusted = pki::follow(pki::Certificate::all(*trust), pki::Certificate::all(string_or(path, "authorities")),
                                                              pki::Certificate::all(string_or(path, "crosses")));
    if (trusted.empty()) throw Error(Errc::forbidden, record->controller + " is not of the cluster that this node joined");
    const pki::Key key = pki::Key::generate();
    const std::string request = pki::make_request(key);
    json::object body{{"request", request}};
    prove(body, *identity, request);
    if (roles) body["roles"] = json::value_from(*roles);
    const json::object answer = cluster.post("/v1/renew", body, pem_of(trusted), places);
    take(places, answer, key);
    if (roles_in(answer) != record->roles) {
        record->roles = roles_in(answer);
        write_record(places, *record);
    }
    return true;
}

// ---- the agents' configuration

std::string configuration_of(std::string_view daemon, const MembershipRecord* record, const std::vector<std::string>& roles) {
    const auto has = [&](std::string_view role) { return std::ranges::find(roles, role) != roles.end(); };
    const auto url = [&](std::string_view service) {
        return fmt::format("\"https://{}:{}\"", in_url(record->controller), find_service(service)->port);
    };
    std::string out;
    const auto section = [&](std::string_view name, const std::vector<std::string>& lines) {
        out += fmt::format("\n[{}]\n{}\n", name, join(lines, "\n"));
    };
    if (record) {
        std::vector<std::string> identity{"auth_type = \"certificate\"", fmt::format("region = \"{}\"", record->region)};
        if (daemon == "compute-agent")
            identity.push_back(fmt::format("endpoint_override = [\"image=https://{0}:{1}\", \"placement=https://{0}:{2}\"]",
                                           in_url(record->controller), find_service("image")->port, find_service("placement")->port));
        section("identity", identity);
        if (daemon != "network-agent") section("compute", {"url = " + url("compute")});
        if (daemon != "compute-agent") section("network", {"url = " + url("network")});
    }
    std::vector<std::string> agent;
    if (record && daemon != "metadata") agent.push_back(fmt::format("host = \"{}\"", record->name));
    if (daemon == "network-agent" && !has("network")) agent.emplace_back("serves = []");
    if (!agent.empty()) section("agent", agent);
    return out.empty() ? out : "# Written by pilvi join and pilvi role: what this node's roles make of its agents.\n" + out;
}

namespace {
constexpr std::string_view configured_daemons[] = {"compute-agent", "network-agent", "metadata"};
std::string configuration_file(const MemberPlaces& places, std::string_view daemon) {
    return fmt::format("{}/{}.d/10-cluster.toml", places.configuration, daemon);
}
}  // namespace

bool is_configured(const MemberPlaces& places, const MembershipRecord* record, const std::vector<std::string>& roles) {
    return std::ranges::all_of(configured_daemons, [&](std::string_view daemon) {
        return content_of(configuration_file(places, daemon)).value_or("") == configuration_of(daemon, record, roles);
    });
}

void write_configuration(const MemberPlaces& places, const MembershipRecord* record, const std::vector<std::string>& roles) {
    for (const std::string_view daemon : configured_daemons) {
        const std::string file = configuration_file(places, daemon);
        const std::string text = configuration_of(daemon, record, roles);
        if (text.empty()) {
            fs::remove(file);
            continue;
        }
        fs::create_directories(fs::path(file).parent_path());
        if (content_of(file) != text) write_file(file, text, 0644);
    }
    const bool compute = std::ranges::find(roles, "compute") != roles.end();
    if (!record || !compute || content_of(places.compute_id) == record->id + "\n") return;
    // The certificate lets a node speak for the resource provider of this id alone.
    fs::create_directories(fs::path(places.compute_id).parent_path());
    write_file(places.compute_id, record->id + "\n", 0644);
}

}  // namespace pilvi::cli
