#include "deploy/login.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "cloud/process.h"

namespace pilvi::cli {

SharedLogins::~SharedLogins() {
    for (const Machine& machine : opened_) {
        try {
            runner_.run({.argv = machine.ssh({"-O", "exit"})});
        } catch (const Error&) {
            continue;
        }
    }
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

bool SharedLogins::somebody_is_there() {
    // ssh asks on the terminal whatever its standard input is; who redirects that of a program wants no questions.
    return ::isatty(STDIN_FILENO) == 1 && UniqueFd(::open("/dev/tty", O_RDWR | O_CLOEXEC));
}

bool SharedLogins::open(Machine& machine) {
    if (directory_.empty()) {
        char pattern[] = "/tmp/pilvi-deploy-XXXXXX";
        if (!::mkdtemp(pattern)) throw Error(Errc::unavailable, "cannot make a directory in /tmp");
        directory_ = pattern;
    }
    Machine shared = machine;
    shared.share(directory_ + "/%C");
    Launch launch{.argv = shared.ssh({"-o", "BatchMode=no", "-o", "ControlMaster=yes", "-o", "ControlPersist=1h"}), .environment = {}};
    launch.argv.emplace_back("true");
    for (const char* name : {"PATH", "HOME", "TERM", "LANG", "SSH_AUTH_SOCK"})
        if (const char* value = std::getenv(name)) launch.environment[name] = value;
    if (Process(launch).wait() != 0) return false;
    machine = shared;
    opened_.push_back(std::move(shared));
    return true;
}

}  // namespace pilvi::cli
