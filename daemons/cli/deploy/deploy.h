#pragma once
// pilvi deploy: looks at the machines, says what it will do, does it over ssh, in parallel.
#include <string>
#include <vector>

#include "command/command.h"
#include "deploy/plan.h"

namespace pilvi::cli {

struct DeployOptions {
    bool allinone = false;
    std::string answer_file;
    std::vector<std::string> install_hosts;  // the first is the controller
    std::vector<std::string> answers;        // CONFIG_KEY=VALUE, over those of the file
    bool dry_run = false;
    std::string log = "/var/log/pilvi-deploy.log";  // of every command and its output; secrets are not in it
    std::string ssh_user = "root";
};

// Runs programs on a machine: here, or over ssh without questions.
class Machine {
public:
    Machine(CommandRunner& runner, std::string host, bool here, std::string user, std::string key)
        : runner_(&runner), host_(std::move(host)), here_(here), user_(std::move(user)), key_(std::move(key)) {}
    // The command line that runs `argv` there; the words reach the program there as they are.
    std::vector<std::string> command_line(const std::vector<std::string>& argv) const;
    CommandResult run(const std::vector<std::string>& argv, const std::string& input = {},
                      std::chrono::seconds limit = std::chrono::seconds(60)) const;
    const std::string& host() const { return host_; }
    // The ssh command line up to the host's name. `options` are before ours, and so over them.
    std::vector<std::string> ssh(const std::vector<std::string>& options) const;
    // Commands go through the connection whose socket this is (ControlPath of ssh_config(5)), where there is one.
    void share(std::string control_path) { control_path_ = std::move(control_path); }

private:
    CommandRunner* runner_;
    std::string host_;
    bool here_;
    std::string user_, key_, control_path_;
};

// A word as a POSIX shell takes it for one.
std::string shell_word(std::string_view text);

// 0: done, or planned. 1: something is in the way, or a step failed; run again it goes on where it stopped.
int deploy(CommandRunner& runner, const DeployOptions& options);

}  // namespace pilvi::cli
