#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "base/error.h"
#include "base/ids.h"
#include "image/blobs.h"
#include "image/ingest.h"
#include "support/temp_dir.h"

using namespace pilvi;

namespace {
// Content in pieces of odd sizes; fails after `fail_at` bytes where that is set.
class Body final : public http::BodyReader {
public:
    explicit Body(std::string content, std::size_t fail_at = std::string::npos) : content_(std::move(content)), fail_at_(fail_at) {}
    std::size_t read(char* into, std::size_t size) override {
        if (at_ >= fail_at_) throw Error(Errc::bad_request, "gone");
        const std::size_t n = std::min({size, content_.size() - at_, std::size_t{70'001}});
        content_.copy(into, n, at_);
        at_ += n;
        return n;
    }

private:
    std::string content_;
    std::size_t fail_at_, at_ = 0;
};

std::string digest(const EVP_MD* kind, const std::string& text) {
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), value, &size, kind, nullptr);
    return hex({reinterpret_cast<const char*>(value), size});
}
const std::string id = "11111111-2222-3333-4444-555555555555";
}  // namespace

TEST_CASE("sizes around the blocks: content and digests are right") {
    testing::TempDir directory;
    const image::Blobs blobs(directory / "store", true);
    for (const std::size_t size : {0u, 1u, 1000u, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, (6u << 20), 20'000'003u}) {
        std::string content(size, 0);
        std::minstd_rand random(static_cast<unsigned>(size));
        for (char& c : content) c = static_cast<char>(random());
        auto incoming = blobs.begin(id);
        Body body(content);
        const image::Ingested got = image::ingest(body, incoming.fd(), 1u << 30);
        CHECK(got.size == size);
        CHECK(got.md5 == digest(EVP_md5(), content));
        CHECK(got.sha512 == digest(EVP_sha512(), content));
        blobs.keep(std::move(incoming), id);
        CHECK(read_file(directory / ("store/" + id), 64u << 20) == content);
    }
}

TEST_CASE("limit and cut-off leave nothing") {
    testing::TempDir directory;
    const image::Blobs blobs(directory / "store", true);
    for (const bool cut : {false, true}) {
        auto incoming = blobs.begin(id);
        Body body(std::string(5u << 20, 'x'), cut ? 3u << 20 : std::string::npos);
        CHECK_THROWS_AS(image::ingest(body, incoming.fd(), 4u << 20), Error);
    }
    CHECK(std::filesystem::is_empty(directory / "store/incoming"));
    std::uint64_t size = 0;
    CHECK_FALSE(blobs.open(id, size));
}

TEST_CASE("orphans go, known files and foreign names stay; readers keep what they have open") {
    testing::TempDir directory;
    const image::Blobs blobs(directory / "store", false);
    const std::string other = "99999999-2222-3333-4444-555555555555";
    write_file(directory / ("store/" + id), "kept");
    write_file(directory / ("store/" + other), "orphan");
    write_file(directory / ("store/incoming/" + other + ".x"), "half");
    write_file(directory / "store/README", "the operator's");
    CHECK(blobs.remove_orphans({id}) == 2);
    CHECK(std::filesystem::exists(directory / "store/README"));
    std::uint64_t size = 0;
    const auto fd = blobs.open(id, size);
    REQUIRE(fd);
    CHECK(size == 4);
    blobs.remove(id);
    blobs.remove(id);
    char buffer[4];
    CHECK(::pread(fd->get(), buffer, 4, 0) == 4);
}
