#include "deploy/deploy.h"

#include <fmt/format.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/net.h"
#include "base/route.h"
#include "base/text.h"
#include "deploy/answer_keys.h"
#include "deploy/login.h"
#include "deploy/provision.h"

namespace pilvi::cli {
namespace {

constexpr auto ready_limit = std::chrono::seconds(300);
constexpr auto install_limit = std::chrono::seconds(1800);
constexpr auto provision_limit = std::chrono::seconds(1500);
constexpr const char* apt_source_file = "/etc/apt/sources.list.d/pilvi.list";
constexpr std::size_t parallel = 8;  // sshd's MaxSessions of one connection is 10

// Whether the name or address is one of this machine's.
bool is_here(const std::string& host) {
    if (host == "localhost" || host == host_name()) return true;
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
        // Two at a time would each undo what the other waits for.
        if (path != "/dev/null" && ::flock(file_.get(), LOCK_EX | LOCK_NB) != 0)
            throw Error(Errc::conflict, "another pilvi deploy is at work: its log is " + path);
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
        : deployment_(std::move(deployment)), journal_(options.dry_run ? "/dev/null" : options.log), logins_(runner) {
        for (const Deployment::Host& host : deployment_.hosts)
            machines_.emplace(host.name, Machine(runner, host.name, is_here(host.name), options.ssh_user, deployment_.ssh_key));
    }

    void look() {
        look_at(deployment_.hosts);
        // One after the other: there is one terminal.
        std::vector<Deployment::Host> let_in;
        for (const Deployment::Host& host : deployment_.hosts) {
            if (looks_.at(host.name).failure.find("Permission denied") == std::string::npos || !SharedLogins::somebody_is_there()) continue;
            journal_.say(host.name, "ssh does not get in by a key; it asks");
            if (logins_.open(machines_.at(host.name))) let_in.push_back(host);
        }
        look_at(let_in);
    }

    // False where something must be mended first. `notes`: what is not in the way is said too.
    bool examine(bool notes) {
        bool good = true;
        for (const Trouble& trouble : preflight(deployment_, looks_)) {
            good = good && !trouble.fatal;
            if (!trouble.fatal && !notes) continue;
            journal_.say(trouble.host, fmt::format("{}: {}. {}", trouble.fatal ? "in the way" : "note", trouble.reason, trouble.remedy));
        }
        return good;
    }

    void show() {
        for (const auto& steps : {installations(deployment_, looks_), plan(deployment_, looks_)})
            for (const Step& step : steps) std::printf("%s: %s\n", step.host.c_str(), step.text.c_str());
    }

    // The packages first: only with them a machine says all about itself.
    bool install() {
        const std::vector<Step> steps = installations(deployment_, looks_);
        if (steps.empty()) return true;
        std::atomic<bool> good{true};
        std::vector<Deployment::Host> renewed;
        each(steps, [&](const Step& step) {
            if (!all_of({step})) good = false;
        });
        for (const Deployment::Host& host : deployment_.hosts)
            for (const Step& step : steps)
                if (step.host == host.name) renewed.push_back(host);
        if (!good) return false;
        look_at(renewed);
        done_ = 0;
        return examine(false);
    }

    bool carry_out() {
        const std::string& controller = deployment_.hosts.front().name;
        std::map<std::string, std::vector<Step>> steps;
        std::vector<Step> last;
        const std::vector<Step> all = plan(deployment_, looks_);
        count_ = all.size();
        for (const Step& step : all) {
            const bool at_the_end = step.kind == Step::Kind::wait_until_ready || step.kind == Step::Kind::provision;
            (at_the_end ? last : steps[step.host]).push_back(step);
        }
        if (!all_of(steps[controller])) return false;
        std::vector<std::vector<Step>> others;
        for (auto& [host, list] : steps)
            if (host != controller) others.push_back(std::move(list));
        std::atomic<bool> good{true};
        each(others, [&](const std::vector<Step>& list) {
            if (!all_of(list)) good = false;
        });
        return good && all_of(last);
    }

    // Where the cloud is, and how one logs in.
    void say_farewell() {
        const std::string& controller = deployment_.hosts.front().name;
        std::vector<std::string> argv{"pilvi", "provision"};
        const std::vector<std::string> more = summary_arguments(deployment_);
        argv.insert(argv.end(), more.begin(), more.end());
        journal_.say(controller, changes_ == 0 ? std::string("nothing was to be changed") : fmt::format("{} changes", changes_.load()));
        std::fputs(call(controller, argv).out.c_str(), stdout);
        std::printf("%-14s %s\n", "log", log().c_str());
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
        if (result.status != 0) {
            const std::string reason = reason_of(result);
            throw Error(Errc::internal, reason.starts_with(argv[0] + ": ") ? reason : fmt::format("{}: {}", argv[0], reason));
        }
        return result.out;
    }

    void look_at(const std::vector<Deployment::Host>& hosts) {
        each(hosts, [&](const Deployment::Host& host) {
            Look look = look_at(host.name);
            const std::lock_guard lock(mutex_);
            looks_[host.name] = std::move(look);
        });
    }

    Look look_at(const std::string& host) {
        Look look;
        try {
            const CommandResult answer = call(host, {"pilvi", "node", "facts", deployment_.hosts.front().name});
            look.at = now_micros();
            // 127: the shell there does not find it.
            if (answer.status == 0) look.facts = facts_from(answer.out);
            else if (answer.status == 127) look = look_without_pilvi(host);
            else look.failure = reason_of(answer);
            // What apt's own lists say may be old, or nothing at all.
            const auto fits = [&](const std::string& role) { return look.facts->installed.contains(role) || look.facts->available.contains(role); };
            if (look.facts && look.facts->uid == 0 && deployment_.apt_source.empty() && !std::ranges::all_of(roles_of(host), fits)) {
                call(host, {"apt-get", "-q", "update"}, "", install_limit);
                look = look_without_pilvi(host, std::move(look));
            }
        } catch (const Error& error) {
            look.failure = error.message();
        }
        return look;
    }

    Look look_without_pilvi(const std::string& host) {
        const std::string& controller = deployment_.hosts.front().name;
        std::vector<ProbeAnswer> answers;
        Look look;
        for (const Probe& probe : probes(controller)) {
            const CommandResult answer = call(host, probe.argv);
            answers.push_back({answer.status, answer.out});
            if (answers.size() == 3) look.at = now_micros();
        }
        look.facts = facts_from(answers, controller);
        return look;
    }

    // The same look, with what apt knows now.
    Look look_without_pilvi(const std::string& host, Look before) {
        Look now = look_without_pilvi(host);
        before.facts->available = now.facts->available;
        return before;
    }

    const std::vector<std::string>& roles_of(const std::string& host) const {
        return std::ranges::find(deployment_.hosts, host, &Deployment::Host::name)->roles;
    }

    bool all_of(const std::vector<Step>& steps) {
        for (const Step& step : steps) {
            try {
                if (const bool changed = take(step); changed) changed_so(step);
                else journal_.note(step.host, "so already: " + step.text);
            } catch (const Error& error) {
                journal_.say(step.host, fmt::format("failed: {}: {}", step.text, error.message()));
                return false;
            }
            ++done_;
        }
        return true;
    }

    void changed_so(const Step& step) {
        ++changes_;
        // pilvi provision has said what it made.
        if (step.kind == Step::Kind::provision) return;
        journal_.say(step.host, count_ == 0 ? step.text : fmt::format("[{}/{}] {}", done_ + 1, count_, step.text));
    }

    // False where it was so already.
    bool take(const Step& step) {
        switch (step.kind) {
            case Step::Kind::install:
                return install(step);
            case Step::Kind::file:
            case Step::Kind::secret:
                return write(step);
            case Step::Kind::bridge: {
                const CommandResult now = call(step.host, {"ovs-vsctl", "port-to-br", step.content});
                if (now.status == 0 && trim(now.out) == step.path) return false;
                need(step.host, {"ovs-vsctl", "--may-exist", "add-br", step.path, "--", "--may-exist", "add-port", step.path, step.content});
                return true;
            }
            case Step::Kind::roles: {
                std::vector<std::string> argv{"pilvi", "role", "add"};
                argv.insert(argv.end(), step.roles.begin(), step.roles.end());
                need(step.host, argv, "", ready_limit);
                return true;
            }
            case Step::Kind::bootstrap:
                if (!pending(step.host, "bootstrap")) return false;
                need(step.host, {"pilvi", "identity", "bootstrap"}, "", ready_limit);
                set_pending(step.host, "bootstrap", false);
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
                return wait_until_ready(step);
            case Step::Kind::provision:
                return provision(step);
        }
        return false;
    }

    bool install(const Step& step) {
        journal_.say(step.host, step.text + " ...");
        if (!step.content.empty()) {
            const CommandResult now = call(step.host, {"cat", apt_source_file});
            if (now.status != 0 || trim(now.out) != trim(step.content))
                need(step.host, {"install", "-D", "-m", "0644", "/dev/stdin", apt_source_file}, step.content + "\n");
            need(step.host, {"apt-get", "-q", "update"}, "", install_limit);
        }
        // An installation that was ended half way is gone on with; one that still runs is waited for.
        call(step.host, {"env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--configure", "-a"}, "", install_limit);
        std::vector<std::string> argv{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600",
                                      // A file that the machine's owner has changed stays, without a question.
                                      "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "install"};
        argv.insert(argv.end(), step.roles.begin(), step.roles.end());
        // What a person would need of the answer is apt's first complaint.
        const CommandResult answer = call(step.host, argv, "", install_limit);
        if (answer.status == 0) return true;
        for (const std::string& line : split(answer.err, '\n', false))
            if (line.starts_with("E: ")) throw Error(Errc::internal, line.substr(3));
        throw Error(Errc::internal, reason_of(answer));
    }

    bool wait_until_ready(const Step& step) {
        std::vector<std::string> argv{"pilvi", "status"};
        if (call(step.host, argv).status == 0) return false;
        argv.insert(argv.end(), {"--wait", "240"});
        need(step.host, argv, "", ready_limit);
        return true;
    }

    bool provision(const Step& step) {
        std::vector<std::string> argv{"pilvi", "provision"};
        argv.insert(argv.end(), step.roles.begin(), step.roles.end());
        if (step.roles.front() == "server" && call(step.host, {"test", "-e", "/root/.ssh/pilvi-demo"}).status != 0)
            journal_.say(step.host, fmt::format("[{}/{}] a first server ...", done_ + 1, count_));
        const std::vector<std::string> made = split(trim(need(step.host, argv, "", provision_limit)), '\n', false);
        for (const std::string& line : made) journal_.say(step.host, line);
        return !made.empty();
    }

    // Noted before a change and taken away after what belongs to it was done: whoever ends this program in between, the next run goes on.
    bool pending(const std::string& host, const std::string& what) {
        const std::lock_guard lock(mutex_);
        const Look& look = looks_.at(host);
        return look.facts && look.facts->pending.contains(what);
    }
    void set_pending(const std::string& host, const std::string& what, bool is) {
        std::set<std::string> all;
        {
            const std::lock_guard lock(mutex_);
            if (looks_.at(host).facts) all = looks_.at(host).facts->pending;
        }
        if (is) all.insert(what);
        else all.erase(what);
        if (all.empty()) need(host, {"rm", "-f", deploy_pending});
        else need(host, {"install", "-D", "-m", "0644", "/dev/stdin", deploy_pending}, join({all.begin(), all.end()}, "\n") + "\n");
        const std::lock_guard lock(mutex_);
        if (looks_.at(host).facts) looks_.at(host).facts->pending = all;
    }

    bool write(const Step& step) {
        // What else is to be done when it changed: a daemon that runs reads its settings when it starts.
        const std::size_t at = step.path.find(".d/"), slash = step.path.rfind('/', at);
        const std::string after = at == std::string::npos ? "bootstrap" : step.path.substr(slash + 1, at - slash - 1);
        const CommandResult now = machines_.at(step.host).run({"cat", step.path});
        const bool same = now.status == 0 && trim(now.out) == trim(step.content), unfinished = pending(step.host, after);
        if (same && (!unfinished || after == "bootstrap")) return false;
        if (!unfinished) set_pending(step.host, after, true);
        if (!same) need(step.host, {"install", "-D", "-m", step.kind == Step::Kind::secret ? "0600" : "0644", "/dev/stdin", step.path}, step.content);
        if (after == "bootstrap") return true;
        need(step.host, {"systemctl", "try-restart", "pilvi-" + after + ".service"}, "", ready_limit);
        set_pending(step.host, after, false);
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
    SharedLogins logins_;
    std::map<std::string, Machine> machines_;
    std::mutex mutex_;
    std::map<std::string, Look> looks_;
    std::size_t count_ = 0;  // steps of the plan; 0 before there is one
    std::atomic<std::size_t> done_{0}, changes_{0};
};

// The address of this machine as others would reach it: the one that its catalogue names, that of its default route, or its first one.
std::string own_address() {
    const NodeFacts facts = look_at_machine({});
    std::vector<std::string> own;
    for (const auto& [interface, addresses] : facts.interfaces)
        for (const std::string& address : addresses)
            if (const auto parsed = IpAddress::parse(address); parsed && parsed->version() == 4 && !parsed->is_loopback()) own.push_back(address);
    if (std::ranges::find(own, facts.url_host) != own.end()) return facts.url_host;
    const std::string routed = address_towards("192.0.2.1");
    return routed == "127.0.0.1" && !own.empty() ? own.front() : routed;
}

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
    if (options.allinone) {
        values["CONFIG_CONTROLLER_HOST"] = values["CONFIG_COMPUTE_HOSTS"] = values["CONFIG_NETWORK_HOSTS"] = own_address();
        values.try_emplace("CONFIG_PROVISION_SERVER", "first");
    }
    if (options.allinone || !options.install_hosts.empty()) values.try_emplace("CONFIG_PROVISION_DEMO", "y");
    if (!options.install_hosts.empty()) {
        // As PackStack has it: the first is the controller, the others run servers; one alone does everything.
        values["CONFIG_CONTROLLER_HOST"] = values["CONFIG_NETWORK_HOSTS"] = options.install_hosts.front();
        const std::vector<std::string> rest(options.install_hosts.begin() + (options.install_hosts.size() > 1 ? 1 : 0), options.install_hosts.end());
        values["CONFIG_COMPUTE_HOSTS"] = join(rest, ",");
    }
    for (const std::string& answer : options.answers) {
        const std::size_t equals = answer.find('=');
        const AnswerKey* key = find_answer_key(answer.substr(0, equals));
        if (equals == std::string::npos || !key || key->answered != Answered::used)
            throw Error(Errc::bad_request, "--answer " + answer + " is no answer: pilvi answers keys lists them");
        values[answer.substr(0, equals)] = answer.substr(equals + 1);
    }
    // No demo, no server in it.
    if (options.allinone && lower(values["CONFIG_PROVISION_DEMO"]).starts_with("n")) values.erase("CONFIG_PROVISION_SERVER");
    return values;
}

}  // namespace

int deploy(CommandRunner& runner, const DeployOptions& options) {
    bool usable = true;
    const auto values = answers_of(options, &usable);
    if (!usable) return 1;
    Run run(runner, deployment_of(values), options);
    run.look();
    const bool good = run.examine(true);
    if (options.dry_run) {
        run.show();
        return good ? 0 : 1;
    }
    if (!good || !run.install() || !run.carry_out()) {
        std::fprintf(stderr, "pilvi: not deployed; run it again when what is in the way is mended. The log: %s\n", run.log().c_str());
        return 1;
    }
    run.say_farewell();
    return 0;
}

}  // namespace pilvi::cli
