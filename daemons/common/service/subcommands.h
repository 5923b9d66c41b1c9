#pragma once
// The subcommands of the daemons that `pilvi` has too: both read and explain the same lines.
#include "service/arguments.h"

namespace pilvi::subcommands {

inline constexpr Argument bootstrap_arguments[] = {
    {"--admin-password-file", "FILE", "The password of the user admin; without it the credential admin-password"},
    {.name = "--service-password-file", .value = "USER=FILE", .help = "The password of a service's user; may be repeated", .repeated = true},
    {"--host", "HOST", "The host in the catalogue's URLs (127.0.0.1)"},
    {"--region", "NAME", "The catalogue's region (RegionOne)"},
    {.name = "--endpoint", .value = "TYPE=URL", .help = "A service's URL where it is not the one on the host; may be repeated", .repeated = true},
};
inline constexpr Argument mapping_test_arguments[] = {
    {.name = "--rules", .value = "FILE", .help = "The mapping, or the list of its rules, as JSON", .required = true},
    {.name = "--input", .value = "FILE", .help = "The assertion: lines NAME: VALUE", .required = true},
    {"--prefix", "TEXT", "Only names that begin with it count"},
};
inline constexpr Argument policy_check_arguments[] = {
    {.name = "OPERATION", .help = "A rule's name (identity:get_user), or a method (GET) that PATH follows", .required = true},
    {.name = "PATH", .help = "Of the request: /v3/users/1"},
    {"--user", "ID", "The caller"},
    {"--user-domain", "ID", "The caller's domain"},
    {"--project", "ID", "The project that the caller's token is for"},
    {"--domain", "ID", "The domain that it is for"},
    {"--system", "", "It is for the system"},
    {"--roles", "NAME,...", "The caller's roles"},
    {"--token-file", "FILE", "The body of GET /v3/auth/tokens instead of all these; - is standard input"},
    {.name = "--target",
     .value = "NAME=VALUE",
     .help = "A value of the target (target.user.id=1); may be repeated; without any, the caller's own",
     .repeated = true},
    {"--target-file", "FILE", "The target as JSON; - is standard input"},
};

inline constexpr Usage bootstrap{"bootstrap", "Makes or repairs administrator, service users and catalogue; may be run again at any time",
                                 bootstrap_arguments};
inline constexpr Usage fernet_setup{"fernet-setup", "Makes the keys of Fernet tokens where there are none"};
inline constexpr Usage fernet_rotate{"fernet-rotate", "A new key for Fernet tokens; those that were issued stay good"};
inline constexpr Usage jws_setup{"jws-setup", "Makes the keys of JWS tokens where there are none"};
inline constexpr Usage jws_rotate{"jws-rotate", "A new key for JWS tokens; those that were issued stay good"};
inline constexpr Usage credential_setup{"credential-setup", "Makes the keys that seal stored secrets where there are none"};
inline constexpr Usage credential_migrate{"credential-migrate", "Seals every stored secret with the newest key"};
inline constexpr Usage credential_rotate{"credential-rotate", "A new key for stored secrets, and seals all of them with it"};
inline constexpr Usage token_flush{"token-flush", "Says why there is nothing to flush"};
inline constexpr Usage mapping_test{"mapping-test", "What a federation mapping makes of an assertion", mapping_test_arguments};
inline constexpr Usage policy_check{"policy-check", "Explains a decision, rule by rule; ends with 0 where it is allowed, with 1 where not",
                                    policy_check_arguments};
inline constexpr Usage policy_list{"policy-list", "The default rules, as a policy.yaml of comments"};

// Those of pilvi-identity that take no argument.
inline constexpr Usage identity_keys[] = {fernet_setup,     fernet_rotate,      jws_setup,         jws_rotate,
                                          credential_setup, credential_migrate, credential_rotate, token_flush};

static_assert(documented(bootstrap) && documented(mapping_test) && documented(policy_check) && documented(policy_list));

}  // namespace pilvi::subcommands
