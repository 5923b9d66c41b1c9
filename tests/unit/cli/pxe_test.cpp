#include <doctest/doctest.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "pxe/files.h"
#include "support/code_of.h"

using namespace pilvi;
using namespace pilvi::cli;
using testing::code_of;
namespace fs = std::filesystem;

namespace {

constexpr const char* digest_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* mac = "52:54:00:12:34:56";

struct Place {
    std::string directory = (fs::temp_directory_path() / ("pilvi-pxe-" + new_hex_id())).string();
    Place() {
        for (const char* part : {"media", "answers", "state"}) fs::create_directories(directory + "/" + part);
        std::string sums;
        for (const char* name : {"vmlinuz", "initrd", "system.squashfs"}) {
            write_file(media() + "/" + name, "abc");
            sums += std::string(digest_of_abc) + "  " + name + "\n";
        }
        write_file(media() + "/SHA256SUMS", sums);
    }
    ~Place() { fs::remove_all(directory); }
    std::string media() const { return directory + "/media"; }
    void answers(const std::string& text) const { write_file(directory + "/answers/" + mac + ".conf", text); }
};

struct Served {
    Place place;
    Media media{place.media()};
    PxeFiles files{media,
                   {.files = "http://10.9.0.1:8870", .controller = "10.9.0.1", .authority = "f00d"},
                   place.directory + "/answers",
                   place.directory + "/state"};
    http::Response get(const std::string& path, const std::string& method = "GET") {
        http::Request request{.method = method, .target = path, .path = path, .query = "", .headers = {}, .body = "", .peer = "10.9.0.20"};
        return files.handle(request);
    }
    bool says(const std::string& path, std::string_view text) { return get(path).body.find(text) != std::string::npos; }
};

}  // namespace

TEST_CASE("media that are not whole are not served") {
    Place place;
    CHECK(Media(place.media()).file("initrd").sha256 == digest_of_abc);
    write_file(place.media() + "/initrd", "ab");
    CHECK(code_of([&] { Media media(place.media()); }) == Errc::conflict);
    fs::remove(place.media() + "/initrd");
    CHECK(code_of([&] { Media media(place.media()); }) == Errc::not_found);
    write_file(place.media() + "/SHA256SUMS", std::string(digest_of_abc) + "  ../initrd\n");
    CHECK(code_of([&] { Media media(place.media()); }) == Errc::bad_request);
    write_file(place.media() + "/SHA256SUMS", std::string(digest_of_abc) + "  vmlinuz\n");
    CHECK(code_of([&] { Media media(place.media()); }) == Errc::not_found);
}

TEST_CASE("a file that changed while it is served is refused, and so is what is no medium") {
    Served served;
    CHECK(served.get("/files/initrd").file->length == 3);
    write_file(served.place.media() + "/initrd", "abd");
    CHECK(served.get("/files/initrd").status == 503);
    for (const char* path : {"/files/SHA256SUMS", "/files/..%2f..%2fetc%2fpasswd", "/files/", "/", "/boot", "/x/y"}) {
        CAPTURE(path);
        CHECK(served.get(path).status == 404);
    }
    CHECK(served.get("/boot/..%2f..").status == 400);
    CHECK(served.get("/answers/52:54:00:12:34:5").status == 400);
    CHECK(served.get("/files/vmlinuz", "DELETE").status == 405);
}

TEST_CASE("a machine without settings starts live and asks; its script names length and digest") {
    Served served;
    CHECK(served.says("/boot.ipxe", "chain --replace http://10.9.0.1:8870/boot/${netX/mac}"));
    const std::string script = served.get("/boot/52-54-00-12-34-56").body;
    for (const char* part : {"pilvi.fetch=http://10.9.0.1:8870/files/system.squashfs", "pilvi.length=3", "pilvi.controller=10.9.0.1",
                             "pilvi.authority=f00d", "pilvi.mac=52:54:00:12:34:56"})
        CHECK(script.find(part) != std::string::npos);
    CHECK(script.find(digest_of_abc) != std::string::npos);
    CHECK(script.find("pilvi.answers") == std::string::npos);
    CHECK(script.find("pilvi.install") == std::string::npos);
    CHECK(served.get(std::string("/answers/") + mac).status == 404);
    CHECK(served.get(std::string("/installed/") + mac, "POST").status == 409);
}

TEST_CASE("settings with a disk install the machine once, and again when they are written anew") {
    Served served;
    const std::string boot = std::string("/boot/") + mac, installed = std::string("/installed/") + mac;
    served.place.answers("hostname=rack1\n");
    CHECK(served.says(boot, "pilvi.answers="));
    CHECK_FALSE(served.says(boot, "pilvi.install"));
    served.place.answers("# of the rack\nhostname=rack1\ndisk=auto\nerase=yes\n");
    CHECK(served.says(boot, " pilvi.install "));
    CHECK(served.says(std::string("/answers/") + mac, "hostname=rack1"));
    CHECK(served.get(installed, "POST").status == 204);
    CHECK(served.says(boot, "\nexit\n"));
    CHECK(served.get(installed, "POST").status == 409);
    fs::last_write_time(served.files.settings_file(mac), fs::last_write_time(served.files.installed_file(mac)) + std::chrono::seconds(1));
    CHECK(served.says(boot, " pilvi.install "));
}

TEST_CASE("a secret is not given to whoever asks") {
    Served served;
    for (const char* secret : {"join_token=pilvi1.a.b", "root_password_hash=$6$a$b"}) {
        served.place.answers(std::string("hostname=rack1\n") + secret + "\n");
        CHECK(served.get(std::string("/answers/") + mac).status == 400);
        CHECK(served.get(std::string("/boot/") + mac).status == 400);
    }
    CHECK(code_of([] { read_settings("hostname"); }) == Errc::bad_request);
    CHECK(read_settings(" a=b \n\n# c=d\n") == Settings{{"a", "b"}});
}
