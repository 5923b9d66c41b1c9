#pragma once
// The data of an image by its locations: reading the first that is there, and what a caller may say in a JSON patch of locations.
#include <optional>
#include <string>
#include <vector>

#include "domain/patch.h"
#include "image.h"
#include "model.h"

namespace pilvi::image {

// The first location whose data can be read; nullopt where none can. Throws Error(unavailable) where there is one, but not now.
std::optional<Opened> open_data(const App& app, const Image& image);
// For the inspector and for copies.
class OpenedSource final : public Source {
public:
    explicit OpenedSource(const Opened& data) : data_(data) {}
    std::uint64_t size() const override { return data_.size; }
    std::string read(std::uint64_t offset, std::size_t size) const override;

private:
    const Opened& data_;
};

// One change of /locations, checked against the rules and applied to the image: locations, and status, size and hashes where they come with it. Throws
// Error(bad_request), Error(forbidden), Error(conflict) in the original's words. Removed locations are appended to `removed`.
void change_locations(const api::Call& call, Image& image, const Change& change, std::vector<Location>& removed);
// The queued image becomes active, its data being at a web location. Throws Error(bad_request) where no store reads that or the rules of fetching refuse it,
// Error(conflict) where the image is not queued.
void set_web_location(api::Call& call, const std::string& id, const std::string& url);
// Sizes of the web locations that a patch names, by URL, asked before its transaction. Throws Error(bad_request) on one that may not be read.
std::map<std::string, std::int64_t> sizes_of_new_locations(const App& app, const std::vector<Change>& changes);

}  // namespace pilvi::image
