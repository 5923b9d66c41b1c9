#include "pxe/files.h"

#include <filesystem>

#include "base/error.h"
#include "base/net.h"
#include "base/text.h"
#include "log/log.h"

namespace pilvi::cli {
namespace {

namespace fs = std::filesystem;

http::Response text(int status, std::string body) {
    http::Response response;
    response.status = status;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.body = std::move(body);
    return response;
}

// The file of a machine is named by its address alone, so that no path leads elsewhere.
std::string mac_in(const std::string& part) {
    const auto decoded = percent_decode(part);
    const auto mac = decoded ? normalize_mac(*decoded) : std::nullopt;
    if (!mac) throw Error(Errc::bad_request, "not an Ethernet address");
    return *mac;
}

}  // namespace

http::Response PxeFiles::refuse(int status, std::string_view reason) { return text(status, std::string(reason) + "\n"); }

http::Response PxeFiles::handle(http::Request& request) {
    http::Response response;
    try {
        response = answer(request);
    } catch (const Error& error) {
        if (http_status(error.code()) >= 500) log::error(error.message());
        response = text(http_status(error.code()), error.message() + "\n");
    } catch (const std::exception& error) {
        log::error(std::string("unexpected: ") + error.what());
        response = text(500, "the request failed inside\n");
    }
    log::info(request.method + " " + request.path + " " + std::to_string(response.status), {{"PEER", request.peer}});
    return response;
}

// Installed since its settings were written: from its disk. To install it again, the settings are touched.
BootWay PxeFiles::way_of(const std::string& mac) const {
    std::error_code missing;
    const auto written = fs::last_write_time(settings_file(mac), missing);
    if (missing || !read_settings(read_file(settings_file(mac), 65536)).contains("disk")) return BootWay::live;
    const auto installed = fs::last_write_time(installed_file(mac), missing);
    return !missing && installed >= written ? BootWay::disk : BootWay::install;
}

http::Response PxeFiles::answer(const http::Request& request) {
    const std::vector<std::string> parts = split(std::string_view(request.path).substr(1), '/');
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (request.path == "/boot.ipxe" && reads) return text(200, first_script(provisioning_));
    if (parts.size() != 2) return text(404, "there is no such path\n");
    if (parts[0] == "installed" && request.method == "POST") {
        const std::string mac = mac_in(parts[1]);
        if (way_of(mac) != BootWay::install) return text(409, "this machine is not to be installed\n");
        write_file(installed_file(mac), request.peer + "\n");
        return text(204, "");
    }
    if (!reads) return text(405, "this method is not offered here\n");
    if (parts[0] == "boot") {
        const std::string mac = mac_in(parts[1]);
        return text(200, boot_script(provisioning_, media_, mac, way_of(mac), fs::exists(settings_file(mac))));
    }
    if (parts[0] == "answers") {
        const std::string settings = read_file(settings_file(mac_in(parts[1])), 65536);
        read_settings(settings);
        return text(200, settings);
    }
    if (parts[0] != "files") return text(404, "there is no such path\n");
    http::Response response;
    response.headers.set("Content-Type", "application/octet-stream");
    response.file = std::make_shared<http::FileBody>();
    response.file->fd = media_.open(parts[1]);
    response.file->length = static_cast<std::uint64_t>(media_.file(parts[1]).state.st_size);
    return response;
}

}  // namespace pilvi::cli
