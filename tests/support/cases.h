#pragma once
// API cases as tables: request -> status, headers, body. They run against a Service in this process, without sockets, through everything that a
// request passes (body limit, route, microversion, token, body check, policy, handler, envelope).
//
//     const Case cases[] = {
//         {.method = "POST", .path = "/v2.0/networks", .token = "member", .body = R"({"network": {"name": "n"}})", .status = 201,
//          .expect = R"({"network": {"id": "<uuid>", "name": "n", "shared": false}})", .save = {{"net", "network.id"}}},
//         {.method = "GET", .path = "/v2.0/networks/${net}", .token = "other", .status = 404,
//          .expect = R"({"NeutronError": {"type": "NetworkNotFound"}})"},
//     };
//     Cases(service).run(cases);
//
// ${name} in path, token, body, expect and header values is a saved value. `expect` is a subset: members that it does not name may be anything;
// an array must have the same number of items unless the expected one is {"<contains>": [...]} (each of these matches some item).
// Texts with a meaning in `expect`: "<any>" (there, not null), "<absent>" (no such member), "<uuid>", "<hex>" (32 digits), "<text>", "<number>",
// "<time>" (ISO 8601), "<bool>", "<object>", "<array>", "<matches:REGEX>".
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "http/http.h"
#include "identity/identity.h"

namespace pilvi::testing {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Case {
    std::string_view name = {};  // in a failure's message, besides method and path
    std::string_view method = "GET";
    std::string path;        // with query string
    std::string token = {};  // X-Auth-Token; "" = none. With Callers: a caller's name
    std::string body = {};   // "" = none; sent as application/json unless `headers` says otherwise
    int status = 200;
    std::string expect = {};    // JSON, see above; "" = not looked at
    std::string text = {};      // a part that the body's text must have
    Pairs headers = {};         // of the request
    Pairs answer_headers = {};  // of the response: equal, or any of the "<...>" texts
    Pairs save = {};            // variable <- dotted path into the body ("network.id", "ports.0.id"), or "header:NAME"
    bool empty = false;         // the response must have no body
};

class Cases {
public:
    explicit Cases(http::Handler& handler);  // silences the request log
    // Sends one request and checks the answer (doctest CHECKs). Returns the answer for what a table cannot say.
    http::Response run(const Case& c);
    void run(std::span<const Case> cases);
    // Variables, e.g. set before the first case.
    std::map<std::string, std::string, std::less<>> vars;
    // Sent with every request ("OpenStack-API-Version").
    http::Headers headers;

    // Policy matrix: a request and "caller:status caller:status ..."; "none" is no token. Setup and clean-up are the caller's business: a row
    // whose success changes something names fresh objects by a variable that `before` may set.
    struct Row {
        std::string_view method;
        std::string path;
        std::string body = {};
        std::string_view answers;
    };
    void matrix(std::span<const Row> rows);

private:
    http::Handler& handler_;
};

// nullopt where `actual` matches `expected` (the rules above), else what differs and where.
std::optional<std::string> mismatch(const json::value& expected, const json::value& actual, const std::string& where = "body");
// Text with every ${name} replaced; fails the test on an unknown name.
std::string substitute(std::string_view text, const std::map<std::string, std::string, std::less<>>& vars);

// An Authenticator whose tokens are the names of callers. A new one knows
//   admin    role admin (and manager, member, reader) in project "admin"    (project_id "${admin_project}")
//   member   roles member, reader in project "demo"
//   reader   role reader in project "demo"
//   manager  roles manager, member, reader in project "demo"
//   other    roles member, reader in project "other"
//   service  roles admin and service in project "service"
//   system   system scope, roles admin, member, reader
class Callers final : public Authenticator {
public:
    Callers();
    void add(const std::string& name, Context context) { contexts_[name] = std::move(context); }
    const Context& of(const std::string& name) const { return contexts_.at(name); }
    // Sets <name>_project and <name>_user for each caller.
    void export_to(Cases& cases) const;
    std::optional<Context> authenticate(std::string_view token, bool allow_expired = false) override;

private:
    std::map<std::string, Context, std::less<>> contexts_;
};

}  // namespace pilvi::testing
