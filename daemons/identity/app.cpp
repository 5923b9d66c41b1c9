#include "app.h"

#include <filesystem>

#include "pilvi_identity_schema.h"
#include "resources/common.h"

namespace pilvi::identity {

namespace {

constexpr Setting table[] = {
    {"listen.port", SettingKind::integer, "5000", "TCP port; 0 picks a free one and prints it.", 0, 65535},
    {"listen.admin_port", SettingKind::integer, "0",
     "A second TCP port, 35357 for clients of the time when administrators had one of their own; 0: none. Where systemd hands over the sockets, its "
     "socket unit has it.",
     0, 65535},
    {"database.url", SettingKind::text, "sqlite:/var/lib/pilvi/identity/identity.sqlite",
     "sqlite:FILE, or postgresql://USER:PASSWORD@HOST/DATABASE."},
    {"fernet.directory", SettingKind::text, "/var/lib/pilvi/identity/fernet-keys",
     "Key repository: files 0, 1, 2, ...; the highest number encrypts."},
    {"credential.directory", SettingKind::text, "",
     "Key repository that seals stored credentials, whose keys stay; credential-keys beside fernet.directory where it is empty."},
    {"fernet.max_active_keys", SettingKind::integer, "3", "Keys left after a rotation, the staged one included.", 3, 1000},
    {"jws.directory", SettingKind::text, "/var/lib/pilvi/identity/jws-keys",
     "Key repository of JWS tokens: private/private.pem signs, public/*.pem verify (ES256)."},
    {"jws.max_active_keys", SettingKind::integer, "4", "Public keys left after a rotation, the staged one included.", 3, 1000},
    {"token.provider", SettingKind::text, "fernet", "What tokens are issued as: fernet or jws. Those of the other kind stay good."},
    {"token.lifetime", SettingKind::seconds, "3600", "How long a token is valid, in seconds.", 10, 604'800},
    {"receipt.lifetime", SettingKind::seconds, "300", "How long a login by several factors may take, in seconds.", 10, 86'400},
    {"token.expired_window", SettingKind::seconds, "172800", "How long after its end a service may still validate a token (?allow_expired).", 0,
     2'592'000},
    {"password.operations", SettingKind::integer, "5", "Passes of argon2id over its memory.", 1, 1000},
    {"password.memory_kib", SettingKind::integer, "7168", "Memory of one argon2id hash in KiB, held only while a password is checked.", 8, 1'048'576},
    {"password.at_once", SettingKind::integer, "2", "Passwords checked at the same time; other logins wait.", 1, 64},
    {"security_compliance.lockout_failure_attempts", SettingKind::integer, "0", "Wrong passwords until an account is locked; 0: never.", 0,
     1'000'000},
    {"security_compliance.lockout_duration", SettingKind::seconds, "1800",
     "How long an account is locked, in seconds; 0: until an administrator enables it again.", 0, 31'536'000},
    {"security_compliance.disable_user_account_days_inactive", SettingKind::integer, "0",
     "Days without a login until an account counts as disabled; 0: never.", 0, 36'500},
    {"security_compliance.password_expires_days", SettingKind::integer, "0", "Age in days at which a password ends; 0: never.", 0, 36'500},
    {"security_compliance.unique_last_password_count", SettingKind::integer, "0",
     "Passwords, the present one included, that a user may not choose again; 0: any.", 0, 100},
    {"security_compliance.minimum_password_age", SettingKind::integer, "0", "Days before a user may change a password that the user chose.", 0,
     36'500},
    {"security_compliance.password_regex", SettingKind::text, "", "Regular expression (ECMAScript) that a password has to match from its beginning."},
    {"security_compliance.password_regex_description", SettingKind::text, "", "What it asks for, in words for users."},
    {"security_compliance.change_password_upon_first_use", SettingKind::boolean, "false",
     "Whether a password that an administrator set must be changed before it can be used."},
    {"list.limit", SettingKind::integer, "0",
     "Most objects that a list answers with; where there are more, it says \"truncated\" and where to go on (?marker=). 0: all.", 0, 1'000'000},
    {"catalog.all_without_filter", SettingKind::boolean, "true", "Whether a project without endpoint filters sees every endpoint, or none."},
    {"limits.enforcement_model", SettingKind::text, "flat", "flat or strict_two_level: whether a domain's limit bounds those of its projects."},
    {"federation.listen", SettingKind::text, "",
     "The front door: unix:/PATH or 127.0.0.1:PORT for the web server that says who identity providers' users are; empty for none. A port needs the "
     "credential federation-secret."},
    {"federation.header_prefix", SettingKind::text, "X-Federation-",
     "Of headers that come in there and assert something; the web server must remove those that its clients send. PREFIXSecret holds the secret."},
    {"federation.remote_id_attribute", SettingKind::text, "",
     "Attribute that names the identity provider, for protocols that have none of their own."},
    {"federation.trusted_dashboards", SettingKind::list, "", "URLs that web single sign-on may send a token to, as they are in ?origin=."},
    {"ldap.domains", SettingKind::text, "/etc/pilvi/identity.d/domains",
     "Directory of files NAME.toml, each the directory server of the domain NAME; pilvi-identity ldap-defaults prints what they may say."},
    policy_settings[0],
    policy_settings[1],
};

constexpr api::PolicyRule rules[] = {
    {"admin_required", "role:admin"},
    {"service_role", "role:service"},
    {"token_subject", "user_id:%(target.token.user_id)s"},
    // The original's, for policy files that refer to them.
    {"owner", "user_id:%(user_id)s"},
    {"admin_or_owner", "rule:admin_required or rule:owner"},
    {"service_or_admin", "rule:admin_required or rule:service_role"},
    {"admin_or_token_subject", "rule:admin_required or rule:token_subject"},
    {"service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject"},
    {"identity:check_token", "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject"},
    {"identity:validate_token", "rule:admin_required or (role:reader and system_scope:all) or rule:service_role or rule:token_subject"},
    {"identity:list_role_assignments",
     "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)"},
    {"identity:list_role_assignments_for_tree",
     "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)"},
    {"identity:revoke_token", "rule:admin_required or rule:token_subject"},
    {"identity:check_implied_role", "rule:admin_required or (role:reader and system_scope:all)"},
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
    out.all_without_filter = config.boolean("catalog.all_without_filter");
    return out;
}

Options options_of(const Config& config) {
    const std::string model = config.text("limits.enforcement_model");
    if (model != "flat" && model != "strict_two_level")
        throw Error(Errc::bad_request, "limits.enforcement_model is flat or strict_two_level, not '" + model + "'");
    return {.strict_limits = model == "strict_two_level", .compliance = compliance_of(config)};
}

bool issues_jws(const Config& config) {
    const std::string provider = config.text("token.provider");
    if (provider != "fernet" && provider != "jws") throw Error(Errc::bad_request, "token.provider is fernet or jws, not '" + provider + "'");
    return provider == "jws";
}

void check_settings(const Config& config) {
    issues_jws(config);
    options_of(config);
    federation_settings(config, true);
    DirectoryDomains::check(config.text("ldap.domains"));
}

void App::reload_keys() {
    keys.reload();
    credential_keys.reload();
    jws_keys.reload();
    tokens.forget();
}

bool App::reload_changed_keys() {
    bool changed = keys.reload_if_changed();
    changed = credential_keys.reload_if_changed() || changed;
    changed = jws_keys.reload_if_changed() || changed;
    if (changed) tokens.forget();
    return changed;
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
                  .policy_turn = api::PolicyTurn::after_syntax,
                  .page_limit = 0,
                  .strict_sort = false,
                  .update_method = "PATCH"},
        .resources = {&domain_resource, &project_resource, &user_resource, &group_resource, &role_resource, &region_resource, &service_resource,
                      &endpoint_resource, &credential_resource, &consumer_resource, &identity_provider_resource, &protocol_resource,
                      &mapping_resource, &service_provider_resource, &policy_resource, &endpoint_group_resource, &registered_limit_resource,
                      &limit_resource},
        .routes = {version_routes(),
                   auth_routes(),
                   project_tag_routes(),
                   user_routes(),
                   group_routes(),
                   grant_routes(),
                   assignment_routes(),
                   implied_role_routes(),
                   federation_routes(),
                   region_routes(),
                   application_credential_routes(),
                   credential_routes(),
                   revocation_routes(),
                   trust_routes(),
                   oauth_routes(),
                   ec2_token_routes(),
                   v2_routes(),
                   endpoint_policy_routes(),
                   endpoint_filter_routes(),
                   limit_routes(),
                   domain_config_routes()},
        .rules = {rules, trust_rules()},
    };
}

}  // namespace pilvi::identity
