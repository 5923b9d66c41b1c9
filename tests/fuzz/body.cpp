// JSON bodies against a field table of every type: accepted or refused with Error, never anything else.
#include <cstdint>

#include "api/validate.h"
#include "base/error.h"

namespace {
using namespace pilvi::api;
constexpr std::string_view colours[] = {"red", "green"};
constexpr Field inner[] = {{.name = "ip", .type = Type::ip, .use = required}, {.name = "cidr", .type = Type::cidr}};
constexpr Field fields[] = {
    {.name = "text", .type = Type::text, .use = accepts, .pattern = "[a-z]*"},
    {.name = "uuid", .type = Type::uuid, .use = accepts | nullable},
    {.name = "integer", .type = Type::integer, .use = accepts, .least = -5, .most = 5},
    {.name = "number", .type = Type::number, .use = accepts},
    {.name = "boolean", .type = Type::boolean, .use = accepts},
    {.name = "mac", .type = Type::mac, .use = accepts},
    {.name = "when", .type = Type::datetime, .use = accepts},
    {.name = "url", .type = Type::url, .use = accepts},
    {.name = "colour", .type = Type::text, .use = accepts, .values = colours},
    {.name = "list", .type = Type::array, .use = accepts, .most = 3, .item = Type::object, .fields = inner},
    {.name = "any", .type = Type::any, .use = accepts},
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const ServiceStyle style{.dialect = static_cast<Dialect>(data[0] % 5), .service_type = "x", .coerce = (data[0] & 8) != 0};
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    try {
        const auto value = pilvi::parse_json(text);
        (void)validate(style, fields, value, Purpose::create, data[0] & 16 ? Unknown::keep : Unknown::refuse);
    } catch (const pilvi::Error&) {
    }
    return 0;
}
