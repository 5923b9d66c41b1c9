#pragma once
// The vocabulary of declarations: what a field of a request or of a resource is.
#include <compare>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "base/json.h"

namespace pilvi::api {

// A microversion "major.minor"; {} means "no bound".
struct Version {
    int major = 0;
    int minor = 0;
    constexpr auto operator<=>(const Version&) const = default;
    constexpr explicit operator bool() const { return major != 0 || minor != 0; }
};

enum class Type : std::uint8_t {
    text,     // string; least/most are lengths in code points (default 0..255)
    uuid,     // is_uuid_like; kept as given, lower case
    integer,  // JSON integer, or text of one where the style coerces; least/most are bounds
    number,   // integer or fraction
    boolean,  // JSON boolean, or its usual texts where the style coerces
    ip,       // IPv4 or IPv6 address
    cidr,     // network in CIDR form
    mac,
    datetime,  // ISO 8601
    url,
    object,  // members by `fields`; any members where `fields` is empty
    array,   // items by `item` and, for objects, `fields`; least/most are the number of items
    any,     // any JSON
};

// How a field may be used. Or-ed in Field::use.
enum Use : unsigned {
    create = 1u << 0,    // accepted in a create body
    update = 1u << 1,    // accepted in an update body
    required = 1u << 2,  // must be in a create body (or in any body of a custom route)
    show = 1u << 3,      // part of the answer
    filter = 1u << 4,    // ?name=value on lists; several values mean any of them
    sort = 1u << 5,      // ?sort_key=name
    nullable = 1u << 6,  // null is accepted
    secret = 1u << 7,    // never shown, never logged
    computed = 1u << 8,  // has no column: hooks consume it or `view` makes it
    accepts = create | update,
};

struct Field {
    std::string_view name;  // of the JSON member; "provider:network_type" is fine
    Type type = Type::text;
    unsigned use = 0;
    std::string_view column = {};                                   // default: name with ':' and '-' as '_'
    std::string_view fallback = {};                                 // default value of a create body, as JSON text; "" = none (the column gets NULL)
    std::int64_t least = std::numeric_limits<std::int64_t>::min();  // see Type
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    std::span<const std::string_view> values = {};  // the only texts allowed
    Type item = Type::any;                          // of array items
    std::span<const Field> fields = {};             // of object members / array item members
    std::string_view pattern = {};                  // ECMAScript regular expression for the whole text
    std::string_view write_check = {};              // policy check that must hold to set it (else 403)
    std::string_view read_check = {};               // policy check that must hold to see it (else left out)
    std::string_view alias = {};                    // a second name: accepted and shown too ("tenant_id")
    Version since = {};
    Version until = {};
    bool extra = false;                                    // objects: unknown members are allowed
    json::value (*convert)(const json::value&) = nullptr;  // before the type check: other forms to the one stored; may throw Error(bad_request)
};

}  // namespace pilvi::api
