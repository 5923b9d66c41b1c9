#pragma once
// Passwords of machines that do not take this one's key: ssh asks for them itself, on the terminal, once a machine. What follows goes through the
// connection that was opened then (ControlMaster of ssh_config(5)), so no password comes near this program.
#include <string>
#include <vector>

#include "command/command.h"
#include "deploy/deploy.h"

namespace pilvi::cli {

class SharedLogins {
public:
    // Closes what was opened. A connection that this program's end by a signal left open closes itself an hour after its last use.
    ~SharedLogins();
    explicit SharedLogins(CommandRunner& runner) : runner_(runner) {}
    SharedLogins(const SharedLogins&) = delete;
    SharedLogins& operator=(const SharedLogins&) = delete;
    // Whether ssh can ask somebody.
    static bool somebody_is_there();
    // Logs in to the machine as a person would, and lets its commands go through that. False where ssh did not get in; it has said why.
    bool open(Machine& machine);

private:
    CommandRunner& runner_;
    std::string directory_;  // of the sockets, ours alone; "" before there is one
    std::vector<Machine> opened_;
};

}  // namespace pilvi::cli
