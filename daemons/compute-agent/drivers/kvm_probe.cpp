#include "drivers/kvm_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::compute_agent {
namespace {

constexpr int exit_value = 0x2a;

// mov al, exit_value; out 0xf4, al; hlt: the debug exit device ends QEMU with status (value << 1) | 1.
std::string boot_sector() {
    std::string sector("\xb0\x2a\xe6\xf4\xf4", 5);
    sector.resize(510, '\0');
    sector += "\x55\xaa";
    sector.resize(1474560, '\0');  // as a floppy
    return sector;
}

}  // namespace

KvmProbe probe_kvm(CommandRunner& runner, const std::string& directory) {
    const UniqueFd device(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!device) return {.works = false, .reason = std::string("/dev/kvm: ") + std::strerror(errno)};
    const std::string disk = directory + "/kvm-probe.img";
    KvmProbe result;
    try {
        write_file(disk, boot_sector(), 0600);
        const CommandResult run = runner.run({.argv = {"/usr/bin/qemu-system-x86_64",
                                                       "-accel",
                                                       "kvm",
                                                       "-cpu",
                                                       "host",
                                                       "-machine",
                                                       "pc",
                                                       "-m",
                                                       "16",
                                                       "-display",
                                                       "none",
                                                       "-nodefaults",
                                                       "-no-reboot",
                                                       "-nic",
                                                       "none",
                                                       "-device",
                                                       "isa-debug-exit,iobase=0xf4,iosize=4",
                                                       "-drive",
                                                       "file=" + disk + ",format=raw,if=floppy,snapshot=on",
                                                       "-boot",
                                                       "a"},
                                              .limit = std::chrono::seconds(15)});
        result.works = run.status == (exit_value << 1 | 1);
        const std::string said(trim(run.err));
        result.reason = result.works ? "a guest ran" : said.empty() ? "a guest did not run" : said.substr(0, said.find('\n'));
    } catch (const Error& error) {
        result.reason = "a guest did not run: " + error.message();
    }
    ::unlink(disk.c_str());
    return result;
}

}  // namespace pilvi::compute_agent
