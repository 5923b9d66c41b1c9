#pragma once
// Keeps this controller's own files: its certificate with the key, and whom its daemons trust.
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "authority.h"

namespace pilvi::cluster {

struct KeeperOptions {
    std::string host;      // this controller's name
    std::string identity;  // the setting node.identity
    std::string trust;     // the setting node.trust
};

class Keeper {
public:
    Keeper(Authority& authority, std::function<Micros()> clock, KeeperOptions options)
        : authority_(authority), clock_(std::move(clock)), options_(std::move(options)) {}
    ~Keeper() { stop(); }

    // Once: makes what is missing, renews what is due, writes what changed. Throws where a file cannot be written.
    void keep();
    void start();  // keep() now, every ten minutes and when it is woken; what fails is logged and tried again
    void stop();
    void wake();

private:
    bool due() const;
    void loop();
    Authority& authority_;
    std::function<Micros()> clock_;
    KeeperOptions options_;
    std::mutex keeping_, mutex_;
    std::condition_variable changed_;
    bool woken_ = false, ending_ = false;
    std::thread thread_;
};

}  // namespace pilvi::cluster
