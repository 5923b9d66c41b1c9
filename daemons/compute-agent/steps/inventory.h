#pragma once
// Keeps the node's resource provider at placement as the node is.
#include <string>
#include <vector>

#include "base/json.h"
#include "drivers/hypervisor.h"
#include "identity/identity.h"

namespace pilvi::compute_agent {

struct InventoryOptions {
    std::string host;         // name of the provider
    std::string provider_id;  // uuid
    std::int64_t reserved_memory_mib = 512;
    std::int64_t reserved_disk_gb = 0;
    int reserved_cpus = 0;
    double cpu_ratio = 16, memory_ratio = 1.5, disk_ratio = 1;
};

// {"VCPU": {...}, "MEMORY_MB": {...}, "DISK_GB": {...}} without what is 0 in all.
json::object inventories(const InventoryOptions& options, const HypervisorFacts& facts, std::int64_t disk_gb);
std::vector<std::string> traits(const HypervisorFacts& facts);

class Inventory {
public:
    Inventory(Session& session, InventoryOptions options) : session_(session), options_(std::move(options)) {}
    // Creates the provider where it is missing and writes what differs; a generation conflict is read again at once. Throws Error.
    void converge(const HypervisorFacts& facts, std::int64_t disk_gb);

private:
    bool attempt(const HypervisorFacts& facts, std::int64_t disk_gb);
    json::object call(std::string_view method, const std::string& path, const json::value& body, int* status);
    Session& session_;
    const InventoryOptions options_;
};

// The node's stable id: the content of `path`, made at the first call.
std::string stable_id(const std::string& path);

}  // namespace pilvi::compute_agent
