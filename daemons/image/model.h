#pragma once
// An image as it is kept: a row of images with its properties and tags. What every resource file of this daemon works with.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/call.h"
#include "store/store.h"

namespace pilvi::image {

// One copy of an image's data: in a store of ours, or where a user says that it is.
struct Location {
    std::string url;
    std::string store;  // name in the API
    json::object metadata = {};
};

struct Image {
    std::string id;
    std::optional<std::string> name, owner, disk_format, container_format, checksum, os_hash_algo, os_hash_value;
    std::string status = "queued", visibility = "shared";
    bool is_protected = false, os_hidden = false;
    std::int64_t min_ram = 0, min_disk = 0;
    std::optional<std::int64_t> size, virtual_size;
    std::int64_t created_at = 0, updated_at = 0;  // microseconds
    std::map<std::string, std::string> properties;
    std::set<std::string> tags;
    std::vector<Location> locations;  // in the order in which they are read
};

// "t.id, t.name, ..." in the order that images_of() reads.
extern const std::string_view image_columns;
// Rows of `SELECT <image_columns>`, with properties, tags and locations (three queries for all of them).
std::vector<Image> images_of(Tx& tx, const std::vector<Row>& rows);
std::optional<Image> find_image(Tx& tx, std::string_view id);
// SQL condition over images t of what the caller may see by its id, "" for an admin. Appends parameters.
std::string visible_condition(const Context& who, Values& parameters);
// The image if the caller may see it; otherwise Error(not_found, words with {} for the id).
Image visible_image(const api::Call& call, Tx& tx, std::string_view id, std::string_view words = "No image found with ID {}");

// Error(bad_request) for an image that says by whom it is signed (all four img_signature* properties): its certificate would be at a key manager,
// of which this cloud has none, and data that cannot be verified is not taken.
void refuse_signed(const Image& image);

// Sets an attribute or property to a value that validate() accepts.
void assign(Image& image, const std::string& name, const json::value& value);

void insert_image(Tx& tx, const Image& image);
// Writes attributes, properties and tags, and updated_at; the status is not touched: see move_status.
void save_image(Tx& tx, const Image& image);
// Adds properties, or gives them another value.
void set_properties(Tx& tx, const std::string& image_id, const std::map<std::string, std::string>& properties);
// status `from` -> `to` with updated_at; false where the image is gone or in another status.
bool move_status(Tx& tx, std::string_view id, std::string_view from, std::string_view to);
// `from` -> queued, without what its data was.
bool requeue(Tx& tx, std::string_view id, std::string_view from);

// Locations are their own: save_image() does not write them.
void insert_location(Tx& tx, const std::string& image_id, const Location& location);
// Instead of those that are there.
void replace_locations(Tx& tx, const std::string& image_id, const std::vector<Location>& locations);

// As the caller may see it: locations and direct_url where the daemon shows them.
json::object view(const api::Call& call, const Image& image);
// The text of that object.
void append_view(std::string& out, const api::Call& call, const Image& image);
// What policy checks see: project_id, owner, visibility, member_id of the caller where the image is shared with them.
json::object policy_target(const api::Call& call, Tx& tx, const Image& image);

// Route::target of everything under /v2/images/{image_id}: 404 unless the caller may get the image; the route's own policy comes after it.
void image_target(api::Call& call, Tx& tx, json::object& target);
void image_target_for_delete(api::Call& call, Tx& tx, json::object& target);

}  // namespace pilvi::image
