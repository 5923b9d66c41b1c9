#pragma once
// The control socket (README.md): the network agent hands listening sockets over and takes them back.
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "base/fd.h"

namespace pilvi::metadata {

// What the control socket works on; in the daemon an http::Server.
struct Listeners {
    std::function<void(UniqueFd listening, const std::string& network_id)> adopt;
    std::function<void(const std::string& network_id)> forget;
};

class Control {
public:
    // Makes the socket (replacing one that was left) and serves it until destroyed. Throws Error(unavailable) where it cannot be made.
    Control(std::string path, Listeners listeners);
    ~Control();

private:
    struct Peer;
    void run();
    bool serve(Peer& peer);
    std::string answer(std::string_view line, UniqueFd descriptor);
    std::string path_;
    Listeners listeners_;
    std::set<std::string> networks_;  // names of the listeners; of the serving thread alone
    UniqueFd socket_, stop_;
    std::thread thread_;
};

// True for a TCP socket that listens.
bool is_listening_tcp(int descriptor);

}  // namespace pilvi::metadata
