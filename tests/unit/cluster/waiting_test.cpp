#include "waiting.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/text.h"
#include "support/code_of.h"

using namespace pilvi;
using cluster::Applicant;
using cluster::Waiting;
using testing::code_of;

namespace {

constexpr Micros second = 1'000'000;

struct Room {
    Micros now = 1'700'000'000 * second;
    Waiting waiting{[this] { return now; }};
    Room() { waiting.open(*Cidr::parse("10.9.0.1/24"), 3600 * second); }
    std::optional<Errc> refused(const Applicant& applicant) {
        return code_of([&] { waiting.ask(applicant); });
    }
};

std::string key(int n) {
    std::string out(64, 'a');
    for (int at = 7; at >= 0; --at, n /= 10) out[static_cast<std::size_t>(at)] = static_cast<char>('0' + n % 10);
    return out;
}

Applicant applicant(int n, const std::string& address = "10.9.0.20") {
    return {.name = "node" + std::to_string(n), .mac = "52:54:00:00:00:01", .address = address, .key = key(n)};
}

}  // namespace

TEST_CASE("only machines of an open network may ask") {
    Room room;
    CHECK(room.refused(applicant(1, "10.9.1.20")) == Errc::forbidden);
    CHECK(room.refused(applicant(1, "::1")) == Errc::forbidden);
    CHECK(room.refused(applicant(1, "")) == Errc::forbidden);
    room.waiting.ask(applicant(1));
    CHECK(room.waiting.list().size() == 1);
    room.now += 3600 * second;
    CHECK(room.refused(applicant(1)) == Errc::forbidden);
    room.waiting.open(*Cidr::parse("10.9.0.1/24"), second);
    room.waiting.ask(applicant(1));
}

TEST_CASE("a bounded number of networks is open, and what has ended makes room") {
    Room room;
    for (std::size_t n = 1; n < Waiting::networks; ++n) room.waiting.open(*Cidr::parse("10.10." + std::to_string(n) + ".0/24"), second);
    CHECK(code_of([&] { room.waiting.open(*Cidr::parse("10.11.0.0/24"), second); }) == Errc::conflict);
    room.now += 2 * second;
    room.waiting.open(*Cidr::parse("10.11.0.0/24"), second);
}

TEST_CASE("who does not ask again has gone") {
    Room room;
    room.waiting.ask(applicant(1));
    room.now += Waiting::silence / 2;
    room.waiting.ask(applicant(2));
    room.now += Waiting::silence / 2 + 1;
    REQUIRE(room.waiting.list().size() == 1);
    CHECK(string_or(room.waiting.list()[0].as_object(), "name") == "node2");
}

TEST_CASE("one address or all of them cannot fill the memory") {
    Room room;
    for (std::size_t n = 0; n < Waiting::most_of_address; ++n) room.waiting.ask(applicant(static_cast<int>(n)));
    CHECK(room.refused(applicant(99)) == Errc::unavailable);
    room.waiting.ask(applicant(0));  // again
    room.waiting.open(*Cidr::parse("10.0.0.0/8"), 3600 * second);
    int n = 1000;
    for (std::size_t waiting = room.waiting.list().size(); waiting < Waiting::most; ++waiting, ++n)
        room.waiting.ask(applicant(n, IpAddress::parse("10.20.0.0")->plus(static_cast<std::uint64_t>(n)).text()));
    CHECK(room.refused(applicant(n, "10.30.0.1")) == Errc::unavailable);
    CHECK(room.waiting.list().size() == Waiting::most);
}

TEST_CASE("a machine is found by its whole fingerprint, or by a name that it alone has") {
    Room room;
    room.waiting.ask(applicant(1));
    room.waiting.ask(applicant(2));
    Applicant twin = applicant(3);
    twin.name = "node2";
    room.waiting.ask(twin);
    CHECK(room.waiting.find("0000-0001-aaaa-aaaa-aaaa").name == "node1");
    CHECK(room.waiting.find("00000001AAAAAAAAAAAA").name == "node1");
    CHECK(room.waiting.find("node1").key == key(1));
    CHECK(code_of([&] { room.waiting.find("node2"); }) == Errc::conflict);
    for (const char* wrong : {"", "0000-0001", "00000001aaaaaaaaaaaaa", "node9", "0000-0009-aaaa-aaaa-aaaa"})
        CHECK(code_of([&] { room.waiting.find(wrong); }) == Errc::not_found);
    room.waiting.forget(key(3));
    CHECK(room.waiting.find("node2").key == key(2));
}
