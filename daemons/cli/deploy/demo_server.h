#pragma once
#include "deploy/provisioner.h"

namespace pilvi::cli {

// The demo's first server: key pair, security group, server, floating IP, until it answers ssh.
class DemoServer {
public:
    DemoServer(Provisioner& provisioner, Session& session, const ProvisionOptions& options)
        : provisioner_(provisioner), session_(session), options_(options) {}
    void make();
    std::string key_file() const { return options_.home + "/.ssh/pilvi-demo"; }
    std::string floating_ip();  // "" where it has none

private:
    void make_key();
    void make_group();
    std::string flavor();
    json::object find_server();
    void wait_until_active(const std::string& id);
    std::string port_of(const std::string& id);
    void make_floating_ip(const std::string& id);
    void wait_for_ssh(const std::string& address);
    std::string compute(const std::string& path) { return session_.endpoint("compute") + path; }
    std::string network(const std::string& path) { return session_.endpoint("network") + "/v2.0" + path; }

    Provisioner& provisioner_;
    Session& session_;
    const ProvisionOptions& options_;
};

}  // namespace pilvi::cli
