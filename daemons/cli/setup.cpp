#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "cloud/cloud.h"
#include "cloud/process.h"
#include "cloud/services.h"
#include "commands.h"

namespace pilvi::cli {
namespace {

constexpr const char* setup_program = "/usr/libexec/pilvi/setup";
constexpr const char* identity_program = "/usr/libexec/pilvi/pilvi-identity";

[[noreturn]] void execute(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    throw Error(Errc::internal, arguments[0] + " cannot be executed: " + std::strerror(errno));
}

// What the daemon writes and reads is its user's: files that root makes would lock it out.
void become_identity() {
    if (::geteuid() != 0) return;
    const passwd* user = ::getpwnam("pilvi-identity");
    if (!user) return;
    if (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)
        throw Error(Errc::internal, std::string("cannot become pilvi-identity: ") + std::strerror(errno));
}

}  // namespace

int setup() { execute({setup_program}); }

int daemon_command(const std::string& daemon, const std::vector<std::string>& arguments) {
    std::vector<std::string> argv{find_program(daemon)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    execute(std::move(argv));
}

// The unit knows the user, the credentials and the addresses: where there is systemd, it is what runs. Elsewhere the daemon itself.
int identity_bootstrap(const Access& access, const std::vector<std::string>& arguments) {
    if (arguments.empty() && std::filesystem::exists("/run/systemd/system")) execute({"/usr/bin/systemctl", "restart", "pilvi-bootstrap.service"});
    std::vector<std::string> argv{identity_program, "bootstrap"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    if (arguments.empty()) {
        argv.insert(argv.end(), {"--admin-password-file", access.credentials + "/admin-password"});
        for (const ServiceInfo& service : services) {
            const std::string file = access.credentials + "/service-password-" + std::string(service.user);
            if (!service.user.empty() && !service.type.empty() && std::filesystem::exists(file))
                argv.insert(argv.end(), {"--service-password-file", std::string(service.user) + "=" + file});
        }
    }
    execute(std::move(argv));
}

int identity_command(const std::string& name) {
    become_identity();
    execute({identity_program, name});
}

}  // namespace pilvi::cli
