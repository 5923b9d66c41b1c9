#pragma once
// SSH key pairs: making one, the fingerprint of a public one. OpenSSL only.
#include <optional>
#include <string>
#include <string_view>

namespace pilvi::compute {

struct KeyPair {
    std::string private_key;  // PEM
    std::string public_key;   // "ssh-rsa AAAA... comment"
};
// RSA with 2048 bits, as the original makes them.
KeyPair generate_rsa(std::string_view comment);
// MD5 of the key's blob, "aa:bb:...", of a line of an authorized_keys file: the type must be a known one and agree with the blob.
// nullopt where the text is no such line.
std::optional<std::string> ssh_fingerprint(std::string_view line);
// SHA-1 of the certificate, "AA:BB:..." in lower case, of a PEM certificate; nullopt where it is none.
std::optional<std::string> x509_fingerprint(std::string_view pem);

}  // namespace pilvi::compute
