-- The dashboard: letters that did not arrive, and credentials that end soon.
CREATE INDEX letter_failed ON letter (settled_at) WHERE state IN ('bounced', 'given-up');
CREATE INDEX credential_by_end ON credential (expires_at) WHERE expires_at IS NOT NULL;

-- What somebody must look at: one open row for each kind and subject.
CREATE TABLE alert (
    id INTEGER PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- Whose people are told; none: those of all regions.
    region TEXT,
    words TEXT NOT NULL,
    since TIMESTAMP NOT NULL,
    -- Since when it looks good; when that lasts, it is over.
    calm_since TIMESTAMP,
    -- When people were last told.
    told_at TIMESTAMP,
    cleared_at TIMESTAMP,
    acknowledged_at TIMESTAMP,
    acknowledged_by BIGINT REFERENCES account (id),
    note TEXT,
    muted_until TIMESTAMP
);
CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alert_by_subject ON alert (kind, subject, id);

-- When somebody last looked.
CREATE TABLE alert_watch (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    looked_at TIMESTAMP
);
INSERT INTO alert_watch (id) VALUES (1);

-- Whether an operator wants letters about alerts, where it is not as usual.
CREATE TABLE alert_wish (
    account_id BIGINT PRIMARY KEY NOT NULL REFERENCES account (id),
    letters BOOLEAN NOT NULL
);

-- Notices of CDPH that stand above pages for a time. The audience is everybody, signed-in, or the code of a region.
CREATE TABLE system_notice (
    id INTEGER PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('info', 'warning')),
    audience TEXT NOT NULL,
    begins_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    written_by BIGINT NOT NULL REFERENCES account (id),
    written_at TIMESTAMP NOT NULL,
    changed_at TIMESTAMP,
    ended_at TIMESTAMP
);
CREATE INDEX system_notice_by_end ON system_notice (ends_at);
