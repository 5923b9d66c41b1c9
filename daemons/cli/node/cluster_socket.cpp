#include "node/cluster_socket.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "identity/identity.h"

namespace pilvi::cli {

MemberPlaces places_of(const Access& access) {
    return {.node = access.state + "/node", .configuration = access.configuration, .compute_id = access.state + "/compute-agent/compute_id"};
}

json::object ask_cluster(const Access& access, std::string_view method, const std::string& path, const json::value& body,
                         std::chrono::milliseconds limit) {
    http::Client client;
    http::ClientRequest request{.method = std::string(method), .url = "unix:" + access.cluster_socket + ":" + path, .timeout = limit};
    if (!body.is_null()) {
        request.body = to_text(body);
        request.headers.set("Content-Type", "application/json");
    }
    http::Response response;
    try {
        response = client.send(request);
    } catch (const Error& error) {
        throw Error(Errc::unavailable,
                    fmt::format("pilvi-cluster does not answer on this machine ({}): this command is for a controller, as root", error.message()));
    }
    if (response.status / 100 != 2) throw error_of(response, "pilvi-cluster");
    if (trim(response.body).empty()) return {};
    json::value answer = parse_json(response.body);
    return answer.is_object() ? std::move(answer.get_object()) : json::object();
}

}  // namespace pilvi::cli
