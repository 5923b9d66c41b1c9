#pragma once
// Metadata definitions: a namespace and what is in it. Shared by metadefs.cpp (namespaces, resource types) and metadef_contents.cpp.
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "store/store.h"

namespace pilvi::image {

struct Namespace {
    std::string id, name, visibility;
    std::optional<std::string> display_name, description, owner;
    bool is_protected = false;
    std::int64_t created_at = 0, updated_at = 0;  // microseconds
};

// The namespace in the path, if the caller may see it; otherwise Error(not_found).
Namespace visible_namespace(const api::Call& call, Tx& tx);
// Route::target of everything under /v2/metadefs/namespaces/{namespace}: 404 unless the caller may get the namespace.
void namespace_target(api::Call& call, Tx& tx, json::object& target);
void refuse_protected(const Namespace& space);

// A kind of things that a namespace holds by name: a table metadef_<plural> with a JSON document each.
struct Content {
    std::string_view single, plural;  // "object", "objects"
    bool linked = false;              // shown with "self" and "schema"
    bool timed = true;                // shown with created_at and updated_at
    bool keyed = false;               // lists are {name: thing}
};
constexpr Content metadef_objects{.single = "object", .plural = "objects", .linked = true};
constexpr Content metadef_properties{.single = "property", .plural = "properties", .timed = false, .keyed = true};
constexpr Content metadef_tags{.single = "tag", .plural = "tags"};

// Adds a thing from a valid body; Error(conflict) where there is one of that name.
void insert_content(Tx& tx, const Content& kind, const Namespace& space, const std::string& name, const json::object& body, std::int64_t at);
// All of the kind in the order of their creation, as the API lists them: an array, or an object where they are keyed.
json::value contents_of(Tx& tx, const Content& kind, const Namespace& space);

}  // namespace pilvi::image
