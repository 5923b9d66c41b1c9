#pragma once
// The control socket of pilvi-metadata (metadata-server/README.md): which networks it serves, handing over and taking back sockets.
#include <set>
#include <string>

#include "base/fd.h"
#include "base/json.h"

namespace pilvi::network_agent {

class MetadataControl {
public:
    explicit MetadataControl(std::string path) : path_(std::move(path)) {}
    // All throw Error(unavailable) where the metadata server does not answer, Error(bad_gateway) where it refuses.
    std::set<std::string> list();
    // `name`: "<network>" or "<network>/<router>".
    void add(const std::string& name, const UniqueFd& listening);
    void remove(const std::string& name);
    // The open connection (-1: none): it becomes readable when the server ends.
    int descriptor() const { return connection_.get(); }

private:
    json::object call(const json::object& request, int descriptor = -1);
    json::object exchange(const std::string& line, int descriptor);
    std::string path_;
    UniqueFd connection_;
};

}  // namespace pilvi::network_agent
