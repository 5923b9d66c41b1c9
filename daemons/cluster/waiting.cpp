#include "waiting.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::cluster {
namespace {

constexpr std::size_t short_digits = 20, group = 4;

std::string digits_of(std::string_view text) {
    std::string out;
    for (const char c : lower(text))
        if (c != '-') out += c;
    return out;
}

}  // namespace

std::string short_fingerprint(const pki::Fingerprint& key) {
    std::string out;
    for (std::size_t at = 0; at < std::min(short_digits, key.size()); at += group) out += (out.empty() ? "" : "-") + key.substr(at, group);
    return out;
}

void Waiting::open(const Cidr& network, Micros life) {
    const std::lock_guard lock(mutex_);
    const Micros now = clock_();
    std::erase_if(open_, [&](const auto& item) { return item.second.second <= now; });
    const std::string text = network.text();
    if (!open_.contains(text) && open_.size() >= networks) throw Error(Errc::conflict, "too many networks are open for new nodes");
    open_[text] = {network, now + life};
}

void Waiting::drop_gone() {
    std::erase_if(entries_, [&](const auto& item) { return item.second.seen + silence < clock_(); });
}

void Waiting::ask(const Applicant& applicant) {
    const std::lock_guard lock(mutex_);
    const Micros now = clock_();
    const auto address = IpAddress::parse(applicant.address);
    const bool admitted = address && std::ranges::any_of(open_, [&](const auto& item) {
                              const auto& [network, until] = item.second;
                              return until > now && network.contains(*address);
                          });
    if (!admitted)
        throw Error(Errc::forbidden, "no new nodes are taken from " + applicant.address + " now: pilvi pxe serve on the controller opens a network");
    drop_gone();
    const auto known = entries_.find(applicant.key);
    if (known != entries_.end()) {
        known->second.applicant = applicant;
        known->second.seen = now;
        return;
    }
    const auto same = std::ranges::count_if(entries_, [&](const auto& item) { return item.second.applicant.address == applicant.address; });
    if (entries_.size() >= most || static_cast<std::size_t>(same) >= most_of_address)
        throw Error(Errc::unavailable, "too many machines wait for a role already");
    entries_[applicant.key] = {.applicant = applicant, .since = now, .seen = now};
}

json::array Waiting::list() {
    const std::lock_guard lock(mutex_);
    drop_gone();
    std::vector<const Entry*> sorted;
    for (const auto& [key, entry] : entries_) sorted.push_back(&entry);
    std::ranges::stable_sort(sorted, {}, &Entry::since);
    json::array out;
    for (const Entry* entry : sorted)
        out.push_back(json::object{{"fingerprint", short_fingerprint(entry->applicant.key)},
                                   {"name", entry->applicant.name},
                                   {"mac", entry->applicant.mac},
                                   {"address", entry->applicant.address},
                                   {"since", iso8601(entry->since)}});
    return out;
}

Applicant Waiting::find(std::string_view text) {
    const std::lock_guard lock(mutex_);
    drop_gone();
    const std::string digits = digits_of(text);
    std::vector<const Applicant*> found;
    for (const auto& [key, entry] : entries_)
        if ((digits.size() == short_digits && key.starts_with(digits)) || entry.applicant.name == text) found.push_back(&entry.applicant);
    if (found.empty()) throw Error(Errc::not_found, "no machine waits as " + std::string(text));
    if (found.size() > 1) throw Error(Errc::conflict, "more than one machine waits as " + std::string(text) + ": say its fingerprint");
    return *found.front();
}

void Waiting::forget(const pki::Fingerprint& key) {
    const std::lock_guard lock(mutex_);
    entries_.erase(key);
}

}  // namespace pilvi::cluster
