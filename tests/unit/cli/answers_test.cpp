#include <doctest/doctest.h>

#include "base/error.h"
#include "deploy/answer_keys.h"
#include "deploy/answers.h"

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
    CHECK(found(answers, "CONFIG_CINDER_INSTALL") == "warning 14 will not be there: there is no such service");
    CHECK(found(answers, "CONFIG_HEAT_INSTALL") == "note 15 is so: not installed");
    CHECK(found(answers, "CONFIG_GLANCE_INSTALL").starts_with("note"));
    CHECK(found(answers, "CONFIG_NTP_SERVERS") == "note 16 is not known here, and empty");
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
                                                               {"CONFIG_NEUTRON_OVS_BRIDGE_IFACES", "br-ex:eth1"}});
    CHECK(found(answers, "FLOATING_RANGE").starts_with("warning 11"));
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
    for (const char* line : {"if true; then", "source openrc", ". openrc", "echo x", "function f {", "A = b", "1A=b", "A+=b"}) {
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
