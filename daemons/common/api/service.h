#pragma once
// A service: its style (how it differs from the others is data), its tables, and the pipeline that runs a request:
// request id -> route -> microversion -> token -> body -> policy -> handler -> envelope; PolicyTurn says what a service does instead.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/policy.h"
#include "api/resource.h"
#include "metrics/metrics.h"

namespace pilvi::api {

enum class Dialect : std::uint8_t { identity, image, placement, compute, network };  // error envelopes and messages

enum class Unknown : std::uint8_t { refuse, keep, ignore };  // members of a body that no field names

// When a caller's right is decided, and so who may learn what is wrong with a body: whoever has a token; only who has the right, but of a body that is
// no JSON everybody; only who has the right (of a Route; what a Resource's rule is about may need the body).
enum class PolicyTurn : std::uint8_t { after_body, after_syntax, before_body };

struct ServiceStyle {
    Dialect dialect;
    std::string_view service_type;  // "compute"
    Unknown unknown = Unknown::refuse;
    bool wrapped = true;             // {"network": {...}} against the bare object (image, placement)
    bool coerce = false;             // "5" for 5, "true" for true (neutron's convert_to)
    bool trailing_slash = true;      // "/v2/images/" is "/v2/images"; otherwise it is no path of ours
    bool token_before_route = true;  // 401 comes before 404
    PolicyTurn policy_turn = PolicyTurn::after_body;
    Version version_least = {};  // microversions; {} = none
    Version version_most = {};
    Version version_fallback = {};  // where no header says
    // "/v2.1": where the operations are. A project's id may follow it (".../<project_id>/servers"); it must be the caller's.
    std::string_view base_path = {};
    std::string_view legacy_path = {};     // "/v2": the same operations as they were before microversions: none asked or answered, Unknown::ignore
    std::string_view version_header = {};  // legacy header beside OpenStack-API-Version ("X-OpenStack-Nova-API-Version")
    std::int64_t page_limit = 1000;        // default and greatest number of rows of one answer; 0 = unlimited
    bool strict_sort = true;               // an unknown sort key is 400
    std::string_view update_method = "PUT";
};

struct QuotaLimit {
    std::string_view name;
    std::int64_t fallback;  // -1 = unlimited
};

// A rule that policy files may still call by an earlier name.
struct RenamedPolicy {
    std::string_view old_name, name;
};

struct ServiceSpec {
    ServiceStyle style;
    std::vector<const Resource*> resources;
    std::vector<std::span<const Route>> routes;
    std::vector<std::span<const PolicyRule>> rules;  // named rules beside those of operations ("admin_or_owner")
    std::span<const QuotaLimit> quotas = {};         // rows of table quotas(project_id TEXT, resource TEXT, hard_limit BIGINT) override
    std::span<const RenamedPolicy> renamed_policies = {};
};

// Every rule that the tables declare, with its default check and scopes.
Policy default_policy(const ServiceSpec& spec);

class Service final : public http::Handler {
public:
    Service(ServiceSpec spec, Store& store, Authenticator& authenticator, metrics::Registry& metrics, void* app);
    ~Service() override;
    http::BodyPolicy body_policy(const http::RequestHead& head) override;
    http::Response handle(http::Request& request) override;
    http::Response refuse(int status, std::string_view reason) override;

    Policy& policy() { return policy_; }
    const Policy& policy() const { return policy_; }
    const ServiceSpec& spec() const { return spec_; }
    const ServiceStyle& style() const { return spec_.style; }
    Store& store() const { return store_; }
    void* app() const { return app_; }
    // Resource by name ("network"); nullptr where there is none.
    const Resource* resource(std::string_view name) const;
    // What the caller's project may have of `name`, from the table quotas or the default. -1: unlimited.
    std::int64_t quota_limit(Tx& tx, std::string_view project_id, std::string_view name) const;
    // Throws the dialect's over-quota error where `used` + `wanted` is above the limit.
    void check_quota(Tx& tx, std::string_view project_id, std::string_view name, std::int64_t used, std::int64_t wanted) const;
    // Every operation, for generated docs and conformance cases: "METHOD path rule".
    std::vector<std::string> operations() const;

private:
    struct Impl;
    ServiceSpec spec_;
    Store& store_;
    Policy policy_;
    void* app_;
    std::unique_ptr<Impl> impl_;
};

// The dialect's error for an object that is not there, in its words.
Error not_found(Dialect dialect, const Resource& resource, std::string_view id);
// The one place where an Error becomes a response. `version`: the microversion of the request, {} where it was not understood.
http::Response error_response(const ServiceStyle& style, const Error& error, std::string_view request_id, Version version = {});

}  // namespace pilvi::api
