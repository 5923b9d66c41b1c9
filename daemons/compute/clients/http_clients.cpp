#include "clients/http_clients.h"

#include "base/net.h"
#include "base/route.h"
#include "base/text.h"

namespace pilvi::compute {
namespace {

constexpr std::string_view placement_version = "placement 1.36";

// The message in an error's envelope, whatever its service's style.
std::string message_of(const http::Response& response) {
    try {
        const json::value body = parse_json(response.body);
        if (!body.is_object()) return response.body.substr(0, 300);
        const json::object& o = body.get_object();
        if (const json::array& errors = array_or_empty(o, "errors"); !errors.empty() && errors[0].is_object())
            return string_or(errors[0].get_object(), "detail");
        for (const auto& member : o)
            if (member.value().is_object() && find(member.value().get_object(), "message")) return string_or(member.value().get_object(), "message");
        return string_or(o, "message", response.body.substr(0, 300));
    } catch (const Error&) {
        return response.body.substr(0, 300);
    }
}

Errc code_of(int status) {
    switch (status) {
        case 400:
        case 406:
        case 415:
            return Errc::bad_request;
        case 401:
            return Errc::unauthenticated;
        case 403:
            return Errc::forbidden;
        case 404:
            return Errc::not_found;
        case 409:
            return Errc::conflict;
        case 413:
            return Errc::too_large;
        case 503:
            return Errc::unavailable;
        case 504:
            return Errc::timeout;
        default:
            return Errc::bad_gateway;
    }
}

json::value body_of(const http::Response& response, std::string_view type) {
    if (response.status >= 300) throw Error(code_of(response.status), message_of(response));
    if (response.body.empty()) return nullptr;
    try {
        return parse_json(response.body);
    } catch (const Error&) {
        throw Error(Errc::bad_gateway, "the " + std::string(type) + " service answered what is not JSON");
    }
}

json::object member(const json::value& body, std::string_view name, std::string_view type) {
    if (body.is_object())
        if (const json::value* m = find(body.get_object(), name); m && m->is_object()) return m->get_object();
    throw Error(Errc::bad_gateway, "the " + std::string(type) + " service answered without " + std::string(name));
}

bool is_away(Errc code) { return code == Errc::unavailable || code == Errc::timeout || code == Errc::bad_gateway; }

std::string with_underscores(std::string name) {
    for (char& c : name)
        if (c == '-') c = '_';
    return name;
}

}  // namespace

http::Response Peer::send(std::string_view method, const std::string& path, const json::value& body, const http::Headers& headers) {
    http::ClientRequest request;
    request.method = std::string(method);
    request.url = session_.endpoint(type_) + path;
    request.headers = headers;
    if (!body.is_null()) {
        request.headers.set("Content-Type", "application/json");
        request.body = to_text(body);
    }
    return headers.has("X-Auth-Token") ? client_.send(request) : session_.send(std::move(request));
}

json::value Peer::call(const std::string& token, std::string_view method, const std::string& path, const json::value& body) {
    http::Headers headers;
    headers.set("Accept", "application/json");
    if (token.empty()) return body_of(send(method, path, body, headers), type_);
    headers.set("X-Auth-Token", token);
    try {
        return body_of(send(method, path, body, headers), type_);
    } catch (const Error& error) {
        if (!is_away(error.code())) throw;
        throw Error(Errc::internal, "the " + type_ + " service cannot be asked: " + error.message());
    }
}

std::optional<json::object> HttpImageClient::image(const std::string& token, const std::string& id) {
    try {
        const json::value body = call(token, "GET", "/v2/images/" + percent_encode(id));
        if (!body.is_object()) throw Error(Errc::bad_gateway, "the image service answered no object");
        return body.get_object();
    } catch (const Error& error) {
        if (error.code() == Errc::not_found || error.code() == Errc::forbidden) return std::nullopt;
        throw;
    }
}

http::Response HttpPlacementClient::ask(std::string_view method, const std::string& path, const json::value& body) {
    http::Headers headers;
    headers.set("OpenStack-API-Version", placement_version);
    headers.set("Accept", "application/json");
    return send(method, path, body, headers);
}

std::vector<Provider> HttpPlacementClient::candidates(const std::map<std::string, std::int64_t>& resources, const std::set<std::string>& required,
                                                      const std::set<std::string>& forbidden) {
    std::string amounts, traits;
    for (const auto& [name, amount] : resources) amounts += (amounts.empty() ? "" : ",") + percent_encode(name) + ":" + std::to_string(amount);
    for (const std::string& t : required) traits += (traits.empty() ? "" : ",") + percent_encode(t);
    for (const std::string& t : forbidden) traits += (traits.empty() ? "!" : ",!") + percent_encode(t);
    const json::value body =
        body_of(ask("GET", "/allocation_candidates?limit=1000&resources=" + amounts + (traits.empty() ? "" : "&required=" + traits)), "placement");
    if (!body.is_object()) throw Error(Errc::bad_gateway, "the placement service answered no object");
    const json::object& summaries = object_or_empty(body.get_object(), "provider_summaries");
    std::vector<Provider> out;
    for (const json::value& candidate : array_or_empty(body.get_object(), "allocation_requests")) {
        if (!candidate.is_object()) continue;
        const json::object& allocations = object_or_empty(candidate.get_object(), "allocations");
        if (allocations.size() != 1) continue;  // resources spread over several providers: no node of ours
        Provider provider{.id = std::string(allocations.begin()->key()), .capacity = {}, .used = {}};
        for (const auto& resource : object_or_empty(object_or_empty(summaries, provider.id), "resources")) {
            if (!resource.value().is_object()) continue;
            provider.capacity[std::string(resource.key())] = static_cast<double>(integer_or(resource.value().get_object(), "capacity"));
            provider.used[std::string(resource.key())] = static_cast<double>(integer_or(resource.value().get_object(), "used"));
        }
        out.push_back(std::move(provider));
    }
    return out;
}

std::optional<std::string> HttpPlacementClient::holder(const std::string& consumer) {
    const json::value body = body_of(ask("GET", "/allocations/" + consumer), "placement");
    if (!body.is_object()) return std::nullopt;
    const json::object& allocations = object_or_empty(body.get_object(), "allocations");
    if (allocations.empty()) return std::nullopt;
    return std::string(allocations.begin()->key());
}

PlacementClient::Claim HttpPlacementClient::claim(const std::string& consumer, const std::string& provider,
                                                  const std::map<std::string, std::int64_t>& resources, const std::string& project_id,
                                                  const std::string& user_id) {
    json::object amounts;
    for (const auto& [name, amount] : resources) amounts[name] = amount;
    json::object allocations;
    allocations[provider] = json::object{{"resources", amounts}};
    const json::object body{{"allocations", allocations}, {"project_id", project_id}, {"user_id", user_id}, {"consumer_generation", nullptr}};
    const http::Response response = ask("PUT", "/allocations/" + consumer, body);
    if (response.status < 300) return Claim::done;
    if (response.status == 409) return response.body.find("placement.concurrent_update") != std::string::npos ? Claim::conflict : Claim::full;
    if (response.status == 400) return Claim::full;  // the provider, or its inventory, is gone
    throw Error(code_of(response.status), message_of(response));
}

void HttpPlacementClient::release(const std::string& consumer) {
    const http::Response response = ask("DELETE", "/allocations/" + consumer);
    if (response.status >= 300 && response.status != 404) throw Error(code_of(response.status), message_of(response));
}

void HttpPlacementClient::remove_provider(const std::string& provider) {
    const http::Response response = ask("DELETE", "/resource_providers/" + percent_encode(provider));
    if (response.status >= 300 && response.status != 404) throw Error(code_of(response.status), message_of(response));
}

json::array HttpNetworkClient::list(const std::string& token, const std::string& collection, const std::string& query) {
    const json::value body = call(token, "GET", "/v2.0/" + collection + (query.empty() ? "" : "?" + query));
    const std::string name = with_underscores(collection);
    if (body.is_object())
        if (const json::value* rows = find(body.get_object(), name); rows && rows->is_array()) return rows->get_array();
    throw Error(Errc::bad_gateway, "the network service answered without " + name);
}

std::optional<json::object> HttpNetworkClient::show(const std::string& token, const std::string& collection, const std::string& id) {
    try {
        return member(call(token, "GET", "/v2.0/" + collection + "/" + percent_encode(id)),
                      with_underscores(collection.substr(0, collection.size() - 1)), "network");
    } catch (const Error& error) {
        if (error.code() == Errc::not_found) return std::nullopt;
        throw;
    }
}

json::object HttpNetworkClient::create_port(const json::object& port) {
    return member(call("", "POST", "/v2.0/ports", json::object{{"port", port}}), "port", "network");
}

json::object HttpNetworkClient::update_port(const std::string& id, const json::object& port) {
    return member(call("", "PUT", "/v2.0/ports/" + percent_encode(id), json::object{{"port", port}}), "port", "network");
}

void HttpNetworkClient::delete_port(const std::string& id) {
    try {
        call("", "DELETE", "/v2.0/ports/" + percent_encode(id));
    } catch (const Error& error) {
        if (error.code() != Errc::not_found) throw;
    }
}

std::optional<std::string> HttpNetworkClient::auto_allocated_network(const std::string& token, const std::string& project_id) {
    try {
        return string_or(
            member(call(token, "GET", "/v2.0/auto-allocated-topology/" + percent_encode(project_id)), "auto_allocated_topology", "network"), "id");
    } catch (const Error& error) {
        if (error.code() == Errc::internal) throw;
        return std::nullopt;
    }
}

HttpAgentClient::HttpAgentClient(Session& session, const http::TlsFiles& certificate)
    : session_(session), client_({.ca_file = certificate.client_ca, .identity = certificate}) {}

std::optional<std::string> HttpAgentClient::console(const std::string& host, const std::string& agent_url, const std::string& server_id,
                                                    std::int64_t lines) {
    http::ClientRequest request;
    request.url = agent_url + "/v1/servers/" + server_id + "/console" + (lines < 0 ? "" : "?length=" + std::to_string(lines));
    const bool tls = agent_url.starts_with("https://");
    const auto address = IpAddress::parse(host_of_url(agent_url));
    if (!tls && (!address || !address->is_loopback()))
        throw Error(Errc::unavailable, "the agent of " + host + " is on another machine and does not speak TLS: has the node joined?");
    if (tls) request.tls_name = node_tls_name(host);
    const http::Response response = tls ? client_.send(request) : session_.send(std::move(request));
    if (response.status == 404) return std::nullopt;
    const json::value body = body_of(response, "compute agent's");
    if (!body.is_object()) throw Error(Errc::bad_gateway, "the compute agent answered no object");
    return string_or(body.get_object(), "output");
}

}  // namespace pilvi::compute
