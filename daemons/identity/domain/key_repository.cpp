#include "domain/key_repository.h"

#include <sys/stat.h>
#include <unistd.h>

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

void own_like_directory(const std::string& file) {
    struct stat directory {};
    if (::geteuid() != 0 || ::stat(fs::path(file).parent_path().c_str(), &directory) != 0) return;
    if (::lchown(file.c_str(), directory.st_uid, directory.st_gid) != 0)
        throw Error(Errc::internal, "cannot give " + file + " to the owner of its directory");
}

void KeyRepository::write_key(int number) const {
    write_file(file(number), fernet_key_text(new_fernet_key()), 0600);
    own_like_directory(file(number));
}

fs::file_time_type KeyRepository::changed_at() const {
    std::error_code failed;
    const auto at = fs::last_write_time(directory_, failed);
    return failed ? fs::file_time_type{} : at;
}

bool KeyRepository::initialize() const {
    std::error_code failed;
    fs::create_directories(directory_, failed);
    if (failed) throw Error(Errc::internal, "cannot make the key repository " + directory_ + ": " + failed.message());
    ::chmod(directory_.c_str(), 0700);
    own_like_directory(directory_);
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
    prune(most_active);
}

void KeyRepository::prune(int most_active) const {
    std::vector<int> old = numbers();
    const auto keep = static_cast<std::size_t>(std::max(most_active, 3));
    for (std::size_t i = old.front() == 0 ? 1 : 0; i < old.size() && old.size() > keep;) {
        std::error_code failed;
        fs::remove(file(old[i]), failed);
        if (failed) throw Error(Errc::internal, "cannot remove the key " + file(old[i]) + ": " + failed.message());
        old.erase(old.begin() + static_cast<std::ptrdiff_t>(i));
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
    const auto at = repository_.changed_at();
    auto fresh = std::make_shared<const std::vector<FernetKey>>(repository_.load());
    const std::lock_guard lock(mutex_);
    keys_ = std::move(fresh);
    read_at_ = at;
}

bool KeyRing::reload_if_changed() {
    {
        const std::lock_guard lock(mutex_);
        if (repository_.changed_at() == read_at_) return false;
    }
    reload();
    return true;
}

std::shared_ptr<const std::vector<FernetKey>> KeyRing::keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
}

}  // namespace pilvi::identity
