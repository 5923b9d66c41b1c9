CREATE TABLE cached_images (
    image_id TEXT PRIMARY KEY,
    cached BIGINT NOT NULL,
    size BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    checksum TEXT,
    queued_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    accessed_at BIGINT NOT NULL
);
