#include "steps/inventory.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/text.h"

namespace pilvi::compute_agent {
namespace {

// What this agent offers, in the names of os-traits.
constexpr const char* offered[] = {
    "COMPUTE_NODE",
    "COMPUTE_IMAGE_TYPE_RAW",
    "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_AKI",
    "COMPUTE_IMAGE_TYPE_AMI",
    "COMPUTE_IMAGE_TYPE_ARI",
    "COMPUTE_IMAGE_TYPE_ISO",
    "COMPUTE_STORAGE_BUS_VIRTIO",
    "COMPUTE_STORAGE_BUS_SCSI",
    "COMPUTE_STORAGE_BUS_SATA",
    "COMPUTE_NET_VIF_MODEL_VIRTIO",
    "COMPUTE_NET_VIF_MODEL_E1000",
    "COMPUTE_NET_VIF_MODEL_E1000E",
    "COMPUTE_NET_VIF_MODEL_RTL8139",
    "COMPUTE_GRAPHICS_MODEL_VGA",
};

constexpr const char* cpu_traits[][2] = {
    {"aes", "HW_CPU_X86_AESNI"},   {"avx", "HW_CPU_X86_AVX"},      {"avx2", "HW_CPU_X86_AVX2"},    {"avx512f", "HW_CPU_X86_AVX512F"},
    {"bmi1", "HW_CPU_X86_BMI"},    {"bmi2", "HW_CPU_X86_BMI2"},    {"fma", "HW_CPU_X86_FMA3"},     {"f16c", "HW_CPU_X86_F16C"},
    {"sha-ni", "HW_CPU_X86_SHA"},  {"vmx", "HW_CPU_X86_VMX"},      {"svm", "HW_CPU_X86_SVM"},      {"pdpe1gb", "HW_CPU_X86_PDPE1GB"},
    {"ssse3", "HW_CPU_X86_SSSE3"}, {"sse4.1", "HW_CPU_X86_SSE41"}, {"sse4.2", "HW_CPU_X86_SSE42"},
};

json::object inventory(std::int64_t total, std::int64_t reserved, double ratio) {
    return {{"total", total},           {"reserved", std::min(reserved, total - 1)}, {"min_unit", 1}, {"max_unit", total}, {"step_size", 1},
            {"allocation_ratio", ratio}};
}

bool same(const json::object& wanted, const json::object& found) {
    if (wanted.size() != found.size()) return false;
    for (const auto& [name, value] : wanted) {
        const json::value* other = find(found, name);
        if (!other || !other->is_object()) return false;
        for (const auto& [key, number] : value.as_object()) {
            const json::value* is = find(other->as_object(), key);
            boost::system::error_code failed;
            if (!is || !is->is_number() || is->to_number<double>(failed) != number.to_number<double>(failed)) return false;
        }
    }
    return true;
}

std::string message_of(const json::object& body) {
    const json::array& errors = array_or_empty(body, "errors");
    return errors.empty() || !errors[0].is_object() ? "no reason given" : string_or(errors[0].as_object(), "detail", "no reason given");
}

}  // namespace

json::object inventories(const InventoryOptions& o, const HypervisorFacts& facts, std::int64_t disk_gb) {
    json::object out;
    if (facts.vcpus > 0) out["VCPU"] = inventory(facts.vcpus, o.reserved_cpus, o.cpu_ratio);
    if (facts.memory_mib > 0) out["MEMORY_MB"] = inventory(facts.memory_mib, o.reserved_memory_mib, o.memory_ratio);
    if (disk_gb > 0) out["DISK_GB"] = inventory(disk_gb, o.reserved_disk_gb, o.disk_ratio);
    return out;
}

std::vector<std::string> traits(const HypervisorFacts& facts) {
    std::vector<std::string> out(std::begin(offered), std::end(offered));
    for (const auto& [feature, trait] : cpu_traits)
        if (std::find(facts.cpu_features.begin(), facts.cpu_features.end(), feature) != facts.cpu_features.end()) out.emplace_back(trait);
    std::sort(out.begin(), out.end());
    return out;
}

json::object Inventory::call(std::string_view method, const std::string& path, const json::value& body, int* status) {
    http::ClientRequest request{.method = std::string(method), .url = session_.endpoint("placement") + path};
    request.headers.set("OpenStack-API-Version", "placement 1.36");
    request.headers.set("Accept", "application/json");
    if (!body.is_null()) {
        request.headers.set("Content-Type", "application/json");
        request.body = to_text(body);
    }
    const http::Response response = session_.send(std::move(request));
    *status = response.status;
    if (response.body.empty()) return {};
    json::value value = parse_json(response.body);
    return value.is_object() ? std::move(value.as_object()) : json::object{};
}

void Inventory::converge(const HypervisorFacts& facts, std::int64_t disk_gb) {
    for (int i = 0; i < 4; ++i)
        if (attempt(facts, disk_gb)) return;
    throw Error(Errc::conflict, "placement's record of this node changes faster than it can be written");
}

// False on a generation conflict.
bool Inventory::attempt(const HypervisorFacts& facts, std::int64_t disk_gb) {
    int status = 0;
    const std::string base = "/resource_providers/" + options_.provider_id;
    json::object provider = call("GET", base, nullptr, &status);
    if (status == 404) {
        provider = call("POST", "/resource_providers", json::object{{"name", options_.host}, {"uuid", options_.provider_id}}, &status);
        if (status == 409)
            throw Error(Errc::conflict, "placement has another resource provider named " + options_.host +
                                            ": delete it, or restore this node's compute_id file (" + message_of(provider) + ")");
        if (status == 204 || status == 201) return false;  // without the body: read it
    }
    if (status != 200)
        throw Error(Errc::bad_gateway,
                    "placement answered " + std::to_string(status) + " for this node's resource provider: " + message_of(provider));

    const auto put = [&](const std::string& what, json::object body) {
        body["resource_provider_generation"] = integer_or(provider, "generation");
        const json::object answer = call("PUT", base + what, std::move(body), &status);
        if (status == 409) return false;
        if (status != 200)
            throw Error(Errc::bad_gateway,
                        "placement answered " + std::to_string(status) + " to this node's " + what.substr(1) + ": " + message_of(answer));
        provider["generation"] = integer_or(answer, "resource_provider_generation", integer_or(provider, "generation") + 1);
        return true;
    };
    const json::object wanted = inventories(options_, facts, disk_gb);
    const json::object found = call("GET", base + "/inventories", nullptr, &status);
    if (!same(wanted, object_or_empty(found, "inventories")) && !put("/inventories", {{"inventories", wanted}})) return false;
    const json::object found_traits = call("GET", base + "/traits", nullptr, &status);
    std::vector<std::string> have;
    for (const json::value& item : array_or_empty(found_traits, "traits"))
        if (item.is_string()) have.push_back(str(item.as_string()));
    // Traits that an operator added stay.
    std::vector<std::string> all = have;
    for (const std::string& trait : traits(facts))
        if (std::find(all.begin(), all.end(), trait) == all.end()) all.push_back(trait);
    if (all.size() == have.size()) return true;
    return put("/traits", {{"traits", json::value_from(all)}});
}

std::string stable_id(const std::string& path) {
    if (std::filesystem::exists(path)) {
        const std::string id(trim(read_file(path, 256)));
        if (id.size() == 36 && is_uuid_like(id)) return lower(id);
        throw Error(Errc::internal, path + " does not hold a UUID");
    }
    const std::string id = new_uuid();
    write_file(path, id + "\n", 0644);
    return id;
}

}  // namespace pilvi::compute_agent
