// The Ceph store on a real cluster: with-ceph starts one and names its configuration.
#include <doctest/doctest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/fd.h"
#include "command/command.h"
#include "image/stores/store.h"
#include "support/code_of.h"
#include "support/temp_dir.h"

using namespace pilvi;
using image::ImageStore;
using testing::code_of;

namespace {
const std::string id = "11111111-2222-3333-4444-555555555555", other = "99999999-2222-3333-4444-555555555555";

std::string conf() {
    const char* path = std::getenv("PILVI_TEST_CEPH_CONF");
    REQUIRE_MESSAGE(path, "run by tests/node/with-ceph");
    return path;
}

std::unique_ptr<ImageStore> store() { return image::make_rbd_store("images?user=admin&conf=" + conf(), {}); }

// Ceph's own program as the second opinion.
std::string rbd(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"/usr/bin/rbd", "--conf", conf(), "--pool", "images"});
    SystemCommandRunner runner;
    return runner.check(Command{.argv = std::move(arguments), .limit = std::chrono::minutes(5)});
}

std::string upload(ImageStore& to, const std::string& name, const std::string& content) {
    const auto data = to.begin(name, "whole");
    for (std::size_t at = 0; at < content.size(); at += 1'000'000)
        data->append(content.data() + at, std::min<std::size_t>(1'000'000, content.size() - at));
    CHECK(data->size() == content.size());
    CHECK(data->read(content.size() / 2, 1000) == content.substr(content.size() / 2, 1000));
    CHECK(data->read(content.size(), 1).empty());
    return data->commit();
}

std::string whole(const image::Opened& opened) {
    std::string out(opened.size, '\0');
    for (std::size_t at = 0; at < out.size();) at += opened.read(at, out.data() + at, std::min<std::size_t>(out.size() - at, 300'000));
    return out;
}

std::string content(std::size_t size, unsigned seed) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i + seed) * 2654435761u >> 13);
    return out;
}
}  // namespace

TEST_CASE("data goes in and comes out, beyond the first size, with the snapshot that clones are made of") {
    const auto images = store();
    const std::string first = content(70'000'001, 1), second = content(1234, 2);
    const std::string location = upload(*images, id, first);
    CHECK(location == images->location_of(id));
    CHECK(whole(*images->open(location)) == first);
    CHECK(rbd({"ls"}) == id + "\n");
    CHECK(rbd({"snap", "ls", id}).find("snap") != std::string::npos);
    CHECK(rbd({"info", id}).find("size 67 MiB") != std::string::npos);
    CHECK(upload(*images, id, second) == location);
    CHECK(whole(*images->open(location)) == second);
    CHECK(upload(*images, other, "") == images->location_of(other));
    CHECK(images->open(images->location_of(other))->size == 0);
    images->remove(location);
    images->remove(location);
    images->remove(images->location_of(other));
    CHECK_FALSE(images->open(location));
    CHECK(rbd({"ls"}).empty());
}

TEST_CASE("an upload that is given up leaves nothing; a reader reads to the end although the image is deleted") {
    const auto images = store();
    images->begin(id, "cut")->append("half", 4);
    CHECK(rbd({"ls"}).empty());
    const std::string bytes = content(3'000'000, 3), location = upload(*images, id, bytes);
    {
        const auto reader = images->open(location);
        images->remove(location);
        CHECK(whole(*reader) == bytes);
    }
    CHECK(rbd({"ls"}).empty());
}

TEST_CASE("an image with clones is in use") {
    const auto images = store();
    const std::string location = upload(*images, id, content(1 << 20, 4));
    rbd({"clone", "--rbd-default-clone-format", "1", id + "@snap", "images/clone"});
    CHECK(code_of([&] { images->remove(location); }) == Errc::conflict);
    CHECK(images->open(location)->size == 1 << 20);
    rbd({"rm", "--no-progress", "clone"});
    images->remove(location);
    CHECK(rbd({"ls"}).empty());
}

TEST_CASE("an abandoned upload goes with what it has committed; images of others in the pool stay") {
    const auto images = store();
    const std::string known = upload(*images, id, "known");
    rbd({"create", "--size", "1M", "incoming." + other + ".cut"});
    rbd({"create", "--size", "1M", "33333333-2222-3333-4444-555555555555"});
    CHECK(images->locations() == std::vector<std::string>{known});
    images->abandon(other, "cut");
    images->abandon("33333333-2222-3333-4444-555555555555", "cut");
    images->abandon(id, "", true);
    CHECK(rbd({"ls"}) == id + "\n33333333-2222-3333-4444-555555555555\n");
    images->abandon(id, "cut");
    CHECK(rbd({"ls"}) == "33333333-2222-3333-4444-555555555555\n");
    rbd({"rm", "--no-progress", "33333333-2222-3333-4444-555555555555"});
}

TEST_CASE("foreign locations, wrong settings, and a cluster that does not answer") {
    const auto images = store();
    for (const std::string& location : {std::string("rbd://x/images/") + id + "/snap", std::string("file:///etc/passwd"), id, std::string(),
                                        images->location_of("../x"), images->location_of(id) + "/x"}) {
        CAPTURE(location);
        CHECK(code_of([&] { images->open(location); }) == Errc::bad_request);
        CHECK(code_of([&] { images->remove(location); }) == Errc::bad_request);
    }
    CHECK(code_of([] { image::make_rbd_store("", {}); }) == Errc::bad_request);
    CHECK(code_of([] { image::make_rbd_store("images?colour=red", {}); }) == Errc::bad_request);
    CHECK(code_of([] { image::make_rbd_store("absent?user=admin&conf=" + conf(), {}); }) == Errc::unavailable);
    CHECK(code_of([] { image::make_rbd_store("images?conf=/absent/ceph.conf", {}); }) == Errc::unavailable);
    const testing::TempDir directory;
    write_file(directory / "ceph.conf", "[global]\nmon host = v1:127.0.0.1:1\nauth client required = none\n");
    CHECK(code_of([&] { image::make_rbd_store("images?timeout=1&conf=" + (directory / "ceph.conf"), {}); }) == Errc::unavailable);
}
