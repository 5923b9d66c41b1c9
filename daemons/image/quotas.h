#pragma once
// Unified limits: what a project may have of images, as registered limits and limits at the identity service say.
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "api/call.h"
#include "identity/identity.h"

namespace pilvi::image {

// The registered limits that bound images: image_size_total, image_stage_total (MiB), image_count_total, image_count_uploading.
enum class Quota : std::uint8_t { size_total, stage_total, count_total, count_uploading };
using QuotaLimits = std::map<std::string, std::int64_t, std::less<>>;  // by name; one that is missing is 0, as in the original's library

// The limits of a project. Throws Error(unavailable) where identity cannot be asked.
class LimitSource {
public:
    virtual ~LimitSource() = default;
    virtual QuotaLimits limits(const std::string& project_id) = 0;
};

// From the identity service, as the daemon's own user; kept for some seconds.
class IdentityLimits final : public LimitSource {
public:
    // The session's token is for the system: others see the limits of their own project only.
    IdentityLimits(Session& session, std::string identity_url);
    QuotaLimits limits(const std::string& project_id) override;

private:
    QuotaLimits ask(const std::string& project_id);
    struct Kept {
        QuotaLimits limits;
        Micros until = 0;
    };
    Session& session_;
    std::string url_;
    std::mutex mutex_;
    std::map<std::string, Kept, std::less<>> kept_;
};

std::int64_t quota_usage(Tx& tx, const std::string& project_id, Quota quota);
// Throws Error(over_quota) where usage + delta is above the caller's project's limit. Nothing where there is no source of limits. Asks identity: call it
// outside of transactions.
void enforce_quota(const api::Call& call, Quota quota, std::int64_t delta);
// GET /v2/info/usage: {name: {"usage": n, "limit": n}}.
json::object usage_document(const api::Call& call);

}  // namespace pilvi::image
