#include "cloud/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace pilvi::cli {
namespace {

constexpr int first_listening = 3;  // SD_LISTEN_FDS_START
constexpr std::size_t pid_digits = 11;

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

// Between fork and exec only system calls are safe: the digits are written into a text that is there already.
void write_pid(char* at) {
    pid_t value = ::getpid();
    char digits[pid_digits];
    std::size_t n = 0;
    do digits[n++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0) *at++ = digits[--n];
    *at = 0;
}

[[noreturn]] void run_child(const Launch& launch, char** argv, char** environment, char* pid_text, int log, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (log >= 0) {
        ::dup2(log, 1);
        ::dup2(log, 2);
        const int null = ::open("/dev/null", O_RDONLY);
        if (null >= 0) ::dup2(null, 0);
    }
    if (launch.listening >= 0) {
        if (launch.listening == first_listening) ::fcntl(first_listening, F_SETFD, 0);
        else ::dup2(launch.listening, first_listening);
        write_pid(pid_text);
    }
    ::execve(argv[0], argv, environment);
    static constexpr char said[] = "cannot be executed\n";
    [[maybe_unused]] const ssize_t wrote = ::write(2, said, sizeof said - 1);
    ::_exit(127);
}

}  // namespace

Process::Process(const Launch& launch) {
    std::vector<std::string> arguments = launch.argv, variables;
    for (const auto& [name, value] : launch.environment) variables.push_back(name + "=" + value);
    std::size_t pid_at = 0;
    if (launch.listening >= 0) {
        variables.push_back("LISTEN_FDS=1");
        variables.push_back("LISTEN_PID=" + std::string(pid_digits, '0'));
        pid_at = variables.size() - 1;
    }
    UniqueFd log;
    if (!launch.log.empty()) {
        log.reset(::open(launch.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        if (!log) throw Error(Errc::internal, "cannot open " + launch.log + ": " + std::strerror(errno));
    }
    const std::vector<char*> argv = pointers(arguments), environment = pointers(variables);
    char* const pid_text = launch.listening >= 0 ? environment[pid_at] + std::strlen("LISTEN_PID=") : nullptr;
    const pid_t self = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw Error(Errc::internal, std::string("fork: ") + std::strerror(errno));
    if (pid_ == 0) run_child(launch, const_cast<char**>(argv.data()), const_cast<char**>(environment.data()), pid_text, log.get(), self);
}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, -1);
        status_ = other.status_;
    }
    return *this;
}

Process::~Process() { kill(); }

std::optional<int> Process::ended() {
    if (pid_ < 0 || status_) return status_;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
}

int Process::wait() {
    while (pid_ > 0 && !status_) {
        int status = 0;
        const pid_t got = ::waitpid(pid_, &status, 0);
        if (got == pid_) status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        else if (errno != EINTR) status_ = 127;
    }
    return status_.value_or(127);
}

void Process::signal(int number) {
    if (pid_ > 0 && !ended()) ::kill(pid_, number);
}

void Process::stop(std::chrono::milliseconds limit) {
    signal(SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (pid_ > 0 && !ended() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    kill();
}

void Process::kill() {
    if (pid_ <= 0 || status_) return;
    signal(SIGKILL);
    wait();
}

Listening listen_on_loopback() {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd.get(), 512) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw Error(Errc::unavailable, std::string("cannot listen on 127.0.0.1: ") + std::strerror(errno));
    return {std::move(fd), ntohs(address.sin_port)};
}

}  // namespace pilvi::cli
