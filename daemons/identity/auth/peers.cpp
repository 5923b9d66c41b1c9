#include "auth/peers.h"

#include <algorithm>
#include <vector>

#include "base/ids.h"
#include "log/log.h"

namespace pilvi::identity {

namespace {
constexpr std::chrono::milliseconds between_beats{500}, dead_after{3000};
}

Peers::Peers(Store& store) : store_(store), id_(new_uuid()) {
    store_.write([&](Tx& tx) { tx.insert("processes", {{"id", id_}, {"heard", 0}, {"beat", 0}}); });
    look();
}

Peers::~Peers() {
    try {
        store_.write([&](Tx& tx) { tx.exec("DELETE FROM processes WHERE id = ?", {id_}); });
    } catch (const Error& error) {
        log::warning("this process stays in the list of identity processes: " + error.message() + "; the others drop it");
    }
}

void Peers::look() {
    const std::vector<Row> rows = store_.read([&](Tx& tx) { return tx.query("SELECT id, heard, beat FROM processes WHERE id <> ?", {id_}); });
    const std::lock_guard lock(mutex_);
    std::map<std::string, Peer> now;
    for (const Row& row : rows) {
        const std::string id = row.at(0).text();
        Peer peer{row.at(1).integer(), row.at(2).integer(), Clock::now()};
        if (const auto before = others_.find(id); before != others_.end() && before->second.beat == peer.beat) peer.since = before->second.since;
        now[id] = peer;
    }
    others_ = std::move(now);
}

void Peers::tell(std::int64_t heard) {
    const auto now = Clock::now();
    std::vector<std::pair<std::string, std::int64_t>> dead;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, peer] : others_)
            if (now - peer.since > dead_after) dead.emplace_back(id, peer.beat);
        if (others_.empty() || (dead.empty() && told_ == heard && now - told_at_ < between_beats)) return;
    }
    store_.write([&](Tx& tx) {
        for (const auto& [id, beat] : dead) tx.exec("DELETE FROM processes WHERE id = ? AND beat = ?", {id, beat});
        // One that was taken for dead (stopped for a while, or its database was away) is there again.
        tx.exec("INSERT INTO processes (id, heard, beat) VALUES (?, ?, 1) ON CONFLICT (id) DO UPDATE SET heard = ?, beat = processes.beat + 1",
                {id_, heard, heard});
    });
    const std::lock_guard lock(mutex_);
    for (const auto& [id, beat] : dead) others_.erase(id);
    told_ = heard;
    told_at_ = now;
}

bool Peers::alone() const {
    const std::lock_guard lock(mutex_);
    return others_.empty();
}

bool Peers::have_heard(std::int64_t revision) const {
    const std::lock_guard lock(mutex_);
    return std::all_of(others_.begin(), others_.end(), [&](const auto& peer) { return peer.second.heard >= revision; });
}

}  // namespace pilvi::identity
