#include "deploy/download.h"

#include <fmt/format.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "http/http.h"

namespace pilvi::cli {
namespace {

constexpr int most_redirects = 8;
constexpr int moves[] = {301, 302, 303, 307, 308};

UniqueFd nameless_file() {
    char pattern[] = "/var/tmp/pilvi-image-XXXXXX";
    UniqueFd file(::mkostemp(pattern, O_CLOEXEC));
    if (!file) throw Error(Errc::unavailable, "cannot write to /var/tmp");
    ::unlink(pattern);
    return file;
}

void append(const UniqueFd& file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(file.get(), bytes.data(), bytes.size());
        if (wrote < 0) throw Error(Errc::unavailable, "the image does not fit into /var/tmp");
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
}

}  // namespace

bool is_url(std::string_view source) { return source.starts_with("http://") || source.starts_with("https://"); }

std::string redirected(const std::string& url, const std::string& location) {
    const std::string place = location.substr(0, location.find('#'));
    if (is_url(place)) return place;
    const std::size_t scheme = url.find("://"), path = std::min(url.find_first_of("/?#", scheme + 3), url.size());
    if (place.starts_with("//")) return url.substr(0, scheme + 1) + place;
    if (place.starts_with('/')) return url.substr(0, path) + place;
    // Another scheme, or nothing at all.
    if (place.empty() || place.substr(0, place.find_first_of("/?")).find(':') != std::string::npos) return {};
    const std::string whole = url.substr(0, std::min(url.find_first_of("?#"), url.size()));
    if (place.starts_with('?')) return whole + place;
    return path == whole.size() ? whole + "/" + place : whole.substr(0, whole.rfind('/') + 1) + place;
}

UniqueFd download(const std::string& url) {
    UniqueFd file = nameless_file();
    http::Client client;
    std::string at = url.substr(0, url.find('#'));
    try {
        for (int i = 0; i <= most_redirects; ++i) {
            http::ClientRequest request{.url = at};
            request.headers.set("Accept-Encoding", "identity");
            request.sink = [&](std::string_view bytes) { append(file, bytes); };
            const http::Response answer = client.send(request);
            if (answer.status == 200) return file;
            if (std::ranges::find(moves, answer.status) == std::end(moves))
                throw Error(Errc::bad_gateway, fmt::format("the server answered {}", answer.status));
            at = redirected(at, std::string(answer.headers.get("Location")));
            if (at.empty()) throw Error(Errc::bad_gateway, "it is redirected to nowhere");
        }
        throw Error(Errc::bad_gateway, "it is redirected again and again");
    } catch (const Error& error) {
        throw Error(error.code(), fmt::format("the image {} did not come: {}; CONFIG_PROVISION_IMAGE_URL may name a file on the controller too", url,
                                              error.message()));
    }
}

}  // namespace pilvi::cli
