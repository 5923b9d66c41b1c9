// JSON that describes images: patches in both dialects, schemas, metadata definitions, attributes. The first byte chooses. Accepted or refused with
// Error; a patch that is accepted names nothing that may not be set.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"
#include "image/domain/json_schema.h"
#include "image/domain/metadef_schemas.h"
#include "image/domain/patch.h"
#include "image/domain/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pilvi;
    using namespace pilvi::image;
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    constexpr const char* metadefs[] = {"namespace", "object", "property", "resource_type", "tag", "tags"};
    constexpr const char* documents[] = {"image", "images", "member", "members", "task", "tasks"};
    try {
        const json::value value = parse_json(text);
        if (!is_utf8(python_text(value))) std::abort();
        switch (data[0] % 4) {
            case 0:
                for (const Change& change : parse_patch(value, (data[0] & 4) != 0)) {
                    const Property* known = find_property(change.name);
                    if (change.name == "id" || (known && known->read_only)) std::abort();
                    if (change.op != Change::Op::remove && change.position.empty()) validate(change.name, change.value);
                }
                break;
            case 1:
                check_metadef(metadefs[data[0] / 4 % 6], value);
                break;
            case 2:
                if (value.is_object()) check_metadef_properties(value.get_object());
                break;
            default: {
                const auto why = schema_mismatch(schema_document(documents[data[0] / 4 % 6]).as_object(), value);
                if (why && !is_utf8(*why)) std::abort();
            }
        }
    } catch (const Error& refused) {
        if (!is_utf8(refused.message())) std::abort();
    }
    return 0;
}
