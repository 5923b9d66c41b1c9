#pragma once
// A whole cloud in one process group: every API daemon and agents with their imitated drivers, in a directory of its own, on ports of its own,
// without root. `pilvi try` gives it to users, the API and conformance tests stand on it.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "cloud/process.h"
#include "http/http.h"

namespace pilvi::cli {

struct CloudOptions {
    std::string programs;   // directory of the daemons; "" = found beside this program, then /usr/libexec/pilvi
    std::string directory;  // "" = a temporary one, removed at the end
    bool keep = false;      // leave the directory
    bool seed = true;       // flavors, an image and an external network
    int compute_agents = 1;
    // Of a daemon, as its --set takes them: {"compute", "build.timeout=5"}.
    std::vector<std::pair<std::string, std::string>> settings;
    std::chrono::milliseconds limit = std::chrono::seconds(60);  // for the whole start
};

// Path of the daemon "identity": in `directory` or $PILVI_PROGRAMS, beside this program, or in /usr/libexec/pilvi. Throws Error(not_found).
std::string find_program(const std::string& name, const std::string& directory = {});

class Cloud {
public:
    explicit Cloud(CloudOptions options);
    ~Cloud();  // stop()
    // Returns when every API answers and every agent has reported. Throws Error(unavailable) with the end of the log of what failed.
    void start();
    void stop();

    const std::string& directory() const { return directory_; }
    const std::string& admin_password() const { return admin_password_; }
    std::string url(std::string_view service) const;  // "http://127.0.0.1:PORT/v3"
    std::string clouds_yaml() const { return directory_ + "/clouds.yaml"; }
    // OS_CLIENT_CONFIG_FILE and OS_CLOUD (the cloud is named "pilvi").
    std::map<std::string, std::string> environment() const;
    // "identity", "compute-agent", "compute-agent-2", ... For tests that kill.
    Process& daemon(const std::string& name);
    void start_daemon(const std::string& name);  // again, after it ended
    // Throws Error(unavailable) naming the first daemon that ended by itself.
    void check();
    // The token of admin in the project admin, from a login of its own.
    std::string admin_token();

private:
    struct Member {
        std::string name;     // "compute-agent-2"
        std::string program;  // "compute-agent"
        std::map<std::string, std::string> settings;
    };
    void write_credentials();
    void declare_members();
    void bootstrap();
    void wait_for_api(const std::string& name);
    void wait_for_agents();
    void seed();
    void write_clouds_yaml();
    void wait_until(const std::string& what, const std::function<bool()>& done);
    json::value call(std::string_view method, const std::string& url, const json::value& body = nullptr);
    Launch launch(const Member& member) const;
    [[noreturn]] void fail(const std::string& name, const std::string& why) const;

    const CloudOptions options_;
    std::string directory_;
    std::string admin_password_, token_;
    std::map<std::string, Listening> sockets_;  // by member
    std::map<std::string, Member> members_;
    std::map<std::string, Process> processes_;
    std::chrono::steady_clock::time_point deadline_;
    http::Client client_;
};

}  // namespace pilvi::cli
