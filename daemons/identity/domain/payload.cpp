#include "domain/payload.h"

#include <bit>
#include <cmath>

#include "base/ids.h"
#include "base/text.h"

namespace pilvi::identity {

namespace {

enum Version : unsigned {
    unscoped_version = 0,
    domain_version = 1,
    project_version = 2,
    trust_version = 3,
    federated_version = 4,
    federated_project_version = 5,
    federated_domain_version = 6,
    oauth_version = 7,
    system_version = 8,
    application_credential_version = 9,
};

constexpr std::uint64_t known_methods = 0x7f | Method::ec2credential;

// Members of the array.
std::size_t size_of(std::uint64_t version) {
    switch (version) {
        case unscoped_version:
            return 5;
        case trust_version:
        case oauth_version:
        case application_credential_version:
            return 7;
        case federated_version:
            return 8;
        case federated_project_version:
        case federated_domain_version:
            return 9;
        default:
            return 6;
    }
}

class Writer {
public:
    void array(std::size_t size) {  // below 65536
        if (size < 16) {
            out += static_cast<char>(0x90 | size);
        } else {
            out += static_cast<char>(0xdc);
            big_endian(size, 2);
        }
    }
    void boolean(bool v) { out += static_cast<char>(v ? 0xc3 : 0xc2); }
    void integer(std::uint64_t v) {
        if (v >= 0x80) {
            out += static_cast<char>(0xcf);
            big_endian(v, 8);
        } else {
            out += static_cast<char>(v);
        }
    }
    void real(double v) {
        out += static_cast<char>(0xcb);
        big_endian(std::bit_cast<std::uint64_t>(v), 8);
    }
    void binary(std::string_view v) { sized(v, 0xc4); }
    void text(std::string_view v) {
        if (v.size() < 32) {
            out += static_cast<char>(0xa0 | v.size());
            out += v;
        } else {
            sized(v, 0xd9);
        }
    }
    std::string out;

private:
    void sized(std::string_view v, unsigned head) {  // up to 65535 bytes
        out += static_cast<char>(v.size() < 256 ? head : head + 1);
        big_endian(v.size(), v.size() < 256 ? 1 : 2);
        out += v;
    }
    void big_endian(std::uint64_t v, int bytes) {
        for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>((v >> shift) & 0xff);
    }
};

// Reads the few forms that the original writes; sets `bad` instead of failing.
class Reader {
public:
    explicit Reader(std::string_view in) : in_(in) {}
    bool bad = false;
    bool at_end() const { return in_.empty(); }

    unsigned byte() {
        if (in_.empty()) {
            bad = true;
            return 0;
        }
        const unsigned v = static_cast<unsigned char>(in_.front());
        in_.remove_prefix(1);
        return v;
    }
    std::size_t array() {
        const unsigned head = byte();
        if (head == 0xdc) return big_endian(2);
        if ((head & 0xf0) != 0x90) bad = true;
        return head & 0x0f;
    }
    bool boolean() {
        const unsigned head = byte();
        if (head != 0xc2 && head != 0xc3) bad = true;
        return head == 0xc3;
    }
    std::uint64_t integer() {
        const unsigned head = byte();
        if (head < 0x80) return head;
        if (head < 0xcc || head > 0xcf) bad = true;
        return bad ? 0 : big_endian(1u << (head - 0xcc));
    }
    double real() {
        if (in_.empty() || static_cast<unsigned char>(in_.front()) != 0xcb) return static_cast<double>(integer());
        byte();
        return std::bit_cast<double>(big_endian(8));
    }
    std::string_view bytes() {  // bin or str
        const unsigned head = byte();
        std::size_t size = 0;
        if ((head & 0xe0) == 0xa0) size = head & 0x1f;
        else if (head == 0xc4 || head == 0xd9) size = big_endian(1);
        else if (head == 0xc5 || head == 0xda) size = big_endian(2);
        else bad = true;
        if (bad || size > in_.size()) {
            bad = true;
            return {};
        }
        const std::string_view v = in_.substr(0, size);
        in_.remove_prefix(size);
        return v;
    }

private:
    std::uint64_t big_endian(std::size_t size) {
        std::uint64_t v = 0;
        while (size-- > 0) v = v << 8 | byte();
        return v;
    }
    std::string_view in_;
};

std::optional<std::string> hex_bytes(std::string_view id) {
    if (id.size() != 32) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < id.size(); i += 2) {
        unsigned v = 0;
        for (const char c : id.substr(i, 2)) {
            if (c >= '0' && c <= '9') v = v * 16 + static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f') v = v * 16 + static_cast<unsigned>(c - 'a' + 10);
            else return std::nullopt;
        }
        out += static_cast<char>(v);
    }
    return out;
}

// [true, 16 bytes] for an id of 32 hexadecimal digits, [false, text] for another.
void write_id(Writer& to, std::string_view id) {
    to.array(2);
    const auto raw = hex_bytes(id);
    to.boolean(raw.has_value());
    if (raw) to.binary(*raw);
    else to.text(id);
}

std::string id_of(Reader& from, bool stored_as_bytes) {
    const std::string_view v = from.bytes();
    if (stored_as_bytes) {
        if (v.size() != 16) from.bad = true;
        return hex(v);
    }
    if (v.empty() || v.size() > 255 || !is_utf8(v)) from.bad = true;
    return std::string(v);
}

std::string read_id(Reader& from) {
    if (from.array() != 2) from.bad = true;
    const bool stored_as_bytes = from.boolean();
    return from.bad ? std::string() : id_of(from, stored_as_bytes);
}

// A domain's id stands alone: 16 bytes of bin, or text.
std::string read_domain(Reader& from) {
    const std::string_view v = from.bytes();
    if (v.size() == 16) return hex(v);
    if (v.empty() || v.size() > 255 || !is_utf8(v)) from.bad = true;
    return std::string(v);
}

bool is_federated(unsigned version) { return version >= federated_version && version <= federated_domain_version; }

void write_federation(Writer& to, const Payload& payload) {
    to.array(payload.group_ids.size());
    for (const std::string& group : payload.group_ids) write_id(to, group);
    write_id(to, payload.idp_id);
    to.text(payload.protocol_id);
}

void read_federation(Reader& from, Payload& payload) {
    const std::size_t groups = from.array();
    if (groups > most_token_groups) from.bad = true;
    for (std::size_t i = 0; i < groups && !from.bad; ++i) payload.group_ids.push_back(read_id(from));
    payload.idp_id = read_id(from);
    const std::string_view protocol = from.bytes();
    if (protocol.empty() || protocol.size() > 64 || !is_utf8(protocol)) from.bad = true;
    payload.protocol_id = protocol;
}

unsigned version_of(const Payload& payload) {
    if (!payload.idp_id.empty() && payload.scope != Scope::system)
        return payload.scope == Scope::none     ? federated_version
               : payload.scope == Scope::domain ? federated_domain_version
                                                : federated_project_version;
    switch (payload.scope) {
        case Scope::none:
            return unscoped_version;
        case Scope::domain:
            return domain_version;
        case Scope::project:
            if (!payload.trust_id.empty()) return trust_version;
            if (!payload.access_token_id.empty()) return oauth_version;
            return payload.application_credential_id.empty() ? project_version : application_credential_version;
        case Scope::system:
            return system_version;
    }
    return unscoped_version;
}

void read_scope(Reader& from, unsigned version, Payload& p) {
    switch (version) {
        case unscoped_version:
        case federated_version:
            break;
        case federated_domain_version:
            p.scope = Scope::domain;
            p.scope_id = read_id(from);
            break;
        case domain_version:
            p.scope = Scope::domain;
            p.scope_id = read_domain(from);
            break;
        case project_version:
        case trust_version:
        case federated_project_version:
        case application_credential_version:
            p.scope = Scope::project;
            p.scope_id = read_id(from);
            break;
        case oauth_version:
            p.scope = Scope::project;
            p.scope_id = read_id(from);
            p.access_token_id = read_id(from);
            break;
        case system_version:
            p.scope = Scope::system;
            if (from.bytes() != "all") from.bad = true;
            break;
        default:
            from.bad = true;
    }
}

}  // namespace

namespace {

Micros read_time(Reader& from) {
    const double seconds = from.real();
    if (!std::isfinite(seconds) || seconds < 0 || seconds > 253'402'300'799.0) from.bad = true;
    return from.bad ? 0 : static_cast<Micros>(std::llround(seconds * 1e6));
}

// A trust's id stands alone: always 16 bytes in the original.
std::string read_trust(Reader& from) {
    const std::string_view v = from.bytes();
    if (v.size() != 16) from.bad = true;
    return hex(v);
}

}  // namespace

std::string pack_payload(const Payload& payload) {
    Writer to;
    const unsigned version = version_of(payload);
    to.array(size_of(version));
    to.integer(version);
    write_id(to, payload.user_id);
    to.integer(payload.methods & known_methods);
    if (payload.scope == Scope::project) write_id(to, payload.scope_id);
    if (version == oauth_version) write_id(to, payload.access_token_id);
    if (payload.scope == Scope::system) to.text("all");
    if (version == federated_domain_version) {
        write_id(to, payload.scope_id);
    } else if (payload.scope == Scope::domain) {
        const auto raw = hex_bytes(payload.scope_id);
        if (raw) to.binary(*raw);
        else to.text(payload.scope_id);
    }
    if (is_federated(version)) write_federation(to, payload);
    to.real(static_cast<double>(payload.expires_at) / 1e6);
    to.array(payload.audit_ids.size());
    for (const std::string& id : payload.audit_ids) to.binary(base64url_decode(id).value_or(""));
    if (version == application_credential_version) write_id(to, payload.application_credential_id);
    if (version == trust_version) to.binary(hex_bytes(payload.trust_id).value_or(""));
    return to.out;
}

std::optional<Payload> unpack_payload(std::string_view bytes) noexcept {
    try {
        Reader from(bytes);
        Payload p;
        const std::size_t members = from.array();
        const std::uint64_t version = from.integer();
        p.user_id = read_id(from);
        p.methods = from.integer() & known_methods;
        if (from.bad || version > 127) return std::nullopt;
        read_scope(from, static_cast<unsigned>(version), p);
        if (is_federated(static_cast<unsigned>(version))) read_federation(from, p);
        p.expires_at = read_time(from);
        const std::size_t audits = from.array();
        if (audits < 1 || audits > 2) from.bad = true;
        for (std::size_t i = 0; i < audits && !from.bad; ++i) {
            std::string id = base64url_encode(from.bytes());
            while (id.ends_with('=')) id.pop_back();
            p.audit_ids.push_back(std::move(id));
        }
        if (version == application_credential_version) p.application_credential_id = read_id(from);
        if (version == trust_version) p.trust_id = read_trust(from);
        if (from.bad || !from.at_end() || members != size_of(version)) return std::nullopt;
        return p;
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

std::string pack_receipt(const ReceiptPayload& receipt) {
    Writer to;
    to.array(3);
    write_id(to, receipt.user_id);
    to.integer(receipt.methods & known_methods);
    to.real(static_cast<double>(receipt.expires_at) / 1e6);
    return to.out;
}

std::optional<ReceiptPayload> unpack_receipt(std::string_view bytes) noexcept {
    try {
        Reader from(bytes);
        ReceiptPayload r;
        if (from.array() != 3) return std::nullopt;
        r.user_id = read_id(from);
        r.methods = from.integer() & known_methods;
        r.expires_at = read_time(from);
        if (from.bad || !from.at_end()) return std::nullopt;
        return r;
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

namespace {
constexpr std::pair<std::uint64_t, std::string_view> method_table[] = {
    {Method::external, "external"}, {Method::password, "password"},
    {Method::token, "token"},       {Method::oauth1, "oauth1"},
    {Method::mapped, "mapped"},     {Method::application_credential, "application_credential"},
    {Method::totp, "totp"},         {Method::ec2credential, "ec2credential"},
};
}  // namespace

std::vector<std::string> method_names(std::uint64_t methods) {
    std::vector<std::string> out;
    for (const auto& [bit, name] : method_table)
        if (methods & bit) out.emplace_back(name);
    return out;
}

std::uint64_t method_bit(std::string_view wanted) {
    for (const auto& [bit, name] : method_table)
        if (name == wanted) return bit;
    return 0;
}

std::string new_audit_id() {
    std::string id = base64url_encode(random_bytes(16));
    while (id.ends_with('=')) id.pop_back();
    return id;
}

}  // namespace pilvi::identity
