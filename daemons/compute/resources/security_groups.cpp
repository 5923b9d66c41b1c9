// os-security-groups before 2.36: reading the network service's groups through compute. Clients of that age find a group by its name here.
#include "base/text.h"
#include "resources/common.h"
#include "resources/group_view.h"

namespace pilvi::compute {
namespace {

using api::Call;
using api::Reply;
using api::Route;

json::array groups(Call& call, const std::string& more) {
    const std::string scope = "project_id=" + percent_encode(call.who.project_id);
    return group_views(app_of(call).network.list(call.who.token, "security-groups", scope + more));
}

Reply list(Call& call) { return Reply(json::object{{"security_groups", groups(call, "")}}); }

Reply show(Call& call) {
    const std::string& id = call.arg("id");
    json::array found = groups(call, "&id=" + percent_encode(id));
    if (found.empty()) throw Error(Errc::not_found, "Security group " + id + " not found for project " + call.who.project_id + ".");
    return Reply(json::object{{"security_group", found[0]}});
}

constexpr Route routes[] = {
    {.method = "GET",
     .path = "/v2.1/os-security-groups",
     .policy = "os_compute_api:os-security-groups:get",
     .check = reader_check,
     .handler = &list,
     .until = {2, 35}},
    {.method = "GET",
     .path = "/v2.1/os-security-groups/{id}",
     .policy = "os_compute_api:os-security-groups:show",
     .check = reader_check,
     .handler = &show,
     .until = {2, 35}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const Route> security_group_routes() { return routes; }

}  // namespace pilvi::compute
