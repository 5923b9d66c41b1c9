// /v2/images/{id}/tags/{tag}.
#include "base/error.h"
#include "base/time.h"
#include "domain/properties.h"
#include "image.h"
#include "model.h"
#include "rules.h"

namespace pilvi::image {
namespace {
using api::Call;
using api::Reply;
using api::Route;

constexpr std::size_t most_tags = 128;

Reply add(Call& call) {
    const std::string& tag = call.arg("tag");
    validate("tags", json::array{json::value(tag)});
    call.store().write([&](Tx& tx) {
        Image image = visible_image(call, tx, call.arg("image_id"), "Image {} not found.");
        if (!image.tags.insert(tag).second) return;
        if (image.tags.size() > most_tags)
            throw Error(Errc::too_large, "Image tag limit exceeded for image " + image.id + ": Maximum: " + std::to_string(most_tags));
        save_image(tx, image);
    });
    return {};
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        Image image = visible_image(call, tx, call.arg("image_id"), "Image {} not found.");
        if (image.tags.erase(call.arg("tag")) == 0) throw Error(Errc::not_found, "The resource could not be found.");
        save_image(tx, image);
    });
    return {};
}

constexpr Route table[] = {
    {.method = "PUT",
     .path = "/v2/images/{image_id}/tags/{tag}",
     .policy = "modify_image",
     .check = rules::member,
     .handler = add,
     .status = 204,
     .target = image_target},
    {.method = "DELETE",
     .path = "/v2/images/{image_id}/tags/{tag}",
     .policy = "modify_image",
     .check = rules::member,
     .handler = remove,
     .status = 204,
     .target = image_target},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> tag_routes = table;

}  // namespace pilvi::image
