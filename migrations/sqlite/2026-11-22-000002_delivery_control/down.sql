DROP TABLE operator_action;
DROP TABLE maintenance;
DROP TABLE destination;
-- What waits for review waits in the queue again; what an operator ended counts as rejected.
CREATE TABLE message_old (
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
INSERT INTO message_old (id, received_at, sender_id, environment, site_id, region, control_id, message_type, size, state, ack_code, diagnostics, submission_key, body_digest) SELECT id, received_at, sender_id, environment, site_id, region, control_id, message_type, size, CASE state WHEN 'review' THEN 'accepted' WHEN 'given-up' THEN 'rejected' WHEN 'replaced' THEN 'rejected' WHEN 'answered' THEN 'refused' WHEN 'unanswered' THEN 'refused' ELSE state END, ack_code, diagnostics, submission_key, body_digest FROM message;
DROP TABLE message;
ALTER TABLE message_old RENAME TO message;
ALTER TABLE payload DROP COLUMN sent;
CREATE TABLE delivery_old (
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
INSERT INTO delivery_old (message_id, region, environment, state, attempts, next_attempt_at, lease_owner, last_error, settled_at) SELECT message_id, region, environment, CASE state WHEN 'review' THEN 'queued' WHEN 'given-up' THEN 'rejected' WHEN 'replaced' THEN 'rejected' ELSE state END, attempts, next_attempt_at, lease_owner, last_error, settled_at FROM delivery;
DROP TABLE delivery;
ALTER TABLE delivery_old RENAME TO delivery;
CREATE INDEX delivery_due ON delivery (region, environment, next_attempt_at) WHERE state = 'queued';
