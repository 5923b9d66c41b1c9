#include "locations.h"

#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
constexpr std::size_t most_locations = 10;

[[noreturn]] void refuse(Errc code, const std::string& why) { throw Error(code, why); }

bool is_web(std::string_view url) { return url.starts_with("http://") || url.starts_with("https://"); }

const NamedStore* store_for(const App& app, std::string_view url) {
    for (const NamedStore& named : app.stores.all())
        if (named.store->type() == "http" && is_web(url)) return &named;
    return nullptr;
}

// Only what lies on the web: data of our own stores has locations that nobody says but the daemon, or one project could name another's data.
Location location_from(const App& app, const json::value& value) {
    const json::object& given = value.get_object();
    Location out{.url = string_or(given, "url"), .store = {}, .metadata = given.at("metadata").as_object()};
    const NamedStore* store = store_for(app, out.url);
    if (!store) refuse(Errc::bad_request, "Invalid location");
    out.store = store->name;
    out.metadata.erase("store");
    return out;
}

// The index that a pointer's last part names; nullopt where it is none.
std::optional<std::size_t> position_of(const std::string& text, std::size_t count, bool at_end_too) {
    const auto number = text == "-" ? std::optional<std::int64_t>(at_end_too ? count : static_cast<std::int64_t>(count) - 1) : parse_integer(text);
    if (!number || *number < 0) return std::nullopt;
    const auto position = static_cast<std::size_t>(*number);
    if (at_end_too) return std::min(position, count);
    return position < count ? std::optional(position) : std::nullopt;
}

void check_hex(std::string_view text, std::size_t bytes, const std::string& name, const std::string& size_words) {
    const bool digits = text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (!digits) refuse(Errc::conflict, name + " (" + std::string(text) + ") is not a valid hexadecimal value");
    if (text.size() != bytes * 2) refuse(Errc::conflict, name + " (" + std::string(text) + ") is not the correct size for " + size_words);
}

struct Hash {
    std::string_view name;
    std::optional<std::string> Image::*member;
};
constexpr Hash hashes[] = {{"checksum", &Image::checksum}, {"os_hash_algo", &Image::os_hash_algo}, {"os_hash_value", &Image::os_hash_value}};

// validation_data of new locations becomes the image's own hashes; what is there already must be the same.
void take_hashes(Image& image, const json::array& locations) {
    std::map<std::string_view, std::string> wanted;
    for (const json::value& location : locations) {
        const json::object& data = object_or_empty(location.get_object(), "validation_data");
        for (const auto& [name, member] : hashes) {
            const auto value = optional_string(data, name);
            if (!value) continue;
            if (const auto [at, fresh] = wanted.emplace(name, *value); !fresh && at->second != *value)
                refuse(Errc::conflict, "Conflicting values for " + std::string(name));
        }
    }
    for (const auto& [name, member] : hashes) {
        const auto found = wanted.find(name);
        if (found == wanted.end() || !(image.*member)) continue;
        if (*(image.*member) != found->second) refuse(Errc::conflict, std::string(name) + " is already set with a different value");
        wanted.erase(found);
    }
    if (wanted.empty()) return;
    if (image.status != "queued") {
        std::vector<std::string> names;
        for (const auto& [name, value] : wanted) names.emplace_back(name);
        refuse(Errc::conflict, "New value(s) for " + join(names, ", ") + " may only be provided when image status is 'queued'");
    }
    if (wanted.contains("checksum")) check_hex(wanted["checksum"], 16, "checksum", "md5 (should be 16 bytes)");
    if (wanted["os_hash_algo"] != "sha512")
        refuse(Errc::conflict, "os_hash_algo must be sha512, not " + (wanted["os_hash_algo"].empty() ? "None" : wanted["os_hash_algo"]));
    check_hex(wanted["os_hash_value"], 64, "os_hash_value", "sha512 (should be 64 bytes)");
    for (const auto& [name, member] : hashes)
        if (const auto found = wanted.find(name); found != wanted.end()) image.*member = found->second;
}

void must_be_shown(const App& app, std::string_view verb) {
    if (!app.show_locations) refuse(Errc::forbidden, "It's not allowed to " + std::string(verb) + " locations if locations are invisible.");
}

void must_be(const Image& image, std::string_view verb, bool queued_too) {
    if (image.status != "active" && !(queued_too && image.status == "queued"))
        refuse(Errc::conflict, "It's not allowed to " + std::string(verb) + " locations if image status is " + image.status + ".");
}

void add(const App& app, Image& image, const Change& change) {
    must_be_shown(app, "add");
    must_be(image, "add", true);
    take_hashes(image, json::array{change.value});
    const auto position = position_of(change.position, image.locations.size(), true);
    if (!position) refuse(Errc::bad_request, "Invalid position for adding a location.");
    Location location = location_from(app, change.value);
    for (const Location& there : image.locations)
        if (there.url == location.url) refuse(Errc::bad_request, "The location " + location.url + " already exists");
    if (image.locations.size() >= most_locations)
        refuse(Errc::too_large, "The limit has been exceeded on the number of allowed image locations. Attempted: " +
                                    std::to_string(image.locations.size() + 1) + ", Maximum: " + std::to_string(most_locations));
    image.locations.insert(image.locations.begin() + static_cast<std::ptrdiff_t>(*position), std::move(location));
    image.status = "active";
}

// Of an image with locations only their metadata may change.
void replace(const App& app, Image& image, const Change& change) {
    must_be_shown(app, "update");
    must_be(image, "replace", true);
    const json::array& given = change.value.get_array();
    take_hashes(image, given);
    std::vector<Location> wanted;
    for (const json::value& one : given) {
        const std::string url = string_or(one.get_object(), "url");
        const auto there = std::find_if(image.locations.begin(), image.locations.end(), [&](const Location& l) { return l.url == url; });
        if (std::any_of(wanted.begin(), wanted.end(), [&](const Location& l) { return l.url == url; }))
            refuse(Errc::bad_request, "The location " + url + " already exists");
        if (there == image.locations.end()) {
            wanted.push_back(location_from(app, one));
            continue;
        }
        wanted.push_back(*there);
        wanted.back().metadata = one.get_object().at("metadata").as_object();
        wanted.back().metadata.erase("store");
    }
    const bool same = wanted.size() == image.locations.size() && std::all_of(wanted.begin(), wanted.end(), [&](const Location& w) {
                          return std::any_of(image.locations.begin(), image.locations.end(), [&](const Location& l) { return l.url == w.url; });
                      });
    if (!image.locations.empty() && !same) refuse(Errc::bad_request, "Original locations is not empty: the locations cannot be replaced");
    image.locations = std::move(wanted);
    image.status = "active";
}

void remove(const App& app, Image& image, const Change& change, std::vector<Location>& removed) {
    must_be_shown(app, "remove");
    must_be(image, "remove", false);
    if (image.locations.size() == 1) refuse(Errc::forbidden, "Cannot remove last location in the image.");
    const auto position = position_of(change.position, image.locations.size(), false);
    if (!position) refuse(Errc::bad_request, "Invalid position for removing a location.");
    removed.push_back(image.locations[*position]);
    image.locations.erase(image.locations.begin() + static_cast<std::ptrdiff_t>(*position));
}
}  // namespace

std::string OpenedSource::read(std::uint64_t offset, std::size_t size) const {
    if (offset >= data_.size) return {};
    std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(size, data_.size - offset)), '\0');
    std::size_t got = 0;
    while (got < out.size()) {
        if (data_.fd) {
            const ssize_t n = ::pread(data_.fd.get(), out.data() + got, out.size() - got, static_cast<off_t>(offset + got));
            if (n <= 0) throw Error(Errc::unavailable, "image data cannot be read");
            got += static_cast<std::size_t>(n);
        } else {
            const std::size_t n = data_.read(offset + got, out.data() + got, out.size() - got);
            if (n == 0) throw Error(Errc::unavailable, "image data ends early");
            got += n;
        }
    }
    return out;
}

std::optional<Opened> open_data(const App& app, const Image& image) {
    std::optional<Error> failed;
    for (const Location& location : image.locations) {
        const NamedStore* named = app.stores.find(location.store);
        if (!named) continue;
        try {
            if (auto data = named->store->open(location.url)) return data;
        } catch (const Error& e) {
            log::warning("image data at " + location.store + " cannot be read: " + e.message() + "; the next location is tried",
                         {{"IMAGE_ID", image.id}});
            failed = e;
        }
    }
    if (failed) throw Error(Errc::unavailable, "The image data cannot be read now: " + failed->message());
    return std::nullopt;
}

void change_locations(const api::Call& call, Image& image, const Change& change, std::vector<Location>& removed) {
    const App& app = call.app<App>();
    const json::object target{{"project_id", image.owner.value_or("")}, {"visibility", image.visibility}};
    switch (change.op) {
        case Change::Op::add:
            call.enforce("set_image_location", target);
            return add(app, image, change);
        case Change::Op::replace:
            if (change.value.get_array().empty()) refuse(Errc::forbidden, "Cannot set locations to empty list.");
            call.enforce("set_image_location", target);
            return replace(app, image, change);
        case Change::Op::remove:
            call.enforce("delete_image_location", target);
            return remove(app, image, change, removed);
    }
}

void set_web_location(api::Call& call, const std::string& id, const std::string& url) {
    const Location location = location_from(call.app<App>(), json::object{{"url", url}, {"metadata", json::object()}});
    std::optional<std::int64_t> size;
    try {
        if (const auto data = call.app<App>().stores.find(location.store)->store->open(url)) size = static_cast<std::int64_t>(data->size);
    } catch (const Error& e) {
        if (e.code() == Errc::bad_request) throw;  // not to be read at all; otherwise only not now
    }
    call.store().write([&](Tx& tx) {
        if (tx.exec("UPDATE images SET status = 'active', size = ?, updated_at = ? WHERE id = ? AND status = 'queued'", {size, now_micros(), id}) !=
            1)
            refuse(Errc::conflict, "Image status transition from a status other than queued to active is not allowed");
        insert_location(tx, id, location);
    });
}

std::map<std::string, std::int64_t> sizes_of_new_locations(const App& app, const std::vector<Change>& changes) {
    std::map<std::string, std::int64_t> sizes;
    if (!app.show_locations) return sizes;
    const auto ask = [&](const json::value& location) {
        const std::string url = string_or(location.get_object(), "url");
        const NamedStore* store = store_for(app, url);
        if (!store || sizes.contains(url) || sizes.size() >= most_locations) return;
        try {
            if (const auto data = store->store->open(url)) sizes[url] = static_cast<std::int64_t>(data->size);
        } catch (const Error& e) {
            if (e.code() == Errc::bad_request) throw;  // not to be read at all; otherwise only not now
        }
    };
    for (const Change& change : changes) {
        if (change.name != "locations" || change.op == Change::Op::remove) continue;
        if (change.op == Change::Op::add) ask(change.value);
        else
            for (const json::value& location : change.value.get_array()) ask(location);
    }
    return sizes;
}

}  // namespace pilvi::image
