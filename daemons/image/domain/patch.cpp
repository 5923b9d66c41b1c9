#include "domain/patch.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "domain/properties.h"

namespace pilvi::image {
namespace {
struct OpName {
    Change::Op op;
    std::string_view name;
};
constexpr std::array ops{OpName{Change::Op::add, "add"}, OpName{Change::Op::remove, "remove"}, OpName{Change::Op::replace, "replace"}};

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::bad_request, why); }

const OpName& op_named(std::string_view name) {
    for (const OpName& o : ops)
        if (o.name == name) return o;
    refuse("Invalid operation: `" + std::string(name.substr(0, 100)) + "`. It must be one of the following: add, remove, replace.");
}

struct Head {
    Change::Op op;
    std::string_view op_name;
    std::string pointer;
};

std::string pointer_text(const json::value* value) {
    if (!value) refuse("Unable to find 'path' in JSON Schema change");
    if (!value->is_string()) refuse("Invalid JSON pointer for this resource: it is not a string");
    return str(value->get_string());
}

Head read_head(const json::object& change) {
    const json::value* op = change.if_contains("op");
    if (!op || !op->is_string()) refuse("Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace.");
    const OpName& name = op_named(std::string_view(op->get_string()));
    return {name.op, name.name, pointer_text(change.if_contains("path"))};
}

Head read_old_head(const json::object& change) {
    const OpName* found = nullptr;
    for (const OpName& o : ops) {
        if (!change.contains(o.name)) continue;
        if (found) refuse("Operation objects must contain only one member named \"add\", \"remove\", or \"replace\".");
        found = &o;
    }
    if (!found) refuse("Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".");
    return {found->op, found->name, pointer_text(change.if_contains(found->name))};
}

// RFC 6901 with one token; "~1" is '/', "~0" is '~'.
std::vector<std::string> decode(const std::string& pointer) {
    if (!pointer.starts_with('/')) refuse("Pointer `" + pointer.substr(0, 100) + "` does not start with \"/\".");
    if (pointer.size() > 1 && pointer.ends_with('/')) refuse("Pointer `" + pointer.substr(0, 100) + "` end with \"/\".");
    std::vector<std::string> parts;
    for (const std::string& raw : split(std::string_view(pointer).substr(1), '/')) {
        std::string part;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            if (raw[i] != '~') {
                part += raw[i];
                continue;
            }
            const char next = i + 1 < raw.size() ? raw[++i] : ' ';
            if (next != '0' && next != '1')
                refuse("Pointer `" + pointer.substr(0, 100) + "` contains \"~\" not part of a recognized escape sequence.");
            part += next == '1' ? '/' : '~';
        }
        parts.emplace_back(trim(part));
        if (parts.back().empty()) refuse("Pointer `" + pointer.substr(0, 100) + "` contains adjacent \"/\".");
    }
    return parts;
}

void refuse_read_only(const std::string& name) {
    if (const Property* p = find_property(name); name == "id" || (p && p->read_only))
        throw Error(Errc::forbidden, "Attribute '" + name + "' is read-only.");
    refuse_reserved(name);
}
}  // namespace

std::vector<Change> parse_patch(const json::value& body, bool old_dialect) {
    if (!body.is_array()) refuse("Request body must be a JSON array of operation objects.");
    std::vector<Change> changes;
    for (const json::value& item : body.get_array()) {
        const json::object* raw = item.if_object();
        if (!raw) refuse("Operations must be JSON objects.");
        const Head head = old_dialect ? read_old_head(*raw) : read_head(*raw);
        const std::vector<std::string> path = decode(head.pointer);
        // A position in locations is the only pointer of two tokens.
        const std::size_t depth = path[0] == "locations" && head.op != Change::Op::replace ? 2 : 1;
        if (path.size() != depth) refuse("Invalid JSON pointer for this resource: '/" + join(path, "/").substr(0, 200) + "'");
        Change change{head.op, path[0], nullptr, old_dialect};
        if (head.op != Change::Op::remove) {
            const json::value* value = raw->if_contains("value");
            if (!value) refuse("Operation \"" + std::string(head.op_name) + "\" requires a member named \"value\".");
            change.value = *value;
        }
        refuse_read_only(change.name);
        if (change.name == "locations" && path.size() == 2) change.position = path[1];
        if (head.op != Change::Op::remove) validate(change.name, change.position.empty() ? change.value : json::value(json::array{change.value}));
        changes.push_back(std::move(change));
    }
    return changes;
}

}  // namespace pilvi::image
