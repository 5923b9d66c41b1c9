#include "deploy/deploy.h"

namespace pilvi::cli {

std::string shell_word(std::string_view text) {
    if (!text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+") == std::string_view::npos)
        return std::string(text);
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::vector<std::string> Machine::command_line(const std::vector<std::string>& argv) const {
    std::vector<std::string> out;
    if (here_) {
        out.emplace_back("/usr/bin/env");
        out.insert(out.end(), argv.begin(), argv.end());
        return out;
    }
    out = ssh({});
    // ssh gives the login shell one line.
    std::string line;
    for (const std::string& word : argv) line += (line.empty() ? "" : " ") + shell_word(word);
    out.push_back(line);
    return out;
}

std::vector<std::string> Machine::ssh(const std::vector<std::string>& options) const {
    std::vector<std::string> out{"/usr/bin/ssh"};
    out.insert(out.end(), options.begin(), options.end());
    // Of an option that is given twice, ssh takes the first.
    for (const char* word :
         {"-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "StrictHostKeyChecking=accept-new", "-o", "ServerAliveInterval=15"})
        out.emplace_back(word);
    if (!control_path_.empty()) out.insert(out.end(), {"-o", "ControlPath=" + control_path_});
    if (!key_.empty()) out.insert(out.end(), {"-i", key_});
    out.insert(out.end(), {"-l", user_, "--", host_});
    return out;
}

CommandResult Machine::run(const std::vector<std::string>& argv, const std::string& input, std::chrono::seconds limit) const {
    return runner_->run({.argv = command_line(argv), .input = input, .limit = limit});
}

}  // namespace pilvi::cli
