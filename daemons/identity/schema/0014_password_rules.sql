-- Rules for passwords and accounts. Times in microseconds; last_active_on is the start of the day (UTC) of the last login.
-- password_self_service: the user chose the password, not an administrator.
ALTER TABLE users ADD COLUMN created_at BIGINT;
ALTER TABLE users ADD COLUMN last_active_on BIGINT;
ALTER TABLE users ADD COLUMN failed_auth_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN failed_auth_at BIGINT;
ALTER TABLE users ADD COLUMN password_created_at BIGINT;
ALTER TABLE users ADD COLUMN password_self_service BIGINT NOT NULL DEFAULT 0;

-- Earlier passwords, the present one included, so that they are not chosen again.
CREATE TABLE password_history (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX password_history_user ON password_history (user_id, created_at);
