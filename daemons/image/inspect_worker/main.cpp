// pilvi-image-inspect: judges one image's bytes in a jail. Started by pilvi-image with a socket as standard input; the conversation is in inspector.h.
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/fd.h"
#include "domain/inspect.h"
#include "inspect_wire.h"
#include "inspector.h"

using namespace pilvi;

namespace {
constexpr int failure = 1;

void limit(__rlimit_resource what, std::uint64_t value) {
    const rlimit both{value, value};
    if (::setrlimit(what, &both) != 0) ::_exit(failure);
}

// What the allocator and the conversation need; everything else kills the process.
void enter_jail() {
    limit(RLIMIT_AS, image::jail::memory);
    limit(RLIMIT_CPU, image::jail::cpu_seconds);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_CORE, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_DUMPABLE, 0);
    scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter) ::_exit(failure);
    for (const int call : {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(exit),
                           SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(rt_sigreturn), SCMP_SYS(close)})
        if (::seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) ::_exit(failure);
    // Memory, but no file as memory.
    if (::seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A4(SCMP_CMP_EQ, static_cast<std::uint32_t>(-1))) != 0) ::_exit(failure);
    if (::seccomp_load(filter) != 0) ::_exit(failure);
    ::seccomp_release(filter);
}

void answer(std::string_view bytes) {
    if (write_all(STDIN_FILENO, bytes) != 0) ::_exit(failure);
}

void read_all(char* into, std::size_t size) {
    while (size > 0) {
        const ssize_t got = ::read(STDIN_FILENO, into, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) ::_exit(failure);
        into += got;
        size -= static_cast<std::size_t>(got);
    }
}

using image::jail::encode_number;

std::uint64_t read_number(std::size_t width) { return image::jail::decode_number(width, read_all); }

std::string text(std::string_view value) {
    value = value.substr(0, image::jail::most_text);
    return encode_number(value.size(), 2) + std::string(value);
}

// The image, as the daemon hands it over.
class Remote final : public image::Source {
public:
    std::uint64_t size() const override { return size_; }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        if (size > image::jail::most_read) size = image::jail::most_read;
        answer("R" + encode_number(offset, 8) + encode_number(size, 4));
        const std::size_t got = read_number(4);
        if (got > size) ::_exit(failure);
        std::string out(got, 0);
        read_all(out.data(), got);
        return out;
    }

private:
    std::uint64_t size_ = read_number(8);
};
}  // namespace

int main() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose runtimes need more than the jail gives
    enter_jail();
#endif
    const image::Finding found = image::inspect(Remote());
    answer("F" + text(found.format) + text(found.archive) + text(found.unsafe) + text(found.archive_unsafe) +
           encode_number(found.virtual_size.has_value(), 1) + (found.virtual_size ? encode_number(*found.virtual_size, 8) : ""));
    ::_exit(0);
}
