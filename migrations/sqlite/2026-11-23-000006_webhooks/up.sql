-- Addresses of programs that are told what happens to a Site and to those that it sends for.
CREATE TABLE webhook (
    id BIGINT PRIMARY KEY NOT NULL,
    site_id TEXT NOT NULL REFERENCES site (id),
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- Words of events, with commas between.
    events TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'paused', 'removed', 'stopped')),
    -- Calls are signed with it, so it is sealed, not hashed.
    secret BLOB NOT NULL,
    -- The one before, for a day after it was replaced.
    old_secret BLOB,
    old_secret_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    created_by BIGINT NOT NULL REFERENCES account (id),
    -- Since when no call was taken; none: the last one was.
    failing_since TIMESTAMP
);
CREATE INDEX webhook_by_site ON webhook (site_id, id);

-- The outbox of calls: queued in the transaction of what they tell of. Nothing of a patient is in a payload.
CREATE TABLE webhook_call (
    id INTEGER PRIMARY KEY NOT NULL,
    -- None: it is for the operators' own address, which stands in the configuration.
    webhook_id BIGINT REFERENCES webhook (id),
    -- The same at every attempt, and for every webhook that is told of the same event.
    event_id TEXT NOT NULL,
    event TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('given-up', 'queued', 'taken')),
    attempts BIGINT NOT NULL,
    next_attempt_at TIMESTAMP NOT NULL,
    give_up_at TIMESTAMP NOT NULL,
    -- Status of the last answer.
    last_status INTEGER,
    last_error TEXT,
    created_at TIMESTAMP NOT NULL,
    settled_at TIMESTAMP
);
CREATE INDEX webhook_call_due ON webhook_call (next_attempt_at) WHERE state = 'queued';
CREATE INDEX webhook_call_by_webhook ON webhook_call (webhook_id, id);
CREATE INDEX webhook_call_by_age ON webhook_call (created_at);

-- Of which ends of keys their people were told, and how many days before.
CREATE TABLE api_key_notice (
    api_key_id BIGINT NOT NULL REFERENCES api_key (id),
    days BIGINT NOT NULL,
    PRIMARY KEY (api_key_id, days)
) WITHOUT ROWID;
