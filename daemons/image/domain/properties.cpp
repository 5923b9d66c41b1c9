#include "domain/properties.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "domain/json_schema.h"

namespace pilvi::image {
namespace {
constexpr std::string_view statuses[] = {"queued",    "saving",    "active",         "killed",     "deleted",
                                         "uploading", "importing", "pending_delete", "deactivated"};
constexpr std::string_view visibilities[] = {"community", "public", "private", "shared"};
constexpr std::string_view container_formats[] = {"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"};
constexpr std::string_view disk_formats[] = {"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"};
constexpr std::string_view member_statuses[] = {"pending", "accepted", "rejected"};
constexpr std::string_view uuid_pattern = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$";
constexpr std::size_t longest_name = 255, longest_value = 65535;

constexpr Property table[] = {
    {.name = "id", .type = "string", .description = "An identifier for the image", .stored = true},
    {.name = "name", .type = "string", .description = "Descriptive name for the image", .nullable = true, .longest = 255, .stored = true},
    {.name = "status", .type = "string", .description = "Status of the image", .read_only = true, .values = statuses, .stored = true},
    {.name = "visibility", .type = "string", .description = "Scope of image accessibility", .values = visibilities, .stored = true},
    {.name = "protected", .type = "boolean", .description = "If true, image will not be deletable.", .stored = true},
    {.name = "os_hidden", .type = "boolean", .description = "If true, image will not appear in default image list response.", .stored = true},
    {.name = "checksum",
     .type = "string",
     .description = "md5 hash of image contents.",
     .nullable = true,
     .read_only = true,
     .longest = 32,
     .stored = true},
    {.name = "os_hash_algo",
     .type = "string",
     .description = "Algorithm to calculate the os_hash_value",
     .nullable = true,
     .read_only = true,
     .longest = 64},
    {.name = "os_hash_value",
     .type = "string",
     .description = "Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
     .nullable = true,
     .read_only = true,
     .longest = 128},
    {.name = "owner", .type = "string", .description = "Owner of the image", .nullable = true, .longest = 255, .stored = true},
    {.name = "size", .type = "integer", .description = "Size of image file in bytes", .nullable = true, .read_only = true, .stored = true},
    {.name = "virtual_size", .type = "integer", .description = "Virtual size of image in bytes", .nullable = true, .read_only = true, .stored = true},
    {.name = "container_format",
     .type = "string",
     .description = "Format of the container",
     .nullable = true,
     .values = container_formats,
     .stored = true},
    {.name = "disk_format", .type = "string", .description = "Format of the disk", .nullable = true, .values = disk_formats, .stored = true},
    {.name = "created_at", .type = "string", .description = "Date and time of image registration", .read_only = true, .stored = true},
    {.name = "updated_at", .type = "string", .description = "Date and time of the last image modification", .read_only = true, .stored = true},
    {.name = "tags", .type = "array", .description = "List of strings related to the image", .stored = true},
    {.name = "direct_url", .type = "string", .description = "URL to access the image file kept in external store", .read_only = true},
    {.name = "min_ram", .type = "integer", .description = "Amount of ram (in MB) required to boot image.", .stored = true},
    {.name = "min_disk", .type = "integer", .description = "Amount of disk space (in GB) required to boot image.", .stored = true},
    {.name = "self", .type = "string", .description = "An image self url", .read_only = true},
    {.name = "file", .type = "string", .description = "An image file url", .read_only = true},
    {.name = "schema", .type = "string", .description = "An image schema url", .read_only = true},
    {.name = "stores", .type = "string", .description = "Stores that have the image data", .read_only = true},
    {.name = "locations", .type = "array", .description = "A set of URLs to access the image file kept in external store"},
};

[[noreturn]] void mismatch(std::string_view what) {
    throw Error(Errc::bad_request, "Provided object does not match schema 'image': " + std::string(what));
}

std::string shown(const json::value& value) {
    std::string text = to_text(value);
    if (text.size() > 100) text = text.substr(0, 100) + "...";
    return text;
}

void validate_text(std::string_view value, std::size_t longest, const json::value& whole) {
    if (!is_utf8(value) || value.find('\0') != std::string_view::npos) mismatch("a string is not valid UTF-8 text");
    if (utf8_length(value) > longest) mismatch(shown(whole) + " is too long");
}

const json::object& locations_schema() {
    static const json::object schema = parse_json(R"({"type": "array", "items": {"type": "object", "required": ["url", "metadata"], "properties": {
        "url": {"type": "string", "maxLength": 255}, "metadata": {"type": "object"},
        "validation_data": {"description": "What the image's properties become; once the image is active, they must say the same already",
            "type": "object", "writeOnly": true, "additionalProperties": false, "required": ["os_hash_algo", "os_hash_value"], "properties": {
            "checksum": {"type": "string", "minLength": 32, "maxLength": 32}, "os_hash_algo": {"type": "string", "maxLength": 64},
            "os_hash_value": {"type": "string", "maxLength": 128}}}}}})")
                                           .as_object();
    return schema;
}

json::array type_list(const Property& p) {
    if (p.nullable) return {"null", p.type};
    return {p.type};
}

json::object property_document(const Property& p) {
    json::object out{{"description", p.description}};
    out["type"] = p.nullable ? json::value(type_list(p)) : json::value(p.type);
    if (p.read_only) out["readOnly"] = true;
    if (p.longest > 0) out["maxLength"] = p.longest;
    if (p.name == "id") out["pattern"] = uuid_pattern;
    if (p.type == "array")
        out["items"] = p.name == "tags" ? json::object{{"type", "string"}, {"maxLength", 255}}
                                        : json::object{{"type", "object"},
                                                       {"required", json::array{"url", "metadata"}},
                                                       {"properties", locations_schema().at("items").at("properties")}};
    if (!p.values.empty()) {
        json::array values;
        if (p.nullable) values.push_back(nullptr);
        for (const std::string_view v : p.values) values.push_back(json::value(v));
        out["enum"] = std::move(values);
    }
    return out;
}

json::object image_document() {
    json::object all;
    for (const Property& p : table) all[p.name] = property_document(p);
    return {{"name", "image"},
            {"properties", std::move(all)},
            {"additionalProperties", {{"type", "string"}}},
            {"links",
             json::array{
                 {{"rel", "self"}, {"href", "{self}"}}, {{"rel", "enclosure"}, {"href", "{file}"}}, {{"rel", "describedby"}, {"href", "{schema}"}}}}};
}

json::object member_document() {
    json::array values;
    for (const std::string_view v : member_statuses) values.push_back(json::value(v));
    return {{"name", "member"},
            {"properties",
             {{"member_id", {{"type", "string"}, {"description", "An identifier for the image member (tenantId)"}}},
              {"image_id", {{"type", "string"}, {"description", "An identifier for the image"}, {"pattern", uuid_pattern}}},
              {"created_at", {{"type", "string"}, {"description", "Date and time of image member creation"}}},
              {"updated_at", {{"type", "string"}, {"description", "Date and time of last modification of image member"}}},
              {"status", {{"type", "string"}, {"description", "The status of this image member"}, {"enum", values}}},
              {"schema", {{"type", "string"}, {"readOnly", true}}}}}};
}

json::object collection_document(std::string_view name, json::object item) {
    json::object members{{name, {{"type", "array"}, {"items", std::move(item)}}}, {"schema", {{"type", "string"}}}};
    json::array links{{{"rel", "describedby"}, {"href", "{schema}"}}};
    if (name == "images") {
        for (const std::string_view link : {"first", "next"}) {
            members[link] = {{"type", "string"}};
            links.push_back({{"rel", link}, {"href", "{" + std::string(link) + "}"}});
        }
    }
    return {{"name", name}, {"properties", std::move(members)}, {"links", std::move(links)}};
}
}  // namespace

std::span<const Property> properties() { return table; }

const Property* find_property(std::string_view name) {
    for (const Property& p : table)
        if (p.name == name) return &p;
    return nullptr;
}

void validate(std::string_view name, const json::value& value) {
    const Property* p = find_property(name);
    if (!p) {
        if (utf8_length(name) > longest_name) throw Error(Errc::bad_request, "Custom property should not be greater than 255 characters.");
        if (name.empty()) mismatch("a property has no name");
        validate_text(name, longest_name, json::value(name));
        if (!value.is_string()) mismatch(shown(value) + " is not of type 'string'");
        return validate_text(value.get_string(), longest_value, value);
    }
    if (value.is_null() && p->nullable) return;
    const bool right = p->type == "string"    ? value.is_string()
                       : p->type == "integer" ? value.is_int64()
                       : p->type == "boolean" ? value.is_bool()
                                              : value.is_array();
    if (!right) mismatch(shown(value) + " is not of type " + (p->nullable ? "'null', " : "") + "'" + std::string(p->type) + "'");
    if (value.is_string()) {
        validate_text(value.get_string(), p->longest > 0 ? static_cast<std::size_t>(p->longest) : longest_value, value);
        if (name == "id" && (value.get_string().size() != 36 || !is_uuid_like(value.get_string())))
            mismatch(shown(value) + " does not match '" + std::string(uuid_pattern) + "'");
        bool known = p->values.empty();
        for (const std::string_view v : p->values) known = known || v == std::string_view(value.get_string());
        if (!known) mismatch(shown(value) + " is not one of " + shown(property_document(*p)["enum"]));
    }
    if (value.is_int64() && value.get_int64() < 0)
        throw Error(Errc::bad_request, "Invalid value '" + shown(value) + "' for parameter '" + std::string(name) + "': Cannot be a negative value");
    if (value.is_int64() && value.get_int64() > 2147483647 && name.starts_with("min_"))
        mismatch(shown(value) + " is greater than the maximum of 2147483647");
    if (name == "locations")
        if (const auto why = schema_mismatch(locations_schema(), value)) mismatch(*why);
    if (name == "tags")
        for (const json::value& tag : value.get_array()) {
            if (!tag.is_string()) mismatch(shown(tag) + " is not of type 'string'");
            validate_text(tag.get_string(), 255, tag);
        }
}

void refuse_reserved(std::string_view name) {
    for (const std::string_view reserved : {"location", "deleted", "deleted_at"})
        if (name == reserved) throw Error(Errc::forbidden, "Attribute '" + std::string(name) + "' is reserved.");
    if (name.starts_with("os_glance")) throw Error(Errc::forbidden, "Attribute '" + std::string(name) + "' is reserved.");
}

namespace {
json::object task_document(bool whole) {
    json::object members = parse_json(R"({
        "id": {"description": "An identifier for the task", "pattern": "", "type": "string"},
        "type": {"description": "The type of task represented by this content", "enum": ["import", "api_image_import"], "type": "string"},
        "status": {"description": "The current status of this task", "enum": ["pending", "processing", "success", "failure"], "type": "string"},
        "input": {"description": "The parameters required by task, JSON blob", "type": ["null", "object"]},
        "result": {"description": "The result of current task, JSON blob", "type": ["null", "object"]},
        "owner": {"description": "An identifier for the owner of this task", "type": "string"},
        "message": {"description": "What there is to say, above all on failure", "type": "string"},
        "image_id": {"description": "Image associated with the task", "type": "string"},
        "request_id": {"description": "The request that began the task", "type": "string"},
        "user_id": {"description": "User associated with the task", "type": "string"},
        "expires_at": {"description": "Datetime when this resource would be subject to removal", "type": ["null", "string"]},
        "created_at": {"description": "Datetime when this resource was created", "type": "string"},
        "updated_at": {"description": "Datetime when this resource was updated", "type": "string"},
        "self": {"readOnly": true, "type": "string"},
        "schema": {"readOnly": true, "type": "string"}})")
                               .as_object();
    members["id"].as_object()["pattern"] = uuid_pattern;
    if (!whole)
        for (const char* name : {"input", "result", "message"}) members.erase(name);
    return {{"name", "task"}, {"properties", std::move(members)}};
}
}  // namespace

json::value schema_document(std::string_view name) {
    if (name == "task") return task_document(true);
    if (name == "tasks") return collection_document(name, task_document(false));
    if (name == "image") return image_document();
    if (name == "images") return collection_document(name, image_document());
    if (name == "member") return member_document();
    if (name == "members") return collection_document(name, member_document());
    return nullptr;
}

}  // namespace pilvi::image
