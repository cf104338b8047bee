-- What staff wrote about a Site; staff alone read it.
CREATE TABLE site_note (
    id INTEGER PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    at TIMESTAMP NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX site_note_by_site ON site_note (site_id, id);

-- Statements about meaningful use, with the facts as they were issued.
CREATE TABLE statement (
    id INTEGER PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    year INTEGER NOT NULL,
    -- Keyed hash of the verification code, which stands on the statement alone.
    code BLOB NOT NULL UNIQUE,
    facts TEXT NOT NULL,
    issued_at TIMESTAMP NOT NULL,
    issued_by BIGINT NOT NULL REFERENCES account (id)
);
CREATE INDEX statement_by_site ON statement (site_id, id);

-- The onboarding board: all Sites by the time in their stage, and by name.
CREATE INDEX site_by_age ON site (updated_at, id);
CREATE INDEX site_by_name ON site (name, id);
-- Vendors and names, found without reading the answers of every Site.
CREATE INDEX site_profile_by_vendor ON site_profile (ehr_vendor);
CREATE INDEX site_profile_for_board ON site_profile (site_id, name_key, ehr_vendor);
