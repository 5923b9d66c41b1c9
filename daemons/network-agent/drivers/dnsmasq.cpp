#include "dnsmasq.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::network_agent {

int Dnsmasq::pid(const std::string& network_id) const {
    try {
        auto number = parse_integer(trim(read_file(directory(network_id) + "/pid")));
        if (!number || *number <= 1) return 0;
        std::string arguments = read_file("/proc/" + std::to_string(*number) + "/cmdline");
        return arguments.find(directory(network_id) + "/dnsmasq.conf") == std::string::npos ? 0 : static_cast<int>(*number);
    } catch (const Error&) {
        return 0;
    }
}

void Dnsmasq::start(const std::string& network_id, const std::string& network_namespace) {
    runner_.check({"/usr/bin/ip", "netns", "exec", network_namespace, "/usr/sbin/dnsmasq", "--conf-file=" + directory(network_id) + "/dnsmasq.conf"});
}

void Dnsmasq::reload(const std::string& network_id) const {
    if (int process = pid(network_id)) ::kill(process, SIGHUP);
}

void Dnsmasq::stop(const std::string& network_id) const {
    int process = pid(network_id);
    if (process == 0) return;
    UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    if (!handle || pid(network_id) != process) return;
    pollfd ended{.fd = handle.get(), .events = POLLIN, .revents = 0};
    for (int signal : {SIGTERM, SIGKILL}) {
        (void)::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0);
        if (::poll(&ended, 1, 2000) > 0) break;
    }
    std::error_code error;
    std::filesystem::remove(directory(network_id) + "/pid", error);
}

void Dnsmasq::forget(const std::string& network_id) const {
    if (!is_uuid_like(network_id)) return;
    std::error_code error;
    std::filesystem::remove_all(directory(network_id), error);
}

std::vector<std::string> Dnsmasq::networks() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
        if (is_uuid_like(entry.path().filename().string())) names.push_back(entry.path().filename());
    }
    return names;
}

}  // namespace pilvi::network_agent
