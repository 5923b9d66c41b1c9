#pragma once
// The daemon's interface (README.md): nodes over TCP, the operator's command over a socket that only root opens.
#include "authority.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "waiting.h"

namespace pilvi::cluster {

class Handler final : public http::Handler {
public:
    // `region`: of the cloud, told to who joins. `changed`: called after a node was removed, before that is answered.
    Handler(Authority& authority, Waiting& waiting, metrics::Registry& metrics, std::string region, std::function<void()> changed)
        : authority_(authority), waiting_(waiting), metrics_(metrics), region_(std::move(region)), changed_(std::move(changed)) {}
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {.limit = 64u << 10}; }
    http::Response handle(http::Request& request) override;
    http::Response refuse(int status, std::string_view reason) override;

    static constexpr std::string_view admin = "admin";  // the tag of the operator's listener

private:
    http::Response answer(const http::Request& request);
    http::Response for_node(const http::Request& request);
    http::Response for_operator(const http::Request& request);
    http::Response apply(const http::Request& request, const json::object& body);
    http::Response for_applicants(const http::Request& request, const std::vector<std::string>& parts);
    json::object member(const Membership& membership) const;
    Authority& authority_;
    Waiting& waiting_;
    metrics::Registry& metrics_;
    std::string region_;
    std::function<void()> changed_;
};

}  // namespace pilvi::cluster
