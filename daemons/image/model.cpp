#include "model.h"

#include <unordered_map>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "image.h"
#include "protection.h"

namespace pilvi::image {
namespace {
template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

// A row of image_columns.
Image read_row(const Row& row) {
    Image i;
    i.id = row.at(0).text();
    i.name = row.at(1).optional_text();
    i.status = row.at(2).text();
    i.visibility = row.at(3).text();
    i.is_protected = row.at(4).boolean();
    i.os_hidden = row.at(5).boolean();
    i.owner = row.at(6).optional_text();
    i.disk_format = row.at(7).optional_text();
    i.container_format = row.at(8).optional_text();
    i.min_ram = row.at(9).integer();
    i.min_disk = row.at(10).integer();
    i.size = row.at(11).optional_integer();
    i.virtual_size = row.at(12).optional_integer();
    i.checksum = row.at(13).optional_text();
    i.os_hash_algo = row.at(14).optional_text();
    i.os_hash_value = row.at(15).optional_text();
    i.created_at = row.at(16).integer();
    i.updated_at = row.at(17).integer();
    return i;
}

// The properties, tags and locations of these images: one statement, since a small list costs little more than its statements. Several ids are a table
// that is joined: SQLite would sort a list after IN anew for each part.
std::vector<Row> details_of(Tx& tx, const Values& ids) {
    const bool one = ids.size() == 1;
    std::string sql;
    for (std::size_t i = 0; !one && i < ids.size(); ++i) sql += i == 0 ? "WITH wanted (id) AS (VALUES (?)" : ", (?)";
    if (!one) sql += ") ";
    const auto part = [&](std::string_view columns, std::string_view table) {
        sql += columns;
        (sql += one ? " FROM " : " FROM wanted w CROSS JOIN ") += table;
        sql += one ? " p WHERE p.image_id = ?" : " p WHERE p.image_id = w.id";
    };
    part("SELECT p.image_id, -2, p.name, p.value, ''", "image_properties");
    part(" UNION ALL SELECT p.image_id, -1, p.value, '', ''", "image_tags");
    part(" UNION ALL SELECT p.image_id, p.position, p.url, p.store, p.metadata", "image_locations");
    return tx.query(sql, one ? Values(3, ids.front()) : ids);
}

std::vector<std::pair<std::string, Value>> columns_of(const Image& i) {
    return {{"name", i.name},
            {"visibility", i.visibility},
            {"protected", i.is_protected},
            {"os_hidden", i.os_hidden},
            {"owner", i.owner},
            {"disk_format", i.disk_format},
            {"container_format", i.container_format},
            {"min_ram", i.min_ram},
            {"min_disk", i.min_disk}};
}

void write_details(Tx& tx, const Image& i) {
    for (const auto& [name, value] : i.properties) tx.insert("image_properties", {{"image_id", i.id}, {"name", name}, {"value", value}});
    for (const std::string& tag : i.tags) tx.insert("image_tags", {{"image_id", i.id}, {"value", tag}});
}

void target_with_words(api::Call& call, Tx& tx, json::object& target, std::string_view words) {
    const std::string& id = call.arg("image_id");
    const Image image = visible_image(call, tx, id, words);
    target = policy_target(call, tx, image);
    if (!call.allowed("get_image", target)) throw Error(Errc::not_found, "No image found with ID " + id);
}
}  // namespace

const std::string_view image_columns =
    "t.id, t.name, t.status, t.visibility, t.protected, t.os_hidden, t.owner, t.disk_format, t.container_format, t.min_ram, t.min_disk, t.size, "
    "t.virtual_size, t.checksum, t.os_hash_algo, t.os_hash_value, t.created_at, t.updated_at";

std::vector<Image> images_of(Tx& tx, const std::vector<Row>& rows) {
    std::vector<Image> images;
    if (rows.empty()) return images;
    std::unordered_map<std::string, std::size_t> index;
    Values ids;
    images.reserve(rows.size());
    ids.reserve(rows.size());
    for (const Row& row : rows) {
        images.push_back(read_row(row));
        index.emplace(images.back().id, images.size() - 1);
        ids.emplace_back(images.back().id);
    }
    std::unordered_map<std::size_t, std::multimap<std::int64_t, Location>> locations;  // by position
    for (const Row& row : details_of(tx, ids)) {
        const std::size_t at = index.at(row.at(0).text());
        const std::int64_t position = row.at(1).integer();
        if (position == -2) images[at].properties[row.at(2).text()] = row.at(3).text();
        else if (position == -1) images[at].tags.insert(row.at(2).text());
        else
            locations[at].emplace(position,
                                  Location{.url = row.at(2).text(), .store = row.at(3).text(), .metadata = parse_json(row.at(4).text()).as_object()});
    }
    for (auto& [at, by_position] : locations)
        for (auto& [position, location] : by_position) images[at].locations.push_back(std::move(location));
    return images;
}

std::optional<Image> find_image(Tx& tx, std::string_view id) {
    std::vector<Image> found = images_of(tx, tx.query("SELECT " + std::string(image_columns) + " FROM images t WHERE t.id = ?", {id}));
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
}

std::string visible_condition(const Context& who, Values& parameters) {
    if (who.is_admin) return {};
    parameters.emplace_back(who.project_id);
    parameters.emplace_back(who.project_id);
    return "t.visibility = 'public' OR t.visibility = 'community' OR t.owner = ? OR (t.visibility = 'shared' AND EXISTS (SELECT 1 FROM "
           "image_members m WHERE m.image_id = t.id AND m.member = ?))";
}

Image visible_image(const api::Call& call, Tx& tx, std::string_view id, std::string_view words) {
    Values parameters{Value(id)};
    const std::string visible = visible_condition(call.who, parameters);
    std::vector<Image> found = images_of(
        tx, tx.query("SELECT " + std::string(image_columns) + " FROM images t WHERE t.id = ?" + (visible.empty() ? "" : " AND (" + visible + ")"),
                     parameters));
    if (found.empty()) {
        std::string message(words);
        message.replace(message.find("{}"), 2, id.substr(0, 255));
        throw Error(Errc::not_found, message);
    }
    return std::move(found.front());
}

namespace {
std::optional<std::string> text_or_null(const json::value& value) { return value.is_null() ? std::nullopt : std::optional(str(value.get_string())); }
}  // namespace

void assign(Image& image, const std::string& name, const json::value& value) {
    if (name == "name") image.name = text_or_null(value);
    else if (name == "owner") image.owner = text_or_null(value);
    else if (name == "visibility") image.visibility = str(value.get_string());
    else if (name == "protected") image.is_protected = value.get_bool();
    else if (name == "os_hidden") image.os_hidden = value.get_bool();
    else if (name == "disk_format") image.disk_format = text_or_null(value);
    else if (name == "container_format") image.container_format = text_or_null(value);
    else if (name == "min_ram") image.min_ram = value.get_int64();
    else if (name == "min_disk") image.min_disk = value.get_int64();
    else if (name == "tags") {
        image.tags.clear();
        for (const json::value& tag : value.get_array()) image.tags.insert(str(tag.get_string()));
    } else {
        image.properties[name] = str(value.get_string());
    }
}

void insert_image(Tx& tx, const Image& i) {
    auto columns = columns_of(i);
    columns.emplace_back("id", i.id);
    columns.emplace_back("status", i.status);
    columns.emplace_back("created_at", i.created_at);
    columns.emplace_back("updated_at", i.updated_at);
    tx.insert("images", columns);
    write_details(tx, i);
}

void save_image(Tx& tx, const Image& i) {
    auto columns = columns_of(i);
    columns.emplace_back("updated_at", now_micros());
    tx.update("images", i.id, columns);
    tx.exec("DELETE FROM image_properties WHERE image_id = ?", {i.id});
    tx.exec("DELETE FROM image_tags WHERE image_id = ?", {i.id});
    write_details(tx, i);
}

void set_properties(Tx& tx, const std::string& image_id, const std::map<std::string, std::string>& properties) {
    for (const auto& [name, value] : properties)
        tx.exec(
            "INSERT INTO image_properties (image_id, name, value) VALUES (?, ?, ?) ON CONFLICT (image_id, name) DO UPDATE SET value = excluded.value",
            {image_id, name, value});
}

void refuse_signed(const Image& image) {
    for (const char* name : {"img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid"})
        if (!image.properties.contains(name)) return;
    throw Error(Errc::bad_request, "Signature verification failed for image " + image.id +
                                       ": Signature verification for the image failed: Unable to retrieve certificate with ID: " +
                                       image.properties.at("img_signature_certificate_uuid") + ".");
}

bool move_status(Tx& tx, std::string_view id, std::string_view from, std::string_view to) {
    return tx.exec("UPDATE images SET status = ?, updated_at = ? WHERE id = ? AND status = ?", {to, now_micros(), id, from}) == 1;
}

bool requeue(Tx& tx, std::string_view id, std::string_view from) {
    return tx.exec(
               "UPDATE images SET status = 'queued', size = NULL, virtual_size = NULL, checksum = NULL, os_hash_algo = NULL, os_hash_value = NULL, "
               "updated_at = ? WHERE id = ? AND status = ?",
               {now_micros(), id, from}) == 1;
}

void insert_location(Tx& tx, const std::string& image_id, const Location& location) {
    const std::int64_t last = tx.scalar("SELECT MAX(position) FROM image_locations WHERE image_id = ?", {image_id}).optional_integer().value_or(-1);
    tx.insert("image_locations", {{"id", new_uuid()},
                                  {"image_id", image_id},
                                  {"position", last + 1},
                                  {"store", location.store},
                                  {"url", location.url},
                                  {"metadata", to_text(location.metadata)}});
}

void replace_locations(Tx& tx, const std::string& image_id, const std::vector<Location>& locations) {
    tx.exec("DELETE FROM image_locations WHERE image_id = ?", {image_id});
    for (const Location& location : locations) insert_location(tx, image_id, location);
}

namespace {
// Where an image is to be told, member by member: as an object, or as the text of one.
class ObjectOut {
public:
    explicit ObjectOut(json::object& out) : out_(out) {}
    template <class T>
    void member(std::string_view name, const T& value) {
        out_[name] = json::value(value);
    }
    template <class T>
    void member(std::string_view name, const std::optional<T>& value) {
        out_[name] = value ? json::value(*value) : json::value(nullptr);
    }
    void member(std::string_view name, const std::set<std::string>& values) { out_[name] = json::array(values.begin(), values.end()); }
    void property(const std::string& name, const std::string& value) { out_[name] = value; }

private:
    json::object& out_;
};

class TextOut {
public:
    explicit TextOut(std::string& out) : out_(out) {}
    // `name` needs no escapes.
    template <class T>
    void member(std::string_view name, const T& value) {
        out_ += separator_;
        separator_ = ',';
        ((out_ += '"') += name) += "\":";
        append(value);
    }
    void property(const std::string& name, const std::string& value) {
        out_ += separator_;
        separator_ = ',';
        append_quoted(out_, name);
        out_ += ':';
        append_quoted(out_, value);
    }

private:
    void append(const std::string& text) { append_quoted(out_, text); }
    void append(std::string_view text) { append_quoted(out_, text); }
    void append(const char* text) { append_quoted(out_, text); }
    void append(bool value) { out_ += value ? "true" : "false"; }
    void append(std::int64_t number) { append_number(out_, number); }
    void append(const json::array& value) { append_json(out_, value); }
    template <class T>
    void append(const std::optional<T>& value) {
        if (value) append(*value);
        else out_ += "null";
    }
    void append(const std::set<std::string>& values) {
        char separator = '[';
        for (const std::string& value : values) {
            out_ += separator;
            separator = ',';
            append(value);
        }
        out_ += values.empty() ? "[]" : "]";
    }
    std::string& out_;
    char separator_ = '{';
};

template <class Out>
void tell_locations(const api::Call& call, const Image& i, Out& out) {
    std::string stores;
    for (const Location& location : i.locations)
        if (!location.store.empty()) stores += (stores.empty() ? "" : ",") + location.store;
    if (!stores.empty()) out.member("stores", stores);
    const App& app = call.app<App>();
    if (!app.show_locations && !app.show_direct_url) return;
    const bool allowed = call.allowed("get_image_location", json::object{{"project_id", or_null(i.owner)}, {"visibility", i.visibility}});
    if (app.show_locations) {
        json::array all;
        for (const Location& location : i.locations) {
            json::object metadata = location.metadata;
            if (!location.store.empty()) metadata["store"] = location.store;
            if (allowed) all.push_back(json::object{{"url", location.url}, {"metadata", std::move(metadata)}});
        }
        out.member("locations", all);
    }
    if (app.show_direct_url && allowed && !i.locations.empty()) out.member("direct_url", i.locations.front().url);
}

template <class Out>
void tell(const api::Call& call, const Image& i, Out&& out) {
    for (const auto& [name, value] : i.properties)
        if (may(call, name, PropertyRight::read)) out.property(name, value);
    const std::string self = "/v2/images/" + i.id;
    out.member("id", i.id);
    out.member("name", i.name);
    out.member("disk_format", i.disk_format);
    out.member("container_format", i.container_format);
    out.member("visibility", i.visibility);
    out.member("size", i.size);
    out.member("virtual_size", i.virtual_size);
    out.member("status", i.status);
    out.member("checksum", i.checksum);
    out.member("protected", i.is_protected);
    out.member("min_ram", i.min_ram);
    out.member("min_disk", i.min_disk);
    out.member("owner", i.owner);
    out.member("os_hidden", i.os_hidden);
    out.member("os_hash_algo", i.os_hash_algo);
    out.member("os_hash_value", i.os_hash_value);
    out.member("created_at", iso8601(i.created_at));
    out.member("updated_at", iso8601(i.updated_at));
    out.member("tags", i.tags);
    out.member("self", self);
    out.member("file", self + "/file");
    out.member("schema", "/v2/schemas/image");
    tell_locations(call, i, out);
}
}  // namespace

json::object view(const api::Call& call, const Image& image) {
    json::object out;
    out.reserve(image.properties.size() + 24);
    tell(call, image, ObjectOut(out));
    return out;
}

void append_view(std::string& out, const api::Call& call, const Image& image) {
    tell(call, image, TextOut(out));
    out += '}';
}

json::object policy_target(const api::Call& call, Tx& tx, const Image& i) {
    const bool member = !call.who.project_id.empty() && i.visibility == "shared" &&
                        tx.one("SELECT 1 FROM image_members WHERE image_id = ? AND member = ?", {i.id, call.who.project_id}).has_value();
    json::object target{{"image_id", i.id}, {"project_id", or_null(i.owner)}, {"owner", or_null(i.owner)}, {"visibility", i.visibility}};
    // Absent where it does not hold: a check against an absent value fails.
    if (member) target["member_id"] = call.who.project_id;
    return target;
}

void image_target(api::Call& call, Tx& tx, json::object& target) { target_with_words(call, tx, target, "No image found with ID {}"); }
void image_target_for_delete(api::Call& call, Tx& tx, json::object& target) {
    target_with_words(call, tx, target, "Failed to find image {} to delete");
}

}  // namespace pilvi::image
