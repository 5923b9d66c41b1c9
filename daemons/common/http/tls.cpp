#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/net.h"
#include "pki/openssl.h"

namespace pilvi::http {
namespace {
[[noreturn]] void fail(const std::string& what) { throw Error(Errc::unavailable, what + ": " + ssl_error_text()); }

SslContext make_context(const SSL_METHOD* method) {
    SslContext context(SSL_CTX_new(method));
    if (!context) fail("TLS");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return context;
}

void use_identity(SSL_CTX* context, const TlsFiles& files) {
    if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) fail("cannot use certificate " + files.certificate);
    if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) fail("cannot use key " + files.key);
    if (SSL_CTX_check_private_key(context) != 1) fail("key " + files.key + " does not belong to certificate " + files.certificate);
}
}  // namespace

void SslFree::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void SslFree::operator()(ssl_st* session) const noexcept { SSL_free(session); }

std::string ssl_error_text() {
    const unsigned long code = ERR_peek_last_error();
    char text[256] = "unknown TLS error";
    if (code != 0) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

SslContext server_context(const TlsFiles& files) {
    SslContext context = make_context(TLS_server_method());
    use_identity(context.get(), files);
    if (!files.client_ca.empty()) {
        if (SSL_CTX_load_verify_file(context.get(), files.client_ca.c_str()) != 1) fail("cannot use CA " + files.client_ca);
        SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(files.client_ca.c_str()));
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        const unsigned char id[] = "pilvi";
        SSL_CTX_set_session_id_context(context.get(), id, sizeof id - 1);
    }
    return context;
}

SslContext nodes_context(const TlsFiles& files) {
    SslContext context = make_context(TLS_server_method());
    use_identity(context.get(), files);
    if (SSL_CTX_load_verify_file(context.get(), files.client_ca.c_str()) != 1) fail("cannot use CA " + files.client_ca);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context.get()), X509_V_FLAG_CRL_CHECK);
    // The list of acceptable CAs is left empty: a client has one certificate, and shows it.
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    // A resumed session would not be verified again.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    return context;
}

SslContext client_context(const std::string& ca_file, const std::optional<TlsFiles>& identity) {
    SslContext context = make_context(TLS_client_method());
    if (ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(context.get()) != 1) fail("cannot use the system's CA certificates");
    } else if (SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) != 1) {
        fail("cannot use CA " + ca_file);
    }
    if (identity) use_identity(context.get(), *identity);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return context;
}

SslSession server_session(ssl_ctx_st* context, int fd) {
    SslSession session(SSL_new(context));
    if (!session || SSL_set_fd(session.get(), fd) != 1) fail("TLS");
    SSL_set_accept_state(session.get());
    return session;
}

SslSession client_session(ssl_ctx_st* context, int fd, const std::string& host) {
    SslSession session(SSL_new(context));
    if (!session || SSL_set_fd(session.get(), fd) != 1) fail("TLS");
    if (IpAddress::parse(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.get()), host.c_str());
    } else {
        SSL_set_tlsext_host_name(session.get(), host.c_str());
        SSL_set1_host(session.get(), host.c_str());
    }
    SSL_set_connect_state(session.get());
    return session;
}

std::shared_ptr<const PeerIdentity> peer_identity(ssl_st* session) {
    const X509* certificate = SSL_get0_peer_certificate(session);
    if (!certificate || SSL_get_verify_result(session) != X509_V_OK) return nullptr;
    const std::vector<std::string> names = pki::subject_entries(certificate, NID_commonName),
                                   ids = pki::subject_entries(certificate, NID_serialNumber);
    if (names.size() != 1 || ids.size() > 1) return nullptr;
    return std::make_shared<const PeerIdentity>(
        PeerIdentity{.name = names[0], .id = ids.empty() ? "" : ids[0], .roles = pki::subject_entries(certificate, NID_organizationName)});
}

void ChangingContext::look() {
    const auto now = std::chrono::steady_clock::now();
    if (context_ && now - looked_ < std::chrono::seconds(1)) return;
    looked_ = now;
    std::vector<Seen> seen;
    for (const std::string& file : files_) {
        struct stat info {};
        if (!file.empty() && ::stat(file.c_str(), &info) == 0) seen.push_back({info.st_ino, info.st_size, info.st_mtim});
        else seen.emplace_back();
    }
    if (context_ && seen == seen_) return;
    try {
        context_ = make_();
        seen_ = std::move(seen);
        ++generation_;
    } catch (const Error&) {
        if (!context_) throw;
        ERR_clear_error();
    }
}

SslSession ChangingContext::session(const std::function<SslSession(ssl_ctx_st*)>& use) {
    const std::lock_guard lock(mutex_);
    look();
    return use(context_.get());
}

std::uint64_t ChangingContext::generation() {
    const std::lock_guard lock(mutex_);
    look();
    return generation_;
}

void choose_by_name(ssl_ctx_st* public_context, ChangingContext& nodes) {
    SSL_CTX_set_tlsext_servername_arg(public_context, &nodes);
    SSL_CTX_set_tlsext_servername_callback(
        public_context, +[](SSL* session, int*, void* argument) -> int {
            const char* name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
            if (!name || !std::string_view(name).ends_with(internal_domain)) return SSL_TLSEXT_ERR_NOACK;
            try {
                static_cast<ChangingContext*>(argument)->session([&](ssl_ctx_st* context) -> SslSession {
                    SSL_set_SSL_CTX(session, context);
                    // These are not taken over with the context.
                    SSL_set_verify(session, SSL_CTX_get_verify_mode(context), nullptr);
                    SSL_set_options(session, SSL_OP_NO_TICKET);
                    return nullptr;
                });
                return SSL_TLSEXT_ERR_OK;
            } catch (const std::exception&) {
                return SSL_TLSEXT_ERR_ALERT_FATAL;
            }
        });
}

}  // namespace pilvi::http
