// GET /allocation_candidates (1.10).
#include <fmt/format.h>

#include "resources/candidate_search.h"
#include "resources/parameters.h"
#include "resources/routes.h"

namespace pilvi::placement {
namespace {

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
        const auto [snapshot, found] = search_candidates(tx, request);
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
