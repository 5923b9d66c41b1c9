#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <unordered_map>

#include <fmt/format.h>

#include "base/fd.h"
#include "store/connection.h"
#include "store/translate.h"

namespace pilvi::store {
namespace {

using namespace sqlite_api;

constexpr std::size_t statement_limit = 128;  // prepared statements kept per session

class SqliteConnection final : public Connection {
public:
    SqliteConnection(soci::session& session, const std::string& path, int busy_timeout_ms, bool writer) : session_(session) {
        try {
            session_.open(soci::sqlite3, fmt::format("db=\"{}\"", path));
        } catch (const soci::soci_error& error) {
            throw Error(Errc::unavailable, fmt::format("the database {} cannot be opened: {}", path, error.what()));
        }
        handle_ = static_cast<soci::sqlite3_session_backend*>(session_.get_backend())->conn_;
        sqlite3_extended_result_codes(handle_, 1);
        sqlite3_busy_timeout(handle_, busy_timeout_ms);
        script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA case_sensitive_like=ON; PRAGMA temp_store=MEMORY");
        if (!writer) script("PRAGMA query_only=ON");
    }
    ~SqliteConnection() override {
        forget_statements();
        session_.close();
    }

    // Kept statements like any other: parsing them anew would cost as much as a small query.
    void begin(bool writing) override { run(writing ? "BEGIN IMMEDIATE" : "BEGIN", {}, nullptr); }
    void commit() override { run("COMMIT", {}, nullptr); }
    void rollback() noexcept override {
        if (!sqlite3_get_autocommit(handle_)) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
    bool usable() const override { return true; }
    void lock_migrations() override {}  // BEGIN IMMEDIATE is that lock

    void script(const std::string& sql) override {
        if (const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK) raise(code);
    }

    std::int64_t run(std::string_view sql, const Values& parameters, std::vector<Row>* rows) override {
        Prepared& prepared = prepare(sql);
        struct Reset {
            sqlite3_stmt* statement;
            ~Reset() {
                sqlite3_reset(statement);
                sqlite3_clear_bindings(statement);
            }
        } reset{prepared.statement};
        bind(prepared.statement, parameters);
        int code = SQLITE_ROW;
        while ((code = sqlite3_step(prepared.statement)) == SQLITE_ROW)
            if (rows) rows->push_back(row(prepared));
        if (code != SQLITE_DONE) raise(code);
        return sqlite3_stmt_readonly(prepared.statement) ? 0 : sqlite3_changes(handle_);
    }

private:
    struct Prepared {
        sqlite3_stmt* statement = nullptr;
        std::shared_ptr<const Columns> columns;
    };

    Prepared& prepare(std::string_view sql) {
        key_.assign(sql);
        if (const auto found = statements_.find(key_); found != statements_.end()) return found->second;
        if (statements_.size() >= statement_limit) forget_statements();
        sqlite3_stmt* statement = nullptr;
        const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
        if (code != SQLITE_OK) raise(code);
        if (!statement) throw Error(Errc::internal, "an empty SQL statement");
        auto columns = std::make_shared<Columns>();
        for (int i = 0; i < sqlite3_column_count(statement); ++i) columns->emplace_back(sqlite3_column_name(statement, i));
        return statements_.emplace(key_, Prepared{statement, std::move(columns)}).first->second;
    }

    void bind(sqlite3_stmt* statement, const Values& parameters) {
        if (sqlite3_bind_parameter_count(statement) != static_cast<int>(parameters.size()))
            throw Error(Errc::internal, fmt::format("a statement with {} placeholders got {} parameters", sqlite3_bind_parameter_count(statement),
                                                    parameters.size()));
        int index = 0;
        for (const Value& value : parameters) {
            ++index;
            int code = SQLITE_OK;
            if (const auto* text = std::get_if<std::string>(&value.variant())) {
                check_text(*text);
                code = sqlite3_bind_text(statement, index, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
            } else if (const auto* integer = std::get_if<std::int64_t>(&value.variant())) {
                code = sqlite3_bind_int64(statement, index, *integer);
            } else if (const auto* number = std::get_if<double>(&value.variant())) {
                code = sqlite3_bind_double(statement, index, *number);
            } else {
                code = sqlite3_bind_null(statement, index);
            }
            if (code != SQLITE_OK) raise(code);
        }
    }

    static Row row(const Prepared& prepared) {
        Values values;
        const int count = static_cast<int>(prepared.columns->size());
        values.reserve(prepared.columns->size());
        for (int i = 0; i < count; ++i) {
            switch (sqlite3_column_type(prepared.statement, i)) {
                case SQLITE_INTEGER:
                    values.emplace_back(std::int64_t{sqlite3_column_int64(prepared.statement, i)});
                    break;
                case SQLITE_FLOAT:
                    values.emplace_back(sqlite3_column_double(prepared.statement, i));
                    break;
                case SQLITE_NULL:
                    values.emplace_back();
                    break;
                default: {
                    const auto* text = static_cast<const char*>(sqlite3_column_blob(prepared.statement, i));
                    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(prepared.statement, i));
                    values.emplace_back(text ? std::string(text, size) : std::string());
                }
            }
        }
        return {prepared.columns, std::move(values)};
    }

    void forget_statements() {
        for (auto& [sql, prepared] : statements_) sqlite3_finalize(prepared.statement);
        statements_.clear();
    }

    [[noreturn]] void raise(int code) {
        const std::string message = sqlite3_errmsg(handle_);
        // "UNIQUE constraint failed: table.column, table.column"
        const std::size_t colon = message.find(": ");
        translate(classify_sqlite(code), message, colon == std::string::npos ? message : message.substr(colon + 2));
    }

    soci::session& session_;
    sqlite3* handle_ = nullptr;
    std::unordered_map<std::string, Prepared> statements_;
    std::string key_;
};

// Makes the directory (0700) and the file (0600) where they are missing; SQLite gives its -wal and -shm files the mode of the file.
void make_file(const std::string& path) {
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    std::error_code failure;
    if (!directory.empty() && !std::filesystem::exists(directory, failure)) {
        std::filesystem::create_directories(directory, failure);
        if (failure) throw Error(Errc::unavailable, fmt::format("the directory {} cannot be made: {}", directory.string(), failure.message()));
        std::filesystem::permissions(directory, std::filesystem::perms::owner_all, failure);
    }
    // Only where it is new: closing a descriptor of a database that is open in this process would drop its locks.
    const UniqueFd made(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made && errno != EEXIST) throw Error(Errc::unavailable, fmt::format("the database {} cannot be made: {}", path, std::strerror(errno)));
}

// The one writer's turn. std::timed_mutex waits by pthread_mutex_clocklock, which the thread sanitizer of GCC 12 does not know of.
class Turn {
public:
    // False where nobody gave it back within the time.
    bool take(std::chrono::milliseconds limit) {
        std::unique_lock lock(mutex_);
        if (!free_.wait_for(lock, limit, [this] { return !taken_; })) return false;
        taken_ = true;
        return true;
    }
    void give_back() {
        const std::lock_guard lock(mutex_);
        taken_ = false;
        free_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable free_;
    bool taken_ = false;
};

// One writer, `readers` readers; readers are opened when they are first needed.
class SqliteSessions final : public Sessions {
public:
    SqliteSessions(std::string path, const StoreOptions& options)
        : path_(std::move(path)),
          timeout_ms_(options.busy_timeout_ms),
          pool_(static_cast<std::size_t>(std::max(1, options.readers))),
          readers_(static_cast<std::size_t>(std::max(1, options.readers))) {
        make_file(path_);
        writer_ = std::make_unique<SqliteConnection>(writer_session_, path_, timeout_ms_, true);
    }

    Leased lease(bool writing) override {
        if (writing) {
            if (!writing_.take(std::chrono::milliseconds(timeout_ms_))) translate(Fault::busy, {});
            return {0, writer_.get()};
        }
        std::size_t position = 0;
        if (!pool_.try_lease(position, timeout_ms_)) translate(Fault::busy, {});
        try {
            if (!readers_[position]) readers_[position] = std::make_unique<SqliteConnection>(pool_.at(position), path_, timeout_ms_, false);
        } catch (...) {
            pool_.give_back(position);
            throw;
        }
        return {position, readers_[position].get()};
    }
    void give_back(const Leased& leased, bool writing) override {
        if (writing) writing_.give_back();
        else pool_.give_back(leased.position);
    }
    bool is_postgresql() const override { return false; }

private:
    std::string path_;
    int timeout_ms_;
    Turn writing_;
    soci::session writer_session_;
    soci::connection_pool pool_;
    std::unique_ptr<SqliteConnection> writer_;
    std::vector<std::unique_ptr<SqliteConnection>> readers_;
};

}  // namespace

namespace {
// Process-wide, before the library is used: a session belongs to one thread at a time, so SQLite need not lock for every column that is read, nor
// count its memory under one lock of all threads. Where something else used SQLite before, its defaults stay, which are slower and as right.
void configure_library() {
    static const bool done = [] {
        sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        return true;
    }();
    static_cast<void>(done);
}
}  // namespace

std::unique_ptr<Sessions> open_sqlite(const std::string& path, const StoreOptions& options) {
    configure_library();
    return std::make_unique<SqliteSessions>(path, options);
}

}  // namespace pilvi::store
