#include "domain/key_repository.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::identity {

namespace fs = std::filesystem;

std::vector<int> KeyRepository::numbers() const {
    std::vector<int> found;
    std::error_code failed;
    for (fs::directory_iterator at(directory_, failed), end; !failed && at != end; at.increment(failed)) {
        const auto number = parse_integer(at->path().filename().string());
        if (number && *number >= 0 && *number < 1'000'000'000 && at->is_regular_file()) found.push_back(static_cast<int>(*number));
    }
    std::sort(found.begin(), found.end());
    return found;
}

void KeyRepository::write_key(int number) const { write_file(file(number), fernet_key_text(new_fernet_key()), 0600); }

bool KeyRepository::initialize() const {
    std::error_code failed;
    fs::create_directories(directory_, failed);
    if (failed) throw Error(Errc::internal, "cannot make the key repository " + directory_ + ": " + failed.message());
    ::chmod(directory_.c_str(), 0700);
    if (!numbers().empty()) return false;
    write_key(0);
    write_key(1);
    return true;
}

void KeyRepository::rotate(int most_active) const {
    std::vector<int> old = numbers();
    if (old.empty()) throw Error(Errc::internal, "no Fernet key in " + directory_);
    if (old.front() != 0) {  // a rotation that was cut short
        write_key(0);
        old.insert(old.begin(), 0);
    }
    const int primary = old.back() + 1;
    std::error_code failed;
    fs::rename(file(0), file(primary), failed);
    if (failed) throw Error(Errc::internal, "cannot promote the staged key in " + directory_ + ": " + failed.message());
    write_key(0);
    old.erase(old.begin());                                                    // was staged
    const auto keep = static_cast<std::size_t>(std::max(most_active, 3) - 2);  // besides the new primary and the staged one
    while (old.size() > keep) {
        fs::remove(file(old.front()), failed);
        if (failed) throw Error(Errc::internal, "cannot remove the key " + file(old.front()) + ": " + failed.message());
        old.erase(old.begin());
    }
}

std::vector<FernetKey> KeyRepository::load() const {
    std::vector<int> found = numbers();
    std::reverse(found.begin(), found.end());
    std::vector<FernetKey> keys;
    for (const int number : found) {
        const auto key = parse_fernet_key(read_file(file(number), 4096));
        if (!key) throw Error(Errc::internal, file(number) + " is not a Fernet key (32 bytes as URL-safe base64)");
        keys.push_back(*key);
    }
    if (keys.empty()) throw Error(Errc::internal, "no Fernet key in " + directory_);
    return keys;
}

void KeyRing::reload() {
    auto fresh = std::make_shared<const std::vector<FernetKey>>(repository_.load());
    const std::lock_guard lock(mutex_);
    keys_ = std::move(fresh);
}

std::shared_ptr<const std::vector<FernetKey>> KeyRing::keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
}

}  // namespace pilvi::identity
