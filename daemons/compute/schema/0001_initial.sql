CREATE TABLE node_revisions (host TEXT PRIMARY KEY, revision BIGINT NOT NULL);
CREATE TABLE quotas (project_id TEXT NOT NULL, resource TEXT NOT NULL, hard_limit BIGINT NOT NULL, PRIMARY KEY (project_id, resource));
CREATE TABLE quota_classes (class TEXT NOT NULL, resource TEXT NOT NULL, hard_limit BIGINT NOT NULL, PRIMARY KEY (class, resource));
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE flavors (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    memory_mb BIGINT NOT NULL,
    vcpus BIGINT NOT NULL,
    root_gb BIGINT NOT NULL,
    ephemeral_gb BIGINT NOT NULL,
    swap_mb BIGINT NOT NULL,
    rxtx_factor DOUBLE PRECISION NOT NULL,
    is_public BIGINT NOT NULL,
    disabled BIGINT NOT NULL,
    description TEXT,
    extra_specs TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE TABLE flavor_projects (flavor_id TEXT NOT NULL, project_id TEXT NOT NULL, PRIMARY KEY (flavor_id, project_id));
CREATE TABLE keypairs (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE TABLE nodes (
    host TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    number BIGINT NOT NULL UNIQUE,
    provider_id TEXT,
    hypervisor TEXT NOT NULL,
    agent_url TEXT NOT NULL,
    zone TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE services (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    service_binary TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    disabled_reason TEXT,
    forced_down BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (host, service_binary)
);
CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT,
    hostname TEXT NOT NULL,
    vm_state TEXT NOT NULL,
    task_state TEXT,
    power_state BIGINT NOT NULL,
    power TEXT NOT NULL,
    generation BIGINT NOT NULL,
    vif_plugged BIGINT NOT NULL,
    host TEXT,
    node TEXT,
    requested_host TEXT,
    availability_zone TEXT,
    zone TEXT,
    image_id TEXT NOT NULL,
    image TEXT NOT NULL,
    kernel TEXT,
    ramdisk TEXT,
    flavor_id TEXT NOT NULL,
    flavor TEXT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory_mb BIGINT NOT NULL,
    key_name TEXT,
    key_data TEXT,
    user_data TEXT,
    config_drive BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    requested_networks TEXT NOT NULL,
    requested_groups TEXT NOT NULL,
    hints TEXT NOT NULL,
    security_groups TEXT NOT NULL,
    addresses TEXT NOT NULL,
    network_info TEXT NOT NULL,
    fault TEXT,
    locked_by TEXT,
    locked_reason TEXT,
    access_ip_v4 TEXT,
    access_ip_v6 TEXT,
    disk_config TEXT NOT NULL,
    root_device_name TEXT,
    reservation_id TEXT NOT NULL,
    launch_index BIGINT NOT NULL,
    group_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    launched_at BIGINT,
    terminated_at BIGINT,
    deleted BIGINT NOT NULL,
    absent_seen BIGINT NOT NULL
);
CREATE INDEX instances_by_project ON instances (deleted, project_id, created_at, number);
CREATE INDEX instances_by_creation ON instances (deleted, created_at, number);
CREATE INDEX instances_by_host ON instances (host, deleted);
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    instance_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    step TEXT NOT NULL,
    deadline BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX operations_by_time ON operations (next_at);
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    instance_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    deadline BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX tasks_by_instance ON tasks (instance_id);
CREATE TABLE actions (
    id TEXT PRIMARY KEY,
    instance_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    user_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    message TEXT,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (instance_id, request_id)
);
CREATE TABLE action_events (
    action_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    host TEXT,
    result TEXT,
    details TEXT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (action_id, number)
);
CREATE TABLE server_groups (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    policy TEXT NOT NULL,
    rules TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
