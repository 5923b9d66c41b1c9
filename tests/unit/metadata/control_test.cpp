#include <doctest/doctest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <mutex>
#include <vector>

#include "control.h"

using namespace pilvi;
using namespace pilvi::metadata;

namespace {

constexpr const char* network = "aaaaaaaa-0000-4000-8000-000000000001";

struct Client {
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    explicit Client(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    }
    std::string ask(const std::string& line, int descriptor = -1) {
        std::string text = line + "\n";
        iovec part{text.data(), text.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (descriptor >= 0) {
            message.msg_control = control;
            message.msg_controllen = sizeof(control);
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
        }
        REQUIRE(::sendmsg(fd.get(), &message, MSG_NOSIGNAL) > 0);
        char answer[1024];
        ssize_t got = ::recv(fd.get(), answer, sizeof(answer), 0);
        return got > 0 ? std::string(answer, static_cast<std::size_t>(got)) : std::string();
    }
};

}  // namespace

TEST_CASE("listening sockets are handed over and taken back") {
    char pattern[] = "/tmp/pilvi-control-XXXXXX";
    REQUIRE(::mkdtemp(pattern));
    std::string path = std::string(pattern) + "/control.sock";
    std::mutex mutex;
    std::vector<std::string> events;
    {
        Control control(path, {.adopt =
                                   [&](UniqueFd, const std::string& id) {
                                       std::lock_guard lock(mutex);
                                       events.push_back("adopt " + id);
                                   },
                               .forget =
                                   [&](const std::string& id) {
                                       std::lock_guard lock(mutex);
                                       events.push_back("forget " + id);
                                   }});
        UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listening.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0);
        std::string add = std::string(R"({"op":"add","network":")") + network + "\"}";
        Client client(path);
        CHECK(client.ask(R"({"op":"list"})") == "{\"networks\":[]}\n");
        CHECK(client.ask(add).starts_with("{\"error\""));
        CHECK(client.ask(add, listening.get()).starts_with("{\"error\""));  // does not listen yet
        REQUIRE(::listen(listening.get(), 1) == 0);
        CHECK(client.ask(add, listening.get()) == "{\"ok\":true}\n");
        CHECK(Client(path).ask(R"({"op":"list"})") == std::string("{\"networks\":[\"") + network + "\"]}\n");
        CHECK(client.ask(add, listening.get()) == "{\"ok\":true}\n");  // replaced
        std::string at_router = std::string(network) + "/bbbbbbbb-0000-4000-8000-000000000001";
        CHECK(client.ask(R"({"op":"add","network":")" + at_router + "\"}", listening.get()) == "{\"ok\":true}\n");
        CHECK(client.ask(R"({"op":"remove","network":")" + at_router + "\"}") == "{\"ok\":true}\n");
        CHECK(client.ask(std::string(R"({"op":"remove","network":")") + network + "\"}") == "{\"ok\":true}\n");
        for (const char* bad :
             {"", "x", "[]", "{}", R"({"op":"add","network":"../x"})", R"({"op":"drop","network":"aaaaaaaa-0000-4000-8000-000000000001"})"}) {
            CHECK_MESSAGE(client.ask(bad).starts_with("{\"error\""), bad);
        }
        CHECK(client.ask(R"({"op":"list"})") == "{\"networks\":[]}\n");
        CHECK(client.ask(std::string(10'000, 'x')).empty());  // closed
    }
    std::lock_guard lock(mutex);
    std::string id = network;
    std::string routed = id + "/bbbbbbbb-0000-4000-8000-000000000001";
    CHECK(events == std::vector<std::string>{"adopt " + id, "forget " + id, "adopt " + id, "adopt " + routed, "forget " + routed, "forget " + id});
    std::filesystem::remove_all(pattern);
}
