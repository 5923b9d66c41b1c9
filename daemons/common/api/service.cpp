#include "api/service.h"

#include <chrono>
#include <cmath>
#include <set>

#include "api/engine.h"
#include "api/node_access.h"
#include "api/request_body.h"
#include "api/router.h"
#include "api/versions.h"
#include "base/ids.h"
#include "log/log.h"

namespace pilvi::api {
namespace {

constexpr std::uint64_t body_limit = 1u << 20;
constexpr std::uint64_t logged_out_body_limit = 64u << 10;

// Whose one rule is known before the body is: no operation of a resource, no actions.
bool is_route(const Endpoint& endpoint) { return !endpoint.resource && endpoint.route.actions.empty(); }

Error unexpected() { return {Errc::internal, "An unexpected error prevented the server from fulfilling your request."}; }

std::string unauthenticated_text() { return "The request you have made requires authentication."; }

// Whether an application credential's rules name the request; looking at a token is always allowed. A service that acts for the user (with a valid
// X-Service-Token) is not asked: the rules are about what the user's program calls.
bool may(const std::vector<AccessRule>& rules, std::string_view service_type, const http::Request& request) {
    if (service_type == "identity" && request.method == "GET" && request.path == "/v3/auth/tokens") return true;
    return allows(rules, service_type, request.method, request.path);
}

// A well-formed request id of the caller's, to be logged beside ours.
std::string global_id(const http::Headers& headers) {
    const std::string_view given = headers.get("X-Openstack-Request-Id");
    return given.starts_with("req-") && is_uuid_like(given.substr(4)) ? std::string(given) : std::string();
}

// What is known of a request when it ends, with an answer or an error.
struct Progress {
    const Endpoint* endpoint = nullptr;
    std::string project_id = {}, user_id = {};  // of the caller, for the log line
    Version version = {};
    std::string allow = {};  // the path's methods, where the request's is none of them
};

}  // namespace

struct Service::Impl {
    Authenticator& authenticator;
    metrics::Registry& metrics;
    Router router;

    void add_resource(Service& service, const Resource& resource);
    void add_route(const Route& route);
    void add(std::unique_ptr<Endpoint> endpoint);
    Context authenticate(std::string_view service_type, const http::Request& request, const std::string& request_id);
    static void take_body(Service& service, const Endpoint& endpoint, Call& call, Unknown unknown, const Action*& action);
    static void enforce_route(Service& service, Call& call, const Route& route);
    static void refuse_first(Service& service, const Endpoint& endpoint, Call& call, const Action* action);
    Reply run(Service& service, http::Request& request, const Place& place, const std::string& request_id, Progress& progress);
};

void Service::Impl::add(std::unique_ptr<Endpoint> endpoint) {
    endpoint->duration =
        &metrics.histogram("pilvi_http_request_duration_seconds", "Time from the whole request to the answer",
                           "method=\"" + std::string(endpoint->route.method) + "\",path=\"" + std::string(endpoint->route.path) + "\"");
    router.add(std::move(endpoint));
}

void Service::Impl::add_resource(Service& service, const Resource& resource) {
    for (const Operation& operation : resource.operations) add(endpoint_of(service.style(), resource, operation));
}

void Service::Impl::add_route(const Route& declared) {
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->route = declared;
    add(std::move(endpoint));
}

Policy default_policy(const ServiceSpec& spec) {
    Policy policy;
    for (const auto& rules : spec.rules) policy.add(rules);
    for (const Resource* resource : spec.resources)
        for (const Operation& operation : resource->operations)
            for (const std::string_view name : {operation.policy, operation.other_policy}) {
                if (name.empty()) continue;
                policy.add(name, operation.check);
                policy.limit_scope(name, operation.scopes & resource->scopes);
            }
    for (const auto& routes : spec.routes)
        for (const Route& route : routes) {
            if (!route.policy.empty()) {
                policy.add(route.policy, route.check);
                policy.limit_scope(route.policy, route.scopes);
            }
            for (const Action& action : route.actions) policy.add(action.policy, action.check);
        }
    for (const RenamedPolicy& renamed : spec.renamed_policies) policy.rename(renamed.old_name, renamed.name);
    return policy;
}

Service::Service(ServiceSpec spec, Store& store, Authenticator& authenticator, metrics::Registry& metrics, void* app)
    : spec_(std::move(spec)),
      store_(store),
      policy_(default_policy(spec_)),
      app_(app),
      impl_(std::make_unique<Impl>(Impl{authenticator, metrics, {}})) {
    for (const Resource* resource : spec_.resources) impl_->add_resource(*this, *resource);
    for (const auto& routes : spec_.routes)
        for (const Route& route : routes) impl_->add_route(route);
}

Service::~Service() = default;

http::BodyPolicy Service::body_policy(const http::RequestHead& head) {
    const std::uint64_t fallback = head.headers.has("X-Auth-Token") ? body_limit : logged_out_body_limit;
    const Match match = impl_->router.match(head.method, place_of(spec_.style, head.path).path, {});
    if (!match.endpoint) return {fallback, false};
    const Route& route = match.endpoint->route;
    return {route.body_limit ? route.body_limit : fallback, route.stream};
}

http::Response Service::refuse(int status, std::string_view reason) {
    Errc code = Errc::bad_request;
    for (const Errc c : {Errc::too_large, Errc::unavailable, Errc::timeout, Errc::not_allowed, Errc::unsupported})
        if (http_status(c) == status) code = c;
    http::Response response = error_response(spec_.style, Error(code, std::string(reason)), "");
    response.status = status;
    return response;
}

Context Service::Impl::authenticate(std::string_view service_type, const http::Request& request, const std::string& request_id) {
    const std::string_view token = request.headers.get("X-Auth-Token");
    if (token.empty() && request.identity) {
        auto node = node_context(request.identity, service_type, request);
        if (!node) throw Error(Errc::unauthenticated, unauthenticated_text());
        node->request_id = request_id;
        node->global_request_id = global_id(request.headers);
        return std::move(*node);
    }
    if (token.empty() || request.headers.count("X-Auth-Token") > 1) throw Error(Errc::unauthenticated, unauthenticated_text());
    bool service_call = false, allow_expired = false;
    std::vector<std::string> service_roles;
    if (const std::string_view second = request.headers.get("X-Service-Token"); !second.empty()) {
        const auto other = authenticator.authenticate(second);
        allow_expired = other && other->has_role("service");
        service_call = allow_expired || (other && other->is_admin);
        if (other) service_roles = other->roles;
    }
    auto context = authenticator.authenticate(token, allow_expired);
    if (!context || (context->access_rules && !service_call && !may(*context->access_rules, service_type, request)))
        throw Error(Errc::unauthenticated, unauthenticated_text());
    context->request_id = request_id;
    context->global_request_id = global_id(request.headers);
    context->token = std::string(token);
    context->service_call = service_call;
    context->service_roles = std::move(service_roles);
    return std::move(*context);
}

namespace {

std::string allowed_methods(const ServiceStyle& style, const Match& match) {
    std::set<std::string_view> methods(match.methods.begin(), match.methods.end());
    if (style.dialect == Dialect::identity) {
        methods.insert("OPTIONS");
        if (methods.contains("GET")) methods.insert("HEAD");
    }
    std::string out;
    for (const std::string_view method : methods) out += (out.empty() ? "" : ", ") + std::string(method);
    return out;
}

// Of a path that is not served, or not with this method.
[[noreturn]] void refuse_route(const ServiceStyle& style, const http::Request& request, const Match& match, Progress& progress) {
    if (!match.path_known)
        throw Error(Errc::not_found,
                    style.dialect == Dialect::identity ? "The requested URL was not found on the server." : "The resource could not be found.");
    progress.allow = allowed_methods(style, match);
    throw Error(Errc::not_allowed, "The method " + request.method.substr(0, 20) + " is not allowed for this resource.");
}

}  // namespace

void Service::Impl::enforce_route(Service& service, Call& call, const Route& route) {
    if (route.access != Access::token) return;
    if (!route.target) {
        call.enforce(route.policy);
        return;
    }
    json::object target;
    for (const auto& [name, value] : call.path) target[name] = value;
    service.store().read([&](Tx& tx) { route.target(call, tx, target); });
    if (target.empty()) target["target"] = json::object();  // an empty one would stand for the caller's own
    call.enforce(route.policy, target);
}

// The body, read and validated, and the decision whether the caller may, in the order of the style. Operations and actions decide for good when they run.
void Service::Impl::take_body(Service& service, const Endpoint& endpoint, Call& call, Unknown unknown, const Action*& action) {
    const ServiceStyle& style = service.style();
    if (style.policy_turn == PolicyTurn::before_body && is_route(endpoint)) {
        if (wants_json(endpoint)) check_content_type(style, call.request.headers, call.request.body.empty());
        enforce_route(service, call, endpoint.route);
    }
    read_body(style, endpoint, call);
    try {
        check_body(style, endpoint, call, unknown, action);
    } catch (const Error&) {
        if (style.policy_turn != PolicyTurn::after_body) refuse_first(service, endpoint, call, action);
        throw;
    }
}

// Of a body that is not valid: throws where the caller would be refused, or told that there is no such object, whatever it said.
void Service::Impl::refuse_first(Service& service, const Endpoint& endpoint, Call& call, const Action* action) {
    const json::value* sent = &call.raw;  // for the route's target
    if (!endpoint.route.wrapper.empty() && sent->is_object()) sent = wrapped_in(service.style(), sent->get_object(), endpoint.route.wrapper);
    if (sent && sent->is_object()) call.body = sent->get_object();
    try {
        if (endpoint.resource) enforce_operation(call, *endpoint.resource, *endpoint.operation);
        else if (action) call.enforce(action->policy);
        else if (is_route(endpoint)) enforce_route(service, call, endpoint.route);
    } catch (const Error& refusal) {
        if (refusal.code() == Errc::forbidden || refusal.code() == Errc::not_found) throw;
    }
}

Reply Service::Impl::run(Service& service, http::Request& request, const Place& place, const std::string& request_id, Progress& progress) {
    const ServiceStyle& style = service.style();
    const bool placement = style.dialect == Dialect::placement;
    Context who;
    const auto sign_in = [&] {
        who = authenticate(style.service_type, request, request_id);
        progress.project_id = who.project_id;
        progress.user_id = who.user_id;
    };
    Match match = router.match(request.method, place.path, {});
    const bool open = (match.endpoint && match.endpoint->route.access == Access::open) || (placement && place.path == "/");
    if (!open && style.token_before_route) sign_in();
    // Placement's root has microversions too: clients negotiate there.
    if (!open || placement) progress.version = place.legacy ? style.version_fallback : requested_version(style, request.headers);
    const Version version = progress.version;
    if (version && match.endpoint) {
        match = router.match(request.method, place.path, version);
        // Not 405: that is how the originals answer.
        if (!match.endpoint && style.dialect == Dialect::compute)
            throw Error(Errc::not_found, "API version " + version_text(version) + " is not supported on this method.");
        if (!match.endpoint && placement) match = {};
    }
    if (placement && request.method == "HEAD" && match.endpoint) {  // it serves none
        match.methods.push_back(match.endpoint->route.method);
        match.endpoint = nullptr;
    }
    if (!style.trailing_slash && request.path.size() > 1 && request.path.ends_with('/')) match = {};
    if (!match.endpoint && match.path_known && request.method == "OPTIONS" && style.dialect == Dialect::identity) {
        Reply reply;
        reply.text = "";
        reply.headers.set("Allow", allowed_methods(style, match));
        reply.headers.set("Content-Type", "text/html; charset=utf-8");
        return reply;
    }
    if (!match.endpoint) refuse_route(style, request, match, progress);
    progress.endpoint = match.endpoint;
    const Endpoint& endpoint = *match.endpoint;
    const Route& route = endpoint.route;
    if (route.access == Access::token && !style.token_before_route) sign_in();
    if (!place.project_id.empty() && route.access == Access::token && place.project_id != who.project_id)
        throw Error(Errc::bad_request,
                    "Malformed request URL: URL's project_id '" + place.project_id + "' doesn't match Context's project_id '" + who.project_id + "'");
    Call call{service, request, route, std::move(who), std::move(match.parameters), Query::parse(request.query), nullptr, {}, version};
    call.who.request_id = request_id;
    const Action* action = nullptr;
    take_body(service, endpoint, call, place.legacy ? Unknown::ignore : style.unknown, action);
    if (endpoint.resource) return run_operation(call, *endpoint.resource, *endpoint.operation);
    if (action) {
        call.enforce(action->policy);
        Reply reply = action->handler(call);
        if (reply.status == 0) reply.status = action->status;
        return reply;
    }
    if (style.policy_turn != PolicyTurn::before_body) enforce_route(service, call, route);  // otherwise it was before
    return route.handler(call);
}

http::Response Service::handle(http::Request& request) {
    const auto started = std::chrono::steady_clock::now();
    const std::string request_id = new_request_id();
    Progress progress;
    http::Response response;
    const Place place = place_of(spec_.style, request.path);
    if (request.path == "/metrics") {
        response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        response.body = impl_->metrics.text();
        return response;
    }
    if (request.path == "/healthcheck") {
        response.headers.set("Content-Type", "text/plain; charset=UTF-8");
        response.body = "OK";
        return response;
    }
    try {
        Reply reply = impl_->run(*this, request, place, request_id, progress);
        response.status = reply.status ? reply.status : progress.endpoint ? progress.endpoint->route.status : 200;
        response.headers = std::move(reply.headers);
        if (reply.park || reply.file) {
            response.park = std::move(reply.park);
            response.file = std::move(reply.file);
        } else if (reply.text) {
            response.body = std::move(*reply.text);
        } else if (!reply.body.is_null()) {
            response.body = to_text(reply.body);
            if (!response.headers.has("Content-Type")) response.headers.set("Content-Type", "application/json");
        }
    } catch (const Error& error) {
        // What is broken inside (a statement, a file) is for the log, not for the caller.
        response = error_response(spec_.style, error.code() == Errc::internal ? unexpected() : error, request_id, progress.version);
        if (!progress.allow.empty()) response.headers.set("Allow", progress.allow);
        if (http_status(error.code()) >= 500)
            log::error(error.message() + ", answered " + std::to_string(response.status), {{"REQUEST_ID", request_id}});
    } catch (const std::exception& error) {
        log::error(std::string("unexpected: ") + error.what() + ", answered 500", {{"REQUEST_ID", request_id}});
        response = error_response(spec_.style, unexpected(), request_id);
    }
    response.headers.set("X-Openstack-Request-Id", request_id);
    if (spec_.style.dialect == Dialect::compute) response.headers.set("X-Compute-Request-Id", request_id);
    if (!place.legacy) add_version_headers(spec_.style, progress.version, response.headers);
    if (spec_.style.dialect == Dialect::identity) response.headers.add("Vary", "X-Auth-Token");

    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (progress.endpoint) progress.endpoint->duration->observe(seconds);
    const long tenths = std::lround(seconds * 10'000);  // of a millisecond
    log::info(request.method + " " + request.path + " " + std::to_string(response.status) + " " + std::to_string(tenths / 10) + "." +
                  std::to_string(tenths % 10) + " ms",
              {{"REQUEST_ID", request_id}, {"PROJECT_ID", progress.project_id}, {"USER_ID", progress.user_id}});
    return response;
}

const Resource* Service::resource(std::string_view name) const {
    for (const Resource* r : spec_.resources)
        if (r->name == name) return r;
    return nullptr;
}

std::int64_t Service::quota_limit(Tx& tx, std::string_view project_id, std::string_view name) const {
    const auto row = tx.one("SELECT hard_limit FROM quotas WHERE project_id = ? AND resource = ?", {project_id, name});
    if (row) return row->at(0).integer();
    for (const QuotaLimit& q : spec_.quotas)
        if (q.name == name) return q.fallback;
    return -1;
}

void Service::check_quota(Tx& tx, std::string_view project_id, std::string_view name, std::int64_t used, std::int64_t wanted) const {
    const std::int64_t limit = quota_limit(tx, project_id, name);
    if (limit < 0 || used + wanted <= limit) return;
    const std::string n(name);
    if (spec_.style.dialect == Dialect::network) throw Error(Errc::over_quota, "Quota exceeded for resources: ['" + n + "'].", "OverQuota");
    throw Error(Errc::over_quota, "Quota exceeded for " + n + ": Requested " + std::to_string(wanted) + ", but already used " + std::to_string(used) +
                                      " of " + std::to_string(limit) + " " + n);
}

std::vector<std::string> Service::operations() const {
    std::vector<std::string> out;
    for (const auto& e : impl_->router.endpoints()) {
        out.push_back(std::string(e->route.method) + " " + std::string(e->route.path) + " " + std::string(e->route.policy));
        for (const Action& a : e->route.actions) out.push_back("ACTION " + std::string(a.key) + " " + std::string(a.policy));
    }
    return out;
}

}  // namespace pilvi::api
