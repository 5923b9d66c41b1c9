#include "keeper.h"

#include <algorithm>

#include "base/fd.h"
#include "log/log.h"

namespace pilvi::cluster {
namespace {

constexpr unsigned group_readable = 0640;  // the daemons are of one group; the key is theirs to use, nobody else's

std::string content_of(const std::string& path) {
    try {
        return read_file(path);
    } catch (const Error& error) {
        if (error.code() == Errc::not_found) return {};
        throw;
    }
}

}  // namespace

bool Keeper::due() const {
    const std::string text = content_of(options_.identity);
    if (text.empty()) return true;
    try {
        const pki::Certificate certificate = pki::Certificate::from_pem(text);
        const Micros now = clock_();
        if (certificate.key().fingerprint() != pki::Key::from_pem(text).fingerprint() || certificate.name() != options_.host) return true;
        if (now >= renewal_due(certificate.not_before(), certificate.not_after()) || now < certificate.not_before()) return true;
        return !pki::verify_chain(text, authority_.trust(), now, true).empty();
    } catch (const Error&) {
        return true;
    }
}

void Keeper::keep() {
    const std::lock_guard one_at_a_time(keeping_);
    if (authority_.advance()) log::notice("the cluster has a new certificate authority");
    if (due()) {
        const pki::Key key = pki::Key::generate();
        const Membership own = authority_.certify_controller(options_.host, key);
        write_file(options_.identity, own.certificate + key.pem(), group_readable);
        log::info("this controller has a new certificate", {{"NODE", own.name}});
    }
    const std::string trust = authority_.trust();
    if (content_of(options_.trust) != trust) write_file(options_.trust, trust, group_readable);
}

void Keeper::start() {
    keep();
    thread_ = std::thread([this] { loop(); });
}

void Keeper::loop() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait_for(lock, std::chrono::minutes(10), [this] { return woken_ || ending_; });
        if (ending_) return;
        woken_ = false;
        lock.unlock();
        try {
            keep();
        } catch (const std::exception& error) {
            log::error(std::string("the certificates of this controller cannot be kept: ") + error.what() + "; trying again in ten minutes");
        }
        lock.lock();
    }
}

void Keeper::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = true;
    }
    changed_.notify_all();
}

void Keeper::stop() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

}  // namespace pilvi::cluster
