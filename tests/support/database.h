#pragma once
// Which database a table of API cases runs on: PILVI_TEST_BACKEND=postgresql is the second round of the same tests.
#include <cstdlib>
#include <string>
#include <string_view>

#include "support/postgresql.h"
#include "support/temp_dir.h"

namespace pilvi::testing {

// The url of an empty database: SQLite in the test's directory, or a schema of its own on a PostgreSQL server that the program starts once.
inline std::string database_url(const TempDir& directory) {
    const char* backend = std::getenv("PILVI_TEST_BACKEND");
    if (!backend || std::string_view(backend) != "postgresql") return "sqlite:" + (directory / "test.sqlite");
    static test::PostgresqlServer server;
    return server.fresh();
}

}  // namespace pilvi::testing
