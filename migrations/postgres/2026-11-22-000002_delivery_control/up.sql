-- States for what operators decide; everything else is added, so that the version before goes on working.
ALTER TABLE message DROP CONSTRAINT message_state_check;
ALTER TABLE message ADD CONSTRAINT message_state_check CHECK (state IN ('refused', 'accepted', 'delivered', 'rejected', 'review', 'given-up', 'replaced', 'answered', 'unanswered'));
ALTER TABLE message ADD COLUMN replaces BIGINT;
-- A sender asks by MSH-10 what became of its message.
CREATE INDEX message_by_control_id ON message (sender_id, control_id);
ALTER TABLE payload ADD COLUMN sent BYTEA;
ALTER TABLE delivery DROP CONSTRAINT delivery_state_check;
ALTER TABLE delivery ADD CONSTRAINT delivery_state_check CHECK (state IN ('queued', 'delivered', 'rejected', 'review', 'given-up', 'replaced'));
ALTER TABLE delivery ADD COLUMN order_key BIGINT;
ALTER TABLE delivery ADD COLUMN doubtful BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN doubtful_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN releases BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN held_since TIMESTAMP;
ALTER TABLE delivery ADD COLUMN last_class TEXT;
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
    id BIGSERIAL PRIMARY KEY NOT NULL,
    region TEXT NOT NULL,
    environment TEXT NOT NULL,
    begins_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    reason TEXT NOT NULL
);

-- What operators did, and why; never anything of a patient.
CREATE TABLE operator_action (
    id BIGSERIAL PRIMARY KEY NOT NULL,
    at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    message_id BIGINT,
    region TEXT,
    environment TEXT,
    reason TEXT NOT NULL
);
CREATE INDEX operator_action_by_message ON operator_action (message_id) WHERE message_id IS NOT NULL;
