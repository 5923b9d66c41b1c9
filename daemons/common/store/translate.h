#pragma once
// What a database driver refused, as one of our errors: the only place that knows the drivers' codes.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pilvi::store {

enum class Fault { unique, foreign_key, retry, busy, full, disconnected, bad_text, other };

// SQLite's extended result code.
Fault classify_sqlite(int extended_code);
// PostgreSQL's five-character SQLSTATE; "" where the connection is lost.
Fault classify_sqlstate(std::string_view state);

// Throws what the contract in store.h says for `fault`. `constraint` is used for Fault::unique only.
[[noreturn]] void translate(Fault fault, const std::string& message, const std::string& constraint = {});

// Thrown for Fault::retry: the whole transaction is run again. Never leaves Store.
class SerializationFailure : public Error {
public:
    SerializationFailure() : Error(Errc::unavailable, "the database had to give up a concurrent transaction; try again") {}
};

// Thrown for Fault::disconnected.
class Disconnected : public Error {
public:
    explicit Disconnected(const std::string& message) : Error(Errc::unavailable, "the database cannot be reached: " + message) {}
};

// `?` outside of quotes and comments becomes $1, $2, ...
std::string numbered_placeholders(std::string_view sql);

// `name` in double quotes; Error(internal) unless it is [a-z_][a-z0-9_]*.
std::string quoted_identifier(std::string_view name);

// FNV-1a of `text`, 16 hexadecimal digits: tells an edited migration from the applied one.
std::string checksum(std::string_view text);

}  // namespace pilvi::store
