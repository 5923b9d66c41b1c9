#include "handler.h"

#include "base/text.h"
#include "log/log.h"

namespace pilvi::cluster {
namespace {

constexpr std::int64_t longest_life = 30 * 86400;  // seconds, of a token
constexpr std::int64_t longest_opening = 3600;     // seconds, of a network from where machines may ask

http::Response respond(int status, const json::value& body) {
    http::Response response;
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    if (!body.is_null()) response.body = to_text(body);
    return response;
}

http::Response refusal(int status, std::string_view message) {
    return respond(status, json::object{{"error", {{"code", status}, {"message", message}}}});
}

json::object object_of(const http::Request& request) {
    json::value body = parse_json(request.body);
    if (!body.is_object()) throw Error(Errc::bad_request, "the body is a JSON object");
    return std::move(body.get_object());
}

std::string text_of(const json::object& body, std::string_view name, bool required = true) {
    const json::value* value = find(body, name);
    if (!value || value->is_null()) {
        if (required) throw Error(Errc::bad_request, std::string(name) + " is missing");
        return {};
    }
    if (!value->is_string()) throw Error(Errc::bad_request, std::string(name) + " is not a text");
    return std::string(value->get_string());
}

std::vector<std::string> texts_of(const json::object& body, std::string_view name) {
    std::vector<std::string> out;
    const json::value* value = find(body, name);
    if (!value || !value->is_array() || value->get_array().size() > 16) throw Error(Errc::bad_request, std::string(name) + " is not a list of texts");
    for (const json::value& item : value->get_array()) {
        if (!item.is_string()) throw Error(Errc::bad_request, std::string(name) + " is not a list of texts");
        out.emplace_back(item.get_string());
    }
    return out;
}

// Signatures travel as base64: JSON has no bytes.
std::string bytes_of(const json::object& body, std::string_view name, bool required = true) {
    const std::string text = text_of(body, name, required);
    const auto bytes = base64_decode(text);
    if (!bytes) throw Error(Errc::bad_request, std::string(name) + " is not base64");
    return *bytes;
}

}  // namespace

http::Response Handler::refuse(int status, std::string_view reason) { return refusal(status, reason); }

http::Response Handler::handle(http::Request& request) {
    http::Response response;
    try {
        response = answer(request);
    } catch (const Error& error) {
        const int status = http_status(error.code());
        if (status >= 500) log::error(error.message());
        response = refusal(status, error.code() == Errc::internal ? "the request failed inside; the daemon's log says why" : error.message());
    } catch (const std::exception& error) {
        log::error(std::string("unexpected: ") + error.what());
        response = refusal(500, "the request failed inside; the daemon's log says why");
    }
    if (request.path != "/healthcheck" && request.path != "/metrics")
        log::info(request.method + " " + request.path + " " + std::to_string(response.status), {{"PEER", request.peer}});
    return response;
}

http::Response Handler::answer(const http::Request& request) {
    if (request.path == "/healthcheck" || request.path == "/metrics") {
        http::Response response;
        response.headers.set("Content-Type", request.path == "/metrics" ? "text/plain; version=0.0.4" : "text/plain");
        response.body = request.path == "/metrics" ? metrics_.text() : "OK";
        return response;
    }
    return request.headers.get("X-Pilvi-Listener") == admin ? for_operator(request) : for_node(request);
}

json::object Handler::member(const Membership& membership) const {
    return {{"id", membership.id},
            {"name", membership.name},
            {"roles", json::value_from(membership.roles)},
            {"certificate", membership.certificate},
            {"trust", membership.trust},
            {"region", region_}};
}

http::Response Handler::for_node(const http::Request& request) {
    if (request.path == "/v1/authorities") {
        if (request.method != "GET") return refusal(405, "only GET is offered here");
        return respond(200, authority_.path());  // nothing secret: who gets it compares fingerprints
    }
    if (request.path != "/v1/join" && request.path != "/v1/renew" && request.path != "/v1/apply") return refusal(404, "there is no such path");
    if (request.method != "POST") return refusal(405, "only POST is offered here");
    if (!request.tls) return refusal(403, "a token and a certificate are given over TLS only");
    const json::object body = object_of(request);
    if (request.path == "/v1/apply") return apply(request, body);
    if (request.path == "/v1/join") {
        const Membership joined = authority_.join({.token = text_of(body, "token"),
                                                   .name = text_of(body, "name"),
                                                   .request = text_of(body, "request"),
                                                   .certificate = text_of(body, "certificate", false),
                                                   .signature = bytes_of(body, "signature", false)});
        log::notice("a node joined", {{"NODE", joined.name}, {"PEER", request.peer}});
        return respond(201, member(joined));
    }
    RenewRequest renewal{.certificate = text_of(body, "certificate"), .request = text_of(body, "request"), .signature = bytes_of(body, "signature")};
    if (find(body, "roles")) renewal.roles = texts_of(body, "roles");
    return respond(200, member(authority_.renew(renewal)));
}

// A machine without a token. The request is signed by its key: who sends another's request gets a certificate that he has no key for.
http::Response Handler::apply(const http::Request& request, const json::object& body) {
    const pki::PublicKey key = pki::key_of_request(text_of(body, "request"));
    if (const auto accepted = authority_.accepted(key)) {
        waiting_.forget(key.fingerprint());
        log::notice("a node that was accepted joined", {{"NODE", accepted->name}, {"PEER", request.peer}});
        return respond(201, member(*accepted));
    }
    Applicant applicant{.name = text_of(body, "name"), .mac = {}, .address = request.peer, .key = key.fingerprint()};
    if (!is_node_name(applicant.name)) throw Error(Errc::bad_request, "the name of a node has letters, digits, '-' and '.' only, at most 63");
    if (const std::string mac = text_of(body, "mac", false); !mac.empty()) {
        const auto normal = normalize_mac(mac);
        if (!normal) throw Error(Errc::bad_request, "mac is not an Ethernet address");
        applicant.mac = *normal;
    }
    waiting_.ask(applicant);
    return respond(202, json::object{{"fingerprint", short_fingerprint(applicant.key)}});
}

// /v1/waiting: GET lists, POST /v1/waiting/WHO {"roles", "name"} accepts; PUT /v1/waiting {"network", "seconds"} opens a network.
http::Response Handler::for_applicants(const http::Request& request, const std::vector<std::string>& parts) {
    const bool one = parts.size() == 3;
    if (request.method == "GET" && !one) return respond(200, json::object{{"waiting", waiting_.list()}});
    const json::object body = request.body.empty() ? json::object{} : object_of(request);
    if (request.method == "PUT" && !one) {
        const auto network = Cidr::parse(text_of(body, "network"));
        const std::int64_t seconds = integer_or(body, "seconds", 0);
        if (!network) throw Error(Errc::bad_request, "network is not ADDRESS/PREFIX");
        if (seconds < 1 || seconds > longest_opening) throw Error(Errc::bad_request, "a network is open between a second and an hour");
        waiting_.open(*network, seconds * 1'000'000);
        return respond(204, nullptr);
    }
    if (request.method == "POST" && one) {
        const auto who = percent_decode(parts[2]);
        if (!who) throw Error(Errc::bad_request, "the path is not understood");
        const Applicant applicant = waiting_.find(*who);
        std::string name = text_of(body, "name", false);
        if (name.empty()) name = applicant.name;
        authority_.accept(name, texts_of(body, "roles"), applicant.key);
        log::notice("a machine was accepted as a node",
                    {{"NODE", name}, {"PEER", applicant.address}, {"FINGERPRINT", short_fingerprint(applicant.key)}});
        return respond(200, json::object{{"name", name}, {"fingerprint", short_fingerprint(applicant.key)}, {"address", applicant.address}});
    }
    return refusal(405, "this method is not offered here");
}

http::Response Handler::for_operator(const http::Request& request) {
    const std::vector<std::string> parts = split(std::string_view(request.path).substr(1), '/');
    if (parts.size() >= 2 && parts.size() <= 3 && parts[0] == "v1" && parts[1] == "waiting") return for_applicants(request, parts);
    const bool tokens = parts.size() >= 2 && parts[1] == "tokens", nodes = parts.size() >= 2 && parts[1] == "nodes";
    if (parts.empty() || parts[0] != "v1" || (!tokens && !nodes) || parts.size() > 3) return refusal(404, "there is no such path");
    const bool one = parts.size() == 3;
    if (request.method == "GET" && !one) return respond(200, json::object{{parts[1], tokens ? authority_.tokens() : authority_.nodes()}});
    if (request.method == "DELETE" && one) {
        if (tokens) authority_.remove_token(parts[2]);
        else authority_.remove_node(parts[2]);
        if (nodes) changed_();
        return respond(204, nullptr);
    }
    if (request.method == "POST" && tokens && !one) {
        const json::object body = object_of(request);
        const std::int64_t life = integer_or(body, "life", 3600);
        if (life < 1 || life > longest_life) throw Error(Errc::bad_request, "a token lives between a second and 30 days");
        const Token token = authority_.make_token(texts_of(body, "roles"), life * 1'000'000);
        return respond(
            201, json::object{
                     {"id", token.id}, {"token", token.text}, {"roles", json::value_from(token.roles)}, {"expires_at", iso8601(token.expires_at)}});
    }
    return refusal(405, "this method is not offered here");
}

}  // namespace pilvi::cluster
