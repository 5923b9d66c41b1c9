#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "packstack_keys.h"
#include "deploy/localconf_keys.h"
#include "deploy/provision.h"

using namespace pilvi;
using namespace pilvi::cli;

namespace {

std::string found(const Answers& answers, const std::string& key) {
    for (const AnswerFinding& finding : answers.findings)
        if (finding.key == key) {
            const char* level = finding.level == AnswerFinding::Level::error     ? "error"
                                : finding.level == AnswerFinding::Level::warning ? "warning"
                                                                                 : "note";
            return std::string(level) + " " + std::to_string(finding.line) + " " + finding.text;
        }
    return "";
}

bool fails(const std::string& text) { return !read_answers(text).usable(); }

std::string refusal(const std::map<std::string, std::string>& values) {
    try {
        deployment_of(values);
        return "";
    } catch (const Error& error) {
        return error.message();
    }
}

}  // namespace

// The shape of what packstack --gen-answer-file writes: comments, every key, empty values.
TEST_CASE("a PackStack answer file") {
    const Answers answers = read_answers(R"([general]

# Path to a public key to install on servers. If a usable key has not
# been installed on the remote servers, the user is prompted for a
# password and this key is installed so the password will not be
# required again.
CONFIG_SSH_KEY=/root/.ssh/id_rsa.pub
# Default password to be used everywhere (overridden by passwords set
# for individual services or users).
CONFIG_DEFAULT_PASSWORD=
CONFIG_SERVICE_WORKERS=%{::processorcount}
CONFIG_MARIADB_INSTALL=y
CONFIG_GLANCE_INSTALL=y
CONFIG_CINDER_INSTALL=y
CONFIG_HEAT_INSTALL=n
CONFIG_NTP_SERVERS=
CONFIG_CONTROLLER_HOST=192.168.1.10
CONFIG_COMPUTE_HOSTS=192.168.1.11,192.168.1.12
CONFIG_NETWORK_HOSTS=192.168.1.10
CONFIG_MARIADB_PW=abc123
CONFIG_KEYSTONE_DB_PW=abc123
CONFIG_NOVA_KS_PW=abc123
CONFIG_KEYSTONE_ADMIN_PW=s3cret
CONFIG_KEYSTONE_REGION=RegionOne
CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO=16.0
CONFIG_NOVA_LIBVIRT_VIRT_TYPE=%{::default_hypervisor}
CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES=geneve
CONFIG_NEUTRON_ML2_VNI_RANGES=10:100
CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS=
CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS=extnet:br-ex
CONFIG_NEUTRON_OVN_BRIDGE_IFACES=br-ex:eth1
CONFIG_SOMETHING_NEW=1
)");
    CHECK(answers.usable());
    CHECK(found(answers, "CONFIG_SOMETHING_NEW") == "warning 32 is not known here: nothing comes of it");
    CHECK(found(answers, "CONFIG_CINDER_INSTALL") == "warning 14 cannot be had: there is no such service");
    CHECK(found(answers, "CONFIG_HEAT_INSTALL") == "note 15 is so: there is no such service");
    CHECK(found(answers, "CONFIG_GLANCE_INSTALL").starts_with("note"));
    CHECK(found(answers, "CONFIG_NTP_SERVERS") == "note 16 is so: the clock is the system's own matter: systemd-timesyncd, chrony");
    CHECK(found(answers, "CONFIG_NOVA_KS_PW").starts_with("note 22 needs nothing"));
    CHECK(found(answers, "CONFIG_KEYSTONE_DB_PW").starts_with("note"));
    CHECK(found(answers, "CONFIG_CONTROLLER_HOST").empty());
    const Deployment deployment = deployment_of(answers.values);
    CHECK(deployment.hosts ==
          std::vector<Deployment::Host>{{"192.168.1.10", {"controller", "network"}}, {"192.168.1.11", {"compute"}}, {"192.168.1.12", {"compute"}}});
    CHECK(deployment.admin_password == "s3cret");
    CHECK(deployment.ssh_key == "/root/.ssh/id_rsa");
    CHECK(deployment.settings == std::vector<AnsweredSetting>{{"compute-agent", "inventory", "cpu_allocation_ratio", "\"16.0\""},
                                                              {"network", "network", "project_network_type", "\"vxlan\""},
                                                              {"network", "network", "vni_range", "\"10:100\""},
                                                              {"network-agent", "external", "bridge_mappings", "[\"extnet:br-ex\"]"}});
    CHECK(deployment.bridge_interfaces == std::vector<std::pair<std::string, std::string>>{{"br-ex", "eth1"}});
}

TEST_CASE("what is no answer file") {
    for (const char* text : {"", "CONFIG_CONTROLLER_HOST=1.2.3.4", "[general]\nCONFIG", "[general]\n[other]\nA=b", "[other]\nA=b",
                             "[general]\n[general]\nA=b", "[general]\nA B=c", "[general]\n\xff=1"}) {
        CAPTURE(text);
        CHECK(fails(text));
    }
    CHECK(found(read_answers("[general]\nCONFIG_CONTROLLER_HOST=a\nCONFIG_CONTROLLER_HOST=b\n"), "CONFIG_CONTROLLER_HOST").starts_with("warning 3"));
}

TEST_CASE("every known key stands for itself, and what is generated is read again") {
    for (const AnswerKey& key : answer_keys)
        if (key.name.find('*') == key.name.npos) CHECK(find_answer_key(key.name) == &key);
    const Answers again = read_answers(write_answers({{"CONFIG_CONTROLLER_HOST", "ctl"}, {"CONFIG_COMPUTE_HOSTS", "c1"}}));
    CHECK(again.findings.empty());
    CHECK(again.values.at("CONFIG_KEYSTONE_REGION") == "RegionOne");
    CHECK(deployment_of(again.values).hosts == std::vector<Deployment::Host>{{"ctl", {"controller", "network"}}, {"c1", {"compute"}}});
}

// As DevStack's guides show them.
TEST_CASE("a local.conf") {
    const Answers answers = read_answers(R"([[local|localrc]]
# Minimal
ADMIN_PASSWORD=nomoresecret
DATABASE_PASSWORD=$ADMIN_PASSWORD
RABBIT_PASSWORD=${ADMIN_PASSWORD}
SERVICE_PASSWORD="$ADMIN_PASSWORD"
HOST_IP=10.1.2.3   # this machine
LIBVIRT_TYPE=qemu
LIBVIRT_TYPE='kvm'
PUBLIC_INTERFACE=eth1
FLOATING_RANGE=192.168.1.224/27
LOGFILE=/opt/stack/logs/stack.sh.log
enable_service q-svc q-agt s-proxy
disable_service tempest
enable_plugin heat https://opendev.org/openstack/heat

[[post-config|$NOVA_CONF]]
[DEFAULT]
debug = True
$(rm -rf /)
)");
    CHECK(answers.usable());
    CHECK(answers.values == std::map<std::string, std::string>{{"CONFIG_KEYSTONE_ADMIN_PW", "nomoresecret"},
                                                               {"CONFIG_NOVA_LIBVIRT_VIRT_TYPE", "kvm"},
                                                               {"CONFIG_CONTROLLER_HOST", "10.1.2.3"},
                                                               {"CONFIG_COMPUTE_HOSTS", "10.1.2.3"},
                                                               {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES", "br-ex:eth1"},
                                                               {"CONFIG_PROVISION_DEMO", "y"},
                                                               {"CONFIG_PROVISION_DEMO_FLOATRANGE", "192.168.1.224/27"}});
    CHECK(found(answers, "RABBIT_PASSWORD").starts_with("note 5 needs nothing"));
    CHECK(found(answers, "s-proxy") == "warning 13 will not be there: there is no such service");
    CHECK(found(answers, "q-agt").starts_with("note 13"));
    CHECK(found(answers, "heat").starts_with("warning 15"));
    CHECK(found(answers, "[[post-config|$NOVA_CONF]]").starts_with("warning 17"));
    CHECK(deployment_of(answers.values).hosts == std::vector<Deployment::Host>{{"10.1.2.3", {"controller", "network", "compute"}}});
}

TEST_CASE("a compute node of DevStack's multi-node lab") {
    const Answers answers =
        read_answers("[[local|localrc]]\nHOST_IP=192.168.42.12\nSERVICE_HOST=192.168.42.11\nMULTI_HOST=1\nMYSQL_HOST=$SERVICE_HOST\n");
    CHECK(answers.usable());
    CHECK(deployment_of(answers.values).hosts ==
          std::vector<Deployment::Host>{{"192.168.42.11", {"controller", "network"}}, {"192.168.42.12", {"compute"}}});
}

TEST_CASE("of a local.conf, shell is refused at its line") {
    struct Case {
        const char *line, *why;
    };
    const Case cases[] = {
        {"A=$(id)", "of $, only $NAME and ${NAME} are data"},
        {"A=`id`", "a command in a value is shell, not data"},
        {"A=\"x`id`\"", "a command in a value is shell, not data"},
        {"A=${B:-x}", "of $, only $NAME and ${NAME} are data"},
        {"A=$B", "B was not set before"},
        {"A=x; rm -rf /", "is shell, not data"},
        {"A=x | y", "NAME=VALUE COMMAND is shell, not data: a value with spaces stands in quotes"},
        {"A=x command", "NAME=VALUE COMMAND is shell, not data: a value with spaces stands in quotes"},
        {"A=\"open", "a quote is not closed"},
        {"A=x\\", "a value that goes on in the next line is not understood"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.line);
        const Answers answers = read_localconf(std::string("[[local|localrc]]\n") + c.line + "\n");
        CHECK_FALSE(answers.usable());
        CHECK(found(answers, "A") == std::string("error 2 ") + c.why);
    }
    for (const char* line : {"if true; then", "source openrc", ". openrc", "echo x", "function f {", "A = b", "1A=b", "+=b", "A+b=c"}) {
        CAPTURE(line);
        CHECK(fails(std::string("[[local|localrc]]\n") + line + "\n"));
    }
    CHECK(fails("[[post-config|x]]\nA=b\n"));
    CHECK(read_localconf("[[local|localrc]]\nA='$(id) `x` ;|&'\nexport B=\"a b\"\nC=\n").usable());
}

TEST_CASE("answers that make no sense are all named") {
    const std::string all = refusal({{"CONFIG_CONTROLLER_HOST", "a,b"},
                                     {"CONFIG_COMPUTE_HOSTS", "-oProxyCommand=x"},
                                     {"CONFIG_NOVA_LIBVIRT_VIRT_TYPE", "xen"},
                                     {"CONFIG_NOVA_SCHED_CPU_ALLOC_RATIO", "1\"x"},
                                     {"CONFIG_NEUTRON_ML2_VNI_RANGES", "1"},
                                     {"CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "public"},
                                     {"CONFIG_NEUTRON_OVS_TUNNEL_IF", "eth0; id"}});
    for (const char* key : {"CONFIG_CONTROLLER_HOST", "CONFIG_COMPUTE_HOSTS -oProxyCommand", "VIRT_TYPE", "CPU_ALLOC_RATIO", "VNI_RANGES",
                            "BRIDGE_MAPPINGS", "TUNNEL_IF"}) {
        CAPTURE(key);
        CHECK(all.find(key) != std::string::npos);
    }
    CHECK(refusal({{"CONFIG_CONTROLLER_HOST", "a"}}).find("CONFIG_COMPUTE_HOSTS") != std::string::npos);
    CHECK(refusal({{"CONFIG_CONTROLLER_HOST", "a"}, {"CONFIG_COMPUTE_HOSTS", "a"}}).empty());
}

// What packstack --gen-answer-file writes, every key of it.
TEST_CASE("every key of PackStack's is known, and none is passed over") {
    std::string file = "[general]\n";
    for (const auto& [key, value] : packstack_answers) file += std::string(key) + "=" + value + "\n";
    const Answers answers = read_answers(file);
    CHECK(answers.usable());
    for (const auto& [key, value] : packstack_answers) {
        CAPTURE(key);
        REQUIRE(find_answer_key(key) != nullptr);
        CHECK(answers.values.contains(key) != !found(answers, key).empty());
        CHECK(answers.values.contains(key) == (find_answer_key(key)->answered == Answered::used));
    }
    // What asks for something that will not be there.
    std::vector<std::string> warned;
    for (const AnswerFinding& finding : answers.findings)
        if (finding.level == AnswerFinding::Level::warning) warned.push_back(finding.key);
    CHECK(join(warned, " ") ==
          "CONFIG_AODH_INSTALL CONFIG_CEILOMETER_INSTALL CONFIG_CINDER_INSTALL CONFIG_HEAT_CFN_INSTALL CONFIG_HORIZON_INSTALL "
          "CONFIG_KEYSTONE_FERNET_TOKEN_ROTATE_ENABLE CONFIG_NEUTRON_METERING_AGENT_INSTALL CONFIG_SWIFT_INSTALL");
    const Deployment deployment = deployment_of(answers.values);
    CHECK(deployment.hosts == std::vector<Deployment::Host>{{"192.168.1.10", {"controller", "network", "compute", "storage"}}});
    CHECK(deployment.admin_password.empty());
    CHECK(deployment.provision == Provision{.flavors = true,
                                            .demo = true,
                                            .gateway = "172.24.4.1",
                                            .physical_network = "extnet",
                                            .image = "https://images.example.org/guest.img",
                                            .image_name = "guest",
                                            .image_user = "guest"});
    CHECK(std::ranges::count(deployment.settings, AnsweredSetting{"network-agent", "external", "bridge_mappings", "[\"extnet:br-ex\"]"}) == 1);
    CHECK(std::ranges::count(deployment.settings,
                             AnsweredSetting{"network-agent", "external", "bridge_address", "\"172.24.4.1/24\"", "192.168.1.10"}) == 1);
}

TEST_CASE("a fixed answer: how it is, and what is asked for in vain") {
    const auto level = [](const std::string& line) {
        const Answers answers = read_answers("[general]\n" + line + "\n");
        REQUIRE(answers.findings.size() == 1);
        return found(answers, line.substr(0, line.find('='))).substr(0, 4);
    };
    for (const char* line : {"CONFIG_KEYSTONE_ADMIN_USERNAME=admin", "CONFIG_NOVA_INSTALL=y", "CONFIG_NOVA_INSTALL=yes", "CONFIG_HEAT_INSTALL=n",
                             "CONFIG_NEUTRON_L2_AGENT=ovn", "CONFIG_NTP_SERVERS=", "CONFIG_NOVA_PCI_ALIAS=[]", "EXCLUDE_SERVERS=10.0.0.1"})
        CHECK(level(line) == "note");
    for (const char* line :
         {"CONFIG_KEYSTONE_ADMIN_USERNAME=root", "CONFIG_NOVA_INSTALL=n", "CONFIG_HEAT_INSTALL=y", "CONFIG_NEUTRON_L2_AGENT=linuxbridge",
          "CONFIG_NTP_SERVERS=0.pool.ntp.org", "CONFIG_GLANCE_BACKEND=swift", "CONFIG_NOVA_PCI_ALIAS=[{}]", "CONFIG_USE_SUBNETS=y"})
        CHECK(level(line) == "warn");
}

TEST_CASE("what a cloud begins with") {
    std::map<std::string, std::string> values{{"CONFIG_CONTROLLER_HOST", "a"}, {"CONFIG_COMPUTE_HOSTS", "b"}};
    CHECK(deployment_of(values).provision == Provision{.gateway = "172.24.4.1"});
    CHECK(provision_parts(deployment_of(values)).size() == 1);
    values["CONFIG_PROVISION_DEMO"] = "y";
    values["CONFIG_PROVISION_DEMO_FLOATRANGE"] = "203.0.113.0/28";
    values["CONFIG_PROVISION_DEMO_ALLOCATION_POOLS"] = R"(["start=203.0.113.3,end=203.0.113.5","start=203.0.113.8,end=203.0.113.9"])";
    values["CONFIG_PROVISION_IMAGE_PROPERTIES"] = "os_distro=debian,hw_disk_bus=virtio";
    values["CONFIG_PROVISION_SERVER"] = "first";
    const Deployment deployment = deployment_of(values);
    CHECK(deployment.provision.pools ==
          std::vector<std::pair<std::string, std::string>>{{"203.0.113.3", "203.0.113.5"}, {"203.0.113.8", "203.0.113.9"}});
    std::vector<std::string> commands;
    for (const ProvisionPart& part : provision_parts(deployment)) commands.push_back(join(part.arguments, " "));
    CHECK(commands ==
          std::vector<std::string>{"flavors",
                                   "image --image-name pilvi-guest --image-format qcow2 --image-property os_distro=debian --image-property "
                                   "hw_disk_bus=virtio",
                                   "networks --floating-range 203.0.113.0/28 --gateway 203.0.113.1 --fixed-range 10.0.0.0/24 "
                                   "--physical-network public --pool 203.0.113.3-203.0.113.5 --pool 203.0.113.8-203.0.113.9",
                                   "server --server first --image-name pilvi-guest --image-user root --floating-range 203.0.113.0/28",
                                   "files --demo --server first --image-user root"});
    // The gateway is on the first network machine alone, and nowhere where a cable leaves the bridge.
    const AnsweredSetting gateway{"network-agent", "external", "bridge_address", "\"203.0.113.1/28\"", "a"};
    CHECK(std::ranges::count(deployment.settings, gateway) == 1);
    // So it is in PackStack and DevStack: guests get out through it, unless that is answered otherwise.
    const AnsweredSetting masquerade{"network-agent", "external", "masquerade", "true", "a"};
    CHECK(std::ranges::count(deployment.settings, masquerade) == 1);
    values["CONFIG_PROVISION_MASQUERADE"] = "n";
    CHECK(std::ranges::count(deployment_of(values).settings, masquerade) == 0);
    CHECK(std::ranges::count(deployment_of(values).settings, gateway) == 1);
    values.erase("CONFIG_PROVISION_MASQUERADE");
    values["CONFIG_NEUTRON_OVS_BRIDGE_IFACES"] = "br-ex:eth1";
    CHECK(std::ranges::count(deployment_of(values).settings, gateway) == 0);
    CHECK(std::ranges::count(deployment_of(values).settings, masquerade) == 0);
    values.erase("CONFIG_NEUTRON_OVS_BRIDGE_IFACES");
    values["CONFIG_PROVISION_OVS_BRIDGE"] = "n";
    CHECK(std::ranges::count(deployment_of(values).settings, gateway) == 0);
    const std::pair<const char*, const char*> wrong[] = {{"CONFIG_PROVISION_DEMO", "maybe"},
                                                         {"CONFIG_PROVISION_DEMO_FLOATRANGE", "203.0.113.0"},
                                                         {"CONFIG_PROVISION_DEMO_GATEWAY", "10.0.0.1"},
                                                         {"CONFIG_PROVISION_MASQUERADE", "perhaps"},
                                                         {"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS", "[\"start=203.0.113.3\"]"},
                                                         {"CONFIG_PROVISION_DEMO_ALLOCATION_POOLS", "[\"start=10.0.0.3,end=10.0.0.4\"]"},
                                                         {"CONFIG_PROVISION_IMAGE_PROPERTIES", "x"},
                                                         {"CONFIG_PROVISION_SERVER", "a b"},
                                                         {"CONFIG_NEUTRON_L3_EXT_BRIDGE", "a b"},
                                                         {"CONFIG_APT_SOURCE", "http://example.org"}};
    for (const auto& [key, value] : wrong) {
        CAPTURE(key);
        auto changed = values;
        changed[key] = value;
        CHECK(refusal(changed).find(key) != std::string::npos);
    }
}

TEST_CASE("the external network's bridge") {
    const auto external = [](std::map<std::string, std::string> values) {
        values.insert({{"CONFIG_CONTROLLER_HOST", "a"}, {"CONFIG_COMPUTE_HOSTS", "a"}});
        const Deployment deployment = deployment_of(values);
        std::string out = deployment.provision.physical_network;
        for (const AnsweredSetting& setting : deployment.settings)
            if (setting.key == "bridge_mappings") out += " " + setting.value;
        return out;
    };
    CHECK(external({}) == "public");
    CHECK(external({{"CONFIG_NEUTRON_L3_EXT_BRIDGE", "br-out"}}) == "public [\"public:br-out\"]");
    CHECK(external({{"CONFIG_NEUTRON_L3_EXT_BRIDGE", "provider"}}) == "public");
    CHECK(external({{"CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET", "extnet"}}) == "extnet [\"extnet:br-ex\"]");
    CHECK(external({{"CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS", "a:br-a,b:br-b"}, {"CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET", "b"}}) ==
          "b [\"a:br-a\", \"b:br-b\"]");
    CHECK_THROWS_AS(external({{"CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS", "a:br-a"}, {"CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET", "b"}}), Error);
}

TEST_CASE("debug mode is a setting of every daemon, once") {
    const Deployment deployment = deployment_of({{"CONFIG_CONTROLLER_HOST", "a"}, {"CONFIG_COMPUTE_HOSTS", "a"}, {"CONFIG_DEBUG_MODE", "y"}});
    std::vector<std::string> daemons;
    for (const AnsweredSetting& setting : deployment.settings) {
        CHECK(setting.key + setting.value == "level\"debug\"");
        daemons.push_back(setting.daemon);
    }
    CHECK(join(daemons, " ") == "identity image placement compute network cluster compute-agent network-agent metadata");
}

// Every variable that DevStack's documentation shows in a local.conf: its pages on configuration and networking, the guides for a single machine, the
// multi-node lab, Neutron, Nova, nested KVM, Octavia and LDAP, and the sample file.
TEST_CASE("every variable of DevStack's documentation is known, and none is passed over") {
    constexpr const char* documented[] = {"ADMIN_PASSWORD=p",
                                          "DATABASE_PASSWORD=$ADMIN_PASSWORD",
                                          "RABBIT_PASSWORD=$ADMIN_PASSWORD",
                                          "SERVICE_PASSWORD=$ADMIN_PASSWORD",
                                          "SERVICE_TOKEN=t",
                                          "MYSQL_PASSWORD=p",
                                          "LOGFILE=$DEST/logs/stack.sh.log",
                                          "LOGDAYS=2",
                                          "LOG_COLOR=False",
                                          "VERBOSE=True",
                                          "SWIFT_HASH=1",
                                          "SWIFT_REPLICAS=1",
                                          "SWIFT_DATA_DIR=$DEST/data",
                                          "SWIFT_USE_MOD_WSGI=\"True\"",
                                          "HEAT_USE_MOD_WSGI=\"True\"",
                                          "SWIFT_STORAGE_IPS=\"192.0.2.10 192.0.2.11\"",
                                          "GIT_BASE=https://git.example.org",
                                          "NOVA_REPO=$GIT_BASE/openstack/nova.git",
                                          "NOVA_BRANCH=master",
                                          "GLANCE_BRANCH=b",
                                          "DEST=/srv/stack/",
                                          "LIBS_FROM_GIT=a,b",
                                          "ADDITIONAL_VENV_PACKAGES=\"a, b\"",
                                          "RECLONE=yes",
                                          "PIP_UPGRADE=True",
                                          "DOWNLOAD_DEFAULT_IMAGES=False",
                                          "IMAGE_URLS=\"http://images.example.org/a.qcow2,\"",
                                          "IMAGE_URLS+=\"http://images.example.org/b.qcow2\"",
                                          "DEFAULT_INSTANCE_TYPE=m1.tiny",
                                          "IP_VERSION=4+6",
                                          "INSTALL_TEMPEST=True",
                                          "VOLUME_GROUP_NAME=\"v\"",
                                          "VOLUME_NAME_PREFIX=\"v-\"",
                                          "VOLUME_BACKING_FILE_SIZE=24G",
                                          "CINDER_TARGET_HELPER=\"lioadm\"",
                                          "CINDER_TARGET_PROTOCOL=\"iscsi\"",
                                          "CINDER_TARGET_PREFIX=\"iqn\"",
                                          "CINDER_TARGET_PORT=3260",
                                          "REGION_NAME=RegionTwo",
                                          "KEYSTONE_SERVICE_HOST=192.0.2.9",
                                          "KEYSTONE_REGION_NAME=RegionOne",
                                          "GLANCE_LIMIT_IMAGE_SIZE_TOTAL=5000",
                                          "ETCD_DOWNLOAD_URL=https://etcd.example.org",
                                          "HOST_IP=192.0.2.10",
                                          "HOST_IPV6=2001:db8::7",
                                          "SERVICE_HOST=$HOST_IP",
                                          "MYSQL_HOST=$SERVICE_HOST",
                                          "RABBIT_HOST=$SERVICE_HOST",
                                          "GLANCE_HOSTPORT=$SERVICE_HOST:9292",
                                          "DATABASE_TYPE=mysql",
                                          "MULTI_HOST=1",
                                          "FIXED_RANGE=10.4.128.0/20",
                                          "FLOATING_RANGE=\"192.0.2.0/25\"",
                                          "PUBLIC_NETWORK_GATEWAY=\"192.0.2.1\"",
                                          "Q_FLOATING_ALLOCATION_POOL=start=192.0.2.50,end=192.0.2.60",
                                          "PUBLIC_INTERFACE=eth1",
                                          "PUBLIC_BRIDGE=br-ex",
                                          "OVS_PHYSICAL_BRIDGE=br-ex",
                                          "OVS_BRIDGE_MAPPINGS=public:br-ex",
                                          "Q_USE_SECGROUP=True",
                                          "Q_USE_PROVIDERNET_FOR_PUBLIC=True",
                                          "Q_USE_PROVIDER_NETWORKING=True",
                                          "ENABLE_TENANT_VLANS=True",
                                          "TENANT_VLAN_RANGE=3001:4000",
                                          "PHYSICAL_NETWORK=public",
                                          "NETWORK_GATEWAY=10.4.128.1",
                                          "PROVIDER_SUBNET_NAME=\"p\"",
                                          "PROVIDER_NETWORK_TYPE=\"vlan\"",
                                          "SEGMENTATION_ID=2010",
                                          "USE_SUBNETPOOL=False",
                                          "Q_AGENT=macvtap",
                                          "Q_ML2_TENANT_NETWORK_TYPE=vlan",
                                          "ML2_VLAN_RANGES=public:1:20",
                                          "Q_PLUGIN=ml2",
                                          "VIRT_DRIVER=fake",
                                          "NUMBER_FAKE_NOVA_COMPUTE=3",
                                          "LIBVIRT_TYPE=kvm",
                                          "NOVA_VNC_ENABLED=True",
                                          "NOVNCPROXY_URL=\"http://$SERVICE_HOST:6080/vnc_lite.html\"",
                                          "VNCSERVER_LISTEN=$HOST_IP",
                                          "VNCSERVER_PROXYCLIENT_ADDRESS=$VNCSERVER_LISTEN",
                                          "SERVICES_FOR_TEMPEST=keystone,nova",
                                          "SYSLOG=True",
                                          "SYSLOG_HOST=192.0.2.11",
                                          "LDAP_PASSWORD=p",
                                          "ENABLED_SERVICES=n-cpu,c-vol,placement-client,ovn-controller",
                                          "ENABLED_SERVICES+=,q-agt"};
    std::string file = "[[local|localrc]]\n";
    for (const char* line : documented) file += std::string(line) + "\n";
    const Answers answers = read_answers(file + "disable_all_services\nenable_service q-qos key mysql\n");
    CHECK(answers.usable());
    for (const char* line : documented) {
        const std::string text(line), name = text.substr(0, text.find_first_of("+="));
        CAPTURE(name);
        const auto key = std::ranges::find_if(localconf_keys, [&, &name = name](const AnswerKey& one) { return names(one.name, name); });
        REQUIRE(key != std::end(localconf_keys));
        if (key->answered == Answered::used) CHECK((key->answer.empty() || answers.values.contains(std::string(key->answer))));
        else CHECK_FALSE(found(answers, name).empty());
    }
    for (const char* name :
         {"IP_VERSION", "KEYSTONE_SERVICE_HOST", "HOST_IPV6", "Q_AGENT", "VIRT_DRIVER", "NOVA_VNC_ENABLED", "SYSLOG", "c-vol", "q-qos"}) {
        CAPTURE(name);
        CHECK(found(answers, name).starts_with("warning"));
    }
    for (const char* name : {"LOGFILE", "RABBIT_HOST", "n-cpu", "q-agt", "key", "disable_all_services", "Q_USE_SECGROUP"}) {
        CAPTURE(name);
        CHECK(found(answers, name).starts_with("note"));
    }
    const Deployment deployment = deployment_of(answers.values);
    CHECK(deployment.hosts == std::vector<Deployment::Host>{{"192.0.2.10", {"controller", "network", "compute"}}});
    CHECK(deployment.region == "RegionTwo");
    CHECK(deployment.provision.image == "http://images.example.org/a.qcow2");
    CHECK(deployment.provision.image_name == "a");
    CHECK(deployment.provision.fixed_range == "10.4.128.0/20");
    CHECK(deployment.provision.pools == std::vector<std::pair<std::string, std::string>>{{"192.0.2.50", "192.0.2.60"}});
}

TEST_CASE("an image of IMAGE_URLS has its file's name and format") {
    const auto provision = [](const std::string& urls) {
        return deployment_of(read_answers("[[local|localrc]]\nHOST_IP=10.0.0.2\nIMAGE_URLS=\"" + urls + "\"\n").values).provision;
    };
    const Provision cirros = provision("http://download.example.org/0.6.2/cirros-0.6.2-x86_64-disk.img");
    CHECK(cirros.image == "http://download.example.org/0.6.2/cirros-0.6.2-x86_64-disk.img");
    CHECK(cirros.image_name == "cirros-0.6.2-x86_64-disk");
    CHECK(cirros.image_format == "qcow2");
    const Provision raw = provision("file:///srv/images/disk.raw");
    CHECK(raw.image == "/srv/images/disk.raw");
    CHECK(raw.image_name == "disk");
    CHECK(raw.image_format == "raw");
    const Provision other = provision("https://example.org/images/latest?arch=amd64");
    CHECK(other.image == "https://example.org/images/latest?arch=amd64");
    CHECK(other.image_name == "pilvi-guest");
    CHECK(provision("http://example.org/disk.img.gz").image.empty());
    CHECK(found(read_answers("[[local|localrc]]\nIMAGE_URLS=http://example.org/disk.img.gz\n"), "IMAGE_URLS").starts_with("warning"));
}

TEST_CASE("VLANs of DevStack's projects") {
    const Answers answers = read_answers(
        "[[local|localrc]]\nHOST_IP=10.0.0.2\nENABLE_TENANT_VLANS=True\nTENANT_VLAN_RANGE=3001:4000\nPHYSICAL_NETWORK=default\nOVS_PHYSICAL_BRIDGE="
        "br-ex\n");
    CHECK(answers.values.at("CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES") == "vlan");
    CHECK(answers.values.at("CONFIG_NEUTRON_ML2_VLAN_RANGES") == "default:3001:4000");
    CHECK(answers.values.at("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS") == "default:br-ex");
    CHECK(found(read_answers("[[local|localrc]]\nTENANT_VLAN_RANGE=1:2\n"), "TENANT_VLAN_RANGE").starts_with("warning"));
}

TEST_CASE("keystonerc and clouds.yaml: a password ends neither") {
    const Login login{"pilvi", "admin", "admin", "it's \"$x\"", "http://h:5000/v3", "RegionOne"};
    CHECK(keystonerc(login).find("export OS_PASSWORD='it'\\''s \"$x\"'\n") != std::string::npos);
    CHECK(clouds_yaml({login}).find("password: \"it's \\\"$x\\\"\"\n") != std::string::npos);
}
