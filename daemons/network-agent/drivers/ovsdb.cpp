#include "ovsdb.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace pilvi::network_agent {

namespace {

UniqueFd connect_to(const std::string& path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!fd || path.size() >= sizeof(address.sun_path)) throw Error(Errc::internal, "The path of the OVSDB socket is too long");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        throw Error(Errc::unavailable, fmt::format("Open vSwitch's database does not answer at {}: {}", path, std::strerror(errno)));
    }
    return fd;
}

void send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) throw Error(Errc::unavailable, "Open vSwitch's database closed the connection");
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

// The end of the first complete JSON object in `text`, npos where there is none yet.
std::size_t end_of_object(std::string_view text) {
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (quoted) {
            if (c == '\\') ++i;
            else if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            ++depth;
        } else if (c == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

const json::array& rows_of(const json::value& result, std::size_t index) {
    if (result.is_array() && index < result.get_array().size() && result.get_array()[index].is_object()) {
        return array_or_empty(result.get_array()[index].get_object(), "rows");
    }
    throw Error(Errc::bad_gateway, "Open vSwitch's database gave an unexpected answer");
}

// ["map",[[k,v],...]]
StringMap map_of(const json::object& row, std::string_view column) {
    StringMap map;
    const auto* value = find(row, column);
    if (!value || !value->is_array() || value->get_array().size() != 2 || !value->get_array()[1].is_array()) return map;
    for (const auto& pair : value->get_array()[1].get_array()) {
        if (pair.is_array() && pair.get_array().size() == 2 && pair.get_array()[0].is_string() && pair.get_array()[1].is_string()) {
            map[str(pair.get_array()[0].get_string())] = str(pair.get_array()[1].get_string());
        }
    }
    return map;
}

// A set column: one bare value, or ["set",[...]].
std::vector<json::value> set_of(const json::object& row, std::string_view column) {
    const auto* value = find(row, column);
    if (!value) return {};
    if (value->is_array() && value->get_array().size() == 2 && value->get_array()[0] == "set" && value->get_array()[1].is_array()) {
        const auto& items = value->get_array()[1].get_array();
        return {items.begin(), items.end()};
    }
    return {*value};
}

std::string text_of(const json::object& row, std::string_view column) {
    for (const auto& value : set_of(row, column)) {
        if (value.is_string()) return str(value.get_string());
    }
    return {};
}

int integer_of(const json::object& row, std::string_view column, int fallback) {
    for (const auto& value : set_of(row, column)) {
        if (value.is_int64()) return static_cast<int>(value.get_int64());
    }
    return fallback;
}

std::string uuid_of(const json::value& value) {
    if (value.is_array() && value.get_array().size() == 2 && value.get_array()[1].is_string()) return str(value.get_array()[1].get_string());
    return {};
}

json::object select(std::string_view table, std::initializer_list<const char*> columns) {
    json::array names;
    for (const char* column : columns) names.emplace_back(column);
    return {{"op", "select"}, {"table", table}, {"where", json::array{}}, {"columns", std::move(names)}};
}

}  // namespace

OvsSnapshot parse_snapshot(const json::value& result) {
    OvsSnapshot snapshot;
    std::map<std::string, OvsInterface> interfaces;
    for (const auto& item : rows_of(result, 3)) {
        const auto& row = item.as_object();
        OvsInterface interface { .name = text_of(row, "name"), .type = text_of(row, "type"), .ofport = integer_of(row, "ofport", -1) };
        interface.error = text_of(row, "error");
        interface.external_ids = map_of(row, "external_ids");
        interface.options = map_of(row, "options");
        interfaces.emplace(uuid_of(row.at("_uuid")), std::move(interface));
    }
    std::map<std::string, OvsPort> ports;
    for (const auto& item : rows_of(result, 2)) {
        const auto& row = item.as_object();
        OvsPort port{.name = text_of(row, "name"), .bridge = {}, .tag = integer_of(row, "tag", 0), .other_config = map_of(row, "other_config")};
        for (const auto& reference : set_of(row, "interfaces")) {
            if (auto found = interfaces.find(uuid_of(reference)); found != interfaces.end()) port.interfaces.push_back(found->second);
        }
        ports.emplace(uuid_of(row.at("_uuid")), std::move(port));
    }
    for (const auto& item : rows_of(result, 1)) {
        const auto& row = item.as_object();
        OvsBridge bridge{.name = text_of(row, "name"), .datapath_type = text_of(row, "datapath_type"), .fail_mode = text_of(row, "fail_mode")};
        for (const auto& reference : set_of(row, "ports")) {
            if (auto found = ports.find(uuid_of(reference)); found != ports.end()) {
                found->second.bridge = bridge.name;
                snapshot.ports[found->second.name] = found->second;
            }
        }
        snapshot.bridges[bridge.name] = bridge;
    }
    for (const auto& item : rows_of(result, 0)) {
        const auto& row = item.as_object();
        snapshot.external_ids = map_of(row, "external_ids");
        snapshot.version = text_of(row, "ovs_version");
    }
    return snapshot;
}

json::value OvsDb::receive() {
    while (true) {
        if (std::size_t end = end_of_object(buffer_); end != std::string_view::npos) {
            json::value message = parse_json(std::string_view(buffer_).substr(0, end));
            buffer_.erase(0, end);
            return message;
        }
        pollfd wait{.fd = connection_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&wait, 1, 10'000) <= 0) throw Error(Errc::unavailable, "Open vSwitch's database does not answer within 10 s");
        char chunk[65536];
        ssize_t got = ::recv(connection_.get(), chunk, sizeof(chunk), 0);
        if (got <= 0) throw Error(Errc::unavailable, "Open vSwitch's database closed the connection");
        buffer_.append(chunk, static_cast<std::size_t>(got));
    }
}

json::value OvsDb::call(std::string_view method, const json::array& params) {
    if (!connection_) {
        connection_ = connect_to(socket_);
        buffer_.clear();
    }
    std::int64_t id = next_id_++;
    send_all(connection_.get(), to_text(json::object{{"method", method}, {"params", params}, {"id", id}}));
    while (true) {
        json::value message = receive();
        const auto& object = message.as_object();
        if (string_or(object, "method") == "echo") {
            send_all(connection_.get(),
                     to_text(json::object{{"result", array_or_empty(object, "params")}, {"error", nullptr}, {"id", object.at("id")}}));
            continue;
        }
        if (integer_or(object, "id", -1) != id) continue;
        if (const auto* error = find(object, "error"); error && !error->is_null()) {
            throw Error(Errc::bad_gateway, "Open vSwitch's database: " + to_text(*error));
        }
        return object.at("result");
    }
}

OvsSnapshot OvsDb::snapshot() {
    json::array params{"Open_vSwitch", select("Open_vSwitch", {"external_ids", "ovs_version"}),
                       select("Bridge", {"name", "datapath_type", "fail_mode", "ports"}),
                       select("Port", {"_uuid", "name", "tag", "other_config", "interfaces"}),
                       select("Interface", {"_uuid", "name", "type", "ofport", "error", "external_ids", "options"})};
    for (int attempt = 0;; ++attempt) {
        bool kept = static_cast<bool>(connection_);
        try {
            return parse_snapshot(call("transact", params));
        } catch (const Error&) {
            connection_.reset();
            if (!kept || attempt > 0) throw;  // a kept connection may have died with the server
        }
    }
}

int OvsDbMonitor::descriptor() {
    if (connection_) return connection_.get();
    try {
        connection_ = connect_to(socket_);
        buffer_.clear();
        json::object columns{{"Bridge", json::array{json::object{{"columns", json::array{"name", "ports"}}}}},
                             {"Port", json::array{json::object{{"columns", json::array{"name", "tag"}}}}},
                             {"Interface", json::array{json::object{{"columns", json::array{"name", "ofport", "external_ids"}}}}}};
        send_all(connection_.get(),
                 to_text(json::object{{"method", "monitor"}, {"params", json::array{"Open_vSwitch", nullptr, std::move(columns)}}, {"id", 0}}));
    } catch (const Error&) {
        connection_.reset();
    }
    return connection_.get();
}

bool OvsDbMonitor::drain() {
    if (!connection_) return false;
    char chunk[65536];
    while (true) {
        ssize_t got = ::recv(connection_.get(), chunk, sizeof(chunk), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (got <= 0) {
            connection_.reset();
            return true;
        }
        buffer_.append(chunk, static_cast<std::size_t>(got));
    }
    bool changed = false;
    for (std::size_t end; (end = end_of_object(buffer_)) != std::string_view::npos; buffer_.erase(0, end)) {
        try {
            json::value message = parse_json(std::string_view(buffer_).substr(0, end));
            const auto& object = message.as_object();
            if (string_or(object, "method") == "echo") {
                send_all(connection_.get(),
                         to_text(json::object{{"result", array_or_empty(object, "params")}, {"error", nullptr}, {"id", object.at("id")}}));
            } else {
                changed = true;
            }
        } catch (const std::exception&) {
            connection_.reset();
            return true;
        }
    }
    return changed;
}

}  // namespace pilvi::network_agent
