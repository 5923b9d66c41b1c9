#pragma once
// What is known about the keys of a PackStack answer file, in one table. The first row that matches a key counts.
#include <optional>
#include <string>
#include <string_view>

#include "deploy/answers.h"

namespace pilvi::cli {

enum class Answered {
    used,      // it says something about this cloud
    needless,  // what it would say needs nothing here; `help` says why
    fixed,     // how it is cannot be chosen: `fallback` is how, several values separated by |; another value asks for what cannot be had
};

struct AnswerKey {
    std::string_view name;  // one * stands for anything
    Answered answered;
    std::string_view fallback;     // of a used one: the value that a generated answer file has
    std::string_view help;         // for people: used: its meaning; else why
    std::string_view answer = {};  // of local.conf's: the answer that it becomes, where it is the same value
};

// The keys that PackStack has not.
inline constexpr std::string_view own_answers[] = {"CONFIG_APT_SOURCE", "CONFIG_PROVISION_SERVER", "CONFIG_PROVISION_DEMO_GATEWAY",
                                                   "CONFIG_PROVISION_DEMO_FIXEDRANGE", "CONFIG_PROVISION_MASQUERADE"};

inline constexpr std::string_view no_service = "there is no such service";
inline constexpr std::string_view of_no_service = "about a service that there is not";
inline constexpr std::string_view own_database = "every service has its own embedded database, without a password";

inline constexpr AnswerKey answer_keys[] = {
    // ---- machines
    {"CONFIG_CONTROLLER_HOST", Answered::used, "", "The machine with the APIs: its address or host name, as the other machines reach it."},
    {"CONFIG_NETWORK_HOSTS", Answered::used, "", "Machines with DHCP, routers and floating IPs, separated by commas; empty: the controller."},
    {"CONFIG_COMPUTE_HOSTS", Answered::used, "", "Machines that run servers, separated by commas."},
    {"CONFIG_STORAGE_HOST", Answered::used, "", "Machines with the role storage, separated by commas; empty: none."},
    {"CONFIG_SSH_KEY", Answered::used, "",
     "Private key for ssh to the machines (a name ending with .pub stands for its private key); empty: as ssh does by itself."},
    {"CONFIG_APT_SOURCE", Answered::used, "",
     "Line for sources.list with the packages, for machines that lack them; empty: the sources that a machine has."},
    {"EXCLUDE_SERVERS", Answered::needless, "", "what is so already is left alone on every machine"},
    {"CONFIG_DEBUG_MODE", Answered::used, "n", "y: the daemons log at level debug."},
    // ---- identity
    {"CONFIG_KEYSTONE_REGION", Answered::used, "RegionOne", "Name of the region."},
    {"CONFIG_KEYSTONE_ADMIN_PW", Answered::used, "",
     "Password of the user admin; empty: a random one, in /etc/pilvi/credentials/admin-password of the controller."},
    {"CONFIG_KEYSTONE_DEMO_PW", Answered::used, "",
     "Password of the user demo; empty: a random one, in /etc/pilvi/credentials/demo-password of the controller."},
    {"CONFIG_DEFAULT_PASSWORD", Answered::used, "", "Stands in for the passwords of admin and demo where they are empty."},
    {"CONFIG_KEYSTONE_ADMIN_USERNAME", Answered::fixed, "admin", "the administrator's name is admin"},
    {"CONFIG_KEYSTONE_ADMIN_EMAIL", Answered::needless, "", "the administrator has no mail address"},
    {"CONFIG_KEYSTONE_ADMIN_TOKEN", Answered::needless, "", "there is no administrator's token"},
    {"CONFIG_KEYSTONE_TOKEN_FORMAT", Answered::fixed, "FERNET", "tokens are Fernet; JWS is a setting of pilvi-identity"},
    {"CONFIG_KEYSTONE_FERNET_TOKEN_ROTATE_ENABLE", Answered::fixed, "n",
     "the keys of tokens are rotated by pilvi identity fernet-rotate, not by themselves"},
    {"CONFIG_KEYSTONE_API_VERSION", Answered::fixed, "v3|v2.0", "the identity API is v3, and v2.0 for older clients"},
    {"CONFIG_KEYSTONE_IDENTITY_BACKEND", Answered::fixed, "sql", "users are in SQL; directory servers are set per domain, once the cloud stands"},
    {"CONFIG_KEYSTONE_LDAP_*", Answered::needless, "", "directory servers are set per domain, once the cloud stands"},
    // ---- compute
    {"CONFIG_NOVA_LIBVIRT_VIRT_TYPE", Answered::used, "", "kvm, qemu, or empty: kvm where it works."},
    {"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO", Answered::used, "", "Virtual processors per real one."},
    {"CONFIG_NOVA_SCHED_RAM_ALLOC_RATIO", Answered::used, "", "Servers' memory per real memory."},
    {"CONFIG_NOVA_MANAGE_FLAVORS", Answered::used, "y", "y: the flavors m1.nano to m1.xlarge are made."},
    {"CONFIG_NOVA_COMPUTE_MIGRATE_PROTOCOL", Answered::needless, "", "nodes speak TLS with their own certificates"},
    {"CONFIG_NOVA_DB_PURGE_ENABLE", Answered::needless, "", "what is deleted is gone from the database"},
    {"CONFIG_NOVA_PCI_*", Answered::fixed, "[]|", "devices are not passed through to servers"},
    {"CONFIG_NOVA_COMPUTE_PRIVIF", Answered::needless, "", "of nova-network"},
    {"CONFIG_VNC_SSL_*", Answered::fixed, "", "there is no VNC console"},
    {"CONFIG_VMWARE_BACKEND", Answered::fixed, "n", "servers run under QEMU"},
    {"CONFIG_VCENTER_*", Answered::fixed, "", "servers run under QEMU"},
    // ---- network
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
    {"CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET", Answered::used, "", "Physical network of the demo's external network; empty: the first of the mappings."},
    {"CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET", Answered::used, "", "The same."},
    {"CONFIG_NEUTRON_L3_EXT_BRIDGE", Answered::used, "",
     "Bridge of the demo's external network, where the mappings do not say it; provider is the same as empty."},
    {"CONFIG_NEUTRON_OVS_TUNNEL_SUBNETS", Answered::fixed, "", "the ends of tunnels are found by CONFIG_NEUTRON_OVS_TUNNEL_IF"},
    {"CONFIG_NEUTRON_OVN_TUNNEL_SUBNETS", Answered::fixed, "", "the ends of tunnels are found by CONFIG_NEUTRON_OVN_TUNNEL_IF"},
    {"CONFIG_USE_SUBNETS", Answered::fixed, "n", "interfaces are named, not found by their subnets"},
    {"CONFIG_NEUTRON_OVS_BRIDGES_COMPUTE", Answered::needless, "", "every machine has the bridges of the mappings"},
    {"CONFIG_NEUTRON_OVN_BRIDGES_COMPUTE", Answered::needless, "", "every machine has the bridges of the mappings"},
    {"CONFIG_NEUTRON_OVS_VXLAN_UDP_PORT", Answered::fixed, "4789|", "tunnels use UDP port 4789"},
    {"CONFIG_NEUTRON_ML2_TUNNEL_ID_RANGES", Answered::fixed, "", "there are no GRE tunnels"},
    {"CONFIG_NEUTRON_ML2_VXLAN_GROUP", Answered::fixed, "", "tunnels go from node to node, without multicast"},
    {"CONFIG_NEUTRON_ML2_SRIOV_INTERFACE_MAPPINGS", Answered::fixed, "", "there is no SR-IOV"},
    {"CONFIG_NEUTRON_METADATA_PW", Answered::needless, "", "the metadata service proves itself by its node's certificate"},
    {"CONFIG_NEUTRON_L2_AGENT", Answered::fixed, "openvswitch|ovn", "Open vSwitch, by an agent of its own"},
    {"CONFIG_NEUTRON_ML2_TYPE_DRIVERS", Answered::needless, "", "vxlan, vlan, flat and local are there"},
    {"CONFIG_NEUTRON_ML2_MECHANISM_DRIVERS", Answered::needless, "", "Open vSwitch"},
    {"CONFIG_NEUTRON_VPNAAS", Answered::fixed, "n", no_service},
    // ---- what a cloud begins with
    {"CONFIG_PROVISION_DEMO", Answered::used, "n",
     "y: an external network, and a project and user demo with a network, a router and an image; n, or missing: none of it."},
    {"CONFIG_PROVISION_DEMO_FLOATRANGE", Answered::used, "172.24.4.0/24", "Addresses of the external network."},
    {"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS", Answered::used, "[]", "Those that it gives away: [\"start=FIRST,end=LAST\"]; []: all."},
    {"CONFIG_PROVISION_DEMO_GATEWAY", Answered::used, "", "Gateway of the external network; empty: its first address."},
    {"CONFIG_PROVISION_DEMO_FIXEDRANGE", Answered::used, "10.0.0.0/24", "Addresses of the project's own network."},
    {"CONFIG_PROVISION_OVS_BRIDGE", Answered::used, "y",
     "y: where no interface is put into the external network's bridge, the first network machine is its gateway, and reaches floating IPs."},
    {"CONFIG_PROVISION_MASQUERADE", Answered::used, "y",
     "y: as that gateway it forwards packets, and guests reach with its own address what it reaches itself; n: they reach no farther than it."},
    {"CONFIG_PROVISION_IMAGE_NAME", Answered::used, "pilvi-guest", "Name of the image."},
    {"CONFIG_PROVISION_IMAGE_URL", Answered::used, "",
     "Where it comes from: a file on the controller, http or https; empty: the guest of the package pilvi-guest-image."},
    {"CONFIG_PROVISION_IMAGE_FORMAT", Answered::used, "qcow2", "Its disk format."},
    {"CONFIG_PROVISION_IMAGE_PROPERTIES", Answered::used, "", "Its properties, NAME=VALUE, separated by commas."},
    {"CONFIG_PROVISION_IMAGE_SSH_USER", Answered::used, "root", "Who logs in to it."},
    {"CONFIG_PROVISION_SERVER", Answered::used, "", "Name of a first server with a floating IP; empty: none."},
    {"CONFIG_PROVISION_TEMPEST", Answered::fixed, "n", "the tests of others are not installed"},
    {"CONFIG_PROVISION_TEMPEST_*", Answered::needless, "", "the tests of others are not installed"},
    {"CONFIG_RUN_TEMPEST", Answered::fixed, "n", "the tests of others are not installed"},
    {"CONFIG_RUN_TEMPEST_TESTS", Answered::needless, "", "the tests of others are not installed"},
    {"CONFIG_SKIP_TEMPEST_TESTS", Answered::needless, "", "the tests of others are not installed"},
    {"CONFIG_TEMPEST_HOST", Answered::fixed, "", "the tests of others are not installed"},
    // ---- services
    {"CONFIG_GLANCE_INSTALL", Answered::fixed, "y", "the image service is part of every controller"},
    {"CONFIG_NOVA_INSTALL", Answered::fixed, "y", "the compute service is part of every controller"},
    {"CONFIG_NEUTRON_INSTALL", Answered::fixed, "y", "the network service is part of every controller"},
    {"CONFIG_GLANCE_BACKEND", Answered::fixed, "file", "images are files; other stores are settings of pilvi-image"},
    {"CONFIG_CLIENT_INSTALL", Answered::needless, "", "the openstack client is a package of the system"},
    {"CONFIG_MARIADB_INSTALL", Answered::needless, "", own_database},
    {"CONFIG_NEUTRON_METERING_AGENT_INSTALL", Answered::fixed, "n", no_service},
    {"CONFIG_*_INSTALL", Answered::fixed, "n", no_service},
    {"CONFIG_*_DB_PW", Answered::needless, "", own_database},
    {"CONFIG_*_KS_PW", Answered::needless, "", "the services' users get random passwords"},
    {"CONFIG_MARIADB_*", Answered::needless, "", own_database},
    {"CONFIG_MYSQL_*", Answered::needless, "", own_database},
    {"CONFIG_AMQP_*", Answered::needless, "", "there is no message broker"},
    {"CONFIG_REDIS_*", Answered::needless, "", "there is no Redis"},
    {"CONFIG_SSL_*", Answered::needless, "",
     "nodes have certificates of the cluster's own authority; TLS of the APIs is listen.tls_certificate of each"},
    {"CONFIG_CINDER_*", Answered::needless, "", of_no_service},
    {"CONFIG_MANILA_*", Answered::needless, "", of_no_service},
    {"CONFIG_SWIFT_*", Answered::needless, "", of_no_service},
    {"CONFIG_HEAT_*", Answered::needless, "", of_no_service},
    {"CONFIG_HORIZON_*", Answered::needless, "", of_no_service},
    {"CONFIG_CEILOMETER_*", Answered::needless, "", of_no_service},
    {"CONFIG_ENABLE_CEILOMETER_MIDDLEWARE", Answered::fixed, "n", no_service},
    {"CONFIG_TROVE_*", Answered::needless, "", of_no_service},
    {"CONFIG_NAGIOS_*", Answered::needless, "", of_no_service},
    // ---- PackStack itself
    {"CONFIG_SERVICE_WORKERS", Answered::needless, "", "a service is one process with threads"},
    {"CONFIG_NTP_SERVERS", Answered::fixed, "", "the clock is the system's own matter: systemd-timesyncd, chrony"},
    {"CONFIG_UNSUPPORTED", Answered::needless, "", "about PackStack itself"},
    {"CONFIG_USE_EPEL", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_REPO", Answered::fixed, "", "packages come from CONFIG_APT_SOURCE or the sources that a machine has"},
    {"CONFIG_ENABLE_RDO_TESTING", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_RH_*", Answered::needless, "", "about PackStack's package sources"},
    {"CONFIG_SATELLITE_*", Answered::needless, "", "about PackStack's package sources"},
};

// Whether a key is meant by a row's name.
inline bool names(std::string_view pattern, std::string_view name) {
    const std::size_t star = pattern.find('*');
    if (star == pattern.npos) return name == pattern;
    return name.size() + 1 >= pattern.size() && name.starts_with(pattern.substr(0, star)) && name.ends_with(pattern.substr(star + 1));
}

// y, yes, true, 1 and n, no, false, 0 in any case, as PackStack and DevStack write them; nullopt of anything else.
std::optional<bool> yes_or_no(std::string_view value);

// What is to be said of a key's value; nullopt of a used one. `name`: as the file writes it.
std::optional<AnswerFinding> judge(const AnswerKey& key, std::string_view name, std::string_view value, int line);
// Both tables, this one and that of localconf_keys.h, as a page of Markdown.
std::string answer_page();

inline const AnswerKey* find_answer_key(std::string_view name) {
    for (const AnswerKey& key : answer_keys)
        if (names(key.name, name)) return &key;
    return nullptr;
}

}  // namespace pilvi::cli
