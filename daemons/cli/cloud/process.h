#pragma once
// A child process that ends with us.
#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace pilvi::cli {

struct Launch {
    std::vector<std::string> argv;  // argv[0] is an absolute path
    std::map<std::string, std::string> environment;
    int listening = -1;  // handed over as systemd does (LISTEN_FDS); stays ours
    std::string log;     // file that takes stdout and stderr; "" = ours
};

class Process {
public:
    // Throws Error(internal). The child gets SIGKILL when the thread that made it ends.
    explicit Process(const Launch& launch);
    Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Process& operator=(Process&& other) noexcept;
    ~Process();  // kill()
    pid_t pid() const { return pid_; }
    // The exit status (128 + signal), nullopt while it runs.
    std::optional<int> ended();
    int wait();
    void signal(int number);
    // SIGTERM, then SIGKILL after `limit`.
    void stop(std::chrono::milliseconds limit);
    void kill();

private:
    pid_t pid_ = -1;
    std::optional<int> status_;
};

// A TCP socket that listens on 127.0.0.1 at a port of the kernel's choice.
struct Listening {
    UniqueFd fd;
    int port = 0;
};
Listening listen_on_loopback();

}  // namespace pilvi::cli
