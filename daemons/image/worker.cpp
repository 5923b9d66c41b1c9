#include "worker.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/ids.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
// Of this start of this machine.
std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}
}  // namespace

Worker::Worker(Store& store, const std::string& directory, std::chrono::milliseconds lease)
    : store_(store), lease_(lease), id_(new_uuid()), machine_(boot_id()), lock_file_(directory + "/" + id_) {
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    lock_ = UniqueFd(::open(lock_file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (!lock_ || ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
        throw Error(Errc::unavailable, "cannot make and lock " + lock_file_ + ": " + std::strerror(errno));
    store_.write([&](Tx& tx) { tx.insert("workers", {{"id", id_}, {"machine", machine_}, {"lock_file", lock_file_}, {"beat", 0}}); });
}

Worker::~Worker() {
    try {
        const bool idle = store_.read([&](Tx& tx) {
            return !tx.one("SELECT 1 FROM uploads WHERE worker = ?", {id_}) &&
                   !tx.one("SELECT 1 FROM tasks WHERE worker = ? AND (status = 'pending' OR status = 'processing')", {id_});
        });
        if (idle) forget(id_);
    } catch (const std::exception& e) {
        log::warning("this daemon stays listed as a worker: " + std::string(e.what()) + "; the next one removes it");
    }
}

void Worker::beat() {
    if (!store_.is_postgresql()) return;  // all who open the file are on this machine
    store_.write([&](Tx& tx) { tx.exec("UPDATE workers SET beat = beat + 1 WHERE id = ?", {id_}); });
}

bool Worker::runs(const std::string& id, const std::string& machine, const std::string& lock_file, std::int64_t beat) {
    if (const UniqueFd file(::open(lock_file.c_str(), O_RDWR | O_CLOEXEC)); file) {
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return true;
        if (machine == machine_ || !store_.is_postgresql()) return false;
    }
    const auto now = std::chrono::steady_clock::now();
    const auto [seen, fresh] = seen_.try_emplace(id, Seen{beat, now});
    if (!fresh && seen->second.beat != beat) seen->second = {beat, now};
    return now - seen->second.since < lease_;
}

std::vector<std::string> Worker::gone() {
    const auto rows = store_.read([&](Tx& tx) { return tx.query("SELECT id, machine, lock_file, beat FROM workers WHERE id <> ?", {id_}); });
    std::vector<std::string> out;
    const std::lock_guard lock(mutex_);
    for (const Row& row : rows)
        if (!runs(row.text("id"), row.text("machine"), row.text("lock_file"), row.integer("beat"))) out.push_back(row.text("id"));
    return out;
}

void Worker::forget(const std::string& id) {
    const std::string file = store_.write([&](Tx& tx) {
        const std::string lock_file = tx.scalar("SELECT lock_file FROM workers WHERE id = ?", {id}).text();
        tx.exec("DELETE FROM workers WHERE id = ?", {id});
        return lock_file;
    });
    const std::lock_guard lock(mutex_);
    seen_.erase(id);
    if (!file.empty()) ::unlink(file.c_str());
}

void Worker::take(const std::string& token) {
    const std::lock_guard lock(mutex_);
    tokens_.insert(token);
}

void Worker::leave(const std::string& token) {
    const std::lock_guard lock(mutex_);
    tokens_.erase(token);
}

bool Worker::has(const std::string& token) const {
    const std::lock_guard lock(mutex_);
    return tokens_.contains(token);
}

}  // namespace pilvi::image
