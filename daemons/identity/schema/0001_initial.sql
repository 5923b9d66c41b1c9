-- Identity v3. Booleans are 0 or 1, times are microseconds since the epoch, `extra` is a JSON object of members that the API does not know.

-- One row, one counter: every write of anything below raises it, so that caches know (also those of other processes).
CREATE TABLE revision (
    id BIGINT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO revision (id, value) VALUES (1, 1);

-- Domains are projects that act as one (is_domain = 1, no domain_id, no parent_id); a top-level project's parent is its domain.
-- valid_from: tokens that were issued before this second are no longer good for it (set when it is disabled).
CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT REFERENCES projects (id),
    parent_id TEXT REFERENCES projects (id),
    description TEXT,
    enabled BIGINT NOT NULL,
    is_domain BIGINT NOT NULL,
    options TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX projects_name ON projects (domain_id, name);
CREATE UNIQUE INDEX projects_domain_name ON projects (name) WHERE is_domain = 1;
CREATE INDEX projects_parent ON projects (parent_id);

CREATE TABLE project_tags (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (project_id, name)
);
CREATE INDEX project_tags_name ON project_tags (name);

-- password_hash: argon2id in libsodium's text form, NULL where the user has no password.
-- valid_from: as for projects (set when the password changes or the user is disabled).
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    enabled BIGINT NOT NULL,
    description TEXT,
    default_project_id TEXT,
    password_hash TEXT,
    password_expires_at BIGINT,
    valid_from BIGINT NOT NULL,
    options TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (domain_id, name);

CREATE TABLE user_groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    description TEXT,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX user_groups_name ON user_groups (domain_id, name);

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);

CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain_id TEXT REFERENCES projects (id),
    description TEXT,
    options TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (domain_id, name);
CREATE UNIQUE INDEX roles_global_name ON roles (name) WHERE domain_id IS NULL;

CREATE TABLE implied_roles (
    prior_role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    implied_role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_role_id, implied_role_id)
);

-- actor_type: user | group. target_type: project | domain | system (target_id "system"). inherited: holds below the target, not on it.
CREATE TABLE assignments (
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT NOT NULL,
    role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    inherited BIGINT NOT NULL,
    PRIMARY KEY (actor_id, target_id, role_id, inherited, actor_type, target_type)
);
CREATE INDEX assignments_target ON assignments (target_id);
CREATE INDEX assignments_role ON assignments (role_id);

CREATE TABLE regions (
    id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    parent_region_id TEXT REFERENCES regions (id),
    extra TEXT NOT NULL
);

CREATE TABLE services (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    name TEXT,
    description TEXT,
    enabled BIGINT NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    interface TEXT NOT NULL,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES regions (id),
    url TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX endpoints_service ON endpoints (service_id);

-- Tokens revoked one by one, by audit id, until they would have ended anyway.
CREATE TABLE revoked_tokens (
    audit_id TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_end ON revoked_tokens (expires_at);

-- roles: JSON array of role ids. access_rules: JSON array of access rule ids, NULL where everything is allowed.
CREATE TABLE application_credentials (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    secret_hash TEXT NOT NULL,
    expires_at BIGINT,
    unrestricted BIGINT NOT NULL,
    roles TEXT NOT NULL,
    access_rules TEXT
);
CREATE UNIQUE INDEX application_credentials_name ON application_credentials (user_id, name);

CREATE TABLE access_rules (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL
);
CREATE UNIQUE INDEX access_rules_rule ON access_rules (user_id, service, path, method);
