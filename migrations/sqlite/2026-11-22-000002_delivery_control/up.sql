-- States for what operators decide. SQLite changes a CHECK by making the table anew.
CREATE TABLE message_new (
    id INTEGER PRIMARY KEY NOT NULL,
    received_at TIMESTAMP NOT NULL,
    sender_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    site_id TEXT,
    region TEXT,
    control_id TEXT NOT NULL,
    message_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('refused', 'accepted', 'delivered', 'rejected', 'review', 'given-up', 'replaced', 'answered', 'unanswered')),
    ack_code TEXT NOT NULL,
    diagnostics BIGINT NOT NULL,
    -- sender, environment and MSH-10 of an accepted message; null for a refused one, which may be corrected and sent again
    submission_key TEXT UNIQUE,
    body_digest BLOB NOT NULL,
    -- the message that this one is an edited version of
    replaces BIGINT
);
INSERT INTO message_new (id, received_at, sender_id, environment, site_id, region, control_id, message_type, size, state, ack_code, diagnostics, submission_key, body_digest) SELECT id, received_at, sender_id, environment, site_id, region, control_id, message_type, size, state, ack_code, diagnostics, submission_key, body_digest FROM message;
DROP TABLE message;
ALTER TABLE message_new RENAME TO message;
-- A sender asks by MSH-10 what became of its message.
CREATE INDEX message_by_control_id ON message (sender_id, control_id);
ALTER TABLE payload ADD COLUMN sent BLOB;

CREATE TABLE delivery_new (
    message_id INTEGER PRIMARY KEY NOT NULL,
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'rejected', 'review', 'given-up', 'replaced')),
    attempts BIGINT NOT NULL,
    -- when it is due; a claim moves this to the end of its lease, so that a crash makes it due again
    next_attempt_at TIMESTAMP NOT NULL,
    lease_owner TEXT,
    last_error TEXT,
    settled_at TIMESTAMP,
    -- keyed hash of sender and patient identifier: messages that have it in common are sent in order
    order_key BIGINT,
    -- attempts whose outcome is unknown, in all and since an operator last sent it again
    doubtful BIGINT NOT NULL DEFAULT 0,
    doubtful_before BIGINT NOT NULL DEFAULT 0,
    releases BIGINT NOT NULL DEFAULT 0,
    -- since when it is held: null is since its receipt
    held_since TIMESTAMP,
    last_class TEXT
);
INSERT INTO delivery_new (message_id, region, environment, state, attempts, next_attempt_at, lease_owner, last_error, settled_at) SELECT message_id, region, environment, state, attempts, next_attempt_at, lease_owner, last_error, settled_at FROM delivery;
DROP TABLE delivery;
ALTER TABLE delivery_new RENAME TO delivery;
CREATE INDEX delivery_due ON delivery (region, environment, next_attempt_at) WHERE state = 'queued';
-- What comes before another message of the same patient from the same sender.
CREATE INDEX delivery_order ON delivery (order_key, message_id) WHERE state = 'queued' AND order_key IS NOT NULL;
-- What waits for operators.
CREATE INDEX delivery_review ON delivery (region, environment, message_id) WHERE state = 'review';
-- Outcomes in the order in which they became known.
CREATE INDEX delivery_outcome ON delivery (settled_at, message_id) WHERE settled_at IS NOT NULL;

-- What operators decided about a destination, and its breaker. A row is made by the first of either; without one it runs.
CREATE TABLE destination (
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    control TEXT NOT NULL CHECK (control IN ('running', 'paused', 'draining')),
    reason TEXT,
    breaker TEXT NOT NULL CHECK (breaker IN ('closed', 'half-open', 'open')),
    failures BIGINT NOT NULL,
    openings BIGINT NOT NULL,
    -- when an open breaker is probed; the node that probes moves it on first
    probe_at TIMESTAMP,
    last_error TEXT,
    changed_at TIMESTAMP,
    PRIMARY KEY (region, environment)
);

CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY NOT NULL,
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    begins_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    reason TEXT NOT NULL
);

-- What operators did, and why; never anything of a patient.
CREATE TABLE operator_action (
    id INTEGER PRIMARY KEY NOT NULL,
    at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    message_id BIGINT,
    region TEXT,
    environment TEXT,
    reason TEXT NOT NULL
);
CREATE INDEX operator_action_by_message ON operator_action (message_id) WHERE message_id IS NOT NULL;
