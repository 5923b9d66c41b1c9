#pragma once
// The daemons of a cloud, in one table.
#include <array>
#include <string_view>

namespace pilvi::cli {

struct ServiceInfo {
    std::string_view name;  // the daemon is pilvi-NAME
    std::string_view type;  // in the catalogue; "" for agents
    std::string_view user;  // of the service in the project `service`; "" for identity
    int port;               // of the API; 0: none
    std::string_view path;  // of the base URL in the catalogue
};

inline constexpr std::array services{
    ServiceInfo{"identity", "identity", "", 5000, "/v3"},         ServiceInfo{"image", "image", "glance", 9292, ""},
    ServiceInfo{"placement", "placement", "placement", 8778, ""}, ServiceInfo{"compute", "compute", "nova", 8774, "/v2.1"},
    ServiceInfo{"network", "network", "neutron", 9696, ""},       ServiceInfo{"compute-agent", "", "nova", 8780, ""},
    ServiceInfo{"network-agent", "", "neutron", 0, ""},           ServiceInfo{"metadata", "", "nova", 0, ""},
};

// nullptr where there is none of that name.
constexpr const ServiceInfo* find_service(std::string_view name) {
    for (const ServiceInfo& service : services)
        if (service.name == name) return &service;
    return nullptr;
}

}  // namespace pilvi::cli
