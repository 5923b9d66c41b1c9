// os-keypairs.
#include "base/text.h"
#include "domain/keys.h"
#include "domain/names.h"
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Field;
using api::Reply;
using api::Route;
using api::Type;

// Whose keys: from 2.10 an administrator may name a user.
std::string user_of(Call& call, std::optional<std::string> named) {
    if (!named || !call.at_least(2, 10)) return call.who.user_id;
    call.enforce(call.route.policy, {{"user_id", *named}});
    return *named;
}

Error missing(const std::string& name, const std::string& user) {
    return Error(Errc::not_found, "Keypair " + name.substr(0, 255) + " not found for user " + user);
}

json::object brief(Call& call, const Row& row) {
    json::object key{{"name", row.text("name")}, {"public_key", row.text("public_key")}, {"fingerprint", row.text("fingerprint")}};
    if (call.at_least(2, 2)) key["type"] = row.text("type");
    return key;
}

Reply list(Call& call) {
    const std::string user = user_of(call, call.query.get("user_id"));
    Page page;
    if (call.at_least(2, 35)) page = page_of(call);
    return call.store().read([&](Tx& tx) {
        std::string where = "user_id = ?";
        Values values{user};
        if (page.marker) {
            if (!tx.one("SELECT 1 FROM keypairs WHERE user_id = ? AND name = ?", {user, *page.marker})) unknown_marker(*page.marker);
            where += " AND name > ?";
            values.emplace_back(*page.marker);
        }
        json::array items;
        std::string last;
        for (const Row& row : tx.query("SELECT * FROM keypairs WHERE " + where + " ORDER BY name LIMIT " + std::to_string(page.limit), values)) {
            items.push_back(json::object{{"keypair", brief(call, row)}});
            last = row.text("name");
        }
        const std::size_t shown = items.size();
        json::object body{{"keypairs", std::move(items)}};
        if (call.at_least(2, 35) && call.query.has("limit")) add_next_link(call, body, "keypairs", page, shown, last);
        return Reply(std::move(body));
    });
}

Reply show(Call& call) {
    const std::string user = user_of(call, call.query.get("user_id"));
    return call.store().read([&](Tx& tx) {
        const auto row = tx.one("SELECT * FROM keypairs WHERE user_id = ? AND name = ?", {user, call.arg("name")});
        if (!row) throw missing(call.arg("name"), user);
        json::object key = brief(call, *row);
        key["user_id"] = user;
        key["id"] = row->integer("number");
        key["created_at"] = iso8601_naive(row->integer("created_at"));
        key["deleted"] = false;
        key["deleted_at"] = nullptr;
        key["updated_at"] = nullptr;
        return Reply(json::object{{"keypair", key}});
    });
}

void check_name(Call& call, const std::string& name) {
    const std::string_view more = call.at_least(2, 92) ? "@._- " : "_- ";
    bool sound = is_name(name);
    for (const char c : name)
        sound = sound && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos);
    if (!sound) throw bad_request("Keypair data is invalid: Keypair name contains unsafe characters");
}

void refuse_full(Call& call, Tx& tx, const std::string& user) {
    const std::int64_t used = tx.scalar("SELECT COUNT(*) FROM keypairs WHERE user_id = ?", {user}).integer();
    const std::int64_t limit = quota_of(tx, call.who.project_id, "key_pairs");
    if (limit >= 0 && used + 1 > limit) throw Error(Errc::over_quota, "Quota exceeded, too many key pairs.");
}

Reply create(Call& call) {
    const std::string name = string_or(call.body, "name"), type = string_or(call.body, "type", "ssh");
    check_name(call, name);
    const std::string user = user_of(call, optional_string(call.body, "user_id"));
    auto public_key = optional_string(call.body, "public_key");
    std::string private_key;
    if (!public_key) {
        call.store().read([&](Tx& tx) { refuse_full(call, tx, user); });  // before the work
        const KeyPair pair = type == "x509" ? generate_x509(user) : generate_rsa("Generated-by-Nova");
        public_key = pair.public_key;
        private_key = pair.private_key;
    }
    const auto fingerprint = type == "x509" ? x509_fingerprint(*public_key) : ssh_fingerprint(*public_key);
    if (!fingerprint)
        throw bad_request(type == "x509" ? "Keypair data is invalid: failed to generate X509 fingerprint. Error message: not a PEM certificate"
                                         : "Keypair data is invalid: failed to generate fingerprint");
    return call.store().write([&](Tx& tx) {
        refuse_full(call, tx, user);
        if (tx.one("SELECT 1 FROM keypairs WHERE user_id = ? AND name = ?", {user, name}))
            throw Error(Errc::conflict, "Key pair '" + name + "' already exists.");
        tx.insert("keypairs", {{"user_id", user},
                               {"name", name},
                               {"number", next_number(tx, "keypairs")},
                               {"type", type},
                               {"fingerprint", *fingerprint},
                               {"public_key", *public_key},
                               {"created_at", app_of(call).now()}});
        json::object key{{"name", name}, {"public_key", *public_key}, {"fingerprint", *fingerprint}, {"user_id", user}};
        if (call.at_least(2, 2)) key["type"] = type;
        if (!private_key.empty()) key["private_key"] = private_key;
        Reply reply(json::object{{"keypair", key}});
        reply.status = call.at_least(2, 2) ? 201 : 200;
        return reply;
    });
}

Reply remove(Call& call) {
    const std::string user = user_of(call, call.query.get("user_id"));
    call.store().write([&](Tx& tx) {
        if (tx.exec("DELETE FROM keypairs WHERE user_id = ? AND name = ?", {user, call.arg("name")}) == 0) throw missing(call.arg("name"), user);
    });
    return Reply::with_status(call.at_least(2, 2) ? 204 : 202);
}

constexpr std::string_view own_keys = "role:admin or user_id:%(user_id)s";
constexpr std::string_view types[] = {"ssh", "x509"};
constexpr Field create_fields[] = {
    {.name = "name", .type = Type::text, .use = api::required, .least = 1},
    {.name = "public_key", .type = Type::text, .most = 65535, .until = {2, 91}},
    {.name = "public_key", .type = Type::text, .use = api::required, .most = 65535, .since = {2, 92}},
    {.name = "type", .type = Type::text, .values = types, .since = {2, 2}},
    {.name = "user_id", .type = Type::text, .least = 1, .since = {2, 10}},
};
constexpr Route routes[] = {
    {.method = "GET", .path = "/v2.1/os-keypairs", .policy = "os_compute_api:os-keypairs:index", .check = own_keys, .handler = &list},
    {.method = "POST",
     .path = "/v2.1/os-keypairs",
     .policy = "os_compute_api:os-keypairs:create",
     .check = own_keys,
     .handler = &create,
     .wrapper = "keypair",
     .body = create_fields},
    {.method = "GET", .path = "/v2.1/os-keypairs/{name}", .policy = "os_compute_api:os-keypairs:show", .check = own_keys, .handler = &show},
    {.method = "DELETE",
     .path = "/v2.1/os-keypairs/{name}",
     .policy = "os_compute_api:os-keypairs:delete",
     .check = own_keys,
     .handler = &remove,
     .status = 204},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> keypair_routes() { return routes; }

}  // namespace pilvi::compute
