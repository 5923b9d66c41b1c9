#pragma once
// The daemon skeleton: command line, configuration, log, signals, sd_notify, watchdog, socket activation.
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "config/config.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "service/arguments.h"

namespace pilvi {

struct DaemonSpec {
    std::string_view name;              // "identity": the daemon is pilvi-identity
    std::string_view description;       // one line for --help
    std::span<const Setting> settings;  // the daemon's own, besides the shared ones
    bool http = true;                   // adds listen.* and http.* settings
    // --check: what is wrong beyond the settings themselves (files that they name), as an Error.
    void (*check)(const Config&) = nullptr;
};

// Shared settings (table in service.cpp): log.level, node.identity, node.trust; with http: listen.address ("0.0.0.0"), listen.port (required in the daemon's own table as
// "listen.port"), listen.tls_certificate, listen.tls_key, http.threads, http.queue.

class Daemon {
public:
    Daemon(const DaemonSpec& spec, Config config);
    ~Daemon();
    const Config& config() const { return config_; }
    metrics::Registry& metrics() { return metrics_; }
    const DaemonSpec& spec() const { return spec_; }

    // An HTTP server as configured: systemd's sockets where given (LISTEN_FDS), else listen.address:listen.port. Not started yet.
    // Port 0 picks one; the port is printed as "LISTENING <port>" on stdout when it serves (the tests read it).
    http::Server& serve(http::Handler& handler);

    // READY=1, then blocks until SIGTERM/SIGINT; feeds the watchdog while `alive()` (and the server's own probe) holds; SIGHUP calls `reload`.
    void run(const std::function<bool()>& alive = {}, const std::function<void()>& reload = {});
    // Asks run() to return, from any thread.
    void stop();
    bool stopping() const;
    void status(std::string_view text);  // STATUS= line

private:
    struct Impl;
    const DaemonSpec& spec_;
    Config config_;
    metrics::Registry metrics_;
    std::unique_ptr<Impl> impl_;
};

// While it lives, the daemon's start may take as long as it does: systemd is told at once and then every `period` that it goes on (EXTEND_TIMEOUT_USEC,
// sd_notify(3)), where it would end the daemon after the unit's TimeoutStartSec; STATUS says `what` it does.
class SlowStart {
public:
    explicit SlowStart(std::string what, std::chrono::milliseconds period = std::chrono::seconds(10));

private:
    std::jthread telling_;
};

// For what a start may need long for: the migration of a large database.
template <class Work>
auto slow_start(std::string what, Work&& work) {
    const SlowStart telling(std::move(what));
    return work();
}

// A subcommand besides running ("bootstrap"): gets what its table declares, returns the exit status.
struct Subcommand {
    Usage usage;
    std::function<int(const Config&, const Arguments&)> run;
};

// The whole of main(): parses --config/--set KEY=VALUE/--check/--print-defaults/--version, builds Daemon, calls `body`, maps Error to a message on
// stderr and exit status 1 (2 for a wrong command line).
int daemon_main(int argc, char** argv, const DaemonSpec& spec, const std::function<void(Daemon&)>& body,
                const std::vector<Subcommand>& subcommands = {});

std::string_view version();  // "0.1.0"

}  // namespace pilvi
