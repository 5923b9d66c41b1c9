#include "service/service.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"

using namespace pilvi;
using namespace std::chrono_literals;

namespace {
constexpr Setting own[] = {
    {"listen.port", SettingKind::integer, "0", "TCP port.", 0, 65535},
    {"listen.address", SettingKind::text, "127.0.0.1", "Address."},
};
constexpr DaemonSpec spec{.name = "test", .description = "A daemon for a test.", .settings = own};

struct Echo final : http::Handler {
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
    http::Response handle(http::Request& r) override { return {.body = r.path}; }
    http::Response refuse(int status, std::string_view) override { return {.status = status}; }
};

void body(Daemon& daemon) {
    Echo echo;
    daemon.serve(echo);
    int reloads = 0;
    daemon.run({}, [&] { daemon.status("reloaded " + std::to_string(++reloads)); });
}

// A directory with a notify socket; a child process that runs daemon_main.
struct Child {
    std::string directory = (std::filesystem::temp_directory_path() / ("pilvi-service-" + new_hex_id())).string();
    UniqueFd notify{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}, out;
    pid_t pid = -1;

    explicit Child(std::vector<std::string> arguments, int listening = -1, std::function<void(Daemon&)> fn = body,
                   std::vector<Subcommand> subcommands = {}) {
        std::filesystem::create_directory(directory);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = directory + "/notify";
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(notify.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        timeval limit{120, 0};
        ::setsockopt(notify.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        std::cout.flush();
        pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            ::dup2(ends[1], 1);
            ::dup2(ends[1], 2);
            ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
            ::setenv("WATCHDOG_USEC", "400000", 1);
            ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
            if (listening >= 0) {
                ::dup2(listening, 3);
                ::setenv("LISTEN_FDS", "1", 1);
                ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
            }
            arguments.insert(arguments.begin(), "pilvi-test");
            std::vector<char*> argv;
            for (std::string& argument : arguments) argv.push_back(argument.data());
            argv.push_back(nullptr);
            const int status = daemon_main(static_cast<int>(argv.size()) - 1, argv.data(), spec, fn, subcommands);
            std::fflush(stdout);
            ::_exit(status);
        }
        ::close(ends[1]);
        out = UniqueFd(ends[0]);
    }
    ~Child() {
        if (pid > 0) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
        std::filesystem::remove_all(directory);
    }
    std::string note() const {
        char buffer[512];
        const ssize_t got = ::recv(notify.get(), buffer, sizeof buffer, 0);
        return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "nothing";
    }
    bool noted(std::string_view text) const {
        for (int i = 0; i < 200; ++i)
            if (note().find(text) != std::string::npos) return true;
        return false;
    }
    std::string line() const {
        std::string text;
        char c;
        while (::read(out.get(), &c, 1) == 1 && c != '\n') text += c;
        return text;
    }
    std::string all() const {
        std::string text;
        char c;
        while (::read(out.get(), &c, 1) == 1) text += c;
        return text;
    }
    int status() {
        int value = 0;
        ::waitpid(pid, &value, 0);
        pid = -1;
        return WIFEXITED(value) ? WEXITSTATUS(value) : 128 + WTERMSIG(value);
    }
};
}  // namespace

TEST_CASE("life of a daemon: port, READY, watchdog, reload, stop") {
    Child child({"--config", "/dev/null"});
    const std::string line = child.line();
    REQUIRE(line.starts_with("LISTENING "));
    CHECK(child.note() == "READY=1");
    http::Client client;
    CHECK(client.send({.url = "http://127.0.0.1:" + line.substr(10) + "/hello"}).body == "/hello");
    CHECK(child.noted("WATCHDOG=1"));
    ::kill(child.pid, SIGHUP);
    CHECK(child.noted("RELOADING=1"));
    CHECK(child.noted("STATUS=reloaded 1"));
    CHECK(child.noted("READY=1"));
    ::kill(child.pid, SIGTERM);
    CHECK(child.noted("STOPPING=1"));
    CHECK(child.status() == 0);
}

TEST_CASE("a start that takes long says so until it is done") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const UniqueFd from(ends[0]), to(ends[1]);
    Child child({"--config", "/dev/null"}, -1, [&from](Daemon& daemon) {
        {
            const SlowStart telling("migrating", std::chrono::milliseconds(5));
            char one;
            (void)!::read(from.get(), &one, 1);
        }
        daemon.run();
    });
    for (int i = 0; i < 3; ++i) CHECK(child.note() == "EXTEND_TIMEOUT_USEC=15000\nSTATUS=migrating");
    REQUIRE(::write(to.get(), "x", 1) == 1);
    std::string note;
    do note = child.note();
    while (note == "EXTEND_TIMEOUT_USEC=15000\nSTATUS=migrating");
    CHECK(note == "STATUS=");
    CHECK(child.note() == "READY=1");
}

TEST_CASE("systemd's socket is used where it is given") {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(fd.get(), 5) == 0);
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    Child child({"--config", "/dev/null"}, fd.get());
    CHECK(child.note() == "READY=1");
    http::Client client;
    CHECK(client.send({.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/x"}).body == "/x");
}

TEST_CASE("the command line") {
    SUBCASE("version") {
        Child child({"--version"});
        CHECK(child.line() == "pilvi-test " + std::string(version()));
        CHECK(child.status() == 0);
    }
    SUBCASE("defaults") {
        Child child({"--print-defaults"});
        const std::string text = child.all();
        CHECK(text.find("[listen]") != std::string::npos);
        CHECK(text.find("level = \"info\"") != std::string::npos);
        CHECK(child.status() == 0);
    }
    SUBCASE("check") {
        Child good({"--config", "/dev/null", "--set", "http.threads=8", "--check"});
        CHECK(good.status() == 0);
        Child bad({"--config", "/dev/null", "--set", "http.threads=0", "--check"});
        CHECK(bad.all() == "ERROR 'http.threads' must be at least 1 and at most 256\n");
        CHECK(bad.status() == 1);
        Child level({"--config", "/dev/null", "--set", "log.level=loud", "--check"});
        CHECK(level.status() == 1);
    }
    SUBCASE("nonsense") {
        Child child({"--frobnicate"});
        child.all();
        CHECK(child.status() == 2);
    }
    SUBCASE("an error in the body") {
        Child child({"--config", "/dev/null"}, -1, [](Daemon&) { throw Error(Errc::unavailable, "no database"); });
        CHECK(child.all() == "ERROR no database\n");
        CHECK(child.status() == 1);
    }
    SUBCASE("a port that is taken") {
        Echo echo;
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(fd.get(), 5) == 0);
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
        const std::string port = std::to_string(ntohs(address.sin_port));
        Child child({"--config", "/dev/null", "--set", "listen.port=" + port});
        CHECK(child.all() == "ERROR cannot listen on 127.0.0.1 port " + port + ": Address already in use\n");
        CHECK(child.status() == 1);
    }
    SUBCASE("subcommand") {
        static constexpr Argument table[] = {{"--region", "NAME", "The region."},
                                             {.name = "--url", .value = "URL", .help = "A URL.", .repeated = true},
                                             {"--system", "", "A flag."},
                                             {.name = "WHAT", .help = "What it is about.", .required = true}};
        const std::vector<Subcommand> commands{{{"bootstrap", "Makes things.", table}, [](const Config& config, const Arguments& arguments) {
                                                    std::printf("%s", config.text("log.level").c_str());
                                                    for (const std::string& word : arguments.words()) std::printf(" %s", word.c_str());
                                                    std::printf(" %s", arguments.text("--none", "else").c_str());
                                                    std::fflush(stdout);
                                                    return 7;
                                                }}};
        Child child({"--config", "/dev/null", "bootstrap", "--region", "RegionOne", "--url", "a=b", "--url=c", "x", "--system"}, -1, body, commands);
        CHECK(child.all() == "info --region=RegionOne --url=a=b --url=c --system x else");
        CHECK(child.status() == 7);
        for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{{"bootstrap"},
                                                                                         {"bootstrap", "x", "y"},
                                                                                         {"bootstrap", "x", "--what"},
                                                                                         {"bootstrap", "x", "--region"},
                                                                                         {"bootstrap", "x", "--region", "a", "--region", "b"}}) {
            Child refused(bad, -1, body, commands);
            refused.all();
            CHECK(refused.status() == 2);
            CHECK_THROWS_AS(parse_arguments(commands[0].usage, {bad.begin() + 1, bad.end()}), Error);
        }
        Child help({"--help-all"}, -1, body, commands);
        const std::string text = help.all();
        for (const Argument& argument : table) {
            CHECK(text.find(std::string(argument.name)) != std::string::npos);
            CHECK(text.find(std::string(argument.help)) != std::string::npos);
        }
        CHECK(help.status() == 0);
    }
}
