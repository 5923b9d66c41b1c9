// os-server-password: what a guest left at the metadata service, encrypted by the guest with the user's public key. Reading and forgetting it; the
// guest's side is POST /agent/v1/servers/{id}/password (agent.cpp).
#include "resources/common.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

Reply show(Call& call) {
    return call.store().read([&](Tx& tx) {
        const Instance i = load_server(call, tx);
        const auto row = tx.one("SELECT password FROM server_passwords WHERE instance_id = ?", {i.id});
        return Reply(json::object{{"password", row ? row->text("password") : ""}});
    });
}

Reply clear(Call& call) {
    call.store().write([&](Tx& tx) { tx.exec("DELETE FROM server_passwords WHERE instance_id = ?", {load_server(call, tx).id}); });
    return {};
}

constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/servers/{id}/os-server-password",
     .policy = "os_compute_api:os-server-password:show",
     .check = reader_check,
     .handler = &show},
    {.method = "DELETE",
     .path = "/v2.1/servers/{id}/os-server-password",
     .policy = "os_compute_api:os-server-password:clear",
     .check = member_check,
     .handler = &clear,
     .status = 204},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> server_password_routes() { return routes; }

}  // namespace pilvi::compute
