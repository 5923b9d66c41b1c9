-- The processes of this service on this database, each with the revision that all of its listeners have heard of. `beat` rises while a process is
-- alive and has company.
CREATE TABLE processes (
    id TEXT PRIMARY KEY,
    heard BIGINT NOT NULL,
    beat BIGINT NOT NULL
);
