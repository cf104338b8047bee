-- Organizations, Sites, credentials; every change of these four tables raises registry_revision.
CREATE TABLE registry_revision (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO registry_revision (id, value) VALUES (1, 1);

CREATE TABLE setting (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

-- One row for each start of a process; its number is part of the message ids that it gives.
CREATE TABLE process (
    id INTEGER PRIMARY KEY NOT NULL,
    started_at TIMESTAMP NOT NULL
);

CREATE TABLE organization (
    id INTEGER PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE site (
    id TEXT PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'through-facility', 'sending-facility')),
    clinical BOOLEAN NOT NULL,
    county TEXT,
    region TEXT,
    status TEXT NOT NULL CHECK (status IN ('registered', 'testing', 'validated', 'onboarding', 'production', 'suspended', 'inactive', 'withdrawn')),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

CREATE TABLE site_link (
    facility_id TEXT NOT NULL REFERENCES site (id),
    site_id TEXT NOT NULL REFERENCES site (id),
    status TEXT NOT NULL CHECK (status IN ('requested', 'active', 'ended')),
    changed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (facility_id, site_id)
);

CREATE TABLE credential (
    id INTEGER PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    environment TEXT NOT NULL CHECK (environment IN ('test', 'production')),
    username TEXT NOT NULL UNIQUE,
    facility_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    secret BLOB NOT NULL,
    old_secret BLOB,
    old_secret_until TIMESTAMP,
    expires_at TIMESTAMP,
    client_key_pin BLOB,
    created_at TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP
);

-- Messages: metadata without anything of the patient; bodies are encrypted in payload.
CREATE TABLE message (
    id INTEGER PRIMARY KEY NOT NULL,
    received_at TIMESTAMP NOT NULL,
    sender_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    site_id TEXT,
    region TEXT,
    control_id TEXT NOT NULL,
    message_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('refused', 'accepted', 'delivered', 'rejected')),
    ack_code TEXT NOT NULL,
    diagnostics BIGINT NOT NULL,
    -- sender, environment and MSH-10 of an accepted message; null for a refused one, which may be corrected and sent again
    submission_key TEXT UNIQUE,
    body_digest BLOB NOT NULL
);

CREATE TABLE diagnostic (
    message_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    rule TEXT NOT NULL,
    location TEXT NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    application TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message_id, position)
) WITHOUT ROWID;

CREATE TABLE payload (
    message_id INTEGER PRIMARY KEY NOT NULL,
    received_at TIMESTAMP NOT NULL,
    body BLOB NOT NULL,
    reply BLOB
);

CREATE TABLE delivery (
    message_id INTEGER PRIMARY KEY NOT NULL,
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'rejected')),
    attempts BIGINT NOT NULL,
    -- when it is due; a claim moves this to the end of its lease, so that a crash makes it due again
    next_attempt_at TIMESTAMP NOT NULL,
    lease_owner TEXT,
    last_error TEXT,
    settled_at TIMESTAMP
);
CREATE INDEX delivery_due ON delivery (region, environment, next_attempt_at) WHERE state = 'queued';

-- What the built-in loopback registry has received.
CREATE TABLE loopback_message (
    id INTEGER PRIMARY KEY NOT NULL,
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    received_at TIMESTAMP NOT NULL,
    control_id TEXT NOT NULL,
    sending_facility TEXT NOT NULL,
    site_id TEXT NOT NULL,
    size BIGINT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX loopback_message_by_region ON loopback_message (region, environment, id);
