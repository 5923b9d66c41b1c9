#pragma once
// Who calls: validating a token at the identity service, with a short cache; and being a caller: a session of the daemon's own service user.
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"
#include "config/config.h"
#include "http/http.h"

namespace pilvi {

// One request that the token of an application credential may make.
struct AccessRule {
    std::string service;  // type: "compute"
    std::string method;   // "GET"
    std::string path;     // pattern: {name} and * stand for one segment's characters, ** for anything
};
// Whether one of the rules names this request. `path` is the request's, without query.
bool allows(const std::vector<AccessRule>& rules, std::string_view service, std::string_view method, std::string_view path);
bool path_matches(std::string_view path, std::string_view pattern);

// The identity of one request. Empty members: not in the token.
struct Context {
    std::string request_id;         // "req-..."
    std::string global_request_id;  // the caller's X-Openstack-Request-Id, where it is well-formed
    std::string token;              // the caller's token, to act in its name
    std::string user_id, user_name, user_domain_id, user_domain_name;
    std::string project_id, project_name, project_domain_id, project_domain_name;
    std::string domain_id, domain_name;  // domain-scoped token
    bool system = false;                 // system-scoped token
    std::vector<std::string> roles;      // names
    bool is_admin = false;               // role "admin"
    Micros expires_at = 0;
    // Of an application credential that is limited to some requests; nullptr: not limited. api::Service enforces them.
    std::shared_ptr<const std::vector<AccessRule>> access_rules = nullptr;
    // Of a node that came with its certificate instead of a token: what it may do is api/node_access.h's.
    std::shared_ptr<const http::PeerIdentity> node = nullptr;
    bool service_call = false;                    // a valid X-Service-Token with role "service" came along
    std::vector<std::string> service_roles = {};  // of the X-Service-Token's user
    bool has_role(std::string_view role) const;
};

// Turns an X-Auth-Token into a Context. Implemented by TokenValidator below, and inside the identity daemon directly.
class Authenticator {
public:
    virtual ~Authenticator() = default;
    // nullopt: missing, malformed, expired or revoked token. Throws Error(unavailable) where identity cannot be asked.
    // `allow_expired`: one that ended within identity's window is still good (a service continues what its user began).
    virtual std::optional<Context> authenticate(std::string_view token, bool allow_expired = false) = 0;
};

// Authenticated requests as a service user: gets a token by password, keeps it, renews it before it ends and on a 401. Thread-safe.
struct SessionOptions {
    std::string auth_url;  // http://127.0.0.1:5000/v3
    std::string username;
    Secret password;
    std::string project = "service";  // "": the token is for the system
    std::string domain = "Default";
    std::string region = "RegionOne";
    std::string interface = "internal";
    std::vector<std::string> endpoint_override = {};  // TYPE=URL: before the catalogue's
    // A node's agent: https with this certificate, to a server that shows one of a controller, proves who calls. There is no user and no token.
    std::optional<http::TlsFiles> certificate = {};
};

// What a server's certificate must be called: a controller's, and a node's.
inline constexpr std::string_view controller_tls_name = "controller.pilvi.internal";
std::string node_tls_name(std::string_view node);

class Session {
public:
    explicit Session(SessionOptions options, http::ClientOptions client = {});
    ~Session();
    // Sends with X-Auth-Token. The url is absolute. Any status is returned (see Client::send for what it throws).
    http::Response send(http::ClientRequest request);
    // send() with a JSON body and a JSON answer; a status that is not 2xx becomes an Error of the matching code whose message is the one in the
    // answer's envelope, whatever its service's style.
    json::value call(std::string_view method, const std::string& url, const json::value& body = nullptr, const http::Headers& headers = {});
    // The catalogue's URL of a service type ("compute", "network", "image", "placement", "identity") without trailing slash.
    std::string endpoint(std::string_view service_type);
    std::string token();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Validates tokens at the identity service. Answers are cached, and the cache is emptied as soon as identity says that a token may have been revoked:
// a thread of this object long-polls identity's revision (GET /v3/OS-PILVI/revocations); identity answers a revoking request when every listener has
// heard of it. Where identity does not know that request (the original), answers live `ttl` at most.
class TokenValidator final : public Authenticator {
public:
    // Cached answers live `ttl` at most, never beyond the token's end; at most `capacity` of them. Keyed by a hash of the token.
    TokenValidator(Session& session, std::string auth_url, std::chrono::seconds ttl = std::chrono::seconds(10), std::size_t capacity = 10'000);
    ~TokenValidator() override;
    std::optional<Context> authenticate(std::string_view token, bool allow_expired = false) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Context from the body of GET /v3/auth/tokens.
Context context_from_token(const json::object& token);

// A daemon's settings table with identity.url, .username, .project, .domain and .region before its own:
//   constexpr auto settings = with_identity_settings("nova", {{"agent.host", SettingKind::text, "", "Name of this node."}, ...});
template <std::size_t N>
constexpr std::array<Setting, N + 7> with_identity_settings(std::string_view username, const Setting (&own)[N]) {
    std::array<Setting, N + 7> out{{
        {"identity.url", SettingKind::text, "http://127.0.0.1:5000/v3", "Base URL of the identity service, with its version."},
        {"identity.username", SettingKind::text, username, "The daemon's own user; its password is the credential service-password."},
        {"identity.project", SettingKind::text, "service", "Project of that user."},
        {"identity.domain", SettingKind::text, "Default", "Domain of that user and project."},
        {"identity.region", SettingKind::text, "RegionOne", "Region whose endpoints are used."},
        {"identity.auth_type", SettingKind::text, "password",
         "password: as that user; certificate: with this node's certificate and without the identity service (agents of nodes that joined)."},
        {"identity.endpoint_override", SettingKind::list, "", "Services that are not looked up in the catalogue, as TYPE=URL."},
    }};
    for (std::size_t i = 0; i < N; ++i) out[i + 7] = own[i];
    return out;
}
// Of a daemon that serves a public API.
inline constexpr Setting policy_settings[] = {
    {"policy.file", SettingKind::text, "",
     "policy.yaml with rules that replace the defaults; where it is empty, /etc/pilvi/NAME/policy.yaml is read if it is there."},
    {"policy.enforce_scope", SettingKind::boolean, "true", "Whether an operation refuses tokens of a scope that it is not for."},
};
// The settings of with_identity_settings and policy_settings before the daemon's own.
template <std::size_t N>
constexpr std::array<Setting, N + 9> with_api_settings(std::string_view username, const Setting (&own)[N]) {
    Setting more[N + 2] = {policy_settings[0], policy_settings[1]};
    for (std::size_t i = 0; i < N; ++i) more[i + 2] = own[i];
    return with_identity_settings(username, more);
}
// Of those settings, with the password from credential "service-password" or with this node's certificate.
SessionOptions session_options(const Config& config);
// This node's certificate, key and trusted CA: the settings node.identity and node.trust of the daemon skeleton.
http::TlsFiles node_files(const Config& config);

// The Error that an answer with a status other than 2xx stands for; its message is taken from the envelope of whatever service style, its type from
// neutron's.
Error error_of(const http::Response& response, std::string_view what);

}  // namespace pilvi
