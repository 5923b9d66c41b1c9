#pragma once
// What the handlers of placement share: providers and their generation, answers with their microversioned headers, checks of requests.
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/resource.h"
#include "base/time.h"
#include "domain/candidates.h"
#include "store/store.h"

namespace pilvi::placement {

using api::Call;
using api::Reply;

// Codes of placement's errors (API reference, "Errors").
inline constexpr const char* concurrent_update = "placement.concurrent_update";
inline constexpr const char* inventory_in_use = "placement.inventory.inuse";
inline constexpr const char* duplicate_name = "placement.duplicate_name";
inline constexpr const char* provider_in_use = "placement.resource_provider.inuse";
inline constexpr const char* cannot_delete_parent = "placement.resource_provider.cannot_delete_parent";
inline constexpr const char* provider_not_found = "placement.resource_provider.not_found";
inline constexpr const char* duplicate_parameter = "placement.query.duplicate_key";
inline constexpr const char* bad_parameter = "placement.query.bad_value";
inline constexpr const char* missing_parameter = "placement.query.missing_value";

// Default checks of the policy rules.
inline constexpr std::string_view admin = "rule:system_admin_api";
inline constexpr std::string_view reader = "rule:system_reader_api";
inline constexpr std::string_view project_reader = "rule:system_or_project_reader";

struct ProviderRow {
    std::string uuid, name;
    std::int64_t generation = 0;
    std::optional<std::string> parent;
    std::string root;
    Micros created_at = 0, updated_at = 0;
};
ProviderRow provider_of(const Row& row);
std::optional<ProviderRow> find_provider(Tx& tx, std::string_view uuid);
// Error(not_found) in the original's words.
ProviderRow load_provider(Tx& tx, std::string_view uuid);
// The same with the words of most reads: "No resource provider with uuid X found<between>No resource provider with uuid X found".
ProviderRow load_provider(Tx& tx, std::string_view uuid, std::string_view between);
// The provider of the path exists: checked before the body is looked at.
void require_provider(const Call& call);
// Error(conflict) unless the caller's generation is the provider's.
void check_generation(const ProviderRow& provider, std::int64_t given, const char* message);
// One more, in the database and in `provider`.
void bump_generation(Tx& tx, ProviderRow& provider);

// Error(bad_request or not_found) naming the first of `names` that no row has.
void require_classes(Tx& tx, const Names& names, Errc code, const std::string& prefix);
void require_traits(Tx& tx, const Names& names, const std::string& prefix);

// 200 with the body; from 1.15 on with Cache-Control and, where there is a time, Last-Modified.
Reply answer(const Call& call, json::value body, std::optional<Micros> modified = now_micros(), int status = 200);
// 201 or 204 without a body.
Reply no_content(const Call& call, int status = 204, std::optional<Micros> modified = {});
std::string http_date(Micros at);  // RFC 9110 "Sun, 06 Nov 1994 08:49:37 GMT"

// Error(not_acceptable) where the caller does not accept JSON.
void require_accept(const Call& call);

// Parameters of a query string and since when they exist.
struct Parameter {
    std::string_view name;
    api::Version since = {1, 0};
    bool uuid = false;
};
// Error(bad_request) on any other parameter, and on one that is not a UUID where it should be.
void check_parameters(const Call& call, std::initializer_list<Parameter> known);
[[noreturn]] void bad_query(const std::string& why, const char* code = "");

// "?, ?, ?"
std::string marks(std::size_t count);
// Appends the texts as parameters.
void append(Values& values, const Names& names);
// 8-4-4-4-12 in lower case; the text itself where it is no UUID.
std::string canonical_uuid(std::string_view text);
// [A-Z0-9_]+, at most 255 characters.
bool is_name(std::string_view text);

// Error(bad_request) in jsonschema's words; `where` names the instance.
[[noreturn]] void invalid_json(const std::string& why, std::string_view where = {});
// The engine's validation against a field table; members in `body` that no field names are refused.
json::object validated(const Call& call, std::span<const api::Field> fields, const json::value& body, std::string_view where = {});

}  // namespace pilvi::placement
