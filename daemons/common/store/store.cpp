#include "store/store.h"

#include <chrono>
#include <exception>
#include <random>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "store/connection.h"
#include "store/translate.h"

namespace pilvi {
namespace store {

void check_text(const std::string& text) {
    if (text.find('\0') != std::string::npos) throw Error(Errc::bad_request, "a text value holds a NUL character");
    if (!is_utf8(text)) translate(Fault::bad_text, {});
}

namespace {

// A transaction in which a statement failed can only be rolled back, to a savepoint or as a whole; so it is on PostgreSQL, and here on both.
class Transaction final : public Tx {
public:
    explicit Transaction(Connection& connection) : connection_(connection) {}

    std::vector<Row> query(std::string_view sql, const Values& parameters) override {
        std::vector<Row> rows;
        run(sql, parameters, &rows);
        return rows;
    }
    std::int64_t exec(std::string_view sql, const Values& parameters) override { return run(sql, parameters, nullptr); }

    void savepoint(const std::function<void()>& fn) override {
        refuse_if_failed();
        const std::string name = fmt::format("sp{}", ++savepoints_);
        connection_.script("SAVEPOINT " + name);
        const std::size_t hooks = hooks_.size();
        try {
            fn();
            refuse_if_failed();
        } catch (...) {
            hooks_.resize(hooks);
            if (!must_retry_ && connection_.usable()) {
                connection_.script(fmt::format("ROLLBACK TO SAVEPOINT {0}; RELEASE SAVEPOINT {0}", name));
                failed_ = false;
            }
            throw;
        }
        connection_.script("RELEASE SAVEPOINT " + name);
    }
    void after_commit(std::function<void()> fn) override { hooks_.push_back(std::move(fn)); }

    void refuse_if_failed() const {
        if (must_retry_) throw SerializationFailure();
        if (failed_) throw Error(Errc::internal, "a statement of this transaction failed before; a failure that is handled needs a savepoint");
    }
    Connection& connection() { return connection_; }
    std::vector<std::function<void()>>& hooks() { return hooks_; }

private:
    std::int64_t run(std::string_view sql, const Values& parameters, std::vector<Row>* rows) {
        refuse_if_failed();
        try {
            return connection_.run(sql, parameters, rows);
        } catch (const SerializationFailure&) {
            must_retry_ = failed_ = true;
            throw;
        } catch (...) {
            failed_ = true;
            throw;
        }
    }

    Connection& connection_;
    bool failed_ = false;
    bool must_retry_ = false;
    int savepoints_ = 0;
    std::vector<std::function<void()>> hooks_;
};

class Lease {
public:
    Lease(Sessions& sessions, bool writing) : sessions_(sessions), writing_(writing), leased_(sessions.lease(writing)) {}
    ~Lease() { sessions_.give_back(leased_, writing_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Connection& operator*() const { return *leased_.connection; }

private:
    Sessions& sessions_;
    bool writing_;
    Leased leased_;
};

// Refuses a write() of a store within one of the same: marks of the stores whose write() this thread is in, innermost first. A list of marks on the
// stack, because a store may be written to while the program ends, when what a thread owns is gone already.
class WritingMark {
public:
    WritingMark(const Store* store, bool writing) : store_(store), on_(writing) {
        if (!on_) return;
        for (const WritingMark* mark = innermost; mark; mark = mark->outer_)
            if (mark->store_ == store) throw Error(Errc::internal, "write() was called inside write() of the same store");
        outer_ = std::exchange(innermost, this);
    }
    ~WritingMark() {
        if (on_) innermost = outer_;
    }
    WritingMark(const WritingMark&) = delete;
    WritingMark& operator=(const WritingMark&) = delete;

private:
    static thread_local const WritingMark* innermost;
    const Store* store_;
    const WritingMark* outer_ = nullptr;
    bool on_;
};

thread_local const WritingMark* WritingMark::innermost = nullptr;

// A kept session turned out to be closed by the server; nothing was done yet.
struct LostBeforeStart : Disconnected {
    explicit LostBeforeStart(const Disconnected& error) : Disconnected(error) {}
};

class SessionStore final : public Store {
public:
    SessionStore(std::unique_ptr<Sessions> sessions, const StoreOptions& options)
        : sessions_(std::move(sessions)), patience_(options.busy_timeout_ms) {}
    bool is_postgresql() const override { return sessions_->is_postgresql(); }

protected:
    void transact(const std::function<void(Tx&)>& fn, bool writing) override {
        std::vector<std::function<void()>> hooks;
        const auto give_up = std::chrono::steady_clock::now() + patience_;
        for (int attempt = 0;; ++attempt) {
            try {
                hooks = once(fn, writing);
                break;
            } catch (const SerializationFailure&) {
                if (std::chrono::steady_clock::now() >= give_up) throw;
            } catch (const LostBeforeStart&) {
                if (attempt > 0) throw;
            }
            pause(attempt);
        }
        run_hooks(hooks);
    }

private:
    std::vector<std::function<void()>> once(const std::function<void(Tx&)>& fn, bool writing) {
        const WritingMark mark(this, writing);
        const Lease lease(*sessions_, writing);
        Connection& connection = *lease;
        try {
            connection.begin(writing);
        } catch (const Disconnected& error) {
            throw LostBeforeStart(error);
        }
        try {
            Transaction tx(connection);
            fn(tx);
            tx.refuse_if_failed();
            connection.commit();
            return std::move(tx.hooks());
        } catch (...) {
            connection.rollback();
            throw;
        }
    }

    static void pause(int attempt) {
        thread_local std::minstd_rand random(std::random_device{}());
        const int most = 1 << std::min(attempt, 6);
        std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(0, most * 1000)(random)));
    }

    // Every hook runs; the first exception of one is passed on after them.
    static void run_hooks(const std::vector<std::function<void()>>& hooks) {
        std::exception_ptr first;
        for (const auto& hook : hooks) {
            try {
                hook();
            } catch (...) {
                if (!first) first = std::current_exception();
            }
        }
        if (first) std::rethrow_exception(first);
    }

    std::unique_ptr<Sessions> sessions_;
    std::chrono::milliseconds patience_;
};

std::unique_ptr<Sessions> open_sessions(const std::string& url, const StoreOptions& options) {
    constexpr std::string_view sqlite = "sqlite:", postgresql = "postgresql:";
    if (url.starts_with(sqlite) && url.size() > sqlite.size()) {
        std::string path = url.substr(sqlite.size());
        if (path.starts_with("//")) path.erase(0, 2);
        if (path.find('"') != std::string::npos) throw Error(Errc::bad_request, "the path of a database cannot hold a quote");
        return open_sqlite(path, options);
    }
    if (url.starts_with("postgresql://")) return open_postgresql(url, options);
    if (url.starts_with(postgresql)) return open_postgresql(url.substr(postgresql.size()), options);
    throw Error(Errc::bad_request, "a database url is sqlite:/PATH or postgresql://USER:PASSWORD@HOST/DATABASE");
}

template <class Items>
std::pair<std::string, Values> insert_statement(std::string_view table, const Items& items) {
    std::string sql = "INSERT INTO " + quoted_identifier(table) + " (", marks;
    Values values;
    values.reserve(items.size());
    for (const auto& [name, value] : items) {
        sql += (values.empty() ? "" : ", ") + quoted_identifier(name);
        marks += values.empty() ? "?" : ", ?";
        values.push_back(value);
    }
    return {sql + ") VALUES (" + marks + ")", std::move(values)};
}

}  // namespace

Connection& connection_of(Tx& tx) { return static_cast<Transaction&>(tx).connection(); }

}  // namespace store

std::optional<Row> Tx::one(std::string_view sql, const Values& parameters) {
    std::vector<Row> rows = query(sql, parameters);
    return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}

Value Tx::scalar(std::string_view sql, const Values& parameters) {
    const std::vector<Row> rows = query(sql, parameters);
    return rows.empty() || rows.front().size() == 0 ? Value() : rows.front().at(0);
}

void Tx::insert(std::string_view table, std::initializer_list<std::pair<std::string_view, Value>> row) {
    const auto [sql, values] = store::insert_statement(table, row);
    exec(sql, values);
}

void Tx::insert(std::string_view table, const std::vector<std::pair<std::string, Value>>& row) {
    const auto [sql, values] = store::insert_statement(table, row);
    exec(sql, values);
}

std::int64_t Tx::update(std::string_view table, std::string_view id, const std::vector<std::pair<std::string, Value>>& row) {
    if (row.empty()) return scalar("SELECT COUNT(*) FROM " + store::quoted_identifier(table) + " WHERE id = ?", {id}).integer();
    std::string sql = "UPDATE " + store::quoted_identifier(table) + " SET ";
    Values values;
    for (const auto& [name, value] : row) {
        sql += (values.empty() ? "" : ", ") + store::quoted_identifier(name) + " = ?";
        values.push_back(value);
    }
    values.emplace_back(id);
    return exec(sql + " WHERE id = ?", values);
}

std::unique_ptr<Store> Store::open(const std::string& url, std::span<const Migration> migrations, StoreOptions options) {
    auto store = std::make_unique<store::SessionStore>(store::open_sessions(url, options), options);
    store::migrate(*store, migrations);
    return store;
}

}  // namespace pilvi
