#pragma once
// What a cloud begins with: flavors, an image, an external network, a project demo with a network of its own, a first server, and the files by which
// people log in. Made by the APIs, on the controller; what is there already is left alone.
#include <string>
#include <vector>

#include "commands.h"
#include "deploy/answers.h"

namespace pilvi::cli {

inline constexpr const char* demo_password_file = "/etc/pilvi/credentials/demo-password";

// A piece of it: the command `pilvi provision PART ...`, and what it makes, for people.
struct ProvisionPart {
    std::string text;
    std::vector<std::string> arguments;  // of pilvi provision
};
// In order, as the answers say.
std::vector<ProvisionPart> provision_parts(const Deployment& deployment);
// The arguments that print what people want to know at the end.
std::vector<std::string> summary_arguments(const Deployment& deployment);

inline constexpr const char* provision_part_names[] = {"catalogue", "flavors", "image", "networks", "server", "files", "summary"};

struct ProvisionOptions {
    std::string part;  // one of provision_part_names
    Provision what;
    std::string home = "/root";  // keystonerc_admin, keystonerc_demo, clouds.yaml, the demo's private key
    std::string demo_password_file = pilvi::cli::demo_password_file;
};
// A line on standard output for each thing that was made; none where all was there. 0, or an Error saying what could not be made and why.
int provision(const Access& access, const ProvisionOptions& options);

// The texts of the two files, for a user of that project. Pure.
struct Login {
    std::string cloud, user, project, password, auth_url, region;
};
std::string keystonerc(const Login& login);
std::string clouds_yaml(const std::vector<Login>& logins);

}  // namespace pilvi::cli
