#pragma once
// Private to http/: OpenSSL contexts.
#include <memory>
#include <string>

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

// TLS 1.2 or later. Both throw Error(unavailable) naming the file that cannot be used.
SslContext server_context(const TlsFiles& files);
SslContext client_context(const std::string& ca_file, const std::optional<TlsFiles>& identity);

SslSession server_session(ssl_ctx_st* context, int fd);
// Verifies that the certificate is `host`'s (a name or an address).
SslSession client_session(ssl_ctx_st* context, int fd, const std::string& host);

// The last OpenSSL error of this thread, as text; clears the queue.
std::string ssl_error_text();

}  // namespace pilvi::http
