// The engine on a small service of its own: what every daemon gets from its tables.
#include <doctest/doctest.h>

#include "api/query.h"
#include "api/service.h"
#include "store/store.h"
#include "support/cases.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace pilvi::api;
using namespace pilvi::testing;

namespace {

constexpr Migration schema[] = {
    {1, "initial",
     "CREATE TABLE things (id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, size BIGINT, shared BIGINT, tags TEXT, password TEXT,"
     " created_at BIGINT, updated_at BIGINT, revision_number BIGINT NOT NULL);\n"
     "CREATE TABLE quotas (project_id TEXT, resource TEXT, hard_limit BIGINT, PRIMARY KEY (project_id, resource));\n"}};

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show | filter | sort},
    {.name = "project_id", .use = create | show | filter, .alias = "tenant_id"},
    {.name = "name", .use = create | update | show | filter | sort, .fallback = "\"\""},
    {.name = "size", .type = Type::integer, .use = create | update | show | filter | sort | nullable, .least = 0},
    {.name = "shared", .type = Type::boolean, .use = create | update | show | filter, .fallback = "false", .write_check = "role:admin"},
    {.name = "tags", .type = Type::array, .use = create | update | show, .fallback = "[]", .item = Type::text},
    {.name = "password", .use = create | secret},
    {.name = "note", .use = create | computed},
};
constexpr Operation operations[] = {
    {Verb::list, "get_things", "@"},
    {Verb::show, "get_thing", "role:admin or project_id:%(project_id)s or True:%(shared)s"},
    {Verb::create, "create_thing", "role:member"},
    {Verb::update, "update_thing", "role:admin or (role:member and project_id:%(tenant_id)s)"},
    {Verb::remove, "delete_thing", "role:admin or (role:member and project_id:%(project_id)s)"},
};

std::string visible(const Call& call, Values& parameters) {
    if (call.who.is_admin) return "";
    parameters.emplace_back(call.who.project_id);
    return "t.project_id = ? OR t.shared = 1";
}

constexpr Resource thing{.name = "thing",
                         .plural = "things",
                         .path = "/v2.0/things",
                         .table = "things",
                         .fields = fields,
                         .operations = operations,
                         .hooks = {.visible = visible},
                         .title = "Thing",
                         .quota = "thing",
                         .bulk = true,
                         .timestamps = true,
                         .revision = true};
static_assert(sound(thing));

Reply echo(Call& call) { return json::object{{"id", call.arg("id")}, {"body", call.body}}; }
constexpr Field grow_fields[] = {{.name = "by", .type = Type::integer, .use = required, .least = 1}};
constexpr Field store_fields[] = {{.name = "level", .type = Type::integer, .use = required}};
constexpr Action actions[] = {{.key = "grow", .policy = "grow", .check = "role:member", .handler = echo, .fields = grow_fields},
                              {.key = "reset", .policy = "reset", .check = "role:admin", .handler = echo}};
constexpr Route routes[] = {
    {.method = "POST", .path = "/v2.0/things/{id}/action", .actions = actions},
    {.method = "PUT", .path = "/v2.0/store/{id}", .policy = "fill_store", .check = "role:member", .handler = echo, .body = store_fields},
    {.method = "GET",
     .path = "/v2.0/files/{name*}",
     .policy = "files",
     .check = "@",
     .handler = [](Call& call) -> Reply {
         return json::object{{"name", call.arg("name")}};
     }},
    {.method = "GET",
     .path = "/",
     .handler = [](Call&) -> Reply {
         return json::object{{"versions", json::array{}}};
     },
     .access = Access::open},
};
static_assert(sound(std::span<const Route>(routes)));
constexpr QuotaLimit quotas[] = {{"thing", 5}};

ServiceSpec spec(PolicyTurn turn = PolicyTurn::after_body) {
    return {.style = {.dialect = Dialect::network, .service_type = "network", .coerce = true, .policy_turn = turn, .page_limit = 0},
            .resources = {&thing},
            .routes = {routes},
            .quotas = quotas};
}

struct Fixture {
    MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "things.sqlite"), schema);
    Callers callers;
    metrics::Registry metrics;
    Service service{spec(), *store, callers, metrics, nullptr};
    Cases cases{service};
    Fixture() { callers.export_to(cases); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a resource lives through its verbs") {
    const Case table[] = {
        {.method = "POST",
         .path = "/v2.0/things",
         .token = "member",
         .body = R"({"thing": {"name": "a", "size": "4", "password": "geheim"}})",
         .status = 201,
         .expect = R"({"thing": {"id": "<uuid>", "name": "a", "size": 4, "shared": false, "tags": [], "tenant_id": "${member_project}",
                       "project_id": "${member_project}", "password": "<absent>", "note": "<absent>", "revision_number": 1, "created_at": "<time>"}})",
         .save = {{"id", "thing.id"}}},
        {.path = "/v2.0/things/${id}", .token = "reader", .expect = R"({"thing": {"name": "a"}})"},
        {.path = "/v2.0/things/${id}?fields=name", .token = "member", .expect = R"({"thing": {"name": "a", "id": "<absent>"}})"},
        {.path = "/v2.0/things/${id}",
         .token = "other",
         .status = 404,
         .expect = R"({"NeutronError": {"type": "ThingNotFound", "message": "Thing ${id} could not be found.", "detail": ""}})"},
        {.method = "PUT", .path = "/v2.0/things/${id}", .token = "reader", .body = R"({"thing": {"name": "b"}})", .status = 403},
        {.method = "PUT", .path = "/v2.0/things/${id}", .token = "member", .body = R"({"thing": {"shared": true}})", .status = 403},
        {.method = "PUT",
         .path = "/v2.0/things/${id}",
         .token = "member",
         .body = R"({"thing": {"name": "b"}})",
         .expect = R"({"thing": {"name": "b", "size": 4, "revision_number": 2}})"},
        {.method = "PUT",
         .path = "/v2.0/things/${id}",
         .token = "member",
         .body = R"({"thing": {"name": "c"}})",
         .status = 412,
         .headers = {{"If-Match", "revision_number=1"}}},
        {.method = "PUT",
         .path = "/v2.0/things/${id}",
         .token = "admin",
         .body = R"({"thing": {"shared": "True", "tags": ["x"]}})",
         .expect = R"({"thing": {"shared": true, "tags": ["x"]}})"},
        {.path = "/v2.0/things/${id}", .token = "other", .expect = R"({"thing": {"shared": true}})"},
        {.method = "DELETE", .path = "/v2.0/things/${id}", .token = "other", .status = 403},
        {.method = "DELETE", .path = "/v2.0/things/${id}", .token = "member", .status = 204, .empty = true},
        {.method = "DELETE", .path = "/v2.0/things/${id}", .token = "member", .status = 404},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(Fixture, "bad input changes nothing") {
    const Case table[] = {
        {.method = "POST", .path = "/v2.0/things", .body = R"({"thing": {}})", .status = 401},
        {.method = "POST", .path = "/v2.0/things", .token = "stranger", .body = R"({"thing": {}})", .status = 401},
        {.method = "POST", .path = "/v2.0/things", .token = "reader", .body = R"({"thing": {}})", .status = 403},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"thing": {"x": 1}})", .status = 400},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"other": {}})", .status = 400},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = "{", .status = 400},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .status = 400},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = "[]", .status = 400},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"thing": {"shared": true}})", .status = 403},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"thing": {"project_id": "x"}})", .status = 400},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = "a=b", .status = 415, .headers = {{"Content-Type", "text/plain"}}},
        {.method = "PATCH", .path = "/v2.0/things", .token = "member", .status = 405},
        {.path = "/v2.0/nothing", .token = "member", .status = 404},
        {.path = "/v2.0/nothing", .status = 401},
        {.path = "/v2.0/things?limit=-1", .token = "member", .status = 400},
        {.path = "/v2.0/things?limit=x", .token = "member", .status = 400},
        {.path = "/v2.0/things?sort_key=password", .token = "member", .status = 400},
        {.path = "/v2.0/things?sort_key=name&sort_dir=up", .token = "member", .status = 400},
        {.path = "/v2.0/things?marker=unknown", .token = "member", .status = 400},
        {.path = "/v2.0/things?name=%ff", .token = "member", .status = 400},
        {.path = "/v2.0/things?shared=maybe", .token = "member", .status = 400},
        {.path = "/v2.0/things", .token = "member", .expect = R"({"things": []})"},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(Fixture, "lists filter, sort and page") {
    cases.run(Case{.method = "POST",
                   .path = "/v2.0/things",
                   .token = "member",
                   .body = R"({"things": [{"name": "a", "size": 2}, {"name": "b", "size": 1}, {"name": "c"}, {"name": "d", "size": 2}]})",
                   .status = 201,
                   .expect = R"({"things": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]})",
                   .save = {{"first", "things.0.id"}}});
    const Case table[] = {
        {.path = "/v2.0/things?name=a&name=c&sort_key=name", .token = "member", .expect = R"({"things": [{"name": "a"}, {"name": "c"}]})"},
        {.path = "/v2.0/things?size=2&sort_key=name&sort_dir=desc", .token = "member", .expect = R"({"things": [{"name": "d"}, {"name": "a"}]})"},
        {.path = "/v2.0/things?sort_key=size&sort_key=name&sort_dir=asc&sort_dir=desc",
         .token = "member",
         .expect = R"({"things": [{"name": "c"}, {"name": "b"}, {"name": "d"}, {"name": "a"}]})"},
        {.path = "/v2.0/things?sort_key=name&limit=2",
         .token = "member",
         .expect = R"({"things": [{"name": "a"}, {"name": "b"}], "things_links": [{"rel": "next"}]})",
         .save = {{"last", "things.1.id"}}},
        {.path = "/v2.0/things?sort_key=name&limit=2&marker=${last}",
         .token = "member",
         .expect = R"({"things": [{"name": "c"}, {"name": "d"}], "things_links": [{"rel": "previous"}]})",
         .save = {{"third", "things.0.id"}}},
        {.path = "/v2.0/things?sort_key=name&limit=2&marker=${third}&page_reverse=True",
         .token = "member",
         .expect = R"({"things": [{"name": "a"}, {"name": "b"}]})"},
        {.path = "/v2.0/things?tenant_id=${member_project}&name=a", .token = "admin", .expect = R"({"things": [{"id": "${first}"}]})"},
        {.path = "/v2.0/things", .token = "other", .expect = R"({"things": []})"},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(Fixture, "a quota holds for the bulk as a whole") {
    const Case table[] = {
        {.method = "POST",
         .path = "/v2.0/things",
         .token = "member",
         .body = R"({"things": [{}, {}, {}, {}, {}, {}]})",
         .status = 409,
         .expect = R"({"NeutronError": {"type": "OverQuota"}})"},
        {.path = "/v2.0/things", .token = "member", .expect = R"({"things": []})"},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"things": [{}, {}, {}, {}, {}]})", .status = 201},
        {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"thing": {}})", .status = 409},
        {.method = "POST", .path = "/v2.0/things", .token = "other", .body = R"({"thing": {}})", .status = 201},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(Fixture, "actions and routes") {
    const Case table[] = {
        {.path = "/", .expect = R"({"versions": []})"},
        {.path = "/v2.0/files/a/b%2Fc", .token = "member", .expect = R"({"name": "a/b/c"})"},
        {.method = "POST",
         .path = "/v2.0/things/7/action",
         .token = "member",
         .body = R"({"grow": {"by": 2}})",
         .status = 202,
         .expect = R"({"id": "7", "body": {"by": 2}})",
         .answer_headers = {{"X-Openstack-Request-Id", "<any>"}}},
        {.method = "POST", .path = "/v2.0/things/7/action", .token = "member", .body = R"({"grow": {}})", .status = 400},
        {.method = "POST", .path = "/v2.0/things/7/action", .token = "member", .body = R"({"grow": 5})", .status = 400},
        {.method = "POST", .path = "/v2.0/things/7/action", .token = "member", .body = R"({"shrink": {}})", .status = 400},
        {.method = "POST", .path = "/v2.0/things/7/action", .token = "member", .body = R"({"grow": {"by": 1}, "reset": null})", .status = 400},
        {.method = "POST", .path = "/v2.0/things/7/action", .token = "member", .body = R"({"reset": null})", .status = 403},
        {.method = "POST", .path = "/v2.0/things/7/action", .token = "admin", .body = R"({"reset": null})", .status = 202},
    };
    cases.run(table);
}

TEST_CASE_FIXTURE(Fixture, "when it is decided who may: the three orders") {
    cases.run({.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"thing": {}})", .status = 201, .save = {{"id", "thing.id"}}});
    struct {
        PolicyTurn turn;
        int invalid, syntax, route_syntax;  // statuses for a caller without the right
    } const table[] = {{PolicyTurn::after_body, 400, 400, 400}, {PolicyTurn::after_syntax, 403, 400, 400}, {PolicyTurn::before_body, 403, 400, 403}};
    for (const auto& row : table) {
        CAPTURE(static_cast<int>(row.turn));
        Service ordered{spec(row.turn), *store, callers, metrics, nullptr};
        Cases asked{ordered};
        callers.export_to(asked);
        asked.vars["id"] = cases.vars["id"];
        const Case requests[] = {
            {.method = "POST", .path = "/v2.0/things", .token = "reader", .body = R"({"thing": {"x": 1}})", .status = row.invalid},
            {.method = "POST", .path = "/v2.0/things", .token = "reader", .body = "{", .status = row.syntax},
            {.method = "POST", .path = "/v2.0/things", .token = "member", .body = R"({"thing": {"x": 1}})", .status = 400},
            {.method = "PUT", .path = "/v2.0/things/${id}", .token = "reader", .body = R"({"thing": {"x": 1}})", .status = row.invalid},
            {.method = "PUT", .path = "/v2.0/things/${id}", .token = "member", .body = R"({"thing": {"x": 1}})", .status = 400},
            {.method = "PUT",
             .path = "/v2.0/store/a",
             .token = "reader",
             .body = R"({"level": "x"})",
             .status = row.turn == PolicyTurn::after_body ? 400 : 403},
            {.method = "PUT", .path = "/v2.0/store/a", .token = "reader", .body = "{", .status = row.route_syntax},
            {.method = "PUT", .path = "/v2.0/store/a", .token = "reader", .body = R"({"level": 1})", .status = 403},
            {.method = "PUT", .path = "/v2.0/store/a", .token = "member", .body = R"({"level": "x"})", .status = 400},
            {.method = "PUT", .path = "/v2.0/store/a", .token = "member", .body = R"({"level": 1})"},
        };
        asked.run(requests);
    }
}
