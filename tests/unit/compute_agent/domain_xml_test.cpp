#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "base/fd.h"
#include "drivers/domain_xml.h"

using namespace pilvi;
using namespace pilvi::compute_agent;

namespace {

DomainSpec tiny() {
    DomainSpec s;
    s.id = "11111111-2222-4333-8444-555555555555";
    s.name = "instance-00000001";
    s.title = "web & <db>";
    s.project_id = "p";
    s.user_id = "u";
    s.flavor_name = "m1.tiny";
    s.image_id = "99999999-2222-4333-8444-555555555555";
    s.cpu_mode = "custom";
    s.cpu_model = "Nehalem";
    s.disks = {{.path = "/i/disk", .format = "qcow2", .backing_path = "/b/x.raw", .backing_format = "raw"}};
    s.ports = {{.id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", .mac = "fa:16:3e:00:00:01", .mtu = 1450}};
    s.console_log = "/i/console.log";
    s.spare_slots = 2;
    return s;
}

// PILVI_GOLDEN=write makes the files anew.
void check_golden(const std::string& name, const std::string& text) {
    const std::string path = std::string(PILVI_SOURCE_DIR) + "/tests/unit/compute_agent/golden/" + name;
    if (const char* mode = std::getenv("PILVI_GOLDEN"); mode && std::string(mode) == "write") write_file(path, text);
    CHECK(text == read_file(path));
}

}  // namespace

TEST_CASE("a guest under TCG on the userspace datapath") {
    DomainSpec s = tiny();
    s.userspace_datapath = true;
    check_golden("tcg_netdev.xml", domain_xml(s));
}

TEST_CASE("a guest under KVM with a config drive and a kernel of its own") {
    DomainSpec s = tiny();
    s.kvm = true;
    s.cpu_mode = "host-model";
    s.vcpus = 4;
    s.memory_mib = 2048;
    s.config_drive = DiskSpec{.path = "/i/disk.config", .format = "raw", .read_only = true};
    s.kernel = "/i/kernel";
    s.ramdisk = "/i/ramdisk";
    s.command_line = "root=/dev/vda console=ttyS0";
    s.ports.push_back({.id = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee", .mac = "fa:16:3e:00:00:02", .mtu = 0});
    check_golden("kvm_kernel.xml", domain_xml(s));
}

TEST_CASE("offloads are left on where the kernel does the work") { CHECK(domain_xml(tiny()).find("csum='off'") == std::string::npos); }

TEST_CASE("nothing that a user can choose leaves its place in the document") {
    DomainSpec s = tiny();
    for (std::string* field :
         {&s.title, &s.flavor_name, &s.project_id, &s.user_id, &s.image_id, &s.command_line, &s.nic_model, &s.disk_bus, &s.machine})
        *field = "'/><injected a=\"</domain>\n\x01\xef\xbf\xbf&";
    s.kernel = "/k";
    const std::string xml = domain_xml(s);
    CHECK(xml.find("<injected") == std::string::npos);
    CHECK(xml.find("&apos;/&gt;&lt;injected a=&quot;&lt;/domain&gt;&#10;??&amp;") != std::string::npos);
    CHECK(xml.find("</domain>") == xml.size() - 10);
}

TEST_CASE("escape_xml") {
    CHECK(escape_xml("a<b>&'\"") == "a&lt;b&gt;&amp;&apos;&quot;");
    CHECK(escape_xml("\x01\x1f") == "??");
    CHECK(escape_xml("\xc3\xa4\t") == "\xc3\xa4&#9;");
}

TEST_CASE("the tap's name fits the kernel's 15 characters") {
    CHECK(tap_name("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee") == "tapaaaaaaaa-bb");
    CHECK(tap_name("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee").size() < 16);
}
