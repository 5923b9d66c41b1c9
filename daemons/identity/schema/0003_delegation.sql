-- Delegation: trusts and OAuth1. `roles` and `role_ids` are JSON arrays of role ids. Users may live in another directory than this database, so
-- nothing here refers to the table users; removing a user or project removes its rows.
CREATE TABLE trusts (
    id TEXT PRIMARY KEY,
    trustor_user_id TEXT NOT NULL,
    trustee_user_id TEXT NOT NULL,
    project_id TEXT,
    impersonation BIGINT NOT NULL,
    expires_at BIGINT,
    remaining_uses BIGINT,
    redelegated_trust_id TEXT,
    redelegation_count BIGINT NOT NULL,
    roles TEXT NOT NULL,
    deleted_at BIGINT,
    extra TEXT NOT NULL
);
CREATE INDEX trusts_trustor ON trusts (trustor_user_id);
CREATE INDEX trusts_trustee ON trusts (trustee_user_id);
CREATE INDEX trusts_project ON trusts (project_id);
CREATE INDEX trusts_redelegated ON trusts (redelegated_trust_id);

-- Secrets are sealed with the credential key repository.
CREATE TABLE oauth_consumers (
    id TEXT PRIMARY KEY,
    description TEXT,
    secret TEXT NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE oauth_request_tokens (
    id TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    verifier TEXT,
    authorizing_user_id TEXT,
    requested_project_id TEXT NOT NULL,
    role_ids TEXT,
    consumer_id TEXT NOT NULL REFERENCES oauth_consumers (id) ON DELETE CASCADE,
    expires_at BIGINT
);

CREATE TABLE oauth_access_tokens (
    id TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    authorizing_user_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    role_ids TEXT NOT NULL,
    consumer_id TEXT NOT NULL REFERENCES oauth_consumers (id) ON DELETE CASCADE,
    expires_at BIGINT
);
CREATE INDEX oauth_access_tokens_user ON oauth_access_tokens (authorizing_user_id);

-- What GET /v3/OS-REVOKE/events lists, for as long as a token of before could live. `event`: JSON as it is shown.
CREATE TABLE revocation_events (
    id TEXT PRIMARY KEY,
    revoked_at BIGINT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX revocation_events_time ON revocation_events (revoked_at);
