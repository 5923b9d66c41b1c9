#include "resources/common.h"

#include <ctime>

#include <fmt/format.h>

#include "api/service.h"
#include "api/validate.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::placement {

ProviderRow provider_of(const Row& row) {
    return {.uuid = row.text("uuid"),
            .name = row.text("name"),
            .generation = row.integer("generation"),
            .parent = row["parent_uuid"].optional_text(),
            .root = row.text("root_uuid"),
            .created_at = row.integer("created_at"),
            .updated_at = row.integer("updated_at")};
}

std::optional<ProviderRow> find_provider(Tx& tx, std::string_view uuid) {
    const auto row = tx.one("SELECT * FROM resource_providers WHERE uuid = ?", {uuid});
    return row ? std::optional(provider_of(*row)) : std::nullopt;
}

ProviderRow load_provider(Tx& tx, std::string_view uuid) {
    if (auto provider = find_provider(tx, uuid)) return std::move(*provider);
    throw Error(Errc::not_found, fmt::format("No resource provider with uuid {} found", uuid));
}

ProviderRow load_provider(Tx& tx, std::string_view uuid, std::string_view between) {
    if (auto provider = find_provider(tx, uuid)) return std::move(*provider);
    throw Error(Errc::not_found, fmt::format("No resource provider with uuid {0} found{1}No resource provider with uuid {0} found", uuid, between));
}

void require_provider(const Call& call) {
    call.store().read([&](Tx& tx) { load_provider(tx, call.arg("uuid")); });
}

void check_generation(const ProviderRow& provider, std::int64_t given, const char* message) {
    if (provider.generation != given) throw Error(Errc::conflict, message, concurrent_update);
}

void bump_generation(Tx& tx, ProviderRow& provider) {
    provider.updated_at = now_micros();
    ++provider.generation;
    tx.exec("UPDATE resource_providers SET generation = ?, updated_at = ? WHERE uuid = ?", {provider.generation, provider.updated_at, provider.uuid});
}

void require_classes(Tx& tx, const Names& names, Errc code, const std::string& prefix) {
    if (names.empty()) return;
    Values values;
    append(values, names);
    Names known;
    for (const Row& row : tx.query("SELECT name FROM resource_classes WHERE name IN (" + marks(names.size()) + ")", values))
        known.insert(row.at(0).text());
    for (const std::string& name : names)
        if (!known.contains(name)) throw Error(code, fmt::format("{}No such resource class {}.", prefix, name));
}

void require_traits(Tx& tx, const Names& names, const std::string& prefix) {
    if (names.empty()) return;
    Values values;
    append(values, names);
    Names known;
    for (const Row& row : tx.query("SELECT name FROM traits WHERE name IN (" + marks(names.size()) + ")", values)) known.insert(row.at(0).text());
    for (const std::string& name : names)
        if (!known.contains(name)) throw Error(Errc::bad_request, fmt::format("{}No such trait(s): {}.", prefix, name));
}

std::string http_date(Micros at) {
    const std::time_t seconds = at / 1'000'000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    return text;
}

Reply answer(const Call& call, json::value body, std::optional<Micros> modified, int status) {
    Reply reply(std::move(body));
    reply.status = status;
    if (call.at_least(1, 15)) {
        if (modified) reply.headers.set("Last-Modified", http_date(*modified));
        reply.headers.set("Cache-Control", "no-cache");
    }
    return reply;
}

Reply no_content(const Call& call, int status, std::optional<Micros> modified) {
    Reply reply = Reply::with_status(status);
    if (modified && call.at_least(1, 15)) {
        reply.headers.set("Last-Modified", http_date(*modified));
        reply.headers.set("Cache-Control", "no-cache");
    }
    return reply;
}

void require_accept(const Call& call) {
    const std::string_view accept = call.request.headers.get("Accept");
    if (accept.empty()) return;
    for (const std::string& part : split(accept, ',')) {
        const std::string_view range = trim(std::string_view(part).substr(0, part.find(';')));
        if (range == "*/*" || equals_ignoring_case(range, "application/*") || equals_ignoring_case(range, "application/json")) return;
    }
    throw Error(Errc::not_acceptable, "Only application/json is provided");
}

void bad_query(const std::string& why, const char* code) { throw Error(Errc::bad_request, api::schema_failure(why), code); }

void check_parameters(const Call& call, std::initializer_list<Parameter> known) {
    for (const auto& [name, value] : call.query.items()) {
        const Parameter* match = nullptr;
        for (const Parameter& parameter : known)
            if (parameter.name == name && call.version >= parameter.since) match = &parameter;
        if (!match) bad_query(fmt::format("Invalid query string parameters: Additional properties are not allowed ('{}' was unexpected)", name));
        if (match->uuid && !is_uuid_like(value)) bad_query(fmt::format("Invalid query string parameters: '{}' is not a 'uuid'", value));
    }
}

std::string marks(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += i ? ", ?" : "?";
    return text;
}

void append(Values& values, const Names& names) { values.insert(values.end(), names.begin(), names.end()); }

std::string canonical_uuid(std::string_view text) {
    if (!is_uuid_like(text)) return std::string(text);
    std::string digits;
    for (const char c : lower(text))
        if (c != '-') digits += c;
    for (const std::size_t at : {8, 13, 18, 23}) digits.insert(at, "-");
    return digits;
}

bool is_name(std::string_view text) {
    if (text.empty() || text.size() > 255) return false;
    for (const char c : text)
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
    return true;
}

void invalid_json(const std::string& why, std::string_view where) {
    throw Error(Errc::bad_request, "JSON does not validate: " + api::schema_failure(why, where));
}

json::object validated(const Call& call, std::span<const api::Field> fields, const json::value& body, std::string_view where) {
    return api::validate(call.service.style(), fields, body, api::Purpose::any, api::Unknown::refuse, call.version, where);
}

}  // namespace pilvi::placement
