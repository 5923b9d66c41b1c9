#pragma once
// Images of another region's Glance, which has the same identity service: the import method glance-download. What is asked is the endpoint that the
// caller's catalogue names, never an address that the caller sends, and no redirect is followed.
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "http/http.h"

namespace pilvi::image {

using Sink = std::function<void(std::string_view)>;

struct RemoteImage {
    std::string region, id;  // a UUID
    std::string interface = "public";
    Secret token = {};  // the caller's
};

struct RemoteMetadata {
    std::uint64_t size = 0;  // bytes
    std::string disk_format, container_format;
    std::map<std::string, std::string> properties;  // those that the image gets
};

class RemoteGlance {
public:
    // `identity_url` with its version; `ca_file` as ClientOptions has it; `copied`: what the names of properties that are taken over begin with.
    RemoteGlance(std::string identity_url, const std::string& ca_file, std::vector<std::string> copied);
    // Base URL of the image service in the catalogue of the image's token, without trailing slash. Throws Error(not_found) where that region has none of
    // this interface, Error(bad_gateway), Error(unavailable), Error(timeout).
    std::string endpoint(const RemoteImage& image) const;
    // Throws Error(not_found), Error(conflict) for an image that is not active, Error(bad_gateway) on an answer that is no image.
    RemoteMetadata metadata(const std::string& endpoint, const RemoteImage& image) const;
    // The bytes go to `sink`. Throws as metadata() does, Error(unavailable) when `cancel_fd` becomes readable, and what the sink throws.
    void data(const std::string& endpoint, const RemoteImage& image, const Sink& sink, int cancel_fd) const;

private:
    http::Response ask(const std::string& url, const RemoteImage& image) const;
    std::string identity_url_;
    std::vector<std::string> copied_;
    mutable http::Client client_;
};

}  // namespace pilvi::image
