#pragma once
// The Fernet key repository, laid out as the original's: a directory with the files 0, 1, 2, ...; each holds one key. 0 is staged (it only
// decrypts, and becomes the next primary), the highest number is the primary (it encrypts), the others still decrypt.
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "domain/fernet.h"

namespace pilvi::identity {

class KeyRepository {
public:
    explicit KeyRepository(std::string directory) : directory_(std::move(directory)) {}
    // Makes the directory (0700) with the keys 0 and 1 where there is none yet; true where it did.
    bool initialize() const;
    // The staged key becomes the primary, a new one is staged, and the oldest go until `most_active` keys are left (at least 3).
    void rotate(int most_active) const;
    // The oldest go until `most_active` keys are left (at least 3).
    void prune(int most_active) const;
    // The primary first, then by falling number. Throws Error(internal) naming the file on a key that is broken, or where there is no key.
    std::vector<FernetKey> load() const;
    // When a file was last added or removed; differs after a rotation.
    std::filesystem::file_time_type changed_at() const;

private:
    std::vector<int> numbers() const;  // rising
    void write_key(int number) const;
    std::string file(int number) const { return directory_ + "/" + std::to_string(number); }
    std::string directory_;
};

// The keys as a running daemon uses them. Thread-safe.
class KeyRing {
public:
    explicit KeyRing(const KeyRepository& repository) : repository_(repository) { reload(); }
    void reload();  // what a rotation changed; keeps the old keys where it throws
    // True where the repository is another one than was read last; reads it.
    bool reload_if_changed();
    std::shared_ptr<const std::vector<FernetKey>> keys() const;

private:
    const KeyRepository& repository_;
    mutable std::mutex mutex_;
    std::shared_ptr<const std::vector<FernetKey>> keys_;
    std::filesystem::file_time_type read_at_;  // what changed_at() said before they were read
};

// A key that root makes belongs to whom its directory belongs to: the daemon reads it.
void own_like_directory(const std::string& file);

}  // namespace pilvi::identity
