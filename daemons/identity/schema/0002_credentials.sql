-- Credentials of other kinds (ec2, totp, cert). blob: sealed with the credential key repository, never in the clear.
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT,
    type TEXT NOT NULL,
    blob TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX credentials_user ON credentials (user_id, type);
