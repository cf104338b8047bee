-- Keys of programs, each of one Site. Of the secret only a keyed hash is kept.
CREATE TABLE api_key (
    id INTEGER PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    name TEXT NOT NULL,
    secret BLOB NOT NULL UNIQUE,
    -- Words of scopes, with commas between.
    scopes TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    created_by BIGINT NOT NULL REFERENCES account (id),
    expires_at TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP,
    revoked_at TIMESTAMP
);
CREATE INDEX api_key_by_site ON api_key (site_id, id);
