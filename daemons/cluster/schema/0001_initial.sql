-- The authorities that ever issued for this cluster, the newest last. Key and certificate are PEM; crosses: what older ones said of this one, PEM.
CREATE TABLE authorities (
  number BIGINT PRIMARY KEY,
  certificate TEXT NOT NULL,
  private_key TEXT NOT NULL,
  crosses TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

-- removed_at: its certificates are revoked; the name may come again as another node.
CREATE TABLE nodes (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  roles TEXT NOT NULL,
  joined_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  certified_until BIGINT NOT NULL,
  removed_at BIGINT
);
CREATE UNIQUE INDEX nodes_by_name ON nodes (name) WHERE removed_at IS NULL;

CREATE TABLE certificates (
  serial TEXT PRIMARY KEY,
  authority BIGINT NOT NULL REFERENCES authorities (number),
  node_id TEXT NOT NULL REFERENCES nodes (id),
  issued_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  revoked_at BIGINT
);
CREATE INDEX certificates_of_node ON certificates (node_id);

-- used_by: the key that the token was used with; it may be used again with that key alone, for a join whose answer was lost.
CREATE TABLE tokens (
  hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  roles TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  used_by TEXT,
  node_id TEXT
);
