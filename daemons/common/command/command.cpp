#include "command/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi {
namespace {
using Time = std::chrono::steady_clock;

struct Pipe {
    UniqueFd read, write;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(Errc::internal, std::string("cannot make a pipe: ") + std::strerror(errno));
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Releases the attributes of posix_spawn.
struct SpawnSetup {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    SpawnSetup() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
    }
    ~SpawnSetup() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
};

pid_t spawn(const Command& command, int in, int out, int err) {
    SpawnSetup setup;
    posix_spawn_file_actions_adddup2(&setup.actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&setup.actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&setup.actions, err, STDERR_FILENO);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&setup.attributes, &none);
    posix_spawnattr_setsigdefault(&setup.attributes, &all);
    posix_spawnattr_setpgroup(&setup.attributes, 0);
    posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> argv;
    for (const std::string& argument : command.argv) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
    char* environment[] = {path, locale, nullptr};
    pid_t pid = -1;
    const int failed = ::posix_spawn(&pid, argv[0], &setup.actions, &setup.attributes, argv.data(), environment);
    if (failed != 0) throw Error(Errc::internal, "cannot start " + command.argv[0] + ": " + std::strerror(failed));
    return pid;
}

// Owns the child: kills its group and reaps it where run() leaves by an exception.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(-pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    int pidfd() const { return pidfd_.get(); }
    int reap() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

private:
    pid_t pid_;
    UniqueFd pidfd_;
};

// Reads what is there; closes the pipe at its end.
void drain(UniqueFd& from, std::string& into, const Command& command) {
    char buffer[65536];
    while (from) {
        const ssize_t got = ::read(from.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return from.reset();
        into.append(buffer, static_cast<std::size_t>(got));
        if (into.size() > command.output_limit)
            throw Error(Errc::too_large, command.argv[0] + " wrote more than " + std::to_string(command.output_limit) + " bytes");
    }
}

void feed(UniqueFd& to, const std::string& input, std::size_t& sent) {
    while (to && sent < input.size()) {
        const ssize_t wrote = ::write(to.get(), input.data() + sent, input.size() - sent);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0 && errno == EAGAIN) return;
        if (wrote < 0) return to.reset();  // the program does not want the rest
        sent += static_cast<std::size_t>(wrote);
    }
    to.reset();
}

// A write to a program that has gone must not end this one.
void ignore_sigpipe() {
    struct sigaction action {};
    if (::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

std::string summary(const Command& command) {
    std::vector<std::string> first(command.argv.begin(),
                                   command.argv.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(command.argv.size(), 4)));
    return join(first, " ");
}
}  // namespace

CommandResult SystemCommandRunner::run(const Command& command) {
    if (command.argv.empty() || command.argv[0].empty() || command.argv[0][0] != '/') throw Error(Errc::internal, "a command needs an absolute path");
    ignore_sigpipe();
    const Time::time_point deadline = Time::now() + command.limit;
    Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
    Child child(spawn(command, in.read.get(), out.write.get(), err.write.get()));
    if (child.pidfd() < 0) throw Error(Errc::internal, std::string("pidfd_open: ") + std::strerror(errno));
    in.read.reset();
    out.write.reset();
    err.write.reset();
    for (const int fd : {in.write.get(), out.read.get(), err.read.get()}) set_nonblocking(fd);
    CommandResult result;
    std::size_t sent = 0;
    feed(in.write, command.input, sent);
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Time::now()).count();
        if (left <= 0) throw Error(Errc::timeout, summary(command) + " did not end within " + std::to_string(command.limit.count()) + " ms");
        pollfd polled[] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {in.write.get(), POLLOUT, 0}, {child.pidfd(), POLLIN, 0}};
        if (::poll(polled, 4, static_cast<int>(std::min<long>(left + 1, 60'000))) < 0 && errno != EINTR)
            throw Error(Errc::internal, std::string("poll: ") + std::strerror(errno));
        feed(in.write, command.input, sent);
        drain(out.read, result.out, command);
        drain(err.read, result.err, command);
        if ((polled[3].revents & POLLIN) != 0) break;  // a daemon that it left behind may keep the pipes open: the child's end counts
    }
    drain(out.read, result.out, command);
    drain(err.read, result.err, command);
    result.status = child.reap();
    return result;
}

std::string CommandRunner::check(const Command& command) {
    CommandResult result = run(command);
    if (result.status == 0) return std::move(result.out);
    std::string tail(trim(result.err.empty() ? result.out : result.err));
    if (tail.size() > 1000) tail = "..." + tail.substr(tail.size() - 1000);
    throw Error(Errc::internal, summary(command) + " failed (status " + std::to_string(result.status) + "): " + tail);
}

}  // namespace pilvi
