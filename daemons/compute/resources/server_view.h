#pragma once
// A server as the API shows it, per microversion.
#include <map>
#include <span>
#include <string>

#include "resources/common.h"

namespace pilvi::compute {

// What the views of one answer share; made once per request.
struct ServerView {
    api::Version version;
    std::string base;
    bool extended = false;  // OS-EXT-SRV-ATTR:*
    bool extra_specs = false;
    bool host_status = false;
    bool admin = false;
    bool all = true;                                                              // false: the shorter answer of an update before 2.75
    bool groups = false;                                                          // server_groups (show, update)
    std::map<std::string, std::string> host_states;                               // host -> UP, DOWN, MAINTENANCE, UNKNOWN
    mutable std::map<std::pair<std::string, std::string>, std::string> host_ids;  // project, host -> hostId: a digest, made once

    static ServerView of(api::Call& call, Tx& tx);
    json::object brief(const Instance& instance) const;
    json::object full(const Instance& instance) const;

private:
    void add_status(const Instance& instance, json::object& server) const;
    void add_attributes(const Instance& instance, json::object& server) const;
    void add_versioned(const Instance& instance, json::object& server) const;
    json::value flavor(const Instance& instance) const;
};

}  // namespace pilvi::compute
