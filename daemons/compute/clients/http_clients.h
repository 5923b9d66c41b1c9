#pragma once
// The client interfaces over HTTP, with the service user's session or the caller's own token.
#include <memory>

#include "domain/clients.h"
#include "http/http.h"
#include "identity/identity.h"

namespace pilvi::compute {

// What the clients of the catalogue's services share.
class Peer {
public:
    Peer(Session& session, std::string service_type) : session_(session), type_(std::move(service_type)) {}

protected:
    // As the bearer of `token`, or as our service user where it is "". Errors like Session::call, but that a service which cannot be asked is
    // Error(internal) to the bearer of a token: the API answers 500 as Nova's does, without saying what is behind it.
    json::value call(const std::string& token, std::string_view method, const std::string& path, const json::value& body = nullptr);
    http::Response send(std::string_view method, const std::string& path, const json::value& body, const http::Headers& headers);

private:
    Session& session_;
    std::string type_;
    http::Client client_;
};

class HttpImageClient final : public ImageClient, Peer {
public:
    explicit HttpImageClient(Session& session) : Peer(session, "image") {}
    std::optional<json::object> image(const std::string& token, const std::string& id) override;
};

class HttpPlacementClient final : public PlacementClient, Peer {
public:
    explicit HttpPlacementClient(Session& session) : Peer(session, "placement") {}
    std::vector<Provider> candidates(const std::map<std::string, std::int64_t>& resources, const std::set<std::string>& required,
                                     const std::set<std::string>& forbidden) override;
    std::optional<std::string> holder(const std::string& consumer) override;
    Claim claim(const std::string& consumer, const std::string& provider, const std::map<std::string, std::int64_t>& resources,
                const std::string& project_id, const std::string& user_id) override;
    void release(const std::string& consumer) override;
    void remove_provider(const std::string& provider) override;

private:
    http::Response ask(std::string_view method, const std::string& path, const json::value& body = nullptr);
};

class HttpNetworkClient final : public NetworkClient, Peer {
public:
    explicit HttpNetworkClient(Session& session) : Peer(session, "network") {}
    json::array list(const std::string& token, const std::string& collection, const std::string& query) override;
    std::optional<json::object> show(const std::string& token, const std::string& collection, const std::string& id) override;
    json::object create_port(const json::object& port) override;
    json::object update_port(const std::string& id, const json::object& port) override;
    void delete_port(const std::string& id) override;
    std::optional<std::string> auto_allocated_network(const std::string& token, const std::string& project_id) override;
};

class HttpAgentClient final : public AgentClient {
public:
    // `certificate`: this controller's, for agents of other nodes. The session's token goes to an agent on this machine only.
    HttpAgentClient(Session& session, const http::TlsFiles& certificate);
    std::optional<std::string> console(const std::string& host, const std::string& agent_url, const std::string& server_id,
                                       std::int64_t lines) override;

private:
    Session& session_;
    http::Client client_;
};

}  // namespace pilvi::compute
