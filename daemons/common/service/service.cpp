#include "service/service.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <mutex>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "log/log.h"

#ifndef PILVI_VERSION
#define PILVI_VERSION "unknown"
#endif

namespace pilvi {
namespace {
constexpr Setting shared_settings[] = {
    {"log.level", SettingKind::text, "info", "Least severe level that is logged: debug, info, notice, warning or error."},
    {"node.identity", SettingKind::text, "/var/lib/pilvi/node/identity.pem",
     "This node's certificate and key for what daemons say to one another, made by pilvi-cluster or pilvi join; read again when it changes."},
    {"node.trust", SettingKind::text, "/var/lib/pilvi/node/trust.pem", "The cluster's CA and its list of revoked certificates."},
};
constexpr Setting http_settings[] = {
    {"listen.address", SettingKind::text, "0.0.0.0", "IP address to listen on; not used where systemd hands over the sockets."},
    {"listen.tls_certificate", SettingKind::text, "", "PEM certificate chain; with listen.tls_key, HTTPS is spoken."},
    {"listen.tls_key", SettingKind::text, "", "PEM private key of listen.tls_certificate."},
    {"http.threads", SettingKind::integer, "4", "Requests in work at a time.", 1, 256},
    {"http.queue", SettingKind::integer, "256", "Requests that may wait for a thread; more are answered 503.", 0, 65536},
};

std::vector<std::span<const Setting>> tables(const DaemonSpec& spec) {
    std::vector<std::span<const Setting>> out{shared_settings};
    if (spec.http) out.emplace_back(http_settings);
    out.push_back(spec.settings);
    return out;
}

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    return set;
}

std::uint64_t monotonic_micros() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}
}  // namespace

std::string_view version() { return PILVI_VERSION; }

struct Daemon::Impl {
    UniqueFd signals, wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::atomic<bool> stopping{false};
    std::unique_ptr<http::Server> server;
    std::vector<int> ports;
    std::chrono::microseconds watchdog{0};

    bool healthy(const std::function<bool()>& alive) const {
        return (!alive || alive()) && (!server || server->alive(std::chrono::duration_cast<std::chrono::milliseconds>(watchdog / 4)));
    }
};

Daemon::Daemon(const DaemonSpec& spec, Config config) : spec_(spec), config_(std::move(config)), impl_(std::make_unique<Impl>()) {
    // Before any thread starts: all of them inherit the mask, so the signals come to run() alone.
    const sigset_t set = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    impl_->signals = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    std::uint64_t interval = 0;
    if (sd_watchdog_enabled(0, &interval) > 0) impl_->watchdog = std::chrono::microseconds(interval);
}

Daemon::~Daemon() = default;

http::Server& Daemon::serve(http::Handler& handler) {
    http::ServerOptions options;
    options.threads = static_cast<int>(config_.integer("http.threads"));
    options.queue = static_cast<std::size_t>(config_.integer("http.queue"));
    const std::string certificate = config_.text("listen.tls_certificate"), key = config_.text("listen.tls_key");
    if (certificate.empty() != key.empty())
        throw Error(Errc::bad_request, "listen.tls_certificate and listen.tls_key are given together or not at all");
    if (!certificate.empty()) options.tls = http::TlsFiles{.certificate = certificate, .key = key};
    const std::string identity = config_.text("node.identity");
    options.nodes = http::TlsFiles{.certificate = identity, .key = identity, .client_ca = config_.text("node.trust")};
    impl_->server = std::make_unique<http::Server>(handler, options);
    const int given = sd_listen_fds(1);
    if (given < 0) throw Error(Errc::unavailable, std::string("LISTEN_FDS: ") + std::strerror(-given));
    for (int i = 0; i < given; ++i) impl_->server->adopt(UniqueFd(SD_LISTEN_FDS_START + i));
    if (given == 0) impl_->ports.push_back(impl_->server->listen(config_.text("listen.address"), static_cast<int>(config_.integer("listen.port"))));
    return *impl_->server;
}

void Daemon::run(const std::function<bool()>& alive, const std::function<void()>& reload) {
    if (impl_->server) impl_->server->start();
    for (const int port : impl_->ports) std::printf("LISTENING %d\n", port);
    std::fflush(stdout);
    sd_notify(0, "READY=1");
    log::info("started", {{"VERSION", version()}});
    const int interval = impl_->watchdog.count() > 0 ? static_cast<int>(std::max<std::int64_t>(impl_->watchdog.count() / 2000, 1)) : -1;
    auto fed = std::chrono::steady_clock::now() - std::chrono::hours(1);
    while (!impl_->stopping) {
        const auto now = std::chrono::steady_clock::now();
        if (interval > 0 && now - fed >= std::chrono::milliseconds(interval)) {
            if (impl_->healthy(alive)) sd_notify(0, "WATCHDOG=1");
            else log::error("the daemon does not answer its own probe; the watchdog will restart it");
            fed = now;
        }
        pollfd polled[] = {{impl_->signals.get(), POLLIN, 0}, {impl_->wake.get(), POLLIN, 0}};
        if (::poll(polled, 2, interval) < 0 && errno != EINTR) throw Error(Errc::internal, std::string("poll: ") + std::strerror(errno));
        signalfd_siginfo signal{};
        while (::read(impl_->signals.get(), &signal, sizeof signal) == sizeof signal) {
            if (signal.ssi_signo != SIGHUP) {
                impl_->stopping = true;
            } else if (reload) {
                sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_micros())).c_str());
                try {
                    reload();
                } catch (const std::exception& e) {
                    log::error(std::string("reload failed: ") + e.what() + "; going on as before");
                }
                sd_notify(0, "READY=1");
            }
        }
    }
    sd_notify(0, "STOPPING=1");
    log::info("stopping");
    if (impl_->server) impl_->server->stop();
}

void Daemon::stop() {
    impl_->stopping = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(impl_->wake.get(), &one, sizeof one);
}

bool Daemon::stopping() const { return impl_->stopping; }

void Daemon::status(std::string_view text) { sd_notify(0, ("STATUS=" + std::string(text)).c_str()); }

SlowStart::SlowStart(std::string what, std::chrono::milliseconds period)
    : telling_([what = std::move(what), period](const std::stop_token& stop) {
          // Three periods: a notice that comes late is no end.
          const std::string note = "EXTEND_TIMEOUT_USEC=" + std::to_string(3 * std::chrono::microseconds(period).count()) + "\nSTATUS=" + what;
          std::mutex mutex;
          std::condition_variable_any wakes;
          std::unique_lock lock(mutex);
          do sd_notify(0, note.c_str());
          while (!wakes.wait_for(lock, stop, period, [&stop] { return stop.stop_requested(); }));
          sd_notify(0, "STATUS=");
      }) {}

namespace {
struct GivenOptions {
    std::vector<std::string> files, assignments;
    bool check = false, print_defaults = false, show_version = false;
};

Config load(const DaemonSpec& spec, const GivenOptions& arguments) {
    Config config(tables(spec));
    if (arguments.files.empty()) config.load_standard(spec.name);
    for (const std::string& file : arguments.files) config.load_file(file);
    for (const std::string& assignment : arguments.assignments) {
        const std::size_t equals = assignment.find('=');
        if (equals == std::string::npos) throw Error(Errc::bad_request, "--set needs KEY=VALUE, not '" + assignment + "'");
        config.set(assignment.substr(0, equals), assignment.substr(equals + 1));
    }
    log::set_level(log::parse_level(config.text("log.level")));
    return config;
}
}  // namespace

int daemon_main(int argc, char** argv, const DaemonSpec& spec, const std::function<void(Daemon&)>& body, const std::vector<Subcommand>& subcommands) {
    ::mallopt(M_ARENA_MAX, 2);  // many threads that allocate little each: memory counts for more than contention
    CLI::App app{std::string(spec.description), "pilvi-" + std::string(spec.name)};
    GivenOptions arguments;
    app.add_option("--config", arguments.files, "TOML file instead of those in the standard places; may be repeated, later ones win")
        ->type_name("FILE")
        ->allow_extra_args(false);
    app.add_option("--set", arguments.assignments, "one setting, over the files; may be repeated")->type_name("KEY=VALUE")->allow_extra_args(false);
    app.add_flag("--check", arguments.check, "check the configuration and exit");
    app.add_flag("--print-defaults", arguments.print_defaults, "print every setting with its default and meaning, as TOML, and exit");
    app.add_flag("--version", arguments.show_version, "print the version and exit");
    app.set_help_all_flag("--help-all", "print the help of every command and exit");
    std::vector<CLI::App*> commands;
    for (const Subcommand& subcommand : subcommands) {
        commands.push_back(app.add_subcommand(std::string(subcommand.usage.name), std::string(subcommand.usage.help))->fallthrough(false));
        declare(*commands.back(), subcommand.usage.arguments);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        if (arguments.show_version) return std::printf("pilvi-%s %s\n", std::string(spec.name).c_str(), PILVI_VERSION) < 0;
        if (arguments.print_defaults) {
            std::fputs(Config(tables(spec)).defaults().c_str(), stdout);
            return 0;
        }
        Config config = load(spec, arguments);
        if (arguments.check) {
            if (spec.check) spec.check(config);
            std::printf("pilvi-%s: the configuration is valid\n", std::string(spec.name).c_str());
            return 0;
        }
        for (std::size_t i = 0; i < commands.size(); ++i)
            if (commands[i]->parsed()) return subcommands[i].run(config, arguments_of(*commands[i], subcommands[i].usage.arguments));
        Daemon daemon(spec, std::move(config));
        body(daemon);
        return 0;
    } catch (const std::exception& e) {
        log::error(e.what());
        return 1;
    }
}

}  // namespace pilvi
