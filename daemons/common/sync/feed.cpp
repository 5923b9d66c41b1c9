#include <algorithm>

#include <fmt/format.h>

#include "sync/sync.h"

namespace pilvi::sync {
namespace {

http::Response json_response(int status, const json::object& body) {
    http::Response response;
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    response.body = to_text(body);
    return response;
}

}  // namespace

void Feed::bump(Tx& tx, const std::string& host) {
    tx.exec(
        "INSERT INTO node_revisions (host, revision) VALUES (?, 1) "
        "ON CONFLICT (host) DO UPDATE SET revision = node_revisions.revision + 1",
        {host});
    if (server_) tx.after_commit([server = server_, host] { server->wake(topic(host)); });
}

void Feed::bump_all(Tx& tx) {
    for (const Row& row : tx.query("UPDATE node_revisions SET revision = revision + 1 RETURNING host"))
        if (server_) tx.after_commit([server = server_, host = row.at(0).text()] { server->wake(topic(host)); });
}

http::Response Feed::answer(const std::string& host, std::int64_t revision, std::chrono::seconds wait) {
    wait = std::clamp(wait, std::chrono::seconds(0), std::chrono::seconds(60));
    const bool last = wait.count() == 0 || !server_;
    if (auto response = look(host, revision, last)) return std::move(*response);
    http::Response response;
    response.park = std::make_shared<http::Park>();
    response.park->topic = topic(host);
    response.park->deadline = std::chrono::steady_clock::now() + wait;
    response.park->poll = [this, host, revision](bool at_deadline) -> std::optional<http::Response> {
        try {
            return look(host, revision, at_deadline);
        } catch (const Error& error) {
            const int status = http_status(error.code());
            return json_response(status, {{"error", {{"code", status}, {"message", error.message()}}}});
        }
    };
    return response;
}

std::optional<http::Response> Feed::look(const std::string& host, std::int64_t revision, bool last) {
    const auto known = [&](Tx& tx) { return tx.scalar("SELECT revision FROM node_revisions WHERE host = ?", {host}).optional_integer(); };
    if (!store_.read(known))
        store_.write([&](Tx& tx) { tx.exec("INSERT INTO node_revisions (host, revision) VALUES (?, 1) ON CONFLICT DO NOTHING", {host}); });
    return store_.read([&](Tx& tx) -> std::optional<http::Response> {
        const std::int64_t now = known(tx).value_or(1);
        if (now != revision) return json_response(200, {{"revision", now}, {"desired", build_(tx, host)}});
        if (last) return json_response(200, {{"revision", now}});
        return std::nullopt;
    });
}

}  // namespace pilvi::sync
