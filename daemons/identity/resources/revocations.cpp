// What was revoked: /v3/OS-REVOKE/events, the services' long poll for it, and what is left of PKI tokens.
#include "base/ids.h"
#include "base/text.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

Reply list_events(Call& call) {
    Values values;
    std::string condition;
    if (const auto since = call.query.get("since"); since && !since->empty()) {
        auto at = parse_iso8601(*since);
        if (!at) at = parse_iso8601(*since + "Z");
        if (!at) throw Error(Errc::bad_request, "invalidate date format " + since->substr(0, 100));
        values.emplace_back(*at);
        condition = " WHERE revoked_at >= ?";
    }
    return call.store().read([&](Tx& tx) -> Reply {
        json::array events;
        for (const Row& row : tx.query("SELECT event FROM revocation_events" + condition + " ORDER BY revoked_at, id", values))
            events.push_back(parse_json(row.at(0).text()));
        return json::object{{"events", std::move(events)},
                            {"links", {{"next", nullptr}, {"self", link(call, "OS-REVOKE/events")}, {"previous", nullptr}}}};
    });
}

// Parks a service's token validator until something may have been revoked (auth/revocations.h).
Reply listen(Call& call) {
    const std::string listener = call.query.get("listener").value_or("");
    if (!is_uuid_like(listener)) throw Error(Errc::bad_request, "Invalid input for field 'listener': an id of the listener's own.");
    const auto number = [&](std::string_view name) -> std::optional<std::int64_t> {
        const auto text = call.query.get(name);
        if (!text) return std::nullopt;
        const auto n = parse_integer(*text);
        if (!n || *n < 0) throw Error(Errc::bad_request, "Invalid input for field '" + std::string(name) + "': a number, not negative.");
        return n;
    };
    const std::int64_t wait = std::min<std::int64_t>(number("wait").value_or(0), 60);
    return Reply::from(app(call).revocations.answer(listener, number("revision"), std::chrono::seconds(wait)));
}

// Tokens are not stored, so there is no list of revoked ones; nor does a token depend on a certificate.
Reply list_revoked(Call&) { throw Error(Errc::forbidden, "You are not authorized to perform the requested action."); }
Reply no_certificates(Call&) { throw Error(Errc::gone, "This API is no longer available due to the removal of support for PKI tokens."); }

constexpr std::string_view service_or_admin = "rule:admin_required or rule:service_role";

constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v3/OS-REVOKE/events",
     .policy = "identity:list_revoke_events",
     .check = service_or_admin,
     .handler = &list_events,
     .scopes = system_or_project},
    {.method = "GET", .path = "/v3/OS-PILVI/revocations", .policy = "identity:listen_for_revocations", .check = service_or_admin, .handler = &listen},
    {.method = "GET", .path = "/v3/auth/tokens/OS-PKI/revoked", .handler = &list_revoked, .access = Access::open},
    {.method = "GET", .path = "/v3/OS-SIMPLE-CERT/ca", .handler = &no_certificates, .access = Access::open},
    {.method = "GET", .path = "/v3/OS-SIMPLE-CERT/certificates", .handler = &no_certificates, .access = Access::open},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> revocation_routes() { return routes; }

}  // namespace pilvi::identity
