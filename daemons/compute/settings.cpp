#include "settings.h"

#include <unistd.h>

namespace pilvi::compute {

Options options_of(const Config& config) {
    const auto micros = [&](std::string_view key) { return std::chrono::duration_cast<std::chrono::microseconds>(config.seconds(key)).count(); };
    Options o;
    o.host = config.text("compute.host");
    if (o.host.empty()) {
        char name[256] = {};
        if (::gethostname(name, sizeof name - 1) != 0) throw Error(Errc::internal, "the host has no name");
        o.host = name;
    }
    o.zone = config.text("compute.default_availability_zone");
    o.build_timeout = micros("compute.build_timeout");
    o.build_attempts = static_cast<int>(config.integer("compute.build_attempts"));
    o.vif_timeout = micros("compute.vif_plugging_timeout");
    o.vif_fatal = config.boolean("compute.vif_plugging_is_fatal");
    o.power_timeout = micros("compute.power_timeout");
    o.delete_timeout = micros("compute.delete_timeout");
    o.service_down = micros("compute.service_down_time");
    o.keep_deleted = micros("compute.keep_deleted");
    return o;
}

}  // namespace pilvi::compute
