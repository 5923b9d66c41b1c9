CREATE TABLE networks (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  admin_state_up BIGINT NOT NULL,
  status TEXT NOT NULL,
  shared BIGINT NOT NULL,
  router_external BIGINT NOT NULL,
  is_default BIGINT NOT NULL,
  provider_network_type TEXT NOT NULL,
  provider_physical_network TEXT,
  provider_segmentation_id BIGINT,
  mtu BIGINT NOT NULL,
  port_security_enabled BIGINT NOT NULL,
  availability_zone_hints TEXT NOT NULL,
  dns_domain TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL
);
CREATE INDEX networks_project ON networks (project_id);

-- One row per segment in use; the key makes two networks on one segment impossible. physical_network is '' for tunnels, segmentation_id 0 for flat.
CREATE TABLE segments (
  network_type TEXT NOT NULL,
  physical_network TEXT NOT NULL,
  segmentation_id BIGINT NOT NULL,
  network_id TEXT NOT NULL,
  PRIMARY KEY (network_type, physical_network, segmentation_id)
);
CREATE INDEX segments_network ON segments (network_id);

CREATE TABLE subnets (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  network_id TEXT NOT NULL REFERENCES networks (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  ip_version BIGINT NOT NULL,
  cidr TEXT NOT NULL,
  gateway_ip TEXT,
  enable_dhcp BIGINT NOT NULL,
  allocation_pools TEXT NOT NULL,
  dns_nameservers TEXT NOT NULL,
  host_routes TEXT NOT NULL,
  ipv6_ra_mode TEXT,
  ipv6_address_mode TEXT,
  service_types TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_project ON subnets (project_id);

CREATE TABLE ports (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  network_id TEXT NOT NULL REFERENCES networks (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  admin_state_up BIGINT NOT NULL,
  status TEXT NOT NULL,
  mac_address TEXT NOT NULL,
  device_id TEXT NOT NULL,
  device_owner TEXT NOT NULL,
  allowed_address_pairs TEXT NOT NULL,
  extra_dhcp_opts TEXT NOT NULL,
  port_security_enabled BIGINT NOT NULL,
  binding_host_id TEXT NOT NULL,
  binding_vnic_type TEXT NOT NULL,
  binding_profile TEXT NOT NULL,
  dns_name TEXT NOT NULL,
  ip_allocation TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL,
  UNIQUE (network_id, mac_address)
);
CREATE INDEX ports_project ON ports (project_id);
CREATE INDEX ports_device ON ports (device_id);
CREATE INDEX ports_host ON ports (binding_host_id);

-- An address is one row: the primary key is what keeps two ports from having it. ip_offset is the distance from the subnet's network address
-- (the low 64 bits of it), position the order of a port's addresses.
CREATE TABLE ip_allocations (
  subnet_id TEXT NOT NULL REFERENCES subnets (id),
  ip_offset BIGINT NOT NULL,
  ip_address TEXT NOT NULL,
  port_id TEXT NOT NULL REFERENCES ports (id),
  network_id TEXT NOT NULL,
  position BIGINT NOT NULL,
  PRIMARY KEY (subnet_id, ip_offset)
);
CREATE INDEX ip_allocations_port ON ip_allocations (port_id);
CREATE INDEX ip_allocations_address ON ip_allocations (ip_address);

CREATE TABLE security_groups (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  stateful BIGINT NOT NULL,
  default_of TEXT UNIQUE,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL
);
CREATE INDEX security_groups_project ON security_groups (project_id);

-- rule_key is the rule in normal form: equal rules of one group have equal keys.
CREATE TABLE security_group_rules (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  security_group_id TEXT NOT NULL REFERENCES security_groups (id),
  description TEXT NOT NULL,
  direction TEXT NOT NULL,
  ethertype TEXT NOT NULL,
  protocol TEXT,
  port_range_min BIGINT,
  port_range_max BIGINT,
  remote_ip_prefix TEXT,
  remote_group_id TEXT REFERENCES security_groups (id),
  rule_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL,
  UNIQUE (security_group_id, rule_key)
);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);

CREATE TABLE port_security_groups (
  port_id TEXT NOT NULL REFERENCES ports (id),
  security_group_id TEXT NOT NULL REFERENCES security_groups (id),
  PRIMARY KEY (port_id, security_group_id)
);
CREATE INDEX port_security_groups_group ON port_security_groups (security_group_id);

CREATE TABLE routers (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  admin_state_up BIGINT NOT NULL,
  status TEXT NOT NULL,
  gw_port_id TEXT REFERENCES ports (id),
  enable_snat BIGINT NOT NULL,
  routes TEXT NOT NULL,
  availability_zone_hints TEXT NOT NULL,
  host TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL
);
CREATE INDEX routers_project ON routers (project_id);
CREATE INDEX routers_gateway ON routers (gw_port_id);

-- Ports that are a router's interfaces: a user may write device_owner and device_id of a port, but only this table makes an interface.
CREATE TABLE router_interfaces (
  port_id TEXT PRIMARY KEY REFERENCES ports (id),
  router_id TEXT NOT NULL REFERENCES routers (id)
);
CREATE INDEX router_interfaces_router ON router_interfaces (router_id);

CREATE TABLE floating_ips (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL,
  floating_network_id TEXT NOT NULL REFERENCES networks (id),
  floating_ip_address TEXT NOT NULL,
  floating_port_id TEXT NOT NULL REFERENCES ports (id),
  port_id TEXT REFERENCES ports (id),
  fixed_ip_address TEXT,
  router_id TEXT REFERENCES routers (id),
  dns_name TEXT NOT NULL,
  dns_domain TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision_number BIGINT NOT NULL,
  UNIQUE (floating_network_id, port_id, fixed_ip_address)
);
CREATE INDEX floating_ips_project ON floating_ips (project_id);
CREATE INDEX floating_ips_port ON floating_ips (port_id);
CREATE INDEX floating_ips_router ON floating_ips (router_id);
CREATE INDEX floating_ips_floating_port ON floating_ips (floating_port_id);

CREATE TABLE rbac_policies (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  object_type TEXT NOT NULL,
  object_id TEXT NOT NULL,
  action TEXT NOT NULL,
  target_tenant TEXT NOT NULL,
  UNIQUE (object_type, object_id, action, target_tenant)
);
CREATE INDEX rbac_policies_target ON rbac_policies (target_tenant);

-- What a node's network agent reports: one row a node and role, since the original has one agent for each.
CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  binary_name TEXT NOT NULL,
  agent_type TEXT NOT NULL,
  host TEXT NOT NULL,
  topic TEXT NOT NULL,
  availability_zone TEXT,
  admin_state_up BIGINT NOT NULL,
  description TEXT,
  configurations TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  heartbeat_timestamp BIGINT NOT NULL,
  UNIQUE (binary_name, host)
);

-- The last report of a node, as it came.
CREATE TABLE node_reports (
  host TEXT PRIMARY KEY,
  tunnel_ip TEXT NOT NULL,
  report TEXT NOT NULL,
  reported_at BIGINT NOT NULL
);

CREATE TABLE tags (
  resource_id TEXT NOT NULL,
  tag TEXT NOT NULL,
  PRIMARY KEY (resource_id, tag)
);
CREATE INDEX tags_tag ON tags (tag);

CREATE TABLE quotas (
  project_id TEXT NOT NULL,
  resource TEXT NOT NULL,
  hard_limit BIGINT NOT NULL,
  PRIMARY KEY (project_id, resource)
);

CREATE TABLE node_revisions (
  host TEXT PRIMARY KEY,
  revision BIGINT NOT NULL
);

-- Events that the compute service has to be told; a row is deleted when it has accepted it.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  server_id TEXT NOT NULL,
  port_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at);
