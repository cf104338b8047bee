-- What many pages add up stands in columns of its own: a sum over thousands of Sites reads the index and no JSON. A scope
-- more: what a Sending Facility sent for a client Site.
ALTER TABLE tally
    ADD COLUMN messages BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN accepted BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN clean BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN rejected BIGINT NOT NULL DEFAULT 0;
UPDATE tally SET
    messages = coalesce((counts::json ->> 'messages')::bigint, 0),
    accepted = coalesce((counts::json ->> 'accepted')::bigint, 0),
    clean = coalesce((counts::json ->> 'clean')::bigint, 0),
    rejected = coalesce((counts::json ->> 'rejected')::bigint, 0);
ALTER TABLE tally
    ALTER COLUMN messages DROP DEFAULT,
    ALTER COLUMN accepted DROP DEFAULT,
    ALTER COLUMN clean DROP DEFAULT,
    ALTER COLUMN rejected DROP DEFAULT,
    DROP CONSTRAINT tally_scope_check,
    ADD CONSTRAINT tally_scope_check
        CHECK (scope IN ('site', 'facility', 'client', 'vendor', 'region', 'region-hour'));
CREATE INDEX tally_sums ON tally (scope, environment, subject, since) INCLUDE (messages, accepted, clean, rejected);
CREATE INDEX tally_by_since ON tally (since);
ALTER TABLE finding_tally
    DROP CONSTRAINT finding_tally_scope_check,
    ADD CONSTRAINT finding_tally_scope_check
        CHECK (scope IN ('site', 'facility', 'client', 'vendor', 'region', 'region-hour'));
CREATE INDEX finding_tally_by_since ON finding_tally (since);

CREATE INDEX site_by_region ON site (region, id);
