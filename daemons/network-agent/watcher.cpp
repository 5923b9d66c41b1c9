#include "watcher.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pilvi::network_agent {

Watcher::Watcher(std::string database, std::vector<std::string> files, std::function<std::set<int>()> children, std::function<void()> changed)
    : database_(std::move(database)),
      files_(std::move(files)),
      children_(std::move(children)),
      changed_(std::move(changed)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

Watcher::~Watcher() {
    std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof(one));
    thread_.join();
}

void Watcher::run() {
    OvsDbMonitor monitor(database_);
    std::string last;
    bool connected = false;
    while (true) {
        int descriptor = monitor.descriptor();
        bool changed = (descriptor >= 0) != connected;
        connected = descriptor >= 0;
        pollfd wait[2] = {{.fd = stop_.get(), .events = POLLIN, .revents = 0}, {.fd = descriptor, .events = POLLIN, .revents = 0}};
        ::poll(wait, 2, 1000);
        if (wait[0].revents) return;
        if (wait[1].revents) changed = monitor.drain() || changed;
        std::string now;
        for (const auto& file : files_) {
            struct stat status {};
            if (::stat(file.c_str(), &status) == 0) now += fmt::format("{}/{}.{} ", status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
            else now += "- ";
        }
        for (int child : children_()) {
            if (::kill(child, 0) != 0) now += fmt::format("{} ended ", child);
        }
        changed = changed || now != last;
        last = now;
        if (changed) changed_();
    }
}

}  // namespace pilvi::network_agent
