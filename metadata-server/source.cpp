#include "source.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/net.h"
#include "base/text.h"

namespace pilvi::metadata {

Source::Source(SourceOptions options, Fetch fetch, Post post, Now now)
    : options_(std::move(options)), fetch_(std::move(fetch)), post_(std::move(post)), now_(std::move(now)) {}

std::shared_ptr<const json::object> Source::document(const std::string& network_id, const std::string& address) {
    std::pair<std::string, std::string> key{network_id, address};
    {
        std::lock_guard lock(mutex_);
        auto found = cache_.find(key);
        if (found != cache_.end() && now_() < found->second.until) return found->second.document;
    }
    auto document = fetch_document(network_id, address);
    std::lock_guard lock(mutex_);
    auto now = now_();
    if (cache_.size() >= options_.capacity) std::erase_if(cache_, [&](const auto& item) { return item.second.until <= now; });
    if (cache_.size() >= options_.capacity) cache_.clear();
    cache_[key] = {.document = document, .until = now + (document ? options_.ttl : options_.negative)};
    return document;
}

int Source::leave_password(const std::string& network_id, const std::string& address, const std::string& password) {
    const auto document = this->document(network_id, address);
    const std::string server = document ? string_or(object_or_empty(*document, "meta_data"), "uuid") : "";
    if (!is_uuid_like(server)) return 404;
    const int status = post_(fmt::format("{}/agent/v1/servers/{}/password", options_.compute_url, server), {{"password", password}});
    if (status == 204) {
        std::lock_guard lock(mutex_);
        cache_.erase({network_id, address});
        return 200;
    }
    if (status == 400 || status == 404 || status == 409) return status;
    throw Error(Errc::bad_gateway, fmt::format("the compute service answered {} to a guest's password", status));
}

std::shared_ptr<const json::object> Source::fetch_document(const std::string& network_id, const std::string& address) {
    auto parsed = IpAddress::parse(address);
    if (!parsed || !is_uuid_like(network_id)) return nullptr;
    auto answer =
        fetch_(fmt::format("{}/v2.0/ports?network_id={}&fixed_ips=ip_address%3D{}&fields=id&fields=device_id&fields=device_owner&fields=project_id",
                           options_.network_url, network_id, percent_encode(parsed->text())));
    if (!answer || !answer->is_object()) return nullptr;
    const auto& ports = array_or_empty(answer->get_object(), "ports");
    if (ports.size() != 1 || !ports.front().is_object()) return nullptr;
    const auto& port = ports.front().get_object();
    std::string server = string_or(port, "device_id"), project = string_or(port, "project_id");
    if (!is_uuid_like(server) || project.empty() || !string_or(port, "device_owner").starts_with("compute:")) return nullptr;
    auto document = fetch_(fmt::format("{}/agent/v1/servers/{}/metadata", options_.compute_url, server));
    if (!document || !document->is_object()) return nullptr;
    // A port may name any server as its device: it counts only where both are of one project.
    if (string_or(document->get_object(), "project_id") != project) return nullptr;
    return std::make_shared<const json::object>(std::move(document->get_object()));
}

}  // namespace pilvi::metadata
