#include "domain/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/error.h"
#include "base/ids.h"

namespace pilvi::identity {

std::string hmac(Digest digest, std::string_view key, std::string_view text) {
    const EVP_MD* md = digest == Digest::sha1 ? EVP_sha1() : digest == Digest::sha256 ? EVP_sha256() : EVP_sha512();
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    if (!HMAC(md, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
              reinterpret_cast<unsigned char*>(out.data()), &size))
        throw Error(Errc::internal, "cannot compute a message authentication code");
    out.resize(size);
    return out;
}

std::string sha256_hex(std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), reinterpret_cast<unsigned char*>(out.data()));
    return hex(out);
}

}  // namespace pilvi::identity
