#include "domain/password.h"

#include <sodium.h>

#include "base/error.h"
#include "base/ids.h"

namespace pilvi::identity {

// Holds one of the places of PasswordCost::at_once.
class PasswordHasher::Turn {
public:
    explicit Turn(const PasswordHasher& of) : of_(of) {
        std::unique_lock lock(of_.mutex_);
        of_.free_.wait(lock, [this] { return of_.working_ < of_.cost_.at_once; });
        ++of_.working_;
    }
    ~Turn() {
        const std::lock_guard lock(of_.mutex_);
        --of_.working_;
        of_.free_.notify_one();
    }

private:
    const PasswordHasher& of_;
};

PasswordHasher::PasswordHasher(PasswordCost cost) : cost_(cost) {
    if (sodium_init() < 0) throw Error(Errc::internal, "libsodium cannot be initialised");
    decoy_ = hash(Secret(new_uuid()));
}

std::string PasswordHasher::hash(const Secret& password) const {
    const Turn turn(*this);
    char out[crypto_pwhash_STRBYTES];
    const std::string& text = password.reveal();
    if (crypto_pwhash_str_alg(out, text.data(), text.size(), cost_.operations, cost_.memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
        throw Error(Errc::unavailable, "not enough memory to hash a password");
    return out;
}

bool PasswordHasher::verify(const std::string& hash, const Secret& password) const {
    const std::string& text = password.reveal();
    const bool usable = hash.starts_with("$argon2id$") && hash.size() < crypto_pwhash_STRBYTES && text.size() <= longest_password;
    const std::string& against = usable ? hash : decoy_;
    const std::size_t size = text.size() <= longest_password ? text.size() : 0;
    const Turn turn(*this);
    const bool same = crypto_pwhash_str_verify(against.c_str(), text.data(), size) == 0;
    return usable && same;
}

bool PasswordHasher::outdated(const std::string& hash) const {
    return crypto_pwhash_str_needs_rehash(hash.c_str(), cost_.operations, cost_.memory) != 0;
}

}  // namespace pilvi::identity
