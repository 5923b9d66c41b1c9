// /v3/ec2tokens and /v3/s3tokens: a service hands on how an EC2 or S3 client signed its request, and gets that client's token.
#include "auth/delegation.h"
#include "auth/login.h"
#include "domain/aws_signature.h"
#include "domain/digest.h"
#include "resources/common.h"

namespace pilvi::identity {

using namespace api;

namespace {

constexpr Micros request_life = 900'000'000;  // the original's auth_ttl

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::unauthenticated, why); }

struct Ec2Credential {
    std::string user_id, project_id;
    json::object blob;  // access, secret; trust_id, app_cred_id or access_token_id where it acts for one of these
};

// "credentials", "credential" and "ec2Credentials" are all in use.
json::object signed_part(const json::value& body) {
    if (!body.is_object() || body.get_object().empty()) throw Error(Errc::bad_request, "request must include a request body");
    for (const char* name : {"credentials", "credential", "ec2Credentials"})
        if (const json::object& found = object_or_empty(body.get_object(), name); !found.empty()) return found;
    return {};
}

Ec2Credential need_credential(Call& call, const std::string& access) {
    const std::string id = sha256_hex(access);
    const auto row =
        call.store().read([&](Tx& tx) { return tx.one("SELECT user_id, project_id, blob FROM credentials WHERE id = ? AND type = 'ec2'", {id}); });
    if (!row) throw Error(Errc::not_found, "Could not find credential: " + id + ".");
    const json::value blob = parse_json(app(call).unseal(row->at(2).text()));
    if (!blob.is_object()) refuse("EC2 access key not found.");
    return {row->at(0).text(), row->at(1).text(), blob.as_object()};
}

void refuse_old(const json::object& request, Micros now) {
    const auto at = aws_timestamp(request);
    if (!at) return;  // what was signed without a time has none on purpose
    if (*at == 0) refuse("Credential timestamp is invalid");
    if (now > *at + request_life) refuse("Credential is expired");
}

// Whom the token is for. What the blob refers to must be the credential's owner's own: a blob is the user's text.
Payload payload_of(Call& call, const Ec2Credential& credential) {
    Payload p{.user_id = credential.user_id, .methods = Method::ec2credential, .scope = Scope::project, .scope_id = credential.project_id};
    p.trust_id = string_or(credential.blob, "trust_id");
    p.application_credential_id = string_or(credential.blob, "app_cred_id");
    p.access_token_id = string_or(credential.blob, "access_token_id");
    call.store().read([&](Tx& tx) {
        if (!p.trust_id.empty()) {
            const auto trust = find_trust(tx, p.trust_id);
            const Micros now = app(call).tokens.now();
            if (!trust || trust->ended(now) || trust->used_up()) throw Error(Errc::not_found, "Could not find trust: " + p.trust_id + ".");
            if (credential.user_id != (trust->impersonation ? trust->trustor_user_id : trust->trustee_user_id)) refuse_login();
            p.user_id = trust->trustee_user_id;
        } else if (!p.application_credential_id.empty()) {
            const auto row = tx.one("SELECT project_id, user_id FROM application_credentials WHERE id = ?", {p.application_credential_id});
            if (!row || row->at(1).text() != p.user_id)
                throw Error(Errc::not_found, "Could not find Application Credential: " + p.application_credential_id + ".");
            if (row->at(0).text() != p.scope_id) refuse("EC2 credential project does not match the application credential project.");
        } else if (!p.access_token_id.empty()) {
            const auto token = find_access_token(tx, p.access_token_id);
            if (!token || token->user_id != p.user_id) throw Error(Errc::not_found, "Access token not found");
            if (token->project_id != p.scope_id) refuse("EC2 credential project does not match the OAuth1 access token project.");
        }
    });
    return p;
}

Tokens::Issued log_in_signed(Call& call, bool (*holds)(const json::object&, std::string_view), const std::string& mismatch) {
    const json::object request = signed_part(call.raw);
    const std::string access = string_or(request, "access");
    if (access.empty()) refuse("EC2 Signature not supplied");
    const Ec2Credential credential = need_credential(call, access);
    if (!holds(request, string_or(credential.blob, "secret"))) refuse(mismatch);
    refuse_old(request, app(call).tokens.now());
    auto issued = app(call).tokens.issue(payload_of(call, credential));
    if (!issued) refuse_login();
    return std::move(*issued);
}

Reply answer(const Tokens::Issued& issued) {
    Reply reply;
    reply.text = issued.token->body(true);
    reply.headers.set("Content-Type", "application/json");
    return reply;
}

Reply ec2(Call& call) {
    const Tokens::Issued issued = log_in_signed(call, &ec2_signature_holds, "Invalid EC2 signature.");
    Reply reply = answer(issued);
    reply.headers.set("X-Subject-Token", issued.text);
    return reply;
}

// Without the token itself: the service has its own, and needs to know only who it is.
Reply s3(Call& call) { return answer(log_in_signed(call, &s3_signature_holds, "Credential signature mismatch")); }

constexpr std::string_view service_or_admin = "rule:admin_required or rule:service_role";

constexpr Route routes[] = {
    {.method = "POST",
     .path = "/v3/ec2tokens",
     .policy = "identity:ec2tokens_validate",
     .check = service_or_admin,
     .handler = &ec2,
     .any_body = true},
    {.method = "POST",
     .path = "/v2.0/ec2tokens",
     .policy = "identity:ec2tokens_validate",
     .check = service_or_admin,
     .handler = &ec2,
     .any_body = true},
    {.method = "POST", .path = "/v3/s3tokens", .policy = "identity:s3tokens_validate", .check = service_or_admin, .handler = &s3, .any_body = true},
};
static_assert(sound(routes));

}  // namespace

std::span<const Route> ec2_token_routes() { return routes; }

}  // namespace pilvi::identity
