#pragma once
// What is known about the keys of a PackStack answer file, in one table.
#include <string_view>

namespace pilvi::cli {

enum class Answered {
    used,      // it says something about this cloud
    needless,  // what it would say needs nothing here; `help` says why
    always,    // "y" is how it is; "n" cannot be had
    absent,    // "n" is how it is; "y" asks for a service that does not exist
};

struct AnswerKey {
    std::string_view name;  // one * stands for anything
    Answered answered;
    std::string_view fallback;  // of a used one
    std::string_view help;
};

// The first that matches counts.
inline constexpr AnswerKey answer_keys[] = {
    {"CONFIG_CONTROLLER_HOST", Answered::used, "", "The machine with the APIs: its address or host name, as the other machines reach it."},
    {"CONFIG_NETWORK_HOSTS", Answered::used, "", "Machines with DHCP, routers and floating IPs, separated by commas; empty: the controller."},
    {"CONFIG_COMPUTE_HOSTS", Answered::used, "", "Machines that run servers, separated by commas."},
    {"CONFIG_STORAGE_HOST", Answered::used, "", "Machines with volumes, separated by commas; empty: none."},
    {"CONFIG_SSH_KEY", Answered::used, "",
     "Private key for ssh to the machines (a name ending with .pub stands for its private key); empty: as ssh does by itself."},
    {"CONFIG_KEYSTONE_REGION", Answered::used, "RegionOne", "Name of the region."},
    {"CONFIG_KEYSTONE_ADMIN_PW", Answered::used, "",
     "Password of the user admin; empty: a random one, in /etc/pilvi/credentials/admin-password of the controller."},
    {"CONFIG_DEFAULT_PASSWORD", Answered::used, "", "Stands in for CONFIG_KEYSTONE_ADMIN_PW where that is empty."},
    {"CONFIG_NOVA_LIBVIRT_VIRT_TYPE", Answered::used, "", "kvm, qemu, or empty: kvm where it works."},
    {"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO", Answered::used, "", "Virtual processors per real one."},
    {"CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", Answered::used, "", "Servers' memory per real memory."},
    {"CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", Answered::used, "", "Type of projects' networks: vxlan, vlan or local."},
    {"CONFIG_NEUTRON_ML2_VNI_RANGES", Answered::used, "", "VXLAN network identifiers, FIRST:LAST."},
    {"CONFIG_NEUTRON_ML2_VLAN_RANGES", Answered::used, "", "VLANs for networks, PHYSICAL_NETWORK:FIRST:LAST, separated by commas."},
    {"CONFIG_NEUTRON_ML2_FLAT_NETWORKS", Answered::used, "", "Physical networks for flat networks, separated by commas; * is any."},
    {"CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", Answered::used, "", "PHYSICAL_NETWORK:BRIDGE, separated by commas."},
    {"CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS", Answered::used, "", "The same."},
    {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES", Answered::used, "",
     "BRIDGE:INTERFACE, separated by commas: interfaces that network machines put into their bridges."},
    {"CONFIG_NEUTRON_OVN_BRIDGE_IFACES", Answered::used, "", "The same."},
    {"CONFIG_NEUTRON_OVS_TUNNEL_IF", Answered::used, "",
     "Interface whose address is each machine's end of the tunnels; empty: the one towards the controller."},
    {"CONFIG_NEUTRON_OVN_TUNNEL_IF", Answered::used, "", "The same."},
    {"CONFIG_GLANCE_INSTALL", Answered::always, "", "the image service is part of every controller"},
    {"CONFIG_NOVA_INSTALL", Answered::always, "", "the compute service is part of every controller"},
    {"CONFIG_NEUTRON_INSTALL", Answered::always, "", "the network service is part of every controller"},
    {"CONFIG_CLIENT_INSTALL", Answered::needless, "", "the openstack client is a package of the system"},
    {"CONFIG_MARIADB_INSTALL", Answered::needless, "", "every service has its own embedded database"},
    {"CONFIG_*_INSTALL", Answered::absent, "", "there is no such service"},
    {"CONFIG_*_DB_PW", Answered::needless, "", "every service has its own embedded database, without a password"},
    {"CONFIG_MARIADB_*", Answered::needless, "", "every service has its own embedded database"},
    {"CONFIG_AMQP_*", Answered::needless, "", "there is no message broker"},
    {"CONFIG_*_KS_PW", Answered::needless, "", "the services' users get random passwords"},
    {"CONFIG_SERVICE_WORKERS", Answered::needless, "", "a service is one process with threads"},
    {"CONFIG_KEYSTONE_ADMIN_USERNAME", Answered::needless, "", "the administrator's name is admin"},
    {"CONFIG_KEYSTONE_ADMIN_TOKEN", Answered::needless, "", "there is no administrator's token"},
    {"CONFIG_KEYSTONE_TOKEN_FORMAT", Answered::needless, "", "tokens are Fernet; JWS is a setting of pilvi-identity"},
    {"CONFIG_KEYSTONE_API_VERSION", Answered::needless, "", "v3, and v2.0 for older clients"},
    {"CONFIG_KEYSTONE_IDENTITY_BACKEND", Answered::needless, "", "SQL; directory servers are set per domain"},
    {"CONFIG_NEUTRON_L2_AGENT", Answered::needless, "", "Open vSwitch, by an agent of its own"},
    {"CONFIG_NEUTRON_ML2_TYPE_DRIVERS", Answered::needless, "", "vxlan, vlan, flat and local are there"},
    {"CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS", Answered::needless, "", "Open vSwitch"},
    {"CONFIG_GLANCE_BACKEND", Answered::needless, "", "files; other stores are settings of pilvi-image"},
    {"CONFIG_UNSUPPORTED", Answered::needless, "", "about PackStack itself"},
    {"CONFIG_USE_EPEL", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_REPO", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_RH_*", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_SATELLITE_*", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_ENABLE_RDO_TESTING", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_NOVA_COMPUTE_PRIVIF", Answered::needless, "", "of nova-network"},
};

inline const AnswerKey* find_answer_key(std::string_view name) {
    for (const AnswerKey& key : answer_keys) {
        const std::size_t star = key.name.find('*');
        if (star == key.name.npos
                ? name == key.name
                : name.size() + 1 >= key.name.size() && name.starts_with(key.name.substr(0, star)) && name.ends_with(key.name.substr(star + 1)))
            return &key;
    }
    return nullptr;
}

}  // namespace pilvi::cli
