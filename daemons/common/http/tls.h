#pragma once
// Private to http/: OpenSSL contexts.
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/http.h"

struct ssl_ctx_st;
struct ssl_st;

namespace pilvi::http {

struct SslFree {
    void operator()(ssl_ctx_st* context) const noexcept;
    void operator()(ssl_st* session) const noexcept;
};
using SslContext = std::unique_ptr<ssl_ctx_st, SslFree>;
using SslSession = std::unique_ptr<ssl_st, SslFree>;

// TLS 1.2 or later. All throw Error(unavailable) naming the file that cannot be used.
SslContext server_context(const TlsFiles& files);
// The same where showing a certificate is the client's choice; one that is shown must be of files.client_ca and not on the revocation list in that file.
SslContext nodes_context(const TlsFiles& files);
SslContext client_context(const std::string& ca_file, const std::optional<TlsFiles>& identity);

SslSession server_session(ssl_ctx_st* context, int fd);
// Verifies that the certificate is `host`'s (a name or an address).
SslSession client_session(ssl_ctx_st* context, int fd, const std::string& host);

// The identity that the peer of a finished handshake proved; nullptr where it showed none.
std::shared_ptr<const PeerIdentity> peer_identity(ssl_st* session);

// A context whose files may change: looked at once a second at most, made again when one of them differs. One that cannot be read any more leaves the
// last good context in force. Thread-safe.
class ChangingContext {
public:
    ChangingContext(std::function<SslContext()> make, std::vector<std::string> files) : make_(std::move(make)), files_(std::move(files)) {}
    // Throws what `make` throws while there never was a good one. The context lives as long as a session holds it, or until the next call.
    SslSession session(const std::function<SslSession(ssl_ctx_st*)>& use);
    std::uint64_t generation();  // grows when the files changed

private:
    struct Seen {
        ino_t inode = 0;
        off_t size = 0;
        timespec changed{};
        bool operator==(const Seen& other) const {
            return inode == other.inode && size == other.size && changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
        }
    };
    void look();  // under the mutex
    std::function<SslContext()> make_;
    std::vector<std::string> files_;
    std::mutex mutex_;
    SslContext context_;
    std::vector<Seen> seen_;
    std::chrono::steady_clock::time_point looked_{};
    std::uint64_t generation_ = 0;
};

// With SNI: a client that asks `public_context` for a name below internal_domain gets a session of `nodes`.
void choose_by_name(ssl_ctx_st* public_context, ChangingContext& nodes);

// The last OpenSSL error of this thread, as text; clears the queue.
std::string ssl_error_text();

}  // namespace pilvi::http
