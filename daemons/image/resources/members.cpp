// /v2/images/{id}/members: with which projects an image of visibility "shared" is shared, and whether they took it.
#include "base/error.h"
#include "base/text.h"
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

constexpr std::int64_t most_members = 128;

json::object member_view(const Row& row) {
    return {{"member_id", row.text("member")},
            {"image_id", row.text("image_id")},
            {"status", row.text("status")},
            {"created_at", iso8601(row.integer("created_at"))},
            {"updated_at", iso8601(row.integer("updated_at"))},
            {"schema", "/v2/schemas/member"}};
}

bool is_owner(const Call& call, const Image& image) { return call.who.is_admin || (image.owner && *image.owner == call.who.project_id); }

Image shared_image(const Call& call, Tx& tx, std::string_view refusal) {
    const std::string& id = call.arg("image_id");
    Image image = visible_image(call, tx, id, "Image {} not found.");
    if (image.visibility != "shared") throw Error(Errc::forbidden, std::string(refusal) + " " + id + ": Only shared images have members.");
    return image;
}

// Everybody but the owner and the member itself is told that there is no such member.
Row visible_member(const Call& call, Tx& tx, const Image& image, const std::string& member) {
    auto row = is_owner(call, image) || member == call.who.project_id
                   ? tx.one("SELECT * FROM image_members WHERE image_id = ? AND member = ?", {image.id, member})
                   : std::nullopt;
    if (!row) throw Error(Errc::not_found, member.substr(0, 255) + " not found in the member list of the image " + image.id + ".");
    return *row;
}

Reply create(Call& call) {
    const json::object* body = call.raw.if_object();
    const json::value* member = body ? body->if_contains("member") : nullptr;
    if (!body) throw Error(Errc::bad_request, "Expected a member in the form: {\"member\": \"image_id\"}");
    if (!member) throw Error(Errc::bad_request, "Member to be added not specified");
    if (!member->is_string() || member->get_string().empty()) throw Error(Errc::bad_request, "Member can't be empty");
    const std::string id = str(member->get_string());
    if (utf8_length(id) > 255 || !is_utf8(id) || id.find('\0') != std::string::npos)
        throw Error(Errc::bad_request, "Member is longer than 255 characters");
    return call.store().write([&](Tx& tx) -> Reply {
        const Image image = shared_image(call, tx, "Not allowed to create members for image");
        if (!is_owner(call, image)) throw Error(Errc::forbidden, "Not allowed to create members for image " + image.id + ".");
        if (tx.one("SELECT 1 FROM image_members WHERE image_id = ? AND member = ?", {image.id, id}))
            throw Error(Errc::conflict, "Member " + id + " is duplicated for image " + image.id);
        if (tx.scalar("SELECT count(*) FROM image_members WHERE image_id = ?", {image.id}).integer() >= most_members)
            throw Error(Errc::too_large, "Image member limit exceeded for image " + image.id + ": Maximum: " + std::to_string(most_members));
        const Micros now = now_micros();
        tx.insert("image_members", {{"image_id", image.id}, {"member", id}, {"status", "pending"}, {"created_at", now}, {"updated_at", now}});
        return member_view(visible_member(call, tx, image, id));
    });
}

Reply update(Call& call) {
    const json::object* body = call.raw.if_object();
    if (!body) throw Error(Errc::bad_request, "Expected a status in the form: {\"status\": \"status\"}");
    const json::value* status = body->if_contains("status");
    if (!status) throw Error(Errc::bad_request, "Status not specified");
    const std::string value = status->is_string() ? str(status->get_string()) : "";
    if (value != "pending" && value != "accepted" && value != "rejected")
        throw Error(Errc::bad_request, "Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\".");
    return call.store().write([&](Tx& tx) -> Reply {
        const Image image = shared_image(call, tx, "Not allowed to update members for image");
        const std::string& member = call.arg("member_id");
        visible_member(call, tx, image, member);
        if (!call.who.is_admin && member != call.who.project_id)
            throw Error(Errc::forbidden, "Not allowed to update members for image " + image.id + ".");
        tx.exec("UPDATE image_members SET status = ?, updated_at = ? WHERE image_id = ? AND member = ?", {value, now_micros(), image.id, member});
        return member_view(visible_member(call, tx, image, member));
    });
}

Reply list(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Image image = shared_image(call, tx, "Not allowed to list members for image");
        json::array members;
        for (const Row& row : tx.query("SELECT * FROM image_members WHERE image_id = ? ORDER BY created_at, member", {image.id}))
            if (is_owner(call, image) || row.text("member") == call.who.project_id) members.push_back(member_view(row));
        return json::object{{"members", std::move(members)}, {"schema", "/v2/schemas/members"}};
    });
}

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) -> Reply {
        const Image image = visible_image(call, tx, call.arg("image_id"), "Image {} not found.");
        if (image.visibility != "shared") throw Error(Errc::not_found, "Only shared images have members.");
        return member_view(visible_member(call, tx, image, call.arg("member_id")));
    });
}

Reply remove(Call& call) {
    call.store().write([&](Tx& tx) {
        const Image image = shared_image(call, tx, "Not allowed to delete members for image");
        const std::string& member = call.arg("member_id");
        visible_member(call, tx, image, member);
        if (!is_owner(call, image)) throw Error(Errc::forbidden, "Not allowed to delete members for image " + image.id + ".");
        tx.exec("DELETE FROM image_members WHERE image_id = ? AND member = ?", {image.id, member});
    });
    return {};
}

constexpr Route table[] = {
    {.method = "POST",
     .path = "/v2/images/{image_id}/members",
     .policy = "add_member",
     .check = rules::member,
     .handler = create,
     .any_body = true,
     .target = image_target},
    {.method = "GET",
     .path = "/v2/images/{image_id}/members",
     .policy = "get_members",
     .check = rules::reader_or_image_member,
     .handler = list,
     .target = image_target},
    {.method = "GET",
     .path = "/v2/images/{image_id}/members/{member_id}",
     .policy = "get_member",
     .check = rules::reader_or_image_member,
     .handler = show,
     .target = image_target},
    {.method = "PUT",
     .path = "/v2/images/{image_id}/members/{member_id}",
     .policy = "modify_member",
     .check = rules::image_member,
     .handler = update,
     .any_body = true,
     .target = image_target},
    {.method = "DELETE",
     .path = "/v2/images/{image_id}/members/{member_id}",
     .policy = "delete_member",
     .check = rules::member,
     .handler = remove,
     .status = 204,
     .target = image_target},
};
static_assert(api::sound(std::span<const Route>(table)));
}  // namespace

const std::span<const Route> member_routes = table;

}  // namespace pilvi::image
