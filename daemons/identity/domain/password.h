#pragma once
// Passwords as argon2id hashes (libsodium's text form "$argon2id$v=19$m=...").
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>

#include "base/secret.h"

namespace pilvi::identity {

struct PasswordCost {
    unsigned long long operations = 5;
    std::size_t memory = 7u << 20;  // bytes
    unsigned at_once = 2;           // hashes that are worked on at the same time; others wait
};
// Why these: OWASP's list of argon2id settings of equal strength (19 MiB x 2 ... 7 MiB x 5 passes); the smallest memory of it, because the whole
// control plane has 120 MB: at most at_once x memory = 14 MiB while logins run, and nothing in between.

constexpr std::size_t longest_password = 4096;  // bytes; the original's max_password_length

class PasswordHasher {
public:
    explicit PasswordHasher(PasswordCost cost = {});
    // Throws Error(unavailable) where there is no memory for it.
    std::string hash(const Secret& password) const;
    // False too for a hash that is "" or broken; takes as long as for a hash made with the cost of this hasher, so that an account that has no
    // password, or does not exist, is not told apart by time.
    bool verify(const std::string& hash, const Secret& password) const;
    // Whether `hash` was made at another cost: the next good login makes it anew.
    bool outdated(const std::string& hash) const;

private:
    class Turn;
    PasswordCost cost_;
    std::string decoy_;
    mutable std::mutex mutex_;
    mutable std::condition_variable free_;
    mutable unsigned working_ = 0;
};

}  // namespace pilvi::identity
