CREATE TABLE server_passwords (instance_id TEXT PRIMARY KEY, password TEXT NOT NULL);
