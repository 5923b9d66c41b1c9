#pragma once
// Declarations: routes, actions and resources as constexpr tables of plain structs. One .cpp per resource; the engine derives the rest.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/field.h"
#include "api/policy.h"

namespace pilvi::api {

enum class Access : std::uint8_t { token, open };  // open: no token is looked at

// A member of an action body: POST .../action {"reboot": {...}}.
struct Action {
    std::string_view key;
    std::string_view policy;
    std::string_view check;     // default of the policy rule
    Handler handler = nullptr;  // Call::body is the member's value (an object; {} where it was null or a scalar, see Call::raw)
    std::span<const Field> fields = {};
    int status = 202;
    Version since = {};
    Version until = {};
    bool any_value = false;  // null, text or anything goes as the member's value
};

// One operation that is not derived from a Resource.
struct Route {
    std::string_view method;
    std::string_view path;         // "/v2.1/servers/{id}/action"; a last segment "{name*}" takes the rest
    std::string_view policy = {};  // rule name; must be there unless access is open
    std::string_view check = {};   // default check of that rule
    Handler handler = nullptr;
    int status = 200;
    std::string_view wrapper = {};  // the body's only key ("server"); "" = the body itself
    std::span<const Field> body = {};
    bool json_body = false;        // a JSON body is expected (also set by wrapper/body/actions); without it a body is ignored
    bool any_body = false;         // JSON of any shape: Call::raw, no validation
    bool extra = false;            // unknown members are accepted
    bool stream = false;           // Call::request.stream, no JSON
    std::uint64_t body_limit = 0;  // bytes; 0: 1 MiB (logged-out: 64 KiB)
    std::span<const Action> actions = {};
    Access access = Access::token;
    Version since = {};
    Version until = {};
    std::span<const Field> query = {};  // with style.strict_query: the parameters that are allowed, and their types
    // What the policy check is about, beyond the caller's own project and user: adds members (the path's parameters are there already). Runs in a
    // read transaction before the handler. Without it the check sees {project_id, user_id, domain_id} of the caller.
    void (*target)(Call&, Tx&, json::object& target) = nullptr;
    unsigned scopes = any_scope;  // of tokens (Scopes)
};

enum class Verb : std::uint8_t { list, show, create, update, remove };
constexpr unsigned bit(Verb verb) { return 1u << static_cast<unsigned>(verb); }
inline constexpr unsigned item_verbs = bit(Verb::show) | bit(Verb::update) | bit(Verb::remove);

struct Operation {
    Verb verb;
    std::string_view policy;
    std::string_view check;
    int status = 0;                // 0: 200, 201 for create, 204 for remove
    std::string_view method = {};  // default: GET/GET/POST/PUT/DELETE; update may be "PATCH"; create may be "PUT": at path + "/{id}", that is the id
    unsigned scopes = any_scope;   // of tokens (Scopes), narrower than the resource's
    // The rule, with the same default check, of rows that Hooks::is_other tells from the rest (identity: roles of a domain).
    std::string_view other_policy = {};
};

struct Resource;

// Hooks. `row` maps field names to JSON values, computed fields included. All may throw Error.
struct Hooks {
    // Before any operation and outside of its transaction: what must be there before it can be read.
    void (*prepare)(Call&) = nullptr;
    // Inside the transaction, before an insert (before == nullptr) or update: check, allocate, fill. `row` is what will be written.
    void (*before_write)(Call&, Tx&, json::object& row, const json::object* before) = nullptr;
    // Inside the transaction, after the row is written.
    void (*after_write)(Call&, Tx&, const json::object& row, const json::object* before) = nullptr;
    void (*before_remove)(Call&, Tx&, const json::object& row) = nullptr;
    void (*after_remove)(Call&, Tx&, const json::object& row) = nullptr;
    // Completes rows for the answer, all of a list at once (no query per row). The rows' values live as long as the call of the hook's verb.
    // A list of a resource without it is written straight from the database's rows.
    void (*view)(Call&, Tx&, std::span<json::object> rows) = nullptr;
    // SQL condition over the table (alias t) of what the caller may see, with its parameters appended; "" = everything.
    // Default: admin sees everything, others where the scope column equals their project.
    std::string (*visible)(const Call&, Values& parameters) = nullptr;
    // Extra list filter: consumes a query parameter that is not a field; returns an SQL condition with parameters, or "" for "not mine".
    std::string (*filter)(const Call&, std::string_view name, const std::vector<std::string>& values, Values& parameters) = nullptr;
    // The target for policy checks beyond the row itself (e.g. the owner of the parent object). Adds members.
    void (*target)(Call&, Tx&, const json::object& row, json::object& target) = nullptr;
    // Whether Operation::other_policy decides. For a list the row is empty.
    bool (*is_other)(const Call&, const json::object& row) = nullptr;
};

struct Resource {
    std::string_view name;    // "floatingip": the wrapper key
    std::string_view plural;  // "floatingips"
    std::string_view path;    // "/v2.0/floatingips"; items are at path + "/{id}"
    std::string_view table;
    std::span<const Field> fields;  // the first is the id
    std::span<const Operation> operations;
    Hooks hooks = {};
    std::string_view title = {};            // in messages: "Network"; default name
    std::string_view missing = {};          // words of a 404 where the dialect's do not fit, {} for the id: "Security group {} does not exist"
    std::string_view scope = "project_id";  // field that owns a row; "" = not owned
    std::string_view quota = {};            // name of the quota that a create counts against
    bool bulk = false;                      // create takes {"<plural>": [...]} too
    bool hex_id = false;                    // ids of 32 hexadecimal digits (identity)
    bool client_id = false;                 // the create body may carry the id
    bool strict = false;                    // members that no field names are refused, whatever the style says
    bool checks_update = false;             // an update's body has a member, and names no other id than the path
    bool timestamps = false;                // created_at, updated_at columns (BIGINT, microseconds), shown as ISO 8601
    bool revision = false;                  // revision_number column, If-Match
    std::string_view extra_column = {};     // TEXT column holding unknown members as JSON (style.unknown == keep)
    std::string_view order = {};            // default sort field; "" = id
    unsigned scopes = any_scope;            // of tokens (Scopes), for all operations
    // Verbs (or-ed bit()) that answer 403 where there is no such row to who would not have seen any; the others answer 404 to everybody.
    unsigned hides = 0;
    Version since = {};
};

// Refuses an unsound table at compile time: an operation without policy or check, a duplicate field, required with a default, ...
consteval bool sound(const Resource& r) {
    if (r.fields.empty() || r.operations.empty()) throw "a resource needs fields and operations";
    for (const Operation& o : r.operations)
        if (o.policy.empty() || o.check.empty()) throw "an operation without a policy";
    for (const Operation& o : r.operations)
        if (!o.other_policy.empty() && !r.hooks.is_other) throw "a rule that nothing chooses";
    for (std::size_t i = 0; i < r.fields.size(); ++i) {
        const Field& f = r.fields[i];
        for (const std::string_view name : {f.name, f.alias})
            for (const char c : name)
                if (c < ' ' || c == '"' || c == '\\') throw "a name that JSON would escape";
        if ((f.use & required) && !f.fallback.empty()) throw "a required field with a default";
        if ((f.use & secret) && (f.use & show)) throw "a secret field that is shown";
        if ((f.use & computed) && (f.use & sort)) throw "sorting by a field without a column";
        if (f.since && f.until && f.until < f.since) throw "an empty version range";
        for (std::size_t k = i + 1; k < r.fields.size(); ++k)
            if (r.fields[k].name == f.name && !(f.until && r.fields[k].since)) throw "a duplicate field";
    }
    return true;
}
consteval bool sound(std::span<const Route> routes) {
    for (const Route& r : routes) {
        if (!r.handler && r.actions.empty()) throw "a route without a handler";
        if (r.access == Access::token && r.actions.empty() && (r.policy.empty() || r.check.empty())) throw "a route without a policy";
        for (const Action& a : r.actions)
            if (a.policy.empty() || a.check.empty() || !a.handler) throw "an action without a policy or handler";
    }
    return true;
}

// Engine verbs, for routes and other resources that build on them.
// The row by id that the caller may see; Error(not_found) in the style's words.
json::object load(Call& call, Tx& tx, const Resource& resource, std::string_view id);
// Any row by id, whoever asks; nullopt where there is none.
std::optional<json::object> find_row(Tx& tx, const Resource& resource, std::string_view id);
// Database row -> field values, and back (only the fields present in `row`). With a `storage` the values live there.
json::object row_to_object(const Resource& resource, const Row& row, const json::storage_ptr& storage = {});
std::vector<std::pair<std::string, Value>> object_to_columns(const Resource& resource, const json::object& row);
Value to_column(const Field& field, const json::value& value);
json::value from_column(const Field& field, const Value& value, const json::storage_ptr& storage = {});
// "t.col1, t.col2" of every stored field, timestamps and revision included.
std::string select_columns(const Resource& resource);
// A row for the answer: only shown fields, read checks applied, aliases added, version range respected, `fields` selection of the query.
json::object render(Call& call, const Resource& resource, const json::object& row);
// Inserts a row with defaults, id, timestamps; runs quota and hooks. For routes that create on their own. Returns the written row.
json::object insert_row(Call& call, Tx& tx, const Resource& resource, json::object row);
// Writes what differs from `before`, with hooks, updated_at and revision_number.
void update_row(Call& call, Tx& tx, const Resource& resource, json::object row, const json::object& before);
// Deletes the row with its hooks.
void remove_row(Call& call, Tx& tx, const Resource& resource, const json::object& row);

}  // namespace pilvi::api
