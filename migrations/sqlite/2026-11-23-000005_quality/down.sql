DROP INDEX site_by_region;
DROP INDEX finding_tally_by_since;
DELETE FROM finding_tally WHERE scope = 'client';
DROP INDEX tally_by_since;
DROP INDEX tally_sums;
DELETE FROM tally WHERE scope = 'client';
CREATE TABLE tally_old (
    scope TEXT NOT NULL CHECK (scope IN ('site', 'facility', 'vendor', 'region', 'region-hour')),
    subject TEXT NOT NULL,
    environment TEXT NOT NULL,
    since TIMESTAMP NOT NULL,
    counts TEXT NOT NULL,
    PRIMARY KEY (scope, subject, environment, since)
) WITHOUT ROWID;
INSERT INTO tally_old SELECT scope, subject, environment, since, counts FROM tally;
DROP TABLE tally;
ALTER TABLE tally_old RENAME TO tally;
CREATE INDEX tally_by_time ON tally (scope, environment, since);
CREATE TABLE finding_tally_old (
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
INSERT INTO finding_tally_old SELECT * FROM finding_tally;
DROP TABLE finding_tally;
ALTER TABLE finding_tally_old RENAME TO finding_tally;
