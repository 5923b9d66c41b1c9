#pragma once
// Key pairs, of SSH and X.509: making one, the fingerprint of a public one. OpenSSL only.
#include <optional>
#include <string>
#include <string_view>

namespace pilvi::compute {

struct KeyPair {
    std::string private_key;  // PEM; of X.509: base64 of PKCS#12 without a password, the certificate included
    std::string public_key;   // "ssh-rsa AAAA... comment", or a PEM certificate
};
// RSA with 2048 bits, as the original makes them.
KeyPair generate_rsa(std::string_view comment);
// A self-signed certificate of such a key for ten years, by which a Windows guest lets the user in over WinRM: the subject is CN=<user_id>, the
// user principal name <user_id>@localhost, the use client authentication. Error(bad_request) where the id does not fit a subject (64 characters).
KeyPair generate_x509(std::string_view user_id);
// MD5 of the key's blob, "aa:bb:...", of a line of an authorized_keys file: the type must be a known one and agree with the blob.
// nullopt where the text is no such line.
std::optional<std::string> ssh_fingerprint(std::string_view line);
// SHA-1 of the certificate, "AA:BB:..." in lower case, of a PEM certificate; nullopt where it is none.
std::optional<std::string> x509_fingerprint(std::string_view pem);

}  // namespace pilvi::compute
