#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "config/config.h"

using namespace pilvi;

namespace {
constexpr Setting shared[] = {
    {"log.level", SettingKind::text, "info", "Least level that is logged."},
    {"listen.port", SettingKind::integer, "0", "TCP port.", 0, 65535},
};
constexpr Setting own[] = {
    {"listen.port", SettingKind::integer, "9292", "TCP port.", 0, 65535},
    {"store.fsync", SettingKind::boolean, "true", "Sync images to the disk."},
    {"store.timeout", SettingKind::seconds, "2.5", "Time limit.", 0, 60},
    {"store.formats", SettingKind::list, "raw, qcow2", "Accepted formats."},
};

std::string message_of(const std::function<void()>& fn) {
    try {
        fn();
    } catch (const Error& e) {
        return e.message();
    }
    return "";
}

struct File {
    std::string path;
    explicit File(std::string_view content)
        : path((std::filesystem::temp_directory_path() / ("pilvi-config-" + std::to_string(::getpid()) + ".toml")).string()) {
        write_file(path, content);
    }
    ~File() { ::unlink(path.c_str()); }
};
}  // namespace

TEST_CASE("defaults; a later table wins") {
    const Config config({shared, own});
    CHECK(config.integer("listen.port") == 9292);
    CHECK(config.boolean("store.fsync"));
    CHECK(config.seconds("store.timeout").count() == 2500);
    CHECK(config.list("store.formats") == std::vector<std::string>{"raw", "qcow2"});
    CHECK_THROWS_AS(config.text("listen.port"), Error);
    CHECK_THROWS_AS(config.text("no.such"), Error);
}

TEST_CASE("a file overlays") {
    Config config({shared, own});
    const File file("[listen]\nport = 19292\n[store]\ntimeout = 4\nformats = [\"raw\"]\n[log]\nlevel = \"debug\"\n");
    config.load_file(file.path);
    CHECK(config.integer("listen.port") == 19292);
    CHECK(config.seconds("store.timeout").count() == 4000);
    CHECK(config.list("store.formats") == std::vector<std::string>{"raw"});
    CHECK(config.text("log.level") == "debug");
}

TEST_CASE("errors name file and line and change nothing") {
    Config config({shared, own});
    const auto load = [&](std::string_view text) {
        const File file(text);
        return std::pair(message_of([&] { config.load_file(file.path); }), file.path);
    };
    auto [message, path] = load("[listen]\nport = 1\nprot = 2\n");
    CHECK(message == path + ":3: unknown setting 'listen.prot'");
    CHECK(config.integer("listen.port") == 9292);
    std::tie(message, path) = load("[listen]\n\nport = \"x\"\n");
    CHECK(message == path + ":3: 'listen.port' must be an integer");
    std::tie(message, path) = load("[listen]\nport = 70000\n");
    CHECK(message == path + ":2: 'listen.port' must be at least 0 and at most 65535");
    std::tie(message, path) = load("[listen\n");
    CHECK(message.starts_with(path + ":1: "));
    CHECK_THROWS_AS(config.load_file("/no/such/file.toml"), Error);
}

TEST_CASE("set() takes text and checks it") {
    Config config({shared, own});
    config.set("store.fsync", "no");
    CHECK_FALSE(config.boolean("store.fsync"));
    config.set("store.formats", "vmdk");
    CHECK(config.list("store.formats") == std::vector<std::string>{"vmdk"});
    CHECK_THROWS_AS(config.set("store.fsync", "perhaps"), Error);
    CHECK_THROWS_AS(config.set("store.timeout", "61"), Error);
    CHECK_THROWS_AS(config.set("store.timeout", "nan"), Error);
    CHECK_THROWS_AS(config.set("nothing", "1"), Error);
}

TEST_CASE("the defaults are a file that loads") {
    Config config({shared, own});
    const std::string text = config.defaults();
    CHECK(text.find("# TCP port.\nport = 9292\n") != std::string::npos);
    CHECK(text.find("port = 0\n") == std::string::npos);
    CHECK(text.find("formats = [\"raw\", \"qcow2\"]") != std::string::npos);
    const File file(text);
    config.load_file(file.path);
    CHECK(config.integer("listen.port") == 9292);
}
