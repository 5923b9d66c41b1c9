#pragma once
// What a node of the role storage has for volumes.
#include <cstdint>
#include <optional>
#include <string>

#include "command/command.h"

namespace pilvi::cli {

inline constexpr std::string_view volume_group = "cinder-volumes";

struct StorageFacts {
    bool lvm = false;            // LVM2 is installed
    bool device_mapper = false;  // the kernel has it, and this node may use it: without it no volume is active
    struct Group {
        std::int64_t size_mib = 0, free_mib = 0;
    };
    std::optional<Group> group;  // cinder-volumes
    std::string trouble;         // why it is not known whether there is one
};

// For root: LVM reads the disks.
StorageFacts look_at_storage(CommandRunner& runner);
// For people, one line; the remedy where something is missing.
std::string describe(const StorageFacts& facts);

// The group in what `vgs --reportformat json --units m --nosuffix -o vg_name,vg_size,vg_free` prints; nullopt where it is not there.
// Throws Error(bad_gateway) where the text is something else.
std::optional<StorageFacts::Group> group_in(std::string_view report);

}  // namespace pilvi::cli
