#pragma once
// One database session. Not thread-safe: leased to one transaction at a time.
//
// SOCI opens, keeps and closes the sessions; rows and parameters go through the driver's own handle (SOCI's session hands it out), because SOCI
// 4.0.3's dynamic rows take a column's type from its declaration (an INTEGER is read as 32 bits, an expression as text) and describe every
// statement anew, and prepared statements are kept per session here.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace pilvi::store {

class Connection {
public:
    virtual ~Connection() = default;
    virtual void begin(bool writing) = 0;
    // Error(internal) where the database rolled back instead.
    virtual void commit() = 0;
    virtual void rollback() noexcept = 0;
    // Runs one statement with `?` placeholders. Appends its rows to `rows` where that is given; returns the number of affected rows.
    virtual std::int64_t run(std::string_view sql, const Values& parameters, std::vector<Row>* rows) = 0;
    // Runs any number of statements without parameters.
    virtual void script(const std::string& sql) = 0;
    // False where the session is lost and has to be made anew.
    virtual bool usable() const = 0;
    // Held until the end of the transaction: one migration at a time, whatever process runs it.
    virtual void lock_migrations() = 0;
};

// Refuses what one of the two databases cannot store: Error(bad_request) for NUL characters and for text that is not UTF-8.
void check_text(const std::string& text);

struct Leased {
    std::size_t position = 0;
    Connection* connection = nullptr;
};

// The sessions of one store.
class Sessions {
public:
    virtual ~Sessions() = default;
    // Waits for a free session; Error(unavailable) after the busy timeout.
    virtual Leased lease(bool writing) = 0;
    virtual void give_back(const Leased& leased, bool writing) = 0;
    virtual bool is_postgresql() const = 0;
};

std::unique_ptr<Sessions> open_sqlite(const std::string& path, const StoreOptions& options);
std::unique_ptr<Sessions> open_postgresql(const std::string& conninfo, const StoreOptions& options);

// Brings the database to the last of `migrations`; what store.h says of Store::open.
void migrate(Store& store, std::span<const Migration> migrations);

// The transaction that is running in `tx`, for migrate().
Connection& connection_of(Tx& tx);

}  // namespace pilvi::store
