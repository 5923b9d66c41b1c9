#include "store/translate.h"

#include <fmt/format.h>

#include "store/store.h"

namespace pilvi::store {
namespace {

// The values of SQLite's result codes that matter here (sqlite.org/rescode.html).
constexpr int sqlite_busy = 5, sqlite_locked = 6, sqlite_full = 13, sqlite_constraint = 19;
constexpr int sqlite_foreign_key = 787, sqlite_primary_key = 1555, sqlite_unique = 2067, sqlite_rowid = 2579;

}  // namespace

Fault classify_sqlite(int extended_code) {
    switch (extended_code) {
        case sqlite_unique:
        case sqlite_primary_key:
        case sqlite_rowid:
            return Fault::unique;
        case sqlite_foreign_key:
            return Fault::foreign_key;
        default:
            break;
    }
    switch (extended_code & 0xff) {
        case sqlite_busy:
        case sqlite_locked:
            return Fault::busy;
        case sqlite_full:
            return Fault::full;
        case sqlite_constraint:
        default:
            return Fault::other;
    }
}

Fault classify_sqlstate(std::string_view state) {
    if (state == "23505") return Fault::unique;
    if (state == "23503" || state == "23001") return Fault::foreign_key;
    if (state == "40001" || state == "40P01") return Fault::retry;
    if (state == "55P03") return Fault::busy;
    if (state == "22021" || state == "22P05") return Fault::bad_text;
    if (state.starts_with("53")) return Fault::full;
    if (state.empty() || state.starts_with("08") || state.starts_with("57P")) return Fault::disconnected;
    return Fault::other;
}

void translate(Fault fault, const std::string& message, const std::string& constraint) {
    switch (fault) {
        case Fault::unique:
            throw UniqueViolation(constraint);
        case Fault::foreign_key:
            throw ForeignKeyViolation();
        case Fault::retry:
            throw SerializationFailure();
        case Fault::busy:
            throw Error(Errc::unavailable, "the database is busy; try again");
        case Fault::full:
            throw Error(Errc::unavailable, "the database has no resources left: " + message);
        case Fault::disconnected:
            throw Disconnected(message);
        case Fault::bad_text:
            throw Error(Errc::bad_request, "a text value is not valid UTF-8");
        case Fault::other:
            break;
    }
    throw Error(Errc::internal, "the database refused a statement: " + message);
}

std::string numbered_placeholders(std::string_view sql) {
    std::string out;
    out.reserve(sql.size() + 16);
    int number = 0;
    for (std::size_t i = 0; i < sql.size(); ++i) {
        const char c = sql[i];
        std::size_t end = i;
        if (c == '\'' || c == '"') {
            end = sql.find(c, i + 1);
        } else if (sql.substr(i, 2) == "--") {
            end = sql.find('\n', i);
        } else if (c == '?') {
            out += fmt::format("${}", ++number);
            continue;
        }
        if (end == std::string_view::npos) end = sql.size() - 1;
        out += sql.substr(i, end - i + 1);
        i = end;
    }
    return out;
}

std::string quoted_identifier(std::string_view name) {
    bool sound = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
    for (const char c : name) sound = sound && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    if (!sound) throw Error(Errc::internal, fmt::format("'{}' is not a table's or column's name", name));
    return fmt::format("\"{}\"", name);
}

std::string checksum(std::string_view text) {
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return fmt::format("{:016x}", hash);
}

}  // namespace pilvi::store
