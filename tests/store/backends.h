#pragma once
// The two backends that every case of the contract runs on.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "store/store.h"
#include "support/postgresql.h"

namespace pilvi::test {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/pilvi-store-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

struct Sqlite {
    TemporaryDirectory directory;
    std::string url = "sqlite:" + directory.path() + "/state/test.sqlite";
    static constexpr bool postgresql = false;
};

PostgresqlServer& postgresql_server();  // one for the whole program

struct Postgresql {
    std::string url = postgresql_server().fresh();
    static constexpr bool postgresql = true;
};

inline constexpr Migration things[] = {
    {1, "initial",
     "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT UNIQUE, size BIGINT, ratio DOUBLE PRECISION, \"order\" BIGINT);\n"
     "-- a comment; with a semicolon\n"
     "CREATE TABLE parts (id TEXT PRIMARY KEY, thing_id TEXT NOT NULL REFERENCES things(id), slot BIGINT NOT NULL, UNIQUE (thing_id, slot));\n"
     "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);\n"},
};

#define BOTH_BACKENDS(name) TEST_CASE_TEMPLATE(name, Backend, pilvi::test::Sqlite, pilvi::test::Postgresql)

}  // namespace pilvi::test
