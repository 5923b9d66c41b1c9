// One answer, three ways: the object, its text from field values, its text from the database's row. They must not differ.
#include <doctest/doctest.h>

#include "api/rows.h"
#include "api/service.h"
#include "store/store.h"
#include "support/temp_dir.h"

using namespace pilvi;
using namespace pilvi::api;

namespace {

constexpr Migration schema[] = {
    {1, "initial",
     "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, count BIGINT, ratio DOUBLE PRECISION, up BIGINT, address TEXT, range TEXT, mac TEXT,"
     " seen TEXT, link TEXT, options TEXT, tags TEXT, anything TEXT, other_column TEXT, password TEXT, hidden TEXT, new_name TEXT, extra TEXT,"
     " created_at BIGINT, updated_at BIGINT, revision_number BIGINT);\n"}};

constexpr Field fields[] = {
    {.name = "id", .type = Type::uuid, .use = show},
    {.name = "name", .use = show, .alias = "display_name"},
    {.name = "count", .type = Type::integer, .use = show},
    {.name = "ratio", .type = Type::number, .use = show},
    {.name = "up", .type = Type::boolean, .use = show},
    {.name = "address", .type = Type::ip, .use = show},
    {.name = "range", .type = Type::cidr, .use = show},
    {.name = "mac", .type = Type::mac, .use = show},
    {.name = "seen", .type = Type::datetime, .use = show},
    {.name = "link", .type = Type::url, .use = show},
    {.name = "options", .type = Type::object, .use = show},
    {.name = "tags", .type = Type::array, .use = show},
    {.name = "anything", .type = Type::any, .use = show},
    {.name = "provider:other", .use = show, .column = "other_column", .read_check = "role:admin"},
    {.name = "password", .use = secret},
    {.name = "hidden", .use = create},
    {.name = "made", .use = show | computed},
    {.name = "new_name", .use = show, .since = {2, 5}},
};
constexpr Operation operations[] = {{Verb::list, "list", "@"}};
constexpr Resource thing{.name = "thing",
                         .plural = "things",
                         .path = "/things",
                         .table = "things",
                         .fields = fields,
                         .operations = operations,
                         .timestamps = true,
                         .revision = true,
                         .extra_column = "extra"};
static_assert(sound(thing));

struct Nobody final : Authenticator {
    std::optional<Context> authenticate(std::string_view, bool) override { return std::nullopt; }
};

struct Fixture {
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "things.sqlite"), schema);
    Nobody nobody;
    metrics::Registry metrics;
    Service service{{.style = {.dialect = Dialect::network, .service_type = "network"}, .resources = {&thing}}, *store, nobody, metrics, nullptr};
    http::Request request;
    Route route;

    // Inserts one row of `values`, given as SQL, and returns its text after all three ways gave the same.
    std::string text_of(const std::string& values, std::vector<std::string> roles = {}, std::string_view query = {}, Version version = {}) {
        Context who;
        who.roles = std::move(roles);
        Call call{service, request, route, who, {}, Query::parse(query), nullptr, {}, version};
        std::optional<Row> row;
        store->write([&](Tx& tx) {
            tx.exec("DELETE FROM things");
            tx.exec("INSERT INTO things VALUES (" + values + ")");
            row = tx.one("SELECT " + select_columns(thing) + " FROM things t");
        });
        const View view(call, thing);
        const json::object object = row_to_object(thing, *row);
        const std::string wanted = to_text(view.render(object));
        std::string from_object, from_row;
        view.append(from_object, object);
        view.append(from_row, *row);
        CHECK(from_object == wanted);
        CHECK(from_row == wanted);
        json::monotonic_resource memory;
        CHECK(to_text(row_to_object(thing, *row, &memory)) == to_text(object));
        return wanted;
    }
};

const std::string full =
    "'i', 'n', -7, 0.5, 1, '10.0.0.1', '10.0.0.0/8', 'fa:16:3e:00:00:01', '2026-01-31T12:00:00Z', 'http://a/b', '{\"a\":{\"b\":[1,null]}}', "
    "'[\"x\",\"y\"]', '1.5E0', 'o', 'geheim', 'h', 'new', '{\"colour\":\"red\",\"n\":[true]}', 1769860800000000, NULL, 3";

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a row of every type") {
    CHECK(
        text_of(full) ==
        R"({"id":"i","name":"n","display_name":"n","count":-7,"ratio":5E-1,"up":true,"address":"10.0.0.1","range":"10.0.0.0/8",)"
        R"("mac":"fa:16:3e:00:00:01","seen":"2026-01-31T12:00:00Z","link":"http://a/b","options":{"a":{"b":[1,null]}},"tags":["x","y"],)"
        R"("anything":1.5E0,"new_name":"new","colour":"red","n":[true],"created_at":"2026-01-31T12:00:00Z","updated_at":null,"revision_number":3})");
    const std::string nulls = "'i'" + [] {
        std::string out;
        for (int i = 0; i < 20; ++i) out += ", NULL";
        return out;
    }();
    CHECK(text_of(nulls).starts_with(R"({"id":"i","name":null,"display_name":null,"count":null)"));
}

TEST_CASE_FIXTURE(Fixture, "text that has to be escaped") {
    for (const std::string text : {R"("quoted" \back)", "line\nfeed\ttab\r\b\f", "\x01\x1f\x7f", "snow \u2603 and \U0001F600", "</script>", ""}) {
        std::string sql = full;
        sql.replace(sql.find("'n'"), 3, "'" + text + "'");
        const json::value parsed = parse_json(text_of(sql));
        CHECK(str(parsed.at("name").as_string()) == text);
    }
}

TEST_CASE_FIXTURE(Fixture, "what an answer leaves out") {
    CHECK(text_of(full).find("provider:other") == std::string::npos);
    CHECK(text_of(full, {"admin"}).find(R"("provider:other":"o")") != std::string::npos);
    CHECK(text_of(full, {"admin"}).find("geheim") == std::string::npos);
    CHECK(text_of(full, {}, {}, {2, 4}).find("new_name") == std::string::npos);
    CHECK(text_of(full, {}, "fields=display_name&fields=colour&fields=revision_number") ==
          R"({"display_name":"n","colour":"red","revision_number":3})");
    CHECK(text_of(full, {}, "fields=unknown") == "{}");
}

TEST_CASE("appended JSON is what the serializer writes") {
    for (const char* text : {"{}", "[]", "null", R"({"a":[{},[],"\u0000\u001f\"\\/",-9223372036854775808,18446744073709551615,1e300,true,false]})"}) {
        const json::value value = parse_json(text);
        std::string out = "x";
        append_json(out, value);
        CHECK(out == "x" + to_text(value));
    }
}
