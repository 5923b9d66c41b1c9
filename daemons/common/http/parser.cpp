#include "http/parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace pilvi::http {
namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

namespace {
// Where a body's bytes go.
struct Target {
    std::string* whole = nullptr;
    std::uint64_t limit = 0;
    char* window = nullptr;
    std::size_t size = 0, used = 0;

    std::size_t take(string_view bytes, error_code& failed) {
        if (whole) {
            if (bytes.size() > limit - whole->size()) {
                failed = beast::http::error::body_limit;
                return 0;
            }
            whole->append(bytes.data(), bytes.size());
            return bytes.size();
        }
        const std::size_t n = std::min(bytes.size(), size - used);
        std::memcpy(window + used, bytes.data(), n);
        used += n;
        if (n < bytes.size()) failed = beast::http::error::need_buffer;
        return n;
    }
};

template <bool is_request>
class Machine final : public beast::http::basic_parser<is_request> {
public:
    Machine(Parser& owner, Target& target) : owner_(owner), target_(target) {}
    bool http11() const { return http11_; }
    // Beast 1.81 asserts that the final chunk's header does not come in pieces where no other chunk came before it.
    bool needs_whole_final_chunk() { return this->chunked() && !chunk_; }

private:
    void on_request_impl(beast::http::verb, string_view method, string_view target, int version, error_code&) override {
        http11_ = version >= 11;
        owner_.method.assign(method.data(), method.size());
        owner_.target.assign(target.data(), target.size());
    }
    void on_response_impl(int code, string_view, int version, error_code&) override {
        http11_ = version >= 11;
        owner_.status = code;
    }
    void on_field_impl(beast::http::field, string_view name, string_view value, error_code&) override {
        if (!head_) owner_.headers.add({name.data(), name.size()}, {value.data(), value.size()});  // trailers are dropped
    }
    void on_header_impl(error_code&) override { head_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code& failed) override { return target_.take(body, failed); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override { chunk_ = true; }
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& failed) override { return target_.take(body, failed); }
    void on_finish_impl(error_code&) override {}

    Parser& owner_;
    Target& target_;
    bool head_ = false;
    bool http11_ = false;
    bool chunk_ = false;
};

// What Beast accepts and a proxy in front may read otherwise (RFC 9112 §6.1, §3.2): such a request is refused.
void refuse_ambiguous(const Headers& headers, bool http11) {
    const std::size_t encodings = headers.count("Transfer-Encoding");
    if (encodings > 0) {
        if (headers.has("Content-Length")) throw ParseFailure(400, "Content-Length and Transfer-Encoding exclude each other");
        if (encodings > 1 || !equals_ignoring_case(trim(headers.get("Transfer-Encoding")), "chunked"))
            throw ParseFailure(400, "the only Transfer-Encoding is chunked");
        if (!http11) throw ParseFailure(400, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (headers.count("Content-Length") > 1) throw ParseFailure(400, "Content-Length is given twice");
    const std::size_t hosts = headers.count("Host");
    if (hosts > 1 || (http11 && hosts == 0)) throw ParseFailure(400, "exactly one Host header is needed");
}
}  // namespace

struct Parser::Impl {
    Kind kind;
    std::size_t header_limit;
    std::size_t head_bytes = 0;
    Target target;
    std::optional<Machine<true>> request;
    std::optional<Machine<false>> response;

    template <class F>
    auto with(F&& fn) {
        return kind == Kind::request ? fn(*request) : fn(*response);
    }
    template <class F>
    auto with(F&& fn) const {
        return kind == Kind::request ? fn(*request) : fn(*response);
    }
};

Parser::Parser(Kind kind, std::size_t header_limit) : impl_(std::make_unique<Impl>()) {
    impl_->kind = kind;
    impl_->header_limit = header_limit;
    reset();
}

Parser::~Parser() = default;

void Parser::reset() {
    method.clear();
    target.clear();
    status = 0;
    headers = {};
    impl_->target = {};
    impl_->head_bytes = 0;
    if (impl_->kind == Kind::request) impl_->request.emplace(*this, impl_->target);
    else impl_->response.emplace(*this, impl_->target);
    impl_->with([this](auto& m) {
        m.header_limit(static_cast<std::uint32_t>(impl_->header_limit));
        m.body_limit(boost::none);
    });
}

void Parser::no_body() {
    impl_->with([](auto& m) { m.skip(true); });
}

std::size_t Parser::put(std::string_view bytes) {
    const bool in_head = !head_done();
    constexpr std::size_t least_chunked_body = 5;  // "0\r\n\r\n"
    if (!in_head && bytes.size() < least_chunked_body && impl_->with([](auto& m) { return m.needs_whole_final_chunk(); })) return 0;
    error_code failed;
    const std::size_t used = impl_->with([&](auto& m) {
        m.eager(!in_head);
        return m.put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
    });
    namespace errors = beast::http;
    if (in_head) {
        // Beast's own limit is that of one buffer; fields that trickle in are counted here.
        impl_->head_bytes += used;
        const std::size_t pending = head_done() ? 0 : bytes.size() - used;
        if (failed == errors::error::header_limit || impl_->head_bytes + pending > impl_->header_limit)
            throw ParseFailure(431, "the head is larger than " + std::to_string(impl_->header_limit) + " bytes");
    }
    if (failed == errors::error::body_limit) throw ParseFailure(413, "the body is larger than " + std::to_string(impl_->target.limit) + " bytes");
    if (failed == errors::error::need_more) {
        if (!in_head && bytes.size() - used > impl_->header_limit) throw ParseFailure(400, "a chunk's header or the trailer is too long");
    } else if (failed && failed != errors::error::need_buffer) {
        throw ParseFailure(400, failed.message());
    }
    if (in_head && head_done() && impl_->kind == Kind::request) refuse_ambiguous(headers, http11());
    return used;
}

void Parser::put_eof() {
    error_code failed;
    if (!started()) throw ParseFailure(400, "the connection was closed");
    impl_->with([&](auto& m) { m.put_eof(failed); });
    if (failed) throw ParseFailure(400, failed.message());
}

bool Parser::started() const {
    return impl_->with([](auto& m) { return m.got_some(); });
}
bool Parser::head_done() const {
    return impl_->with([](auto& m) { return m.is_header_done(); });
}
bool Parser::done() const {
    return impl_->with([](auto& m) { return m.is_done(); });
}
bool Parser::keep_alive() const {
    return impl_->with([](auto& m) { return m.keep_alive(); });
}
bool Parser::chunked() const {
    return impl_->with([](auto& m) { return m.chunked(); });
}
bool Parser::http11() const {
    return impl_->with([](auto& m) { return m.http11(); });
}

std::optional<std::uint64_t> Parser::content_length() const {
    const auto length = impl_->with([](auto& m) { return m.content_length(); });
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

void Parser::collect(std::string& into, std::uint64_t limit) { impl_->target = Target{.whole = &into, .limit = limit}; }
void Parser::window(char* into, std::size_t size) { impl_->target = Target{.window = into, .size = size}; }
std::size_t Parser::window_used() const { return impl_->target.used; }

}  // namespace pilvi::http
