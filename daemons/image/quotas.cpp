#include "quotas.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "image.h"

namespace pilvi::image {
namespace {
constexpr std::array quota_names{"image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"};
constexpr Micros keep_for = 5'000'000;
constexpr std::size_t most_kept = 10'000;

// Usage of project ? as SQL.
constexpr std::array usage_queries{
    "SELECT CAST(COALESCE(SUM(t.size * (SELECT COUNT(*) FROM image_locations l WHERE l.image_id = t.id)), 0) AS BIGINT) / 1048576 FROM images t "
    "WHERE t.owner = ?",
    "SELECT CAST(COALESCE(SUM(t.size), 0) AS BIGINT) / 1048576 FROM images t WHERE t.owner = ? AND t.status IN ('uploading', 'importing')",
    "SELECT COUNT(*) FROM images t WHERE t.owner = ?",
    "SELECT COUNT(*) FROM images t WHERE t.owner = ? AND t.status IN ('saving', 'uploading', 'importing')",
};

std::size_t index_of(Quota quota) { return static_cast<std::size_t>(quota); }

std::int64_t limit_of(const QuotaLimits& limits, std::string_view name) {
    const auto found = limits.find(name);
    return found == limits.end() ? 0 : found->second;
}
}  // namespace

IdentityLimits::IdentityLimits(Session& session, std::string identity_url) : session_(session), url_(std::move(identity_url)) {}

QuotaLimits IdentityLimits::limits(const std::string& project_id) {
    const Micros now = now_micros();
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = kept_.find(project_id); found != kept_.end() && found->second.until > now) return found->second.limits;
    }
    QuotaLimits fresh = ask(project_id);
    const std::lock_guard lock(mutex_);
    if (kept_.size() >= most_kept) kept_.clear();
    kept_[project_id] = {fresh, now + keep_for};
    return fresh;
}

QuotaLimits IdentityLimits::ask(const std::string& project_id) {
    const json::value services = session_.call("GET", url_ + "/services?type=image");
    const json::array& found = array_or_empty(services.as_object(), "services");
    if (found.empty()) throw Error(Errc::unavailable, "the catalogue has no image service, whose limits are asked for");
    const std::string of_service = "?service_id=" + percent_encode(string_or(found.front().as_object(), "id"));
    QuotaLimits out;
    const json::value registered = session_.call("GET", url_ + "/registered_limits" + of_service);
    for (const json::value& one : array_or_empty(registered.as_object(), "registered_limits"))
        out[string_or(one.as_object(), "resource_name")] = integer_or(one.as_object(), "default_limit");
    const json::value own = session_.call("GET", url_ + "/limits" + of_service + "&project_id=" + percent_encode(project_id));
    for (const json::value& one : array_or_empty(own.as_object(), "limits"))
        out[string_or(one.as_object(), "resource_name")] = integer_or(one.as_object(), "resource_limit");
    return out;
}

std::int64_t quota_usage(Tx& tx, const std::string& project_id, Quota quota) {
    return tx.scalar(usage_queries[index_of(quota)], {project_id}).integer();
}

void enforce_quota(const api::Call& call, Quota quota, std::int64_t delta) {
    LimitSource* source = call.app<App>().limits;
    if (!source) return;
    const std::string& project = call.who.project_id;
    const std::string name = quota_names[index_of(quota)];
    const std::int64_t limit = limit_of(source->limits(project), name);
    const std::int64_t used = call.store().read([&](Tx& tx) { return quota_usage(tx, project, quota); });
    if (limit < 0 || used + delta <= limit) return;
    throw Error(Errc::over_quota, "Project " + project + " is over a limit for [Resource " + name + " is over limit of " + std::to_string(limit) +
                                      " due to current usage " + std::to_string(used) + " and delta " + std::to_string(delta) + "]");
}

json::object usage_document(const api::Call& call) {
    json::object out;
    LimitSource* source = call.app<App>().limits;
    if (!source) return out;
    const QuotaLimits limits = source->limits(call.who.project_id);
    call.store().read([&](Tx& tx) {
        for (std::size_t i = 0; i < quota_names.size(); ++i)
            out[quota_names[i]] = {{"usage", quota_usage(tx, call.who.project_id, static_cast<Quota>(i))},
                                   {"limit", limit_of(limits, quota_names[i])}};
    });
    return out;
}

}  // namespace pilvi::image
