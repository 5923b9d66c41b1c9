#include "app.h"

#include <filesystem>

#include "pilvi_identity_schema.h"
#include "resources/common.h"

namespace pilvi::identity {

namespace {

constexpr Setting table[] = {
    {"listen.port", SettingKind::integer, "5000", "TCP port; 0 picks a free one and prints it.", 0, 65535},
    {"database.url", SettingKind::text, "sqlite:/var/lib/pilvi/identity/identity.sqlite",
     "sqlite:FILE, or postgresql://USER:PASSWORD@HOST/DATABASE."},
    {"fernet.directory", SettingKind::text, "/var/lib/pilvi/identity/fernet-keys",
     "Key repository: files 0, 1, 2, ...; the highest number encrypts."},
    {"credential.directory", SettingKind::text, "",
     "Key repository that seals stored credentials, whose keys stay; credential-keys beside fernet.directory where it is empty."},
    {"fernet.max_active_keys", SettingKind::integer, "3", "Keys left after a rotation, the staged one included.", 3, 1000},
    {"token.lifetime", SettingKind::seconds, "3600", "How long a token is valid, in seconds.", 10, 604'800},
    {"receipt.lifetime", SettingKind::seconds, "300", "How long a login by several factors may take, in seconds.", 10, 86'400},
    {"token.expired_window", SettingKind::seconds, "172800", "How long after its end a service may still validate a token (?allow_expired).", 0,
     2'592'000},
    {"password.operations", SettingKind::integer, "5", "Passes of argon2id over its memory.", 1, 1000},
    {"password.memory_kib", SettingKind::integer, "7168", "Memory of one argon2id hash in KiB, held only while a password is checked.", 8, 1'048'576},
    {"password.at_once", SettingKind::integer, "2", "Passwords checked at the same time; other logins wait.", 1, 64},
    {"policy.file", SettingKind::text, "", "YAML file of policy rules that replace the defaults."},
};

constexpr api::PolicyRule rules[] = {
    {"admin_required", "role:admin"},
    {"service_role", "role:service"},
    {"token_subject", "user_id:%(target.token.user_id)s"},
    {"identity:check_token", "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject"},
    {"identity:validate_token", "rule:admin_required or (role:reader and system_scope:all) or rule:service_role or rule:token_subject"},
    {"identity:revoke_token", "rule:admin_required or rule:token_subject"},
};

}  // namespace

const std::span<const Setting> settings = table;

std::unique_ptr<Store> open_store(const Config& config) { return Store::open(config.text("database.url"), migrations()); }

PasswordCost password_cost(const Config& config) {
    return {.operations = static_cast<unsigned long long>(config.integer("password.operations")),
            .memory = static_cast<std::size_t>(config.integer("password.memory_kib")) * 1024,
            .at_once = static_cast<unsigned>(config.integer("password.at_once"))};
}

std::string credential_directory(const Config& config) {
    const std::string given = config.text("credential.directory");
    return given.empty() ? std::filesystem::path(config.text("fernet.directory")).parent_path() / "credential-keys" : std::filesystem::path(given);
}

TokenSettings token_settings(const Config& config) {
    TokenSettings out;
    out.lifetime = config.seconds("token.lifetime").count() * 1000;
    out.expired_window = config.seconds("token.expired_window").count() * 1000;
    return out;
}

std::string App::seal(std::string_view text) const { return fernet_seal(credential_keys.keys()->front(), tokens.now() / 1'000'000, text); }

std::string App::unseal(std::string_view sealed) const {
    constexpr std::size_t longest = 131'072;
    const auto opened = fernet_open(*credential_keys.keys(), sealed, longest);
    if (!opened) throw Error(Errc::internal, "a secret was sealed with a key that is no longer in the credential key repository");
    return opened->text;
}

api::ServiceSpec service_spec() {
    return {
        .style = {.dialect = api::Dialect::identity,
                  .service_type = "identity",
                  .unknown = api::Unknown::keep,
                  .token_before_route = false,
                  .page_limit = 0,
                  .strict_sort = false,
                  .update_method = "PATCH"},
        .resources = {&domain_resource, &project_resource, &user_resource, &group_resource, &role_resource, &region_resource, &service_resource,
                      &endpoint_resource, &credential_resource, &consumer_resource, &identity_provider_resource, &protocol_resource,
                      &mapping_resource, &service_provider_resource},
        .routes = {version_routes(), auth_routes(), project_tag_routes(), user_routes(), group_routes(), grant_routes(), assignment_routes(),
                   implied_role_routes(), region_routes(), application_credential_routes(), credential_routes(), revocation_routes(), trust_routes(),
                   oauth_routes(), ec2_token_routes()},
        .rules = {rules, trust_rules()},
    };
}

}  // namespace pilvi::identity
