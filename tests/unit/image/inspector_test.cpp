// The inspector's jail: the same answers as without it, and whatever goes wrong in it stays there.
#include "image/inspector.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "support/temp_dir.h"

using namespace pilvi;
using image::Finding;
using image::JailedInspector;

namespace {
const std::string worker = std::string(PILVI_BINARY_DIR) + "/daemons/pilvi-image-inspect";

class Bytes : public image::Source {
public:
    explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
    std::uint64_t size() const override { return bytes_.size(); }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        return offset >= bytes_.size() ? std::string() : bytes_.substr(static_cast<std::size_t>(offset), size);
    }

private:
    std::string bytes_;
};

std::string program(const testing::TempDir& directory, const std::string& script) {
    const std::string path = directory / "worker";
    write_file(path, "#!/bin/sh\n" + script + "\n", 0755);
    return path;
}

// The processes that this one has started.
std::vector<std::string> children() {
    std::vector<std::string> out;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
        for (const std::string& pid : split(trim(read_file(task.path().string() + "/children")), ' ', false)) out.push_back(pid);
    return out;
}

// Looks at the worker while it waits for the bytes that it has asked for.
class Watching final : public Bytes {
public:
    using Bytes::Bytes;
    std::string read(std::uint64_t offset, std::size_t size) const override {
        const std::vector<std::string> found = children();
        if (found.size() == 1) {
            status = read_file("/proc/" + found[0] + "/status");
            limits = read_file("/proc/" + found[0] + "/limits");
        }
        return Bytes::read(offset, size);
    }
    mutable std::string status, limits;
};
}  // namespace

TEST_CASE("every sample gets the same answer as without the jail") {
    const JailedInspector jailed(worker);
    int samples = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(PILVI_SOURCE_DIR) + "/tests/fuzz/corpus/inspect")) {
        CAPTURE(entry.path().string());
        const Bytes bytes(read_file(entry.path().string()));
        const Finding direct = image::inspect(bytes), found = jailed.inspect(bytes);
        CHECK(found.format == direct.format);
        CHECK(found.archive == direct.archive);
        CHECK(found.unsafe == direct.unsafe);
        CHECK(found.archive_unsafe == direct.archive_unsafe);
        CHECK(found.virtual_size == direct.virtual_size);
        ++samples;
    }
    CHECK(samples > 10);
    CHECK(children().empty());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("the worker is in the jail before it sees a byte: seccomp, no new privileges, no files, no processes, little memory") {
    const Watching bytes(std::string(100'000, 'x'));
    CHECK(JailedInspector(worker).inspect(bytes).unsafe == "");
    CAPTURE(bytes.status);
    CAPTURE(bytes.limits);
    CHECK(bytes.status.find("Seccomp:\t2") != std::string::npos);
    CHECK(bytes.status.find("NoNewPrivs:\t1") != std::string::npos);
    CHECK(bytes.limits.find("Max address space         268435456") != std::string::npos);
    CHECK(bytes.limits.find("Max cpu time              5 ") != std::string::npos);
    CHECK(bytes.limits.find("Max file size             0 ") != std::string::npos);
    CHECK(bytes.limits.find("Max processes             0 ") != std::string::npos);
}
#endif

TEST_CASE("a worker that breaks, hangs or lies makes the data unsafe, and is gone afterwards") {
    const testing::TempDir directory;
    const Bytes bytes("x");
    struct Case {
        const char *script, *unsafe;
        std::chrono::milliseconds limit = std::chrono::seconds(60);
    };
    constexpr std::chrono::milliseconds soon(300);
    for (const Case& row :
         {Case{"exit 0", "it cannot be inspected within the limits"}, Case{"kill -SEGV $$", "it cannot be inspected within the limits"},
          Case{"exec sleep 100", "its inspection takes too long", soon}, Case{"printf F >&0; sleep 100", "its inspection takes too long", soon},
          Case{"printf 'R00000000\\377\\377\\377\\377' >&0; sleep 100", "its inspection reads too much"},
          Case{"printf X00000000zzzz >&0; sleep 100", "its inspection reads too much"},
          Case{"printf 'F\\003\\000bad' >&0; sleep 100", "its inspection did not end properly"},
          Case{"printf 'F\\377\\377' >&0; sleep 100", "its inspection did not end properly"}}) {
        const char *const script = row.script, *const unsafe = row.unsafe;
        CAPTURE(script);
        const Finding found = JailedInspector(program(directory, script), row.limit).inspect(bytes);
        CHECK(found.unsafe == unsafe);
        CHECK(image::refusal(found, "raw", "bare", false) != "");
        CHECK(children().empty());
    }
    CHECK_THROWS_AS(JailedInspector(directory / "absent"), Error);
}
