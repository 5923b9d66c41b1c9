#pragma once
// The OpenStack and EC2 metadata trees of one server, derived from the compute daemon's answer (README.md). Pure but for the random seed.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pilvi::metadata {

struct Answer {
    std::string body;
    std::string content_type = "text/plain; charset=UTF-8";
    bool password = false;  // the place where a guest leaves its password
};

// The path of a request as segments, as posixpath.normpath would leave it: "." and "//" gone, ".." resolved. nullopt where it is not decodable.
std::optional<std::vector<std::string>> path_segments(std::string_view path);

// True where the answer is the same for everybody (the list of EC2 versions).
bool is_root(const std::vector<std::string>& segments);
std::string root_listing();

// `seed`: what meta_data.json's random_seed is made of. nullopt: there is no such path (404).
std::optional<Answer> lookup(const json::object& server, const std::vector<std::string>& segments, std::string_view seed);

}  // namespace pilvi::metadata
