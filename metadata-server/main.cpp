// pilvi-metadata: wiring only.
#include "base/error.h"
#include "control.h"
#include "handler.h"
#include "identity/identity.h"
#include "service/service.h"
#include "source.h"

using namespace pilvi;

namespace {

constexpr auto settings = with_identity_settings(
    "nova", {
                {"control.socket", SettingKind::text, "/run/pilvi/metadata/control.sock", "Where the network agent hands listening sockets over."},
                {"network.url", SettingKind::text, "http://127.0.0.1:9696", "Base URL of the network daemon."},
                {"compute.url", SettingKind::text, "http://127.0.0.1:8774", "Base URL of the compute daemon."},
                {"cache.seconds", SettingKind::seconds, "5", "How long a server's document is kept.", 0, 60},
                {"limit.rate", SettingKind::integer, "20", "Requests a second of one guest, in the long run.", 1, 10000},
                {"limit.burst", SettingKind::integer, "100", "Requests that one guest may make at once.", 1, 100000},
                {"limit.parallel", SettingKind::integer, "4", "Requests of one guest that are answered at the same time.", 1, 64},
            });

}  // namespace

int main(int argc, char** argv) {
    DaemonSpec spec{.name = "metadata", .description = "answers guests at 169.254.169.254", .settings = settings, .http = false};
    return daemon_main(argc, argv, spec, [](Daemon& daemon) {
        const Config& config = daemon.config();
        Session session(session_options(config));
        metadata::SourceOptions options{.network_url = config.text("network.url"), .compute_url = config.text("compute.url")};
        options.ttl = config.seconds("cache.seconds");
        const auto fetch = [&](const std::string& url) -> std::optional<json::value> {
            http::Response response = session.send({.method = "GET", .url = url, .timeout = std::chrono::seconds(8)});
            if (response.status == 404) return std::nullopt;
            if (response.status != 200) throw error_of(response, url);
            return parse_json(response.body);
        };
        const auto post = [&](const std::string& url, const json::object& body) {
            http::Headers headers;
            headers.set("Content-Type", "application/json");
            return session.send({.method = "POST", .url = url, .headers = headers, .body = to_text(body), .timeout = std::chrono::seconds(8)}).status;
        };
        metadata::Source source(options, fetch, post);
        metadata::SourceLimit limit({.rate = static_cast<double>(config.integer("limit.rate")),
                                     .burst = static_cast<double>(config.integer("limit.burst")),
                                     .parallel = static_cast<int>(config.integer("limit.parallel"))});
        metadata::Handler handler(source, limit);
        http::Server server(handler, {.threads = 8,
                                      .connections = 1024,
                                      .header_limit = 8192,
                                      .header_timeout = std::chrono::seconds(5),
                                      .idle_timeout = std::chrono::seconds(5),
                                      .body_timeout = std::chrono::seconds(5)});
        server.start();
        metadata::Control control(config.text("control.socket"),
                                  {.adopt = [&](UniqueFd fd, const std::string& network) { server.adopt(std::move(fd), network); },
                                   .forget = [&](const std::string& network) { server.forget(network); }});
        daemon.run([&] { return server.alive(std::chrono::seconds(2)); });
    });
}
