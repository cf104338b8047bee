-- What many pages add up stands in columns of its own: a sum over thousands of Sites reads the index and no JSON. A scope
-- more: what a Sending Facility sent for a client Site.
CREATE TABLE tally_new (
    scope TEXT NOT NULL CHECK (scope IN ('site', 'facility', 'client', 'vendor', 'region', 'region-hour')),
    subject TEXT NOT NULL,
    environment TEXT NOT NULL,
    since TIMESTAMP NOT NULL,
    counts TEXT NOT NULL,
    messages BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    clean BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    PRIMARY KEY (scope, subject, environment, since)
) WITHOUT ROWID;
INSERT INTO tally_new (scope, subject, environment, since, counts, messages, accepted, clean, rejected)
SELECT scope, subject, environment, since, counts,
    coalesce(json_extract(counts, '$.messages'), 0), coalesce(json_extract(counts, '$.accepted'), 0),
    coalesce(json_extract(counts, '$.clean'), 0), coalesce(json_extract(counts, '$.rejected'), 0)
FROM tally;
DROP TABLE tally;
ALTER TABLE tally_new RENAME TO tally;
CREATE INDEX tally_by_time ON tally (scope, environment, since);
CREATE INDEX tally_sums ON tally (scope, environment, subject, since, messages, accepted, clean, rejected);
CREATE INDEX tally_by_since ON tally (since);

CREATE TABLE finding_tally_new (
    scope TEXT NOT NULL CHECK (scope IN ('site', 'facility', 'client', 'vendor', 'region', 'region-hour')),
    subject TEXT NOT NULL,
    environment TEXT NOT NULL,
    since TIMESTAMP NOT NULL,
    rule TEXT NOT NULL,
    location TEXT NOT NULL,
    severity TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (scope, subject, environment, since, rule, location, severity)
) WITHOUT ROWID;
INSERT INTO finding_tally_new SELECT * FROM finding_tally;
DROP TABLE finding_tally;
ALTER TABLE finding_tally_new RENAME TO finding_tally;
CREATE INDEX finding_tally_by_since ON finding_tally (since);

CREATE INDEX site_by_region ON site (region, id);
