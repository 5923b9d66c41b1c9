-- Users and groups that live in a directory server: who of it a row of users (kind 'ldap') or user_groups is. public_id is the original's: the SHA-256
-- of domain, kind and local id. The rows are copies, renewed whenever the directory is asked.
CREATE TABLE id_mapping (
    public_id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    local_id TEXT NOT NULL,
    entity_type TEXT NOT NULL
);
CREATE UNIQUE INDEX id_mapping_local ON id_mapping (domain_id, entity_type, local_id);
