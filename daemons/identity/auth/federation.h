#pragma once
// Logging in as a user of an identity provider. What the provider asserts is taken from the headers of requests that come in by the front door, a
// listener of its own for the web server whose module has spoken with the provider; from anywhere else nothing is asserted.
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "base/secret.h"
#include "config/config.h"
#include "domain/payload.h"
#include "http/http.h"

namespace pilvi::identity {

struct App;

struct FederationSettings {
    std::string listen;                           // "unix:/PATH" or "127.0.0.1:PORT"; "" = no front door
    std::string header_prefix = "X-Federation-";  // of headers that assert something: X-Federation-REMOTE_USER: ann
    Secret secret;                                // what the header <prefix>Secret has to say; "" = nothing (unix sockets only)
    std::string remote_id_attribute;              // of protocols that name none
    std::vector<std::string> trusted_dashboards;  // origins that web single sign-on may send a token to
};

// The header of http::Server that tells its listeners apart, and what it says for the front door.
inline constexpr std::string_view front_door_tag = "federation";

// As configured, with the credential federation-secret where there is one. Throws Error(bad_request) on a place that others than this machine reach,
// or a port without a secret (which is not looked for without $CREDENTIALS_DIRECTORY where `checking`), or a dashboard that is no URL.
FederationSettings federation_settings(const Config& config, bool checking = false);
// Opens the front door; returns its port, 0 for a socket or where there is none.
int open_front_door(http::Server& server, const FederationSettings& federation);

// Who the assertion of this request is about, by the protocol of that provider: fills in user, method, provider, protocol and groups. Keeps a shadow
// of the user, projects and memberships as the mapping says. Throws Error(unauthenticated) where nothing is asserted or the mapping makes no user of
// it, Error(forbidden) where the provider is disabled or another than the assertion names, Error(not_found) without such a provider or protocol.
void log_in_mapped(const api::Call& call, const std::string& idp_id, const std::string& protocol_id, Payload& payload);

// The provider that the assertion names, by its remote id. Throws as above.
std::string provider_of_assertion(const api::Call& call, const std::string& protocol_id);

}  // namespace pilvi::identity
