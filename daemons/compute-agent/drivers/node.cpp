#include "drivers/node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::compute_agent {

std::string boot_epoch() {
    const std::string boot(trim(read_file("/proc/sys/kernel/random/boot_id")));
    const std::string stat = read_file("/proc/1/stat");
    const std::vector<std::string> fields = split(std::string_view(stat).substr(stat.rfind(')') + 2), ' ');
    return boot + ":" + (fields.size() > 19 ? fields[19] : "0");  // field 22, starttime
}

std::int64_t uptime_seconds() {
    struct sysinfo info {};
    return sysinfo(&info) == 0 ? info.uptime : 0;
}

std::int64_t memory_available_mib() {
    for (const std::string& line : split(read_file("/proc/meminfo"), '\n')) {
        if (!line.starts_with("MemAvailable:")) continue;
        const std::vector<std::string> words = split(line, ' ', false);
        return words.size() > 1 ? parse_integer(words[1]).value_or(0) / 1024 : 0;
    }
    return 0;
}

Space space_of(const std::string& directory) {
    struct statvfs info {};
    if (statvfs(directory.c_str(), &info) != 0) throw Error(Errc::internal, "cannot read the space of " + directory + ": " + std::strerror(errno));
    return {.total = static_cast<std::int64_t>(info.f_blocks) * static_cast<std::int64_t>(info.f_frsize),
            .available = static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize)};
}

bool direct_io_works(const std::string& directory) {
    const std::string path = directory + "/.direct-io";
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
    ::unlink(path.c_str());
    return static_cast<bool>(fd);
}

std::string host_name() {
    char name[256] = {};
    return gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost";
}

}  // namespace pilvi::compute_agent
