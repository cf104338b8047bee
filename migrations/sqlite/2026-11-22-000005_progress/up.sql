-- What a message holds, as bits (src/domain/content.rs); 0 for what is no immunization update.
ALTER TABLE message ADD COLUMN content BIGINT NOT NULL DEFAULT 0;
CREATE INDEX message_by_sender ON message (sender_id, id);
-- Most messages are of their sender itself, and found by the index above.
CREATE INDEX message_by_site ON message (site_id, id) WHERE site_id <> sender_id;

-- Counts of messages: one row for each subject, environment and day (or hour).
CREATE TABLE tally (
    scope TEXT NOT NULL CHECK (scope IN ('site', 'facility', 'vendor', 'region', 'region-hour')),
    subject TEXT NOT NULL,
    environment TEXT NOT NULL,
    since TIMESTAMP NOT NULL,
    counts TEXT NOT NULL,
    PRIMARY KEY (scope, subject, environment, since)
) WITHOUT ROWID;

-- How often a rule found something.
CREATE TABLE finding_tally (
    scope TEXT NOT NULL CHECK (scope IN ('site', 'facility', 'vendor', 'region', 'region-hour')),
    subject TEXT NOT NULL,
    environment TEXT NOT NULL,
    since TIMESTAMP NOT NULL,
    rule TEXT NOT NULL,
    location TEXT NOT NULL,
    severity TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (scope, subject, environment, since, rule, location, severity)
) WITHOUT ROWID;

-- How far the messages have been counted.
CREATE TABLE tally_mark (
    id INTEGER PRIMARY KEY NOT NULL,
    received BIGINT NOT NULL,
    settled_at TIMESTAMP,
    settled BIGINT NOT NULL
);
INSERT INTO tally_mark (id, received, settled_at, settled) VALUES (1, 0, NULL, 0);

CREATE TABLE site_progress (
    site_id TEXT PRIMARY KEY NOT NULL REFERENCES site (id),
    first_test_at TIMESTAMP,
    first_test_message BIGINT,
    first_test_code TEXT,
    last_test_at TIMESTAMP,
    tests BIGINT NOT NULL,
    tests_accepted BIGINT NOT NULL,
    clean_run BIGINT NOT NULL,
    scenarios BIGINT NOT NULL,
    first_production_at TIMESTAMP,
    last_production_at TIMESTAMP
);

-- The way of each Site to production.
CREATE TABLE stage_change (
    id INTEGER PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    at TIMESTAMP NOT NULL,
    event TEXT NOT NULL,
    before TEXT,
    after TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX stage_change_by_site ON stage_change (site_id, id);
INSERT INTO stage_change (site_id, at, event, before, after, actor, reason)
SELECT id, created_at, 'registered', NULL, status, 'system', NULL FROM site;
CREATE INDEX site_by_status ON site (status, region, updated_at);

CREATE TABLE site_review (
    site_id TEXT PRIMARY KEY NOT NULL REFERENCES site (id),
    opened_at TIMESTAMP NOT NULL,
    opened_by BIGINT NOT NULL REFERENCES account (id),
    marks TEXT NOT NULL,
    proposed_by BIGINT REFERENCES account (id),
    proposed_at TIMESTAMP,
    proposal TEXT
);

-- What happened to a Site's messages that its people are told of by letters.
CREATE TABLE site_event (
    id INTEGER PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    at TIMESTAMP NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('first-test', 'test-failed', 'test-good-again', 'rejected-later', 'stage', 'silent')),
    message_id BIGINT,
    -- When its letters were written, or it was found that nobody wants one.
    told_at TIMESTAMP
);
CREATE INDEX site_event_open ON site_event (id) WHERE told_at IS NULL;
CREATE INDEX site_event_by_site ON site_event (site_id, id);
CREATE INDEX site_link_by_site ON site_link (site_id);
