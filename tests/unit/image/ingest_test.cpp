#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "base/error.h"
#include "base/ids.h"
#include "image/ingest.h"
#include "image/stores/store.h"
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
    const auto store = image::make_file_store(directory / "store", {});
    for (const std::size_t size : {0u, 1u, 1000u, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, (6u << 20), 20'000'003u}) {
        std::string content(size, 0);
        std::minstd_rand random(static_cast<unsigned>(size));
        for (char& c : content) c = static_cast<char>(random());
        const auto upload = store->begin(id, "one");
        Body body(content);
        const image::Ingested got = image::ingest(body, *upload, 1u << 30);
        CHECK(got.size == size);
        CHECK(got.md5 == digest(EVP_md5(), content));
        CHECK(got.sha512 == digest(EVP_sha512(), content));
        CHECK(upload->commit() == store->location_of(id));
        CHECK(read_file(directory / ("store/" + id), 64u << 20) == content);
    }
}

TEST_CASE("bytes that are handed over in pieces give the same as a body") {
    testing::TempDir directory;
    const auto store = image::make_file_store(directory / "store", {.sync = false});
    const std::string content(3'333'333, 'p');
    for (const std::size_t piece : {1'000u, 1u << 20, 2'500'000u}) {
        const auto upload = store->begin(id, "one");
        image::Ingest into(*upload, content.size());
        for (std::size_t at = 0; at < content.size(); at += piece) into.add(std::string_view(content).substr(at, piece));
        const image::Ingested got = into.finish();
        CHECK(got.size == content.size());
        CHECK(got.md5 == digest(EVP_md5(), content));
        CHECK(got.sha512 == digest(EVP_sha512(), content));
        upload->commit();
        CHECK(read_file(directory / ("store/" + id), 64u << 20) == content);
    }
    const auto upload = store->begin(id, "one");
    image::Ingest over(*upload, 10);
    over.add("eleven byte");
    CHECK_THROWS_AS(over.finish(), Error);
}

TEST_CASE("limit and cut-off leave nothing") {
    testing::TempDir directory;
    const auto store = image::make_file_store(directory / "store", {});
    for (const bool cut : {false, true}) {
        const auto upload = store->begin(id, "one");
        Body body(std::string(5u << 20, 'x'), cut ? 3u << 20 : std::string::npos);
        CHECK_THROWS_AS(image::ingest(body, *upload, 4u << 20), Error);
    }
    CHECK(std::filesystem::is_empty(directory / "store/incoming"));
    CHECK_FALSE(store->open(store->location_of(id)));
}

TEST_CASE("an abandoned upload cannot be committed, and takes with it what it has committed") {
    testing::TempDir directory;
    const auto store = image::make_file_store(directory / "store", {.sync = false});
    const auto cut = store->begin(id, "cut"), other = store->begin(id, "other");
    cut->append("half", 4);
    store->abandon(id, "cut");
    CHECK_THROWS_AS(cut->commit(), Error);
    CHECK(other->commit() == store->location_of(id));
    store->abandon(id, "cut", true);
    CHECK(store->open(store->location_of(id)));
    store->abandon(id, "other");
    CHECK_FALSE(store->open(store->location_of(id)));
    write_file(directory / ("store/incoming/" + id + ".converted"), "a program's");
    store->abandon(id, "");
    CHECK(std::filesystem::is_empty(directory / "store/incoming"));
}

TEST_CASE("what is there is listed but foreign names; readers keep what they have open") {
    testing::TempDir directory;
    const auto store = image::make_file_store(directory / "store", {.sync = false});
    write_file(directory / ("store/" + id), "kept");
    write_file(directory / "store/README", "the operator's");
    CHECK(store->locations() == std::vector<std::string>{store->location_of(id)});
    const auto opened = store->open(store->location_of(id));
    REQUIRE(opened);
    CHECK(opened->size == 4);
    store->remove(store->location_of(id));
    store->remove(store->location_of(id));
    char buffer[4];
    CHECK(::pread(opened->fd.get(), buffer, 4, 0) == 4);
}

TEST_CASE("a location that the store did not give is refused: no other directory, no other name") {
    testing::TempDir directory;
    const auto store = image::make_file_store(directory / "store", {.sync = false});
    write_file(directory / "secret", "x");
    write_file(directory / ("store/incoming/" + id), "half");
    const std::vector<std::string> locations = {"file://" + (directory / "secret"),
                                                "file://" + (directory / "store/../secret"),
                                                "file://" + (directory / ("store/incoming/" + id)),
                                                "file://" + (directory / ("store/../store/" + id)),
                                                "http://127.0.0.1/" + id,
                                                id,
                                                "",
                                                "file:///etc/passwd"};
    for (const std::string& location : locations) {
        CAPTURE(location);
        CHECK_THROWS_AS(store->open(location), Error);
        CHECK_THROWS_AS(store->remove(location), Error);
    }
    CHECK(std::filesystem::exists(directory / "secret"));
}

TEST_CASE("the configuration's stores: names, kinds and the default are checked") {
    testing::TempDir directory;
    const std::string a = "a=file:" + (directory / "a"), b = "b=file:" + (directory / "b");
    const image::Stores stores(std::vector{a, b}, "b", {});
    CHECK(stores.preferred().name == "b");
    CHECK(stores.find("a") != nullptr);
    CHECK(stores.find("c") == nullptr);
    using List = std::vector<std::string>;
    for (const auto& [described, preferred] : std::vector<std::pair<List, std::string>>{
             {{}, ""}, {{a, a}, ""}, {{a}, "c"}, {{"file:/x"}, ""}, {{"x=ftp:/y"}, ""}, {{"x y=file:/y"}, ""}, {{"x=file:relative"}, ""}})
        CHECK_THROWS_AS(image::Stores(described, preferred, {}), Error);
}
