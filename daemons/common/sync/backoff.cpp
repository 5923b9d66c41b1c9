#include <algorithm>

#include "sync/sync.h"

namespace pilvi::sync {

bool Backoff::due(const std::string& object, std::chrono::steady_clock::time_point now) const {
    const auto found = next_.find(object);
    return found == next_.end() || now >= found->second.due;
}

void Backoff::failed(const std::string& object, std::chrono::steady_clock::time_point now) {
    Entry& entry = next_[object];
    entry.due = now + std::chrono::seconds(std::min(60, 1 << entry.exponent));
    entry.exponent = std::min(entry.exponent + 1, 6);
}

}  // namespace pilvi::sync
