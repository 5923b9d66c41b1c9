-- Policies as other services may store them, and which endpoints they are for: one endpoint, all of a service, or those of a service in a region and
-- the regions below it. One policy for each of these.
CREATE TABLE policies (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    blob TEXT NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE policy_associations (
    id TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    endpoint_id TEXT REFERENCES endpoints (id) ON DELETE CASCADE,
    service_id TEXT REFERENCES services (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES regions (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX policy_associations_target
    ON policy_associations (COALESCE(endpoint_id, ''), COALESCE(service_id, ''), COALESCE(region_id, ''));
CREATE INDEX policy_associations_policy ON policy_associations (policy_id);

-- Endpoint filters: a project that has any sees only these in its catalogue. `filters` of a group: a JSON object of service_id, region_id, interface.
CREATE TABLE endpoint_groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    filters TEXT NOT NULL
);

CREATE TABLE project_endpoints (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX project_endpoints_endpoint ON project_endpoints (endpoint_id);

CREATE TABLE project_endpoint_groups (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_group_id TEXT NOT NULL REFERENCES endpoint_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX project_endpoint_groups_group ON project_endpoint_groups (endpoint_group_id);

-- Limits: the default of a resource, and what one project or domain has instead. service_id, region_id and resource_name of a limit are those of its
-- registered limit, which does not change while a limit refers to it.
CREATE TABLE registered_limits (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES regions (id) ON DELETE CASCADE,
    resource_name TEXT NOT NULL,
    default_limit BIGINT NOT NULL,
    description TEXT
);
CREATE UNIQUE INDEX registered_limits_resource ON registered_limits (service_id, COALESCE(region_id, ''), resource_name);

CREATE TABLE limits (
    id TEXT PRIMARY KEY,
    registered_limit_id TEXT NOT NULL REFERENCES registered_limits (id) ON DELETE CASCADE,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    domain_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    service_id TEXT NOT NULL,
    region_id TEXT,
    resource_name TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    description TEXT
);
CREATE UNIQUE INDEX limits_owner ON limits (registered_limit_id, COALESCE(project_id, ''), COALESCE(domain_id, ''));
CREATE INDEX limits_project ON limits (project_id);
CREATE INDEX limits_domain ON limits (domain_id);

-- Settings of one domain. value: JSON; of a sensitive one (a password) a JSON text that is sealed with the credential key repository.
CREATE TABLE domain_options (
    domain_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL,
    option_name TEXT NOT NULL,
    value TEXT NOT NULL,
    sensitive BIGINT NOT NULL,
    PRIMARY KEY (domain_id, group_name, option_name)
);
