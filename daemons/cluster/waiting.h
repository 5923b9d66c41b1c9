#pragma once
// The machines that ask to become nodes and have no token: each is known by a key that it made when it started. They wait here, in memory, until the
// operator gives one a role; a machine asks again every few seconds, so that nothing is lost where this daemon starts anew.
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/net.h"
#include "base/time.h"
#include "pki/pki.h"

namespace pilvi::cluster {

// What a machine says of itself: nothing of it is proved but the key.
struct Applicant {
    std::string name, mac, address;  // address: where it asks from
    pki::Fingerprint key;
};

// The fingerprint as people compare it: 80 bits, "0123-4567-89ab-cdef-0123".
std::string short_fingerprint(const pki::Fingerprint& key);

class Waiting {
public:
    explicit Waiting(std::function<Micros()> clock) : clock_(std::move(clock)) {}

    // Machines of this network may ask, for so long; nobody may who is in no such network. At most `networks` of them.
    void open(const Cidr& network, Micros life);
    // Error(forbidden) where nobody may ask from its address, Error(unavailable) where too many wait already.
    void ask(const Applicant& applicant);
    // Those that asked within the last minute, the longest waiting first.
    json::array list();
    // By its short fingerprint, with or without hyphens, or by its name where only one has it. Error(not_found), Error(conflict).
    Applicant find(std::string_view text);
    void forget(const pki::Fingerprint& key);

    static constexpr std::size_t most = 512, most_of_address = 4, networks = 16;
    static constexpr Micros silence = 60'000'000;  // who has not asked for so long has gone

private:
    struct Entry {
        Applicant applicant;
        Micros since = 0, seen = 0;
    };
    void drop_gone();  // with the mutex held
    std::function<Micros()> clock_;
    std::mutex mutex_;
    std::map<pki::Fingerprint, Entry> entries_;
    std::map<std::string, std::pair<Cidr, Micros>> open_;  // by text; until when
};

}  // namespace pilvi::cluster
