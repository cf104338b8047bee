-- When a registry last took a message, to the minute.
CREATE TABLE last_delivery (
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    at TIMESTAMP,
    PRIMARY KEY (region, environment)
);
INSERT INTO last_delivery (region, environment) VALUES
    ('CAIRBA', 'test'), ('CAIRBA', 'production'),
    ('CAIRCC', 'test'), ('CAIRCC', 'production'),
    ('CAIRCV', 'test'), ('CAIRCV', 'production'),
    ('CAIRGS', 'test'), ('CAIRGS', 'production'),
    ('CAIRIE', 'test'), ('CAIRIE', 'production'),
    ('CAIRLO', 'test'), ('CAIRLO', 'production'),
    ('CAIRNC', 'test'), ('CAIRNC', 'production');

-- What was done to a destination.
CREATE INDEX operator_action_by_place ON operator_action (region, environment, id) WHERE region IS NOT NULL;

-- Settings of registries that staff wrote: drafts, the one in use of each destination, and what was before.
CREATE TABLE destination_version (
    -- Which texts are sealed for it: a number of the sequence of messages.
    id BIGINT PRIMARY KEY NOT NULL,
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- Counts the versions of a destination.
    number BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'active', 'past', 'discarded')),
    -- JSON, without any secret.
    settings TEXT NOT NULL,
    -- Sealed.
    password BLOB,
    private_key BLOB,
    -- The version that it was made from.
    based_on BIGINT,
    -- Who has written it: numbers of accounts, with commas between.
    authors TEXT NOT NULL,
    drafted_at TIMESTAMP NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    tested_at TIMESTAMP,
    -- What the test found; only one that passed has none.
    test_problem TEXT,
    activated_by TEXT,
    activated_at TIMESTAMP,
    activated_why TEXT,
    ended_by TEXT,
    ended_at TIMESTAMP,
    ended_why TEXT,
    UNIQUE (region, environment, number)
);
CREATE UNIQUE INDEX destination_version_draft ON destination_version (region, environment) WHERE state = 'draft';
CREATE UNIQUE INDEX destination_version_active ON destination_version (region, environment) WHERE state = 'active';
