#include <doctest/doctest.h>

#include <algorithm>

#include "domain/assignments.h"
#include "domain/catalog.h"

using namespace pilvi;
using namespace pilvi::identity;

namespace {

const Implications personas{{"admin", {"manager"}}, {"manager", {"member"}}, {"member", {"reader"}}};

// d: domain with a -> b -> c and x
ProjectTree tree() {
    ProjectTree t;
    t.add("d", {"", "", true});
    t.add("a", {"d", "d", false});
    t.add("b", {"a", "d", false});
    t.add("c", {"b", "d", false});
    t.add("x", {"d", "d", false});
    return t;
}

std::size_t count(const std::vector<Effective>& all, const std::string& user, const std::string& target, const std::string& role) {
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Effective& e) {
        return e.assignment.actor_id == user && e.assignment.target_id == target && e.assignment.role_id == role;
    }));
}

}  // namespace

TEST_CASE("implied roles are transitive and end in cycles") {
    CHECK(with_implied({"admin"}, personas) == std::set<std::string>{"admin", "manager", "member", "reader"});
    CHECK(with_implied({"reader"}, personas) == std::set<std::string>{"reader"});
    Implications cycle = personas;
    cycle["reader"] = {"admin"};
    CHECK(with_implied({"member"}, cycle).size() == 4);
}

TEST_CASE("project tree") {
    const ProjectTree t = tree();
    CHECK(t.ancestors("c") == std::vector<std::string>{"b", "a", "d"});
    CHECK(t.ancestors("d").empty());
    CHECK(t.below("a") == std::vector<std::string>{"b", "c"});
    CHECK(t.below("d").size() == 4);
    CHECK(t.below("nowhere").empty());
}

TEST_CASE("what an assignment applies to") {
    const std::vector<std::string> above{"b", "a", "d"};
    const auto on = [&](Target target, const std::string& id, bool inherited) {
        return applies({false, "u", target, id, "r", inherited}, Target::project, "c", above);
    };
    CHECK(on(Target::project, "c", false));
    CHECK_FALSE(on(Target::project, "c", true));  // only below
    CHECK_FALSE(on(Target::project, "b", false));
    CHECK(on(Target::project, "b", true));
    CHECK(on(Target::domain, "d", true));
    CHECK_FALSE(on(Target::domain, "d", false));
    CHECK_FALSE(on(Target::system, "system", false));
    CHECK(applies({false, "u", Target::system, "system", "r", false}, Target::system, "", {}));
    CHECK(applies({false, "u", Target::domain, "d", "r", false}, Target::domain, "d", {}));
    CHECK_FALSE(applies({false, "u", Target::domain, "d", "r", true}, Target::domain, "d", {}));
}

TEST_CASE("assignments in effect") {
    const Members members{{"g", {"u", "v"}}};
    const Assignment given[] = {
        {false, "u", Target::project, "x", "member", false},
        {true, "g", Target::domain, "d", "reader", true},
        {false, "w", Target::project, "a", "member", true},
        {true, "nobody", Target::project, "x", "member", false},
    };
    const auto all = expand(given, members, tree(), personas);
    CHECK(count(all, "u", "x", "member") == 1);
    CHECK(count(all, "u", "x", "reader") == 2);  // implied, and through the group
    CHECK(count(all, "v", "c", "reader") == 1);
    CHECK(count(all, "v", "d", "reader") == 0);
    CHECK(count(all, "w", "a", "member") == 0);
    CHECK(count(all, "w", "b", "member") == 1);
    CHECK(count(all, "w", "c", "reader") == 1);
    const auto of_group =
        std::find_if(all.begin(), all.end(), [](const Effective& e) { return e.assignment.actor_id == "v" && e.assignment.target_id == "a"; });
    REQUIRE(of_group != all.end());
    CHECK(of_group->group_id == "g");
    CHECK(of_group->from == Target::domain);
    CHECK(of_group->from_id == "d");
}

TEST_CASE("catalogue URLs") {
    CHECK(fill_url("http://h:8774/v2.1", "", "") == "http://h:8774/v2.1");
    CHECK(fill_url("http://h/v1/AUTH_$(project_id)s", "p", "u") == "http://h/v1/AUTH_p");
    CHECK(fill_url("http://h/%(tenant_id)s/x%20y$", "p", "u") == "http://h/p/x%20y$");
    CHECK(fill_url("http://h/$(user_id)s", "p", "u") == "http://h/u");
    CHECK_FALSE(fill_url("http://h/$(project_id)s", "", "u"));
    CHECK_FALSE(fill_url("http://h/$(admin_token)s", "p", "u"));
    CHECK_FALSE(fill_url("http://h/$(project_id", "p", "u"));
    const std::vector<CatalogService> services{
        {"s1", "compute", "nova", {{"e1", "public", "RegionOne", "http://h:8774/v2.1"}}},
        {"s2", "object-store", "swift", {{"e2", "public", "", "http://h/AUTH_$(project_id)s"}}},
    };
    CHECK(depends_on_token(services));
    CHECK_FALSE(depends_on_token({services[0]}));
    const json::array catalog = render_catalog(services, "", "u");
    CHECK(catalog.size() == 2);
    CHECK(catalog[0].at("endpoints").at(0).at("region") == "RegionOne");
    CHECK(catalog[1].at("endpoints").as_array().empty());
}
