#include "pxe/boot.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::cli {

Settings read_settings(std::string_view text) {
    Settings out;
    for (const std::string& line : split(text, '\n')) {
        const std::string_view trimmed = trim(line);
        if (trimmed.empty() || trimmed.starts_with('#')) continue;
        const std::size_t equals = trimmed.find('=');
        if (equals == std::string_view::npos) throw Error(Errc::bad_request, "not KEY=VALUE: " + std::string(trimmed.substr(0, 40)));
        const std::string key(trimmed.substr(0, equals));
        if (key == "join_token" || key == "root_password_hash")
            throw Error(Errc::bad_request, key + " cannot be here: whoever asks on the provisioning network is given this file");
        out[key] = trimmed.substr(equals + 1);
    }
    return out;
}

std::string first_script(const Provisioning& provisioning) {
    return fmt::format("#!ipxe\nchain --replace {}/boot/${{netX/mac}}\n", provisioning.files);
}

std::string boot_script(const Provisioning& provisioning, const Media& media, const std::string& mac, BootWay way, bool settings) {
    if (way == BootWay::disk) return "#!ipxe\necho This node is installed: going on with the next boot device\nexit\n";
    const Media::File& system = media.file("system.squashfs");
    const std::string& at = provisioning.files;
    std::string arguments =
        fmt::format("pilvi.fetch={}/files/system.squashfs pilvi.sha256={} pilvi.length={} pilvi.controller={} pilvi.authority={} pilvi.mac={}", at,
                    system.sha256, system.state.st_size, provisioning.controller, provisioning.authority, mac);
    if (settings) arguments += fmt::format(" pilvi.answers={}/answers/{}", at, mac);
    if (way == BootWay::install) arguments += fmt::format(" pilvi.install pilvi.installed={}/installed/{}", at, mac);
    return fmt::format(
        "#!ipxe\nkernel {0}/files/vmlinuz initrd=initrd {1} no_timer_check console=tty0 console=ttyS0,115200\ninitrd {0}/files/initrd\nboot\n", at,
        arguments);
}

}  // namespace pilvi::cli
