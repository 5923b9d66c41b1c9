#pragma once
#include <filesystem>

#include "api/image/fixture.h"

namespace pilvi::testing {

// The service behind a real server: uploads stream.
struct Served : ImageService {
    http::Server server{*service, {}};
    int port = server.listen("127.0.0.1", 0);
    http::Client client;
    explicit Served(image::ImportOptions options = {}, image::FetchRules rules = {}) : ImageService(std::move(options), std::move(rules)) {
        server.start();
    }
    std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port) + path; }
    std::string create(const std::string& body = R"({"disk_format": "raw", "container_format": "bare"})") {
        return str(parse_json(send("POST", "/v2/images", body, "application/json").body).at("id").as_string());
    }
    http::Response send(const std::string& method, const std::string& path, const std::string& body = {}, const std::string& type = {},
                        const std::string& token = "member", const http::Headers& extra = {}) {
        http::ClientRequest request{.method = method, .url = url(path), .headers = extra, .body = body};
        request.headers.add("X-Auth-Token", token);
        if (!type.empty()) request.headers.add("Content-Type", type);
        return client.send(request);
    }
    http::Response upload(const std::string& id, const std::string& data, const std::string& token = "member") {
        return send("PUT", "/v2/images/" + id + "/file", data, "application/octet-stream", token);
    }
    json::value show(const std::string& id) { return parse_json(send("GET", "/v2/images/" + id).body); }
    http::Response stage(const std::string& id, const std::string& data, const std::string& token = "member") {
        return send("PUT", "/v2/images/" + id + "/stage", data, "application/octet-stream", token);
    }
    // Asks for an import and waits until it has ended.
    http::Response import(const std::string& id, const std::string& body, const std::string& token = "member", const http::Headers& extra = {}) {
        http::Response answer = send("POST", "/v2/images/" + id + "/import", body, "application/json", token, extra);
        importer.wait_idle();
        return answer;
    }
    // The last task of the image.
    json::value task(const std::string& id) {
        const json::value answer = parse_json(send("GET", "/v2/images/" + id + "/tasks").body);
        return answer.at("tasks").as_array().empty() ? json::value(nullptr) : answer.at("tasks").as_array().back();
    }
    std::size_t files(const std::string& place = "store") const {
        std::size_t n = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory / place)) n += entry.is_regular_file();
        return n;
    }
};

}  // namespace pilvi::testing
