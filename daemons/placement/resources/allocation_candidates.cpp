// GET /allocation_candidates (1.10): six queries, whatever the number of providers.
#include <fmt/format.h>

#include "domain/standard_names.h"
#include "resources/inventories.h"
#include "resources/parameters.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

void add_providers(Tx& tx, Snapshot& snapshot) {
    // Parents before children, whatever the order of the rows.
    const auto rows = tx.query("SELECT uuid, parent_uuid FROM resource_providers ORDER BY created_at, uuid");
    std::map<std::string, std::vector<std::string>> children;
    std::vector<std::string> ready;
    for (const Row& row : rows) {
        if (row["parent_uuid"].is_null()) ready.push_back(row.text("uuid"));
        else children[row.text("parent_uuid")].push_back(row.text("uuid"));
    }
    snapshot.providers.reserve(rows.size());
    for (const std::string& uuid : ready) snapshot.add(uuid);
    for (std::size_t i = 0; i < snapshot.providers.size(); ++i) {
        const std::string parent = snapshot.providers[i].uuid;
        if (const auto found = children.find(parent); found != children.end())
            for (const std::string& uuid : found->second) snapshot.add(uuid, parent);
    }
}

// Traits that decide; those of the answer are read later, for the trees of the answer.
Snapshot load_snapshot(Tx& tx, const Names& traits) {
    Snapshot snapshot;
    add_providers(tx, snapshot);
    const auto provider = [&](const Row& row) -> Provider& { return snapshot.providers[snapshot.by_uuid.at(row.at(0).text())]; };
    for (const Row& row : tx.query("SELECT provider_uuid, resource_class, total, reserved, min_unit, max_unit, step_size, allocation_ratio, used "
                                   "FROM inventories"))
        provider(row).inventories.emplace(row.at(1).text(), Inventory{.total = row.at(2).integer(),
                                                                      .reserved = row.at(3).integer(),
                                                                      .min_unit = row.at(4).integer(),
                                                                      .max_unit = row.at(5).integer(),
                                                                      .step_size = row.at(6).integer(),
                                                                      .allocation_ratio = row.at(7).number(),
                                                                      .used = row.at(8).integer()});
    Names wanted = traits;
    wanted.emplace(sharing_trait);
    Values values;
    append(values, wanted);
    for (const Row& row : tx.query("SELECT provider_uuid, trait FROM provider_traits WHERE trait IN (" + marks(wanted.size()) + ")", values))
        provider(row).traits.insert(row.at(1).text());
    for (const Row& row : tx.query("SELECT provider_uuid, aggregate_uuid FROM provider_aggregates"))
        provider(row).aggregates.insert(row.at(1).text());
    return snapshot;
}

// Trait names by provider index, of the providers of the answer.
std::vector<json::array> load_traits(Tx& tx, const Snapshot& snapshot, const std::vector<std::size_t>& providers) {
    constexpr std::size_t most_listed = 500;
    std::vector<json::array> traits(snapshot.providers.size());
    if (providers.empty()) return traits;
    Values values;
    std::string sql = "SELECT provider_uuid, trait FROM provider_traits";
    if (providers.size() <= most_listed) {
        for (const std::size_t i : providers) values.emplace_back(snapshot.providers[i].uuid);
        sql += " WHERE provider_uuid IN (" + marks(values.size()) + ")";
    }
    for (const Row& row : tx.query(sql + " ORDER BY trait", values)) traits[snapshot.by_uuid.at(row.at(0).text())].emplace_back(row.at(1).text());
    return traits;
}

json::object request_as_object(const Call& call, const Snapshot& snapshot, const Candidate& candidate) {
    json::object allocations;
    for (const auto& [key, amount] : candidate.resources) {
        json::object& entry =
            allocations.emplace(snapshot.providers[key.first].uuid, json::object{{"resources", json::object()}}).first->value().as_object();
        entry["resources"].as_object()[key.second] = amount;
    }
    json::object request{{"allocations", std::move(allocations)}};
    if (!call.at_least(1, 34)) return request;
    json::object mappings;
    for (const auto& [suffix, providers] : candidate.mappings) {
        json::array uuids;
        for (const std::size_t i : providers) uuids.emplace_back(snapshot.providers[i].uuid);
        mappings[suffix] = std::move(uuids);
    }
    request["mappings"] = std::move(mappings);
    return request;
}

// Before 1.12.
json::object request_as_list(const Snapshot& snapshot, const Candidate& candidate) {
    std::map<std::size_t, json::object> resources;
    for (const auto& [key, amount] : candidate.resources) resources[key.first][key.second] = amount;
    json::array list;
    for (auto& [i, entry] : resources)
        list.push_back(json::object{{"resource_provider", json::object{{"uuid", snapshot.providers[i].uuid}}}, {"resources", std::move(entry)}});
    return {{"allocations", std::move(list)}};
}

json::object summary(const Call& call, const Snapshot& snapshot, std::size_t index, const Names& requested, json::array traits) {
    const Provider& provider = snapshot.providers[index];
    json::object resources;
    for (const auto& [resource_class, inventory] : provider.inventories)
        if (call.at_least(1, 27) || requested.contains(resource_class))
            resources[resource_class] = json::object{{"capacity", inventory.capacity()}, {"used", inventory.used}};
    json::object body{{"resources", std::move(resources)}};
    if (call.at_least(1, 17)) body["traits"] = std::move(traits);
    if (call.at_least(1, 29)) {
        body["parent_provider_uuid"] = provider.parent ? json::value(snapshot.providers[*provider.parent].uuid) : json::value(nullptr);
        body["root_provider_uuid"] = snapshot.providers[provider.root].uuid;
    }
    return body;
}

Reply list_candidates(Call& call) {
    require_accept(call);
    const CandidateRequest request = parse_candidate_request(call);
    const Names requested = resource_classes_of(request);
    return call.store().read([&](Tx& tx) {
        require_classes(tx, requested, Errc::bad_request, "Invalid resource class in resources parameter: ");
        require_traits(tx, traits_of(request), "");
        const Snapshot snapshot = load_snapshot(tx, traits_of(request));
        const Candidates found = find_candidates(snapshot, request);
        std::vector<json::array> traits;
        if (call.at_least(1, 17)) traits = load_traits(tx, snapshot, found.summaries);
        else traits.resize(snapshot.providers.size());
        json::array requests;
        requests.reserve(found.requests.size());
        for (const Candidate& candidate : found.requests)
            requests.emplace_back(call.at_least(1, 12) ? request_as_object(call, snapshot, candidate) : request_as_list(snapshot, candidate));
        json::object summaries;
        for (const std::size_t i : found.summaries)
            summaries[snapshot.providers[i].uuid] = summary(call, snapshot, i, requested, std::move(traits[i]));
        return answer(call, json::object{{"allocation_requests", std::move(requests)}, {"provider_summaries", std::move(summaries)}});
    });
}

constexpr api::Route routes[] = {
    {.method = "GET",
     .path = "/allocation_candidates",
     .policy = "placement:allocation_candidates:list",
     .check = reader,
     .handler = list_candidates,
     .since = {1, 10}},
};
static_assert(api::sound(routes));

}  // namespace

std::span<const api::Route> candidate_routes() { return routes; }

}  // namespace pilvi::placement
