#include "node/storage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace pilvi::cli {
namespace {

constexpr const char* vgs = "/sbin/vgs";

std::int64_t mebibytes(const std::string& text) { return parse_integer(text.substr(0, text.find('.'))).value_or(0); }

}  // namespace

std::optional<StorageFacts::Group> group_in(std::string_view report) {
    json::value document;
    try {
        document = parse_json(report);
    } catch (const Error&) {
    }
    if (!document.is_object()) throw Error(Errc::bad_gateway, "vgs answers something that is not understood");
    for (const json::value& part : array_or_empty(document.get_object(), "report")) {
        if (!part.is_object()) continue;
        for (const json::value& row : array_or_empty(part.get_object(), "vg"))
            if (row.is_object() && string_or(row.get_object(), "vg_name") == volume_group)
                return StorageFacts::Group{.size_mib = mebibytes(string_or(row.get_object(), "vg_size")),
                                           .free_mib = mebibytes(string_or(row.get_object(), "vg_free"))};
    }
    return std::nullopt;
}

StorageFacts look_at_storage(CommandRunner& runner) {
    StorageFacts facts;
    facts.lvm = ::access(vgs, X_OK) == 0;
    facts.device_mapper = std::filesystem::exists("/dev/mapper/control");
    if (!facts.lvm) return facts;
    try {
        facts.group =
            group_in(runner.check(Command{.argv = {vgs, "--reportformat", "json", "--units", "m", "--nosuffix", "-o", "vg_name,vg_size,vg_free"},
                                          .limit = std::chrono::seconds(20)}));
    } catch (const Error& error) {
        facts.trouble = error.message();
    }
    return facts;
}

std::string describe(const StorageFacts& facts) {
    if (!facts.lvm) return "LVM2 is not installed: apt-get install lvm2";
    if (!facts.trouble.empty()) return fmt::format("not known whether there is a volume group {}: {}", volume_group, facts.trouble);
    if (!facts.group) return fmt::format("no volume group {0}: vgcreate {0} DEVICE makes it on an empty disk", volume_group);
    return fmt::format("volume group {}, {} of {} MiB free{}", volume_group, facts.group->free_mib, facts.group->size_mib,
                       facts.device_mapper ? "" : "; the kernel's device-mapper is not there, and without it no volume");
}

}  // namespace pilvi::cli
