#include <signal.h>
#include <sys/signalfd.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"
#include "cloud/cloud.h"
#include "commands.h"

extern char** environ;

namespace pilvi::cli {
namespace {

sigset_t ends() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    return set;
}

std::map<std::string, std::string> inherited() {
    std::map<std::string, std::string> out;
    for (char** at = environ; *at; ++at) {
        const std::string variable(*at);
        const std::size_t equals = variable.find('=');
        // Another cloud's OS_ variables would win over the file.
        if (equals != std::string::npos && !variable.starts_with("OS_")) out[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    return out;
}

std::string find_in_path(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    for (const std::string& directory : split(path ? path : "/usr/bin:/bin", ':', false))
        if (const std::string file = directory + "/" + name; ::access(file.c_str(), X_OK) == 0) return file;
    throw Error(Errc::not_found, name + ": no such command");
}

CloudOptions cloud_options(const TryOptions& options) {
    CloudOptions out{.directory = options.directory, .keep = options.keep, .seed = options.seed, .compute_agents = options.compute_agents};
    for (const std::string& setting : options.settings) {
        const std::size_t colon = setting.find(':');
        if (colon == std::string::npos || setting.find('=', colon) == std::string::npos)
            throw Error(Errc::bad_request, "--set takes DAEMON:KEY=VALUE, not " + setting);
        out.settings.emplace_back(setting.substr(0, colon), setting.substr(colon + 1));
    }
    return out;
}

int run_command(Cloud& cloud, const TryOptions& options) {
    Launch launch{.argv = options.command, .environment = inherited()};
    launch.argv[0] = find_in_path(launch.argv[0]);
    for (const auto& [name, value] : cloud.environment()) launch.environment[name] = value;
    Process command(launch);
    return command.wait();
}

}  // namespace

int try_cloud(const TryOptions& options) {
    const sigset_t set = ends();
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    const UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC));
    const auto begin = std::chrono::steady_clock::now();
    Cloud cloud(cloud_options(options));
    cloud.start();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::fprintf(stderr, "a cloud runs after %.1f s, in %s\n", seconds, cloud.directory().c_str());
    if (!options.command.empty()) return run_command(cloud, options);
    for (const auto& [name, value] : cloud.environment()) std::printf("export %s=%s\n", name.c_str(), value.c_str());
    std::fflush(stdout);
    std::fprintf(stderr, "Ctrl-C ends it\n");
    while (true) {
        pollfd polled{signals.get(), POLLIN, 0};
        if (::poll(&polled, 1, 1000) > 0) return 0;
        cloud.check();
    }
}

}  // namespace pilvi::cli
