#pragma once
// Open vSwitch's database (RFC 7047) over its unix socket: a snapshot in one round trip, and a descriptor that becomes readable when it changed.
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"

namespace pilvi::network_agent {

using StringMap = std::map<std::string, std::string>;

struct OvsInterface {
    std::string name;
    std::string type;  // "", "internal", "patch", "vxlan"
    int ofport = -1;   // -1: no such device (see error)
    std::string error;
    StringMap external_ids;
    StringMap options;
};

struct OvsPort {
    std::string name;
    std::string bridge;
    int tag = 0;  // 0: none
    StringMap other_config;
    std::vector<OvsInterface> interfaces;
};

struct OvsBridge {
    std::string name;
    std::string datapath_type;
    std::string fail_mode;
};

struct OvsSnapshot {
    std::map<std::string, OvsBridge> bridges;
    std::map<std::string, OvsPort> ports;  // by port name
    StringMap external_ids;                // of the Open_vSwitch row
    std::string version;
};

class OvsDb {
public:
    // `socket`: path of db.sock.
    explicit OvsDb(std::string socket) : socket_(std::move(socket)) {}
    // Throws Error(unavailable) where the server does not answer.
    OvsSnapshot snapshot();

private:
    json::value call(std::string_view method, const json::array& params);
    json::value receive();
    std::string socket_;
    UniqueFd connection_;
    std::string buffer_;
    std::int64_t next_id_ = 1;
};

// Watches bridges, ports and interfaces. Not thread-safe: one thread owns it.
class OvsDbMonitor {
public:
    explicit OvsDbMonitor(std::string socket) : socket_(std::move(socket)) {}
    // Connects where needed; the descriptor to poll, -1 where the server is away.
    int descriptor();
    // Reads what is there; true where something changed, the server went away or came back.
    bool drain();

private:
    std::string socket_;
    UniqueFd connection_;
    std::string buffer_;
};

// The text of the answer to `select` operations as a snapshot; throws Error(bad_gateway). Pure.
OvsSnapshot parse_snapshot(const json::value& result);

}  // namespace pilvi::network_agent
