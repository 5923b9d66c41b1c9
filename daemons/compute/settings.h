#pragma once
// Settings of pilvi-compute, and what the daemon's parts get of them.
#include "app.h"
#include "config/config.h"
#include "identity/identity.h"

namespace pilvi::compute {

constexpr auto settings = with_api_settings(
    "nova",
    {
        {"listen.port", SettingKind::integer, "8774", "TCP port.", 0, 65535},
        {"database.url", SettingKind::text, "sqlite:/var/lib/pilvi/compute/compute.sqlite", "sqlite:/PATH, or postgresql://USER@HOST/DATABASE."},
        {"compute.host", SettingKind::text, "", "Name of this controller in the list of services; empty: the host name."},
        {"compute.default_availability_zone", SettingKind::text, "nova", "Availability zone of nodes, and of servers that ask for none."},
        {"compute.build_timeout", SettingKind::seconds, "1800", "Seconds from an accepted create to ACTIVE; later it is ERROR with a fault.", 1,
         86400},
        {"compute.build_attempts", SettingKind::integer, "3", "Nodes that are tried for one build.", 1, 20},
        {"compute.vif_plugging_timeout", SettingKind::seconds, "300", "Seconds that a node waits for the ports of a server to be wired.", 1, 86400},
        {"compute.vif_plugging_is_fatal", SettingKind::boolean, "true",
         "Whether a server whose ports are not wired in time is ERROR; else it starts without."},
        {"compute.power_timeout", SettingKind::seconds, "300", "Seconds for start, stop and reboot.", 1, 86400},
        {"compute.delete_timeout", SettingKind::seconds, "300", "Seconds for a node's part of a delete; later it is ERROR with a fault, and goes on.",
         1, 86400},
        {"compute.service_down_time", SettingKind::seconds, "60", "Seconds without a report after which a node counts as down.", 1, 86400},
        {"compute.keep_deleted", SettingKind::seconds, "2592000", "Seconds that the records of deleted servers are kept.", 0},
        {"worker.threads", SettingKind::integer, "4", "Servers that are worked on at a time.", 1, 64},
    });

Options options_of(const Config& config);

}  // namespace pilvi::compute
