// What is loaded from the database for allocation candidates is a part of the cloud: the answer must be that of the whole.
#include <random>

#include "base/ids.h"
#include "domain/standard_names.h"
#include "fixture.h"
#include "resources/candidate_search.h"

using namespace pilvi;
using namespace pilvi::placement;
using namespace pilvi::testing;

namespace {

using Random = std::mt19937;

bool chance(Random& random, int percent) { return static_cast<int>(random() % 100) < percent; }
std::size_t below(Random& random, std::size_t n) { return random() % n; }

constexpr const char* class_names[] = {"VCPU", "MEMORY_MB", "DISK_GB"};
constexpr const char* trait_names[] = {"HW_CPU_X86_AVX", "HW_CPU_X86_VMX", "COMPUTE_NODE"};
constexpr const char* aggregate_names[] = {"99999999-0000-4000-8000-000000000001", "99999999-0000-4000-8000-000000000002",
                                           "99999999-0000-4000-8000-000000000003"};

Inventory random_inventory(Random& random) {
    Inventory i{.total = static_cast<std::int64_t>(1 + below(random, 12))};
    if (chance(random, 20)) i.reserved = 1;
    if (chance(random, 20)) i.allocation_ratio = 1.5;
    if (chance(random, 20)) i.min_unit = 2;
    if (chance(random, 20)) i.max_unit = 3;
    if (chance(random, 20)) i.step_size = 2;
    i.used = static_cast<std::int64_t>(below(random, static_cast<std::size_t>(i.capacity()) + 1));
    return i;
}

Snapshot random_cloud(Random& random, bool nested, bool sharing) {
    Snapshot cloud;
    std::vector<std::string> uuids;
    const std::size_t count = 4 + below(random, 14);
    for (std::size_t n = 0; n < count; ++n) {
        const std::string parent = nested && n > 0 && chance(random, 60) ? uuids[below(random, n)] : "";
        uuids.push_back(new_uuid());
        Provider& p = cloud.providers[cloud.add(uuids.back(), parent)];
        for (const char* name : class_names)
            if (chance(random, nested ? 50 : 80)) p.inventories.emplace(name, random_inventory(random));
        for (const char* name : trait_names)
            if (chance(random, 40)) p.traits.insert(name);
        for (const char* name : aggregate_names)
            if (chance(random, 30)) p.aggregates.insert(name);
        if (sharing && chance(random, 15)) p.traits.emplace(sharing_trait);
    }
    return cloud;
}

void store_cloud(Tx& tx, const Snapshot& cloud) {
    for (const char* table : {"provider_traits", "provider_aggregates", "inventories"}) tx.exec(std::string("DELETE FROM ") + table);
    tx.exec("UPDATE resource_providers SET parent_uuid = NULL");
    tx.exec("DELETE FROM resource_providers");
    for (const Provider& p : cloud.providers) {
        const Value parent = p.parent ? Value(cloud.providers[*p.parent].uuid) : Value();
        tx.insert("resource_providers", {{"uuid", p.uuid},
                                         {"name", p.uuid},
                                         {"generation", 0},
                                         {"parent_uuid", parent},
                                         {"root_uuid", cloud.providers[p.root].uuid},
                                         {"created_at", 0},
                                         {"updated_at", 0}});
        for (const auto& [resource_class, i] : p.inventories)
            tx.insert("inventories", {{"provider_uuid", p.uuid},
                                      {"resource_class", resource_class},
                                      {"total", i.total},
                                      {"reserved", i.reserved},
                                      {"min_unit", i.min_unit},
                                      {"max_unit", i.max_unit},
                                      {"step_size", i.step_size},
                                      {"allocation_ratio", i.allocation_ratio},
                                      {"used", i.used},
                                      {"created_at", 0},
                                      {"updated_at", 0}});
        for (const std::string& trait : p.traits) tx.insert("provider_traits", {{"provider_uuid", p.uuid}, {"trait", trait}});
        for (const std::string& aggregate : p.aggregates)
            tx.insert("provider_aggregates", {{"provider_uuid", p.uuid}, {"aggregate_uuid", aggregate}});
    }
}

Names some(Random& random, std::span<const char* const> names) {
    Names chosen{names[below(random, names.size())]};
    if (chance(random, 30)) chosen.insert(names[below(random, names.size())]);
    return chosen;
}

Group random_group(Random& random, const Snapshot& cloud, bool same_provider) {
    Group group{.same_provider = same_provider};
    for (const char* name : class_names)
        if (chance(random, 50)) group.resources.emplace(name, static_cast<std::int64_t>(1 + below(random, 3)));
    if (group.resources.empty()) group.resources.emplace("VCPU", 1);
    if (chance(random, 25)) group.required.push_back(some(random, trait_names));
    if (chance(random, 15)) group.forbidden = some(random, trait_names);
    if (chance(random, 25)) group.member_of.push_back(some(random, aggregate_names));
    if (chance(random, 15)) group.forbidden_aggregates = some(random, aggregate_names);
    if (chance(random, 10)) group.in_tree = cloud.providers[below(random, cloud.providers.size())].uuid;
    return group;
}

CandidateRequest random_request(Random& random, const Snapshot& cloud) {
    CandidateRequest request;
    if (chance(random, 70)) request.groups[""] = random_group(random, cloud, false);
    for (const char* suffix : {"1", "2"})
        if (request.groups.empty() || chance(random, 25)) request.groups[suffix] = random_group(random, cloud, true);
    request.isolate = chance(random, 30);
    request.nested_aware = chance(random, 80);
    if (chance(random, 15)) request.root_required = some(random, trait_names);
    if (chance(random, 10)) request.root_forbidden = some(random, trait_names);
    if (request.groups.contains("1") && chance(random, 30)) {  // a group without resources, and a subtree of it
        request.groups["2"] = {.same_provider = true, .required = {some(random, trait_names)}};
        request.same_subtrees = {{"1", "2"}};
    }
    return request;
}

std::set<std::string> texts(const Snapshot& snapshot, const Candidates& found) {
    std::set<std::string> all;
    for (const Candidate& candidate : found.requests) {
        Names resources, mappings;
        for (const auto& [key, amount] : candidate.resources)
            resources.insert(snapshot.providers[key.first].uuid + " " + key.second + ":" + std::to_string(amount));
        for (const auto& [suffix, providers] : candidate.mappings)
            for (const std::size_t i : providers) mappings.insert(suffix + "=" + snapshot.providers[i].uuid);
        std::string text;
        for (const Names* names : {&resources, &mappings})
            for (const std::string& name : *names) text += name + "; ";
        all.insert(text);
    }
    return all;
}
Names described(const Snapshot& snapshot, const Candidates& found) {
    Names uuids;
    for (const std::size_t i : found.summaries) uuids.insert(snapshot.providers[i].uuid);
    return uuids;
}

}  // namespace

TEST_CASE("candidates of the loaded part are those of the whole cloud") {
    Placement p;
    Random random(20260101);
    std::size_t answered = 0;
    for (int round = 0; round < 60; ++round) {
        const Snapshot cloud = random_cloud(random, round % 3 != 0, round % 2 != 0);
        p.store->write([&](Tx& tx) { store_cloud(tx, cloud); });
        for (int question = 0; question < 12; ++question) {
            CandidateRequest request = random_request(random, cloud);
            const Candidates whole = find_candidates(cloud, request);
            CAPTURE(round);
            CAPTURE(question);
            const auto loaded = p.store->read([&](Tx& tx) { return search_candidates(tx, request); });
            const auto expected = texts(cloud, whole);
            CHECK(texts(loaded.snapshot, loaded.candidates) == expected);
            CHECK(described(loaded.snapshot, loaded.candidates) == described(cloud, whole));
            answered += !expected.empty();

            request.limit = 1 + below(random, 3);
            const auto limited = p.store->read([&](Tx& tx) { return search_candidates(tx, request); });
            const auto some_of_them = texts(limited.snapshot, limited.candidates);
            CHECK(some_of_them.size() == std::min(expected.size(), request.limit));
            CHECK(std::includes(expected.begin(), expected.end(), some_of_them.begin(), some_of_them.end()));
        }
    }
    CHECK(answered > 150);  // the questions do ask something
}

TEST_CASE("with a limit the roomiest providers are taken, and only they are read") {
    Placement p;
    for (const char* name : {"a", "b", "c"}) p.host(name, name[0] == 'b' ? 16 : 8);
    const auto ask = [&](std::size_t limit, std::int64_t amount) {
        return p.store->read([&](Tx& tx) { return search_candidates(tx, {.groups = {{"", {.resources = {{"VCPU", amount}}}}}, .limit = limit}); });
    };
    const auto one = ask(1, 4);
    REQUIRE(one.snapshot.providers.size() == 1);
    CHECK(one.snapshot.providers[0].uuid == p.cases.vars["b"]);
    CHECK(ask(2, 4).snapshot.providers.size() == 2);
    CHECK(ask(0, 9).snapshot.providers.size() == 1);  // the others have no room and are not read
    CHECK(ask(0, 4).candidates.requests.size() == 3);
    CHECK(ask(0, 17).snapshot.providers.empty());
    CHECK(ask(0, std::int64_t{1} << 62).candidates.requests.empty());
}
