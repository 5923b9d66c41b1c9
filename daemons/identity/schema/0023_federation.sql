-- Federation. Users of an identity provider are rows of users with kind 'federated': their names are what the provider shows and need not be unique,
-- nobody logs in by them.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'local';
DROP INDEX users_name;
CREATE UNIQUE INDEX users_name ON users (domain_id, name) WHERE kind <> 'federated';
CREATE INDEX users_any_name ON users (domain_id, name);

-- authorization_ttl: minutes for which groups that a mapping gave are kept after a login; NULL or 0: they are the token's only.
CREATE TABLE identity_providers (
    id TEXT PRIMARY KEY,
    enabled BIGINT NOT NULL,
    description TEXT,
    domain_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    authorization_ttl BIGINT
);

CREATE TABLE identity_provider_remote_ids (
    remote_id TEXT PRIMARY KEY,
    idp_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE
);
CREATE INDEX identity_provider_remote_ids_idp ON identity_provider_remote_ids (idp_id);

-- mapping_id is no reference: as in the original a mapping may be removed and made anew.
CREATE TABLE federation_protocols (
    id TEXT NOT NULL,
    idp_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    mapping_id TEXT NOT NULL,
    remote_id_attribute TEXT,
    PRIMARY KEY (idp_id, id)
);

-- rules: JSON array.
CREATE TABLE federation_mappings (
    id TEXT PRIMARY KEY,
    rules TEXT NOT NULL
);

CREATE TABLE service_providers (
    id TEXT PRIMARY KEY,
    enabled BIGINT NOT NULL,
    description TEXT,
    auth_url TEXT NOT NULL,
    sp_url TEXT NOT NULL,
    relay_state_prefix TEXT
);

-- Who of an identity provider a user here is.
CREATE TABLE federated_users (
    idp_id TEXT NOT NULL,
    protocol_id TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    display_name TEXT,
    PRIMARY KEY (idp_id, protocol_id, unique_id),
    FOREIGN KEY (idp_id, protocol_id) REFERENCES federation_protocols (idp_id, id) ON DELETE CASCADE
);
CREATE INDEX federated_users_user ON federated_users (user_id);

CREATE TABLE expiring_group_members (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    idp_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    last_verified BIGINT NOT NULL,
    PRIMARY KEY (user_id, group_id, idp_id)
);
CREATE INDEX expiring_group_members_group ON expiring_group_members (group_id);
