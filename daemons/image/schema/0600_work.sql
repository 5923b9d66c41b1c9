CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    lock_file TEXT NOT NULL,
    beat BIGINT NOT NULL
);
CREATE TABLE uploads (
    store TEXT NOT NULL,
    image_id TEXT NOT NULL,
    token TEXT NOT NULL,
    worker TEXT NOT NULL,
    holds TEXT NOT NULL,
    PRIMARY KEY (store, image_id)
);
CREATE TABLE removals (
    store TEXT NOT NULL,
    url TEXT NOT NULL,
    image_id TEXT NOT NULL,
    worker TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (store, url)
);
ALTER TABLE tasks ADD COLUMN worker TEXT;
