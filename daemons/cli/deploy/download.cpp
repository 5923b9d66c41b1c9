#include "deploy/download.h"

#include <fmt/format.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "base/url.h"
#include "http/http.h"

namespace pilvi::cli {
namespace {

constexpr int most_redirects = 8;

UniqueFd nameless_file() {
    char pattern[] = "/var/tmp/pilvi-image-XXXXXX";
    UniqueFd file(::mkostemp(pattern, O_CLOEXEC));
    if (!file) throw Error(Errc::unavailable, "cannot write to /var/tmp");
    ::unlink(pattern);
    return file;
}

}  // namespace

bool is_url(std::string_view source) { return source.starts_with("http://") || source.starts_with("https://"); }

UniqueFd download(const std::string& url) {
    UniqueFd file = nameless_file();
    http::Client client;
    std::string at = url.substr(0, url.find('#'));
    try {
        for (int i = 0; i <= most_redirects; ++i) {
            http::ClientRequest request{.url = at};
            request.headers.set("Accept-Encoding", "identity");
            request.sink = [&](std::string_view bytes) {
                if (const int error = write_all(file.get(), bytes)) throw Error(Errc::unavailable, fmt::format("/var/tmp: {}", std::strerror(error)));
            };
            const http::Response answer = client.send(request);
            if (answer.status == 200) return file;
            if (!is_redirect(answer.status)) throw Error(Errc::bad_gateway, fmt::format("the server answered {}", answer.status));
            at = redirected_url(at, answer.headers.get("Location"));
            if (!is_url(at)) throw Error(Errc::bad_gateway, "it is redirected to nowhere");
        }
        throw Error(Errc::bad_gateway, "it is redirected again and again");
    } catch (const Error& error) {
        throw Error(error.code(), fmt::format("the image {} did not come: {}; CONFIG_PROVISION_IMAGE_URL may name a file on the controller too", url,
                                              error.message()));
    }
}

}  // namespace pilvi::cli
