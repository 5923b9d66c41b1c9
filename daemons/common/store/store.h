#pragma once
// SQL without a SQL library in sight: one transaction per read()/write() on a leased session. SQLite embedded or PostgreSQL, by URL.
// SQL is written in the common dialect (see store/dialect notes in README.md): BIGINT for every integer, TEXT, DOUBLE PRECISION, no ON CONFLICT
// tricks beyond "ON CONFLICT DO NOTHING / (cols) DO UPDATE", placeholders are `?`.
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace pilvi {

class Value {
public:
    Value() = default;  // NULL
    Value(std::nullptr_t) {}
    Value(std::nullopt_t) {}
    Value(bool v) : v_(std::int64_t{v}) {}
    Value(int v) : v_(std::int64_t{v}) {}
    Value(std::int64_t v) : v_(v) {}
    Value(double v) : v_(v) {}
    Value(std::string v) : v_(std::move(v)) {}
    Value(std::string_view v) : v_(std::string(v)) {}
    Value(const char* v) : v_(std::string(v)) {}
    template <class T>
    Value(const std::optional<T>& v) {
        if (v) *this = Value(*v);
    }

    bool is_null() const { return v_.index() == 0; }
    // Converted where that is exact (text "5" -> 5 too); Error(internal) otherwise. NULL is 0 / "" / false.
    std::int64_t integer() const;
    double number() const;
    std::string text() const;
    bool boolean() const { return integer() != 0; }
    std::optional<std::string> optional_text() const { return is_null() ? std::nullopt : std::optional(text()); }
    std::optional<std::int64_t> optional_integer() const { return is_null() ? std::nullopt : std::optional(integer()); }
    using Variant = std::variant<std::monostate, std::int64_t, double, std::string>;
    const Variant& variant() const { return v_; }

private:
    Variant v_;
};

using Values = std::vector<Value>;
using Columns = std::vector<std::string>;

class Row {
public:
    Row(std::shared_ptr<const Columns> columns, Values values) : columns_(std::move(columns)), values_(std::move(values)) {}
    const Value& operator[](std::string_view column) const;  // Error(internal) where the query did not select it
    const Value& at(std::size_t index) const { return values_.at(index); }
    bool has(std::string_view column) const;
    std::string text(std::string_view column) const { return (*this)[column].text(); }
    std::int64_t integer(std::string_view column) const { return (*this)[column].integer(); }
    bool boolean(std::string_view column) const { return (*this)[column].boolean(); }
    const Columns& columns() const { return *columns_; }
    std::size_t size() const { return values_.size(); }

private:
    std::shared_ptr<const Columns> columns_;
    Values values_;
};

// A UNIQUE or PRIMARY KEY constraint refused the write. `constraint` names the table and columns as far as the database tells
// (SQLite: "ports.mac_address, ports.network_id"; PostgreSQL: the constraint's name).
class UniqueViolation : public Error {
public:
    explicit UniqueViolation(std::string constraint)
        : Error(Errc::conflict, "a unique constraint was violated: " + constraint), constraint_(std::move(constraint)) {}
    const std::string& constraint() const { return constraint_; }

private:
    std::string constraint_;
};

class ForeignKeyViolation : public Error {
public:
    ForeignKeyViolation() : Error(Errc::conflict, "the object is referred to by, or refers to, another object") {}
};

class Tx {
public:
    virtual ~Tx() = default;
    virtual std::vector<Row> query(std::string_view sql, const Values& parameters = {}) = 0;
    // Affected rows.
    virtual std::int64_t exec(std::string_view sql, const Values& parameters = {}) = 0;
    // First row or nullopt.
    std::optional<Row> one(std::string_view sql, const Values& parameters = {});
    // First column of the first row; NULL where there is no row.
    Value scalar(std::string_view sql, const Values& parameters = {});
    // INSERT INTO table (columns) VALUES (...)
    void insert(std::string_view table, std::initializer_list<std::pair<std::string_view, Value>> row);
    void insert(std::string_view table, const std::vector<std::pair<std::string, Value>>& row);
    // UPDATE table SET ... WHERE id = ?; returns affected rows.
    std::int64_t update(std::string_view table, std::string_view id, const std::vector<std::pair<std::string, Value>>& row);
    // Runs `fn` inside a savepoint: a UniqueViolation in it rolls back to here and is rethrown, and the transaction goes on.
    virtual void savepoint(const std::function<void()>& fn) = 0;
    // Called once after this transaction is committed (never where it is rolled back), outside of it.
    virtual void after_commit(std::function<void()> fn) = 0;
};

struct Migration {
    int version;            // rising, gaps are allowed
    std::string_view name;  // "initial"
    std::string_view sql;   // statements separated by ";\n"
};

struct StoreOptions {
    int readers = 4;               // sessions for read(); PostgreSQL: pool size
    int busy_timeout_ms = 10'000;  // waiting for the writer
};

class Store {
public:
    // "sqlite:/path/file.sqlite" | "postgresql://user:password@host/database" or "postgresql:dbname=... host=..."
    // Applies missing migrations in one transaction each; Error(unsupported) where the database is newer than the table.
    static std::unique_ptr<Store> open(const std::string& url, std::span<const Migration> migrations, StoreOptions options = {});
    virtual ~Store() = default;

    // Runs `fn` in a read transaction (a consistent snapshot). May run concurrently.
    template <class F>
    auto read(F&& fn) {
        return run<F>(std::forward<F>(fn), false);
    }
    // Runs `fn` in a write transaction; commits when it returns, rolls back when it throws. PostgreSQL: serializable, run again on a
    // serialization failure, so `fn` has no effect besides the transaction. Acknowledged means on the disk.
    template <class F>
    auto write(F&& fn) {
        return run<F>(std::forward<F>(fn), true);
    }
    virtual bool is_postgresql() const = 0;

protected:
    virtual void transact(const std::function<void(Tx&)>& fn, bool writing) = 0;

private:
    template <class F>
    auto run(F&& fn, bool writing) {
        using Result = std::invoke_result_t<F, Tx&>;
        if constexpr (std::is_void_v<Result>) {
            transact([&](Tx& tx) { fn(tx); }, writing);
        } else {
            std::optional<Result> result;
            transact([&](Tx& tx) { result.emplace(fn(tx)); }, writing);
            return std::move(*result);
        }
    }
};

}  // namespace pilvi
