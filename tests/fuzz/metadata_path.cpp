// Paths that a guest asks for: an answer or none, and never a segment that a directory traversal could use.
#include <cstdint>
#include <cstdlib>

#include "tree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const pilvi::json::object server =
        pilvi::parse_json(
            R"({"project_id":"p","meta_data":{"uuid":"u","keys":[{"name":"k","data":"d"}]},"user_data":"eA==","ec2":{"security-groups":["a"]}})")
            .as_object();
    const auto segments = pilvi::metadata::path_segments({reinterpret_cast<const char*>(data), size});
    if (!segments) return 0;
    for (const auto& segment : *segments) {
        if (segment.empty() || segment == "." || segment == ".." || segment.find('/') != std::string::npos) std::abort();
    }
    (void)pilvi::metadata::lookup(server, *segments, "seed");
    return 0;
}
