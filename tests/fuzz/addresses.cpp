// Addresses, networks, MACs, times and base64: what is parsed has a text that parses to the same.
#include <cstdint>
#include <cstdlib>

#include "base/net.h"
#include "base/text.h"
#include "base/time.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto a = IpAddress::parse(text))
        if (IpAddress::parse(a->text()) != a) std::abort();
    if (const auto c = Cidr::parse(text)) {
        const auto again = Cidr::parse(c->text());
        if (!again || again->network() != c->network() || again->prefix != c->prefix || !c->contains(c->last())) std::abort();
    }
    if (const auto m = normalize_mac(text))
        if (normalize_mac(*m) != m) std::abort();
    if (const auto t = parse_iso8601(text)) (void)iso8601(*t);
    if (const auto b = base64_decode(text))
        if (base64_decode(base64_encode(*b)) != b) std::abort();
    (void)base64url_decode(text);
    return 0;
}
