#include "deploy/deploy.h"

#include <fmt/format.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/route.h"
#include "base/text.h"

namespace pilvi::cli {
namespace {

constexpr auto ready_limit = std::chrono::seconds(300);
constexpr std::size_t parallel = 16;

std::string own_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

// Whether the name or address is one of this machine's.
bool is_here(const std::string& host) {
    if (host == "localhost" || host == own_name()) return true;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, nullptr, &found) != 0) return false;
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
    char wanted[NI_MAXHOST] = "", mine[NI_MAXHOST] = "";
    ::getnameinfo(found->ai_addr, found->ai_addrlen, wanted, sizeof wanted, nullptr, 0, NI_NUMERICHOST);
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return false;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(all, ::freeifaddrs);
    for (const ifaddrs* at = all; at; at = at->ifa_next) {
        if (!at->ifa_addr || (at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6)) continue;
        const socklen_t size = at->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
        if (::getnameinfo(at->ifa_addr, size, mine, sizeof mine, nullptr, 0, NI_NUMERICHOST) == 0 && std::string_view(mine) == wanted) return true;
    }
    return false;
}

// One log for everything; lines on the terminal for what a person wants to know. Thread-safe.
class Journal {
public:
    explicit Journal(const std::string& path) : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), path_(path) {
        if (!file_) throw Error(Errc::unavailable, "cannot write the log " + path);
    }
    void say(const std::string& host, const std::string& text) {
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
        const std::string line = fmt::format("{:6.1f} s  {}: {}\n", seconds, host, text);
        const std::lock_guard lock(mutex_);
        std::fputs(line.c_str(), stdout);
        std::fflush(stdout);
        append(line);
    }
    void note(const std::string& host, const std::string& text) {
        const std::lock_guard lock(mutex_);
        for (const std::string& line : split(text, '\n', false)) append(fmt::format("          {}: {}\n", host, line));
    }
    const std::string& path() const { return path_; }

private:
    void append(const std::string& line) { [[maybe_unused]] const auto written = ::write(file_.get(), line.data(), line.size()); }
    UniqueFd file_;
    std::string path_;
    std::mutex mutex_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

class Run {
public:
    Run(CommandRunner& runner, Deployment deployment, const DeployOptions& options)
        : deployment_(std::move(deployment)), journal_(options.dry_run ? "/dev/null" : options.log) {
        for (const Deployment::Host& host : deployment_.hosts)
            machines_.emplace(host.name, Machine(runner, host.name, is_here(host.name), options.ssh_user, deployment_.ssh_key));
    }

    void look() {
        each(deployment_.hosts, [&](const Deployment::Host& host) {
            Look look;
            try {
                const CommandResult answer = call(host.name, {"pilvi", "node", "facts", deployment_.hosts.front().name});
                if (answer.status == 0) look.facts = facts_from(answer.out);
                else look.failure = reason_of(answer);
            } catch (const Error& error) {
                look.failure = error.message();
            }
            const std::lock_guard lock(mutex_);
            looks_[host.name] = std::move(look);
        });
    }

    // False where something must be mended first.
    bool examine() {
        bool good = true;
        for (const Trouble& trouble : preflight(deployment_, looks_, now_micros())) {
            good = good && !trouble.fatal;
            journal_.say(trouble.host, fmt::format("{}: {}. {}", trouble.fatal ? "in the way" : "note", trouble.reason, trouble.remedy));
        }
        return good;
    }

    int show() {
        for (const Step& step : plan(deployment_, looks_)) std::printf("%s: %s\n", step.host.c_str(), step.text.c_str());
        return 0;
    }

    bool carry_out() {
        const std::string& controller = deployment_.hosts.front().name;
        std::map<std::string, std::vector<Step>> steps;
        for (Step& step : plan(deployment_, looks_)) steps[step.kind == Step::Kind::wait_until_ready ? "" : step.host].push_back(std::move(step));
        if (!all_of(steps[controller])) return false;
        std::vector<std::vector<Step>> others;
        for (auto& [host, list] : steps)
            if (!host.empty() && host != controller) others.push_back(std::move(list));
        std::atomic<bool> good{true};
        each(others, [&](const std::vector<Step>& list) {
            if (!all_of(list)) good = false;
        });
        return good && all_of(steps[""]);
    }

    const std::string& log() const { return journal_.path(); }

private:
    template <class T, class F>
    static void each(const std::vector<T>& items, F work) {
        std::atomic<std::size_t> next{0};
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < std::min(parallel, items.size()); ++i)
            threads.emplace_back([&] {
                for (std::size_t at = next++; at < items.size(); at = next++) work(items[at]);
            });
        for (std::thread& thread : threads) thread.join();
    }

    static std::string reason_of(const CommandResult& result) {
        const std::vector<std::string> lines = split(trim(result.err.empty() ? result.out : result.err), '\n', false);
        return lines.empty() ? fmt::format("ended with status {}", result.status) : lines.back();
    }

    CommandResult call(const std::string& host, const std::vector<std::string>& argv, const std::string& input = {},
                       std::chrono::seconds limit = std::chrono::seconds(60)) {
        journal_.note(host, "$ " + join(argv, " "));
        CommandResult result = machines_.at(host).run(argv, input, limit);
        // What makes a token prints a secret.
        const bool secret = argv.size() > 1 && argv[1] == "token";
        journal_.note(host, (secret ? "" : result.out) + result.err);
        if (result.status != 0) journal_.note(host, fmt::format("status {}", result.status));
        return result;
    }

    std::string need(const std::string& host, const std::vector<std::string>& argv, const std::string& input = {},
                     std::chrono::seconds limit = std::chrono::seconds(60)) {
        const CommandResult result = call(host, argv, input, limit);
        if (result.status != 0) throw Error(Errc::internal, fmt::format("{}: {}", argv[0], reason_of(result)));
        return result.out;
    }

    bool all_of(const std::vector<Step>& steps) {
        for (const Step& step : steps) {
            try {
                if (take(step)) journal_.say(step.host, step.text);
                else journal_.note(step.host, "so already: " + step.text);
            } catch (const Error& error) {
                journal_.say(step.host, fmt::format("failed: {}: {}", step.text, error.message()));
                return false;
            }
        }
        return true;
    }

    // False where it was so already.
    bool take(const Step& step) {
        switch (step.kind) {
            case Step::Kind::file:
            case Step::Kind::secret:
                return write(step);
            case Step::Kind::bridge:
                need(step.host, {"ovs-vsctl", "--may-exist", "add-br", step.path, "--", "--may-exist", "add-port", step.path, step.content});
                return true;
            case Step::Kind::roles: {
                std::vector<std::string> argv{"pilvi", "role", "add"};
                argv.insert(argv.end(), step.roles.begin(), step.roles.end());
                need(step.host, argv, "", ready_limit);
                return true;
            }
            case Step::Kind::bootstrap:
                if (!changed_) return false;
                need(step.host, {"pilvi", "identity", "bootstrap"}, "", ready_limit);
                return true;
            case Step::Kind::wait_for_cluster:
                return wait({"pilvi", "token", "list"}, step.host);
            case Step::Kind::join: {
                const std::string& controller = deployment_.hosts.front().name;
                const std::string token = need(controller, {"pilvi", "token", "create", "--role", join(step.roles, ",")});
                need(step.host, {"pilvi", "join", controller, "-"}, token, ready_limit);
                return true;
            }
            case Step::Kind::wait_until_ready:
                need(step.host, {"pilvi", "status", "--wait", "240"}, "", ready_limit);
                return true;
        }
        return false;
    }

    bool write(const Step& step) {
        if (const CommandResult now = machines_.at(step.host).run({"cat", step.path}); now.status == 0 && trim(now.out) == trim(step.content))
            return false;
        const bool secret = step.kind == Step::Kind::secret;
        need(step.host, {"install", "-D", "-m", secret ? "0600" : "0644", "/dev/stdin", step.path}, step.content);
        changed_ = true;
        // A daemon that runs reads its settings when it starts.
        const std::size_t at = step.path.find(".d/");
        if (!secret && at != std::string::npos) {
            const std::size_t slash = step.path.rfind('/', at);
            need(step.host, {"systemctl", "try-restart", "pilvi-" + step.path.substr(slash + 1, at - slash - 1) + ".service"}, "", ready_limit);
        }
        return true;
    }

    bool wait(const std::vector<std::string>& argv, const std::string& host) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        for (bool again = false;; again = true) {
            const CommandResult result = call(host, argv);
            if (result.status == 0) return again;
            if (std::chrono::steady_clock::now() > deadline) throw Error(Errc::timeout, reason_of(result));
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
        }
    }

    Deployment deployment_;
    Journal journal_;
    std::map<std::string, Machine> machines_;
    std::mutex mutex_;
    std::map<std::string, Look> looks_;
    bool changed_ = false;  // of the controller's own files: known before its catalogue is looked at
};

// The answers that the command line stands for.
std::map<std::string, std::string> answers_of(const DeployOptions& options, bool* usable) {
    std::map<std::string, std::string> values;
    if (!options.answer_file.empty()) {
        const Answers answers = read_answers(read_file(options.answer_file));
        for (const AnswerFinding& finding : answers.findings) {
            const char* level = finding.level == AnswerFinding::Level::error     ? "error"
                                : finding.level == AnswerFinding::Level::warning ? "warning"
                                                                                 : "note";
            std::fprintf(stderr, "%s:%d: %s: %s%s%s\n", options.answer_file.c_str(), finding.line, level, finding.key.c_str(),
                         finding.key.empty() ? "" : " ", finding.text.c_str());
        }
        *usable = answers.usable();
        values = answers.values;
    }
    if (options.allinone)
        values["CONFIG_CONTROLLER_HOST"] = values["CONFIG_COMPUTE_HOSTS"] = values["CONFIG_NETWORK_HOSTS"] = address_towards("192.0.2.1");
    if (!options.install_hosts.empty()) {
        // As PackStack has it: the first is the controller, the others run servers; one alone does everything.
        values["CONFIG_CONTROLLER_HOST"] = values["CONFIG_NETWORK_HOSTS"] = options.install_hosts.front();
        const std::vector<std::string> rest(options.install_hosts.begin() + (options.install_hosts.size() > 1 ? 1 : 0), options.install_hosts.end());
        values["CONFIG_COMPUTE_HOSTS"] = join(rest, ",");
    }
    return values;
}

}  // namespace

int deploy(CommandRunner& runner, const DeployOptions& options) {
    bool usable = true;
    const auto values = answers_of(options, &usable);
    if (!usable) return 1;
    Run run(runner, deployment_of(values), options);
    run.look();
    const bool good = run.examine();
    if (options.dry_run) return run.show() != 0 || !good;
    if (!good || !run.carry_out()) {
        std::fprintf(stderr, "pilvi: not deployed; run it again when what is in the way is mended. The log: %s\n", run.log().c_str());
        return 1;
    }
    return 0;
}

}  // namespace pilvi::cli
