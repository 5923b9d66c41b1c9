// What the answers ask pilvi provision for, and the files that it writes.
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "deploy/deploy.h"
#include "deploy/provision.h"

namespace pilvi::cli {

std::vector<ProvisionPart> provision_parts(const Deployment& deployment) {
    const Provision& p = deployment.provision;
    std::vector<ProvisionPart> out;
    if (deployment.region != "RegionOne") out.push_back({"the catalogue has no endpoints of this cloud in RegionOne", {"catalogue"}});
    if (p.flavors) out.push_back({"there are the flavors m1.nano to m1.xlarge", {"flavors"}});
    if (p.demo) {
        std::vector<std::string> image{"image", "--image-name", p.image_name, "--image-format", p.image_format};
        if (!p.image.empty()) image.insert(image.end(), {"--image", p.image});
        for (const auto& [name, value] : p.image_properties) image.insert(image.end(), {"--image-property", name + "=" + value});
        out.push_back({"there is the image " + p.image_name, image});
        std::vector<std::string> networks{"networks",      "--floating-range", p.floating_range,     "--gateway",       p.gateway,
                                          "--fixed-range", p.fixed_range,      "--physical-network", p.physical_network};
        for (const auto& [first, last] : p.pools) networks.insert(networks.end(), {"--pool", first + "-" + last});
        out.push_back({fmt::format("there are the network public ({}), the project demo, its network private ({}) and router1", p.floating_range,
                                   p.fixed_range),
                       networks});
    }
    if (!p.server.empty())
        out.push_back(
            {"there is the server " + p.server + ", with a floating IP",
             {"server", "--server", p.server, "--image-name", p.image_name, "--image-user", p.image_user, "--floating-range", p.floating_range}});
    std::vector<std::string> files = summary_arguments(deployment);
    files.front() = "files";
    out.push_back({"/root has keystonerc and clouds.yaml", files});
    return out;
}

std::vector<std::string> summary_arguments(const Deployment& deployment) {
    const Provision& p = deployment.provision;
    std::vector<std::string> out{"summary"};
    if (p.demo) out.emplace_back("--demo");
    if (!p.server.empty()) out.insert(out.end(), {"--server", p.server, "--image-user", p.image_user});
    return out;
}

std::string keystonerc(const Login& login) {
    std::string out = "# Written by pilvi: . this file, and the openstack client is " + login.user + " in the project " + login.project + ".\n";
    for (const auto& [name, value] : {std::pair<const char*, std::string>{"OS_USERNAME", login.user},
                                      {"OS_PASSWORD", login.password},
                                      {"OS_PROJECT_NAME", login.project},
                                      {"OS_USER_DOMAIN_NAME", "Default"},
                                      {"OS_PROJECT_DOMAIN_NAME", "Default"},
                                      {"OS_AUTH_URL", login.auth_url},
                                      {"OS_REGION_NAME", login.region},
                                      {"OS_IDENTITY_API_VERSION", "3"}})
        out += fmt::format("export {}={}\n", name, shell_word(value));
    return out;
}

std::string clouds_yaml(const std::vector<Login>& logins) {
    // JSON strings are YAML strings: nothing in a value can end it.
    const auto quoted = [](const std::string& text) { return to_text(json::value(text)); };
    std::string out = "# Written by pilvi.\nclouds:\n";
    for (const Login& login : logins)
        out += fmt::format(
            "  {}:\n    region_name: {}\n    identity_api_version: 3\n    auth:\n      auth_url: {}\n      username: {}\n      password: {}\n"
            "      project_name: {}\n      user_domain_name: Default\n      project_domain_name: Default\n",
            login.cloud, quoted(login.region), quoted(login.auth_url), quoted(login.user), quoted(login.password), quoted(login.project));
    return out;
}

}  // namespace pilvi::cli
