#pragma once
// Answers about a deployment: PackStack's answer files, which are ours too, and DevStack's local.conf. Pure; the parsers take foreign bytes.
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::cli {

// What reading found out. error: nothing is deployed; warning: something that was asked for will not be; note: it needs nothing.
struct AnswerFinding {
    enum class Level { error, warning, note };
    Level level = Level::note;
    int line = 0;  // 0: of the whole
    std::string key, text;
};

struct Answers {
    std::map<std::string, std::string> values;  // of the keys that mean something here
    std::vector<AnswerFinding> findings;        // everything else that was said, each once: nothing is passed over silently
    bool usable() const;                        // no error
};

// An INI file with the one section [general] and CONFIG_* keys.
Answers read_packstack(std::string_view text);
// The section [[local|localrc]] of a local.conf, as far as it is data: NAME=VALUE and NAME+=VALUE with quotes and $NAME of what was set before, and
// enable_service, disable_service, enable_plugin. Other shell is an error at its line.
Answers read_localconf(std::string_view text);
// Which of the two it is, by its sections.
Answers read_answers(std::string_view text);

// An answer file with every key that means something, its meaning and `values` (the defaults where one is missing).
std::string write_answers(const std::map<std::string, std::string>& values);

// A setting of a daemon: DAEMON.d/20-answers.toml gets it, as TOML.
struct AnsweredSetting {
    std::string daemon, section, key, value;
    std::string host = {};  // on this one only; "": on every host that has the daemon
    bool operator==(const AnsweredSetting&) const = default;
};

// What a cloud begins with: `pilvi provision` makes it, on the controller.
struct Provision {
    bool flavors = false, demo = false;
    std::string floating_range = "172.24.4.0/24", gateway = {}, fixed_range = "10.0.0.0/24", physical_network = "public";
    std::vector<std::pair<std::string, std::string>> pools = {};  // first, last
    std::string image = {};                                       // file or URL; "": the package pilvi-guest-image's
    std::string image_name = "pilvi-guest", image_format = "qcow2", image_user = "root";
    std::vector<std::pair<std::string, std::string>> image_properties = {};
    std::string server = {};  // name; "": none
    bool operator==(const Provision&) const = default;
};

struct Deployment {
    struct Host {
        std::string name;                // address or host name
        std::vector<std::string> roles;  // in the order controller, network, compute, storage
        bool operator==(const Host&) const = default;
    };
    std::vector<Host> hosts;  // the controller first; every host once
    std::string admin_password, demo_password, region = "RegionOne", ssh_key;
    std::string apt_source;  // a line of sources.list; "": what a machine has
    std::vector<AnsweredSetting> settings;
    std::vector<std::pair<std::string, std::string>> bridge_interfaces;  // bridge, interface; on hosts with the role network
    Provision provision;
};
// Throws Error(bad_request) naming every answer that makes no sense.
Deployment deployment_of(const std::map<std::string, std::string>& values);

}  // namespace pilvi::cli
