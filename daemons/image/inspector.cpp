#include "inspector.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "inspect_wire.h"

namespace pilvi::image {
namespace {
using Clock = std::chrono::steady_clock;

// The names that a Finding's views may have: what the worker says is matched, not believed.
constexpr std::string_view formats[] = {"raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ploop", "qcow", "qed"};
constexpr std::string_view archives[] = {"", "ova", "docker", "tar", "ovf", "gzip", "bzip2", "xz", "zstd", "zip"};

// The worker broke off, or says what it must not.
struct Misbehaved {
    std::string why;
};

class Worker {
public:
    Worker(const std::string& program, Clock::time_point deadline) : deadline_(deadline) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("no socket");
        socket_ = UniqueFd(ends[0]);
        const UniqueFd theirs(ends[1]);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
        ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        std::string name = "pilvi-image-inspect";
        char* arguments[] = {name.data(), nullptr};
        char* environment[] = {nullptr};
        const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environment);
        ::posix_spawn_file_actions_destroy(&actions);
        if (failed != 0) {
            errno = failed;
            fail("cannot start " + program);
        }
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker() {
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    void read(char* into, std::size_t size) {
        while (size > 0) {
            wait(POLLIN);
            const ssize_t got = ::recv(socket_.get(), into, size, MSG_DONTWAIT);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got <= 0) throw Misbehaved{"it cannot be inspected within the limits"};
            into += got;
            size -= static_cast<std::size_t>(got);
        }
    }
    std::uint64_t number(std::size_t width) {
        return jail::decode_number(width, [this](char* into, std::size_t size) { read(into, size); });
    }
    std::string text() {
        const std::size_t size = number(2);
        if (size > jail::most_text) throw Misbehaved{"its inspection did not end properly"};
        std::string out(size, 0);
        read(out.data(), size);
        for (char& c : out)
            if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
        return out;
    }
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            wait(POLLOUT);
            const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (sent <= 0) throw Misbehaved{"it cannot be inspected within the limits"};
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

private:
    [[noreturn]] static void fail(const std::string& what) {
        throw Error(Errc::unavailable, "the image inspector does not run: " + what + ": " + std::strerror(errno));
    }
    void wait(short events) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
        pollfd polled{socket_.get(), events, 0};
        if (left <= 0 || (::poll(&polled, 1, static_cast<int>(left)) == 0)) throw Misbehaved{"its inspection takes too long"};
    }
    Clock::time_point deadline_;
    UniqueFd socket_;
    pid_t pid_ = -1;
};

template <std::size_t n>
std::string_view known(const std::string_view (&names)[n], const std::string& said) {
    for (const std::string_view name : names)
        if (name == said) return name;
    throw Misbehaved{"its inspection did not end properly"};
}

Finding converse(Worker& worker, const Source& source) {
    std::uint64_t total = 0;
    worker.write(jail::encode_number(source.size(), 8));
    while (true) {
        char verb = 0;
        worker.read(&verb, 1);
        if (verb == 'F') break;
        const std::uint64_t offset = worker.number(8), wanted = worker.number(4);
        total += wanted;
        if (verb != 'R' || wanted > jail::most_read || total > jail::most_total) throw Misbehaved{"its inspection reads too much"};
        const std::string bytes = source.read(offset, wanted);
        worker.write(jail::encode_number(bytes.size(), 4));
        worker.write(bytes);
    }
    Finding found;
    found.format = known(formats, worker.text());
    found.archive = known(archives, worker.text());
    found.unsafe = worker.text();
    found.archive_unsafe = worker.text();
    if (worker.number(1) == 1) found.virtual_size = worker.number(8);
    return found;
}
}  // namespace

JailedInspector::JailedInspector(std::string program, std::chrono::milliseconds limit) : program_(std::move(program)), limit_(limit) {
    if (::access(program_.c_str(), X_OK) != 0)
        throw Error(Errc::unavailable, "the image inspector " + program_ + " cannot be executed: " + std::strerror(errno));
}

Finding JailedInspector::inspect(const Source& source) const {
    Worker worker(program_, Clock::now() + limit_);
    try {
        return converse(worker, source);
    } catch (const Misbehaved& what) {
        return {.format = "raw", .unsafe = what.why};
    }
}

std::string inspector_beside_this_program() {
    char path[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    const std::string_view own(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    return std::string(own.substr(0, own.rfind('/') + 1)) + "pilvi-image-inspect";
}

}  // namespace pilvi::image
