#include "ovs.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::network_agent {

void Ovs::transact(const std::vector<std::vector<std::string>>& commands) {
    if (commands.empty()) return;
    std::vector<std::string> argv{"/usr/bin/ovs-vsctl", "--db=unix:" + paths_.db(), "--timeout=20"};
    for (const auto& command : commands) {
        argv.emplace_back("--");
        argv.insert(argv.end(), command.begin(), command.end());
    }
    runner_.check(std::move(argv));
}

void Ovs::replace_flows(const std::string& bridge, const std::string& file) {
    runner_.check(Command{.argv = {"/usr/bin/ovs-ofctl", "-O", "OpenFlow14", "--bundle", "replace-flows", "unix:" + paths_.management(bridge), "-"},
                          .input = file});
}

void Ovs::change_flows(const std::string& bridge, const std::string& lines) {
    if (lines.empty()) return;
    runner_.check(Command{.argv = {"/usr/bin/ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "unix:" + paths_.management(bridge), "-"},
                          .input = lines});
}

void Ovs::flush_conntrack(const std::set<int>& zones) {
    std::string control = paths_.run_dir + "/ovs-vswitchd." + std::to_string(pid()) + ".ctl";
    for (int zone : zones) {
        runner_.check({"/usr/bin/ovs-appctl", "--target=" + control, "dpctl/flush-conntrack", "zone=" + std::to_string(zone)});
    }
}

int Ovs::pid() const {
    try {
        return static_cast<int>(parse_integer(trim(read_file(paths_.pid_file()))).value_or(0));
    } catch (const Error&) {
        return 0;
    }
}

std::string Ovs::instance() const {
    int process = pid();
    if (process <= 0) return {};
    try {
        std::string stat = read_file("/proc/" + std::to_string(process) + "/stat");
        auto fields = split(trim(std::string_view(stat).substr(stat.rfind(')') + 1)), ' ');
        return std::to_string(process) + "/" + (fields.size() > 19 ? fields[19] : "");  // field 22: start time
    } catch (const Error&) {
        return {};
    }
}

bool kernel_datapath() {
    struct {
        nlmsghdr header;
        genlmsghdr generic;
        nlattr attribute;
        char name[16];
    } request{};
    static constexpr char family[] = "ovs_datapath";
    request.header.nlmsg_type = GENL_ID_CTRL;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.generic.cmd = CTRL_CMD_GETFAMILY;
    request.generic.version = 1;
    request.attribute.nla_type = CTRL_ATTR_FAMILY_NAME;
    request.attribute.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + sizeof(family));
    std::memcpy(request.name, family, sizeof(family));
    request.header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + GENL_HDRLEN + NLA_ALIGN(request.attribute.nla_len));
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
    alignas(nlmsghdr) char answer[4096];
    if (!fd || ::send(fd.get(), &request, request.header.nlmsg_len, 0) < 0) return false;
    ssize_t got = ::recv(fd.get(), answer, sizeof(answer), 0);
    return got >= static_cast<ssize_t>(sizeof(nlmsghdr)) && reinterpret_cast<const nlmsghdr*>(answer)->nlmsg_type == GENL_ID_CTRL;
}

}  // namespace pilvi::network_agent
