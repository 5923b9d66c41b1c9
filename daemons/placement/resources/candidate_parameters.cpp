// The query string of GET /allocation_candidates: groups by suffix, and what concerns the whole request.
#include <algorithm>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/text.h"
#include "resources/parameters.h"

namespace pilvi::placement {
namespace {

constexpr std::string_view group_keys[] = {"resources", "required", "member_of", "in_tree"};

[[noreturn]] void unexpected(const Call& call, const std::string& name) {
    constexpr std::string_view prefix = "Invalid query string parameters: ";
    if (call.at_least(1, 25)) {
        const std::string_view suffix = call.at_least(1, 33) ? "[a-zA-Z0-9_-]{1,64}" : "[1-9][0-9]*";
        std::vector<std::string> patterns;
        for (const std::string_view key : group_keys) patterns.push_back(fmt::format("'^{}({})?$'", key, suffix));
        bad_query(fmt::format("{}'{}' does not match any of the regexes: {}", prefix, name, join(patterns, ", ")));
    }
    bad_query(fmt::format("{}Additional properties are not allowed ('{}' was unexpected)", prefix, name));
}

bool is_suffix(std::string_view text, bool verbose) {
    if (text.empty()) return true;
    if (!verbose) {
        if (text[0] == '0') return false;
        return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    }
    return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
           });
}

struct Key {
    std::string_view name;  // "" where it is no key of a group
    std::string suffix;
};

Key key_of(const Call& call, const std::string& parameter) {
    for (const std::string_view name : group_keys) {
        if (!parameter.starts_with(name)) continue;
        const std::string suffix = parameter.substr(name.size());
        if (!is_suffix(suffix, call.at_least(1, 33)) || (!suffix.empty() && !call.at_least(1, 25))) continue;
        if (name == "required" && !call.at_least(1, 17)) continue;
        if (name == "member_of" && !call.at_least(1, 21)) continue;
        if (name == "in_tree" && !call.at_least(1, 31)) continue;
        return {name, suffix};
    }
    return {};
}

void add_to_group(const Call& call, const Key& key, const std::string& value, Group& group) {
    if (key.name == "resources") {
        group.resources = parse_resources(value);
    } else if (key.name == "required") {
        TraitFilter traits = parse_required(call, key.suffix);
        group.required = std::move(traits.required);
        group.forbidden = std::move(traits.forbidden);
    } else if (key.name == "member_of") {
        AggregateFilter aggregates = parse_member_of(call, key.suffix);
        group.member_of = std::move(aggregates.required);
        group.forbidden_aggregates = std::move(aggregates.forbidden);
    } else {
        const std::string uuid(trim(value));
        if (!is_uuid_like(uuid))
            bad_query(fmt::format("Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: {}", value));
        group.in_tree = canonical_uuid(uuid);
    }
}

void parse_root_required(const Call& call, CandidateRequest& request) {
    const auto values = call.query.all("root_required");
    if (values.empty()) return;
    if (values.size() > 1) bad_query("Query parameter 'root_required' may be specified only once.", duplicate_parameter);
    const TraitFilter traits = parse_required_value(values[0], true, false);
    for (const Names& one : traits.required) request.root_required.insert(one.begin(), one.end());
    request.root_forbidden = traits.forbidden;
    for (const std::string& trait : request.root_forbidden)
        if (request.root_required.contains(trait))
            bad_query("Conflicting required and forbidden traits found in root_required: " + trait, bad_parameter);
}

void parse_wide(const Call& call, const std::string& name, const std::string& value, CandidateRequest& request) {
    if (name == "limit" && call.at_least(1, 16)) {
        const auto limit = parse_integer(value);
        if (!limit || *limit < 1 || value[0] == '0' || value[0] == '+')
            bad_query(fmt::format("Invalid query string parameters: '{}' does not match '^[1-9][0-9]*$'", value));
        if (!request.limit) request.limit = static_cast<std::size_t>(*limit);
    } else if (name == "group_policy" && call.at_least(1, 25)) {
        if (value != "none" && value != "isolate")
            bad_query(fmt::format("Invalid query string parameters: '{}' is not one of ['none', 'isolate']", value));
        request.isolate = call.query.all(name).front() == "isolate";  // the first, where there are several
    } else if (name == "same_subtree" && call.at_least(1, 36)) {
        Names suffixes;
        for (const std::string& part : split(value, ',')) suffixes.emplace(trim(part));
        if (suffixes.contains("")) bad_query("Empty string (unsuffixed group) can not be specified in `same_subtree` ", bad_parameter);
        request.same_subtrees.push_back(std::move(suffixes));
    } else if (name != "root_required" || !call.at_least(1, 35)) {
        unexpected(call, name);
    }
}

std::string listed(const std::vector<std::string>& suffixes) {
    std::string text;
    for (const std::string& suffix : suffixes) text += fmt::format("{}'{}'", text.empty() ? "" : ", ", suffix);
    return "[" + text + "]";
}

// From 1.36 on a group of a same_subtree may go without resources.
void check_subtrees(const CandidateRequest& request) {
    Names in_subtrees;
    for (const Names& suffixes : request.same_subtrees) in_subtrees.insert(suffixes.begin(), suffixes.end());
    std::vector<std::string> lone, unknown, all;
    std::size_t resourceless = 0;
    for (const auto& [suffix, group] : request.groups) {
        all.push_back(suffix);
        if (!group.resources.empty()) continue;
        ++resourceless;
        if (!in_subtrees.contains(suffix)) lone.push_back(suffix);
    }
    for (const std::string& suffix : in_subtrees)
        if (!request.groups.contains(suffix)) unknown.push_back(suffix);
    if (resourceless == request.groups.size()) bad_query("There must be at least one resources or resources[$S] parameter.", missing_parameter);
    if (!lone.empty())
        bad_query("Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - " + listed(lone) + ".",
                  bad_parameter);
    if (!unknown.empty())
        bad_query("Real suffixes should be specified in `same_subtree`: " + listed(unknown) + " not found in " + listed(all) + ".", bad_parameter);
}

void check_orphans(const CandidateRequest& request) {
    std::vector<std::string> traits, aggregates;
    bool empty_group = false;
    for (const auto& [suffix, group] : request.groups) {
        if (!group.resources.empty()) continue;
        empty_group = true;
        if (!group.required.empty()) traits.push_back("required" + suffix);
        if (!group.member_of.empty() || !group.forbidden_aggregates.empty()) aggregates.push_back("member_of" + suffix);
    }
    if (!traits.empty())
        bad_query("All traits parameters must be associated with resources.  Found the following orphaned traits keys: " + join(traits, ", "));
    if (!aggregates.empty())
        bad_query("All member_of parameters must be associated with resources. Found the following orphaned member_of keys: " +
                  join(aggregates, ", "));
    if (empty_group) bad_query("All request groups must specify resources.");
    if (request.groups.empty()) bad_query("At least one request group (`resources` or `resources{$S}`) is required.");
}

void check_conflicts(const CandidateRequest& request) {
    std::vector<std::string> conflicts;
    for (const auto& [suffix, group] : request.groups)
        for (const Names& any : group.required)
            if (std::all_of(any.begin(), any.end(), [&forbidden = group.forbidden](const std::string& trait) { return forbidden.contains(trait); }))
                conflicts.push_back(fmt::format("required{}: ({})", suffix, join({any.begin(), any.end()}, ", ")));
    if (!conflicts.empty()) bad_query("Conflicting required and forbidden traits found in the following traits keys: " + join(conflicts, ", "));
}

}  // namespace

CandidateRequest parse_candidate_request(const Call& call) {
    CandidateRequest request;
    request.nested_aware = call.at_least(1, 29);
    for (const auto& [name, value] : call.query.items())
        if (key_of(call, name).name.empty()) parse_wide(call, name, value, request);
    if (!call.at_least(1, 25) && !call.query.has("resources")) bad_query("Invalid query string parameters: 'resources' is a required property");
    if (call.at_least(1, 35)) parse_root_required(call, request);
    for (const auto& [name, value] : call.query.items()) {
        const Key key = key_of(call, name);
        if (key.name.empty()) continue;
        Group& group = request.groups[key.suffix];
        group.same_provider = !key.suffix.empty();
        add_to_group(call, key, value, group);
    }
    if (call.at_least(1, 36)) check_subtrees(request);
    else check_orphans(request);
    if (call.at_least(1, 22)) check_conflicts(request);
    const auto granular = std::count_if(request.groups.begin(), request.groups.end(), [](const auto& group) { return group.second.same_provider; });
    if (granular > 1 && !call.query.has("group_policy"))
        bad_query("The \"group_policy\" parameter is required when specifying more than one \"resources{N}\" parameter.");
    return request;
}

}  // namespace pilvi::placement
