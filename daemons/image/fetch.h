#pragma once
// Fetching what a user names by URL, without becoming the user's hand inside the cloud's own network: scheme, host and port are checked, every address that
// the host's name has is checked, the connection goes to the checked address, and every redirect begins anew.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "http/http.h"

namespace pilvi::image {

struct FetchRules {
    std::vector<std::string> schemes = {"http", "https"};
    std::vector<int> ports = {80, 443};      // empty: any
    std::vector<std::string> hosts;          // empty: any; names and addresses, lower case
    std::vector<std::string> refused_hosts;  // names and addresses, lower case
    std::vector<Cidr> networks;              // reachable although they are private or the cloud's own
    std::string ca_file;                     // PEM; "": the system's
    int redirects = 5;
};

// Why nothing is fetched from an address: loopback, private, link-local, shared, multicast, reserved, an IPv6 form that embeds such a one, or one of this
// machine's own; "" where nothing speaks against it. Sources: RFC 6890 with the IANA special-purpose registries; RFC 6052, RFC 3056, RFC 4380 for the
// embeddings. Not a numeric address: refused.
std::string refused_address(std::string_view address, const std::vector<Cidr>& allowed);

class Fetcher {
public:
    explicit Fetcher(FetchRules rules);
    // Scheme, host and port against the rules, without a lookup. Throws Error(bad_request) saying why.
    void check(const std::string& url) const;

    // GET, following redirects; the bytes from `offset` on go to `sink`, which may throw to end it (of a server without ranges, what comes before is
    // dropped). Ends early with Error(unavailable) when `cancel_fd` becomes readable. Throws Error(bad_request) where the rules refuse, Error(not_found),
    // Error(bad_gateway) on any other answer but success or one that is not whole, Error(unavailable), Error(timeout).
    void get(const std::string& url, const std::function<void(std::string_view)>& sink, std::uint64_t offset = 0, int cancel_fd = -1) const;
    // The size of what get() would give, by HEAD; nullopt where the server does not tell. Throws as get() does.
    std::optional<std::uint64_t> size(const std::string& url) const;

private:
    http::Response follow(http::ClientRequest request) const;
    FetchRules rules_;
    mutable http::Client client_;
};

}  // namespace pilvi::image
