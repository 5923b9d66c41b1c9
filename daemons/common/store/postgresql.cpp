#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include <charconv>
#include <unordered_map>

#include <fmt/format.h>

#include "base/text.h"
#include "store/connection.h"
#include "store/translate.h"

namespace pilvi::store {
namespace {

constexpr std::size_t statement_limit = 256;
constexpr std::int64_t migration_lock = 0x70696c7669;  // the advisory lock's key: "pilvi"

struct ResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

// Object identifiers of the built-in types (pg_type.dat).
enum : Oid { oid_bool = 16, oid_int8 = 20, oid_int2 = 21, oid_int4 = 23, oid_float4 = 700, oid_float8 = 701, oid_numeric = 1700 };

Value value_of(Oid type, std::string_view text) {
    switch (type) {
        case oid_bool:
            return text == "t";
        case oid_int2:
        case oid_int4:
        case oid_int8:
        case oid_numeric: {
            std::int64_t integer = 0;
            const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), integer);
            if (failure == std::errc{} && end == text.data() + text.size()) return integer;
            return Value(text).number();
        }
        case oid_float4:
        case oid_float8:
            return Value(text).number();
        default:
            return text;
    }
}

class PostgresqlConnection final : public Connection {
public:
    PostgresqlConnection(soci::session& session, const std::string& conninfo, int busy_timeout_ms) : session_(session) {
        try {
            session_.open(soci::postgresql, conninfo);
        } catch (const soci::soci_error& error) {
            throw Disconnected(error.what());
        }
        handle_ = static_cast<soci::postgresql_session_backend*>(session_.get_backend())->conn_;
        PQsetNoticeProcessor(
            handle_, [](void*, const char*) {}, nullptr);
        script(fmt::format("SET client_encoding TO 'UTF8'; SET lock_timeout TO {}", busy_timeout_ms));
    }
    ~PostgresqlConnection() override { session_.close(); }

    void begin(bool writing) override { script(writing ? "BEGIN ISOLATION LEVEL SERIALIZABLE" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); }
    void commit() override {
        const Result result(PQexec(handle_, "COMMIT"));
        check(result.get());
        // A transaction that had failed before is rolled back by COMMIT, without an error.
        if (std::string_view(PQcmdStatus(result.get())) != "COMMIT") throw Error(Errc::internal, "a failed transaction cannot be committed");
    }
    void rollback() noexcept override {
        if (PQtransactionStatus(handle_) != PQTRANS_IDLE) Result(PQexec(handle_, "ROLLBACK"));
    }
    bool usable() const override { return PQstatus(handle_) == CONNECTION_OK; }
    void lock_migrations() override { script(fmt::format("SELECT pg_advisory_xact_lock({})", migration_lock)); }

    void script(const std::string& sql) override { check(Result(PQexec(handle_, sql.c_str())).get()); }

    std::int64_t run(std::string_view sql, const Values& parameters, std::vector<Row>* rows) override {
        const std::string& name = prepare(sql);
        std::vector<std::string> texts(parameters.size());
        std::vector<const char*> pointers(parameters.size(), nullptr);
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (parameters[i].is_null()) continue;
            texts[i] = parameters[i].text();
            check_text(texts[i]);
            pointers[i] = texts[i].c_str();
        }
        const Result result(PQexecPrepared(handle_, name.c_str(), static_cast<int>(pointers.size()), pointers.data(), nullptr, nullptr, 0));
        check(result.get());
        if (rows) append(result.get(), *rows);
        return parse_integer(PQcmdTuples(result.get())).value_or(0);
    }

private:
    const std::string& prepare(std::string_view sql) {
        key_.assign(sql);
        if (const auto found = statements_.find(key_); found != statements_.end()) return found->second;
        if (statements_.size() >= statement_limit) {
            script("DEALLOCATE ALL");
            statements_.clear();
        }
        const std::string name = fmt::format("s{}", ++number_);
        check(Result(PQprepare(handle_, name.c_str(), numbered_placeholders(sql).c_str(), 0, nullptr)).get());
        return statements_.emplace(key_, name).first->second;
    }

    static void append(const PGresult* result, std::vector<Row>& rows) {
        const int columns = PQnfields(result);
        auto names = std::make_shared<Columns>();
        for (int c = 0; c < columns; ++c) names->emplace_back(PQfname(result, c));
        const std::shared_ptr<const Columns> shared = std::move(names);
        rows.reserve(rows.size() + static_cast<std::size_t>(PQntuples(result)));
        for (int r = 0; r < PQntuples(result); ++r) {
            Values values;
            values.reserve(static_cast<std::size_t>(columns));
            for (int c = 0; c < columns; ++c) {
                if (PQgetisnull(result, r, c)) values.emplace_back();
                else values.push_back(value_of(PQftype(result, c), {PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c))}));
            }
            rows.emplace_back(shared, std::move(values));
        }
    }

    void check(const PGresult* result) const {
        const ExecStatusType status = result ? PQresultStatus(result) : PGRES_FATAL_ERROR;
        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return;
        const auto field = [&](int code) {
            const char* text = result ? PQresultErrorField(result, code) : nullptr;
            return std::string(text ? text : "");
        };
        std::string message = field(PG_DIAG_MESSAGE_PRIMARY);
        if (message.empty()) message = trim(PQerrorMessage(handle_));
        translate(classify_sqlstate(usable() ? field(PG_DIAG_SQLSTATE) : ""), message, field(PG_DIAG_CONSTRAINT_NAME));
    }

    soci::session& session_;
    PGconn* handle_ = nullptr;
    std::unordered_map<std::string, std::string> statements_;  // SQL -> the prepared statement's name
    std::string key_;
    std::uint64_t number_ = 0;
};

class PostgresqlSessions final : public Sessions {
public:
    PostgresqlSessions(std::string conninfo, const StoreOptions& options)
        : conninfo_(std::move(conninfo)),
          timeout_ms_(options.busy_timeout_ms),
          pool_(static_cast<std::size_t>(std::max(1, options.readers))),
          connections_(static_cast<std::size_t>(std::max(1, options.readers))) {}

    Leased lease(bool) override {
        std::size_t position = 0;
        if (!pool_.try_lease(position, timeout_ms_)) translate(Fault::busy, {});
        try {
            auto& connection = connections_[position];
            if (connection && !connection->usable()) connection.reset();
            if (!connection) connection = std::make_unique<PostgresqlConnection>(pool_.at(position), conninfo_, timeout_ms_);
        } catch (...) {
            pool_.give_back(position);
            throw;
        }
        return {position, connections_[position].get()};
    }
    void give_back(const Leased& leased, bool) override { pool_.give_back(leased.position); }
    bool is_postgresql() const override { return true; }

private:
    std::string conninfo_;
    int timeout_ms_;
    soci::connection_pool pool_;
    std::vector<std::unique_ptr<PostgresqlConnection>> connections_;
};

}  // namespace

// SOCI takes the text apart into KEY=VALUE words before libpq gets it, and adds a '=' to a last one that has none, as a plain url is. A parameter of ours at the end
// keeps all of it as it was.
std::unique_ptr<Sessions> open_postgresql(const std::string& conninfo, const StoreOptions& options) {
    const bool url = conninfo.starts_with("postgresql://");
    const char* separator = !url ? " " : conninfo.find('?') == std::string::npos ? "?" : "&";
    return std::make_unique<PostgresqlSessions>(conninfo + separator + "fallback_application_name=pilvi", options);
}

}  // namespace pilvi::store
