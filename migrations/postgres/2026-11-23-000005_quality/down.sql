DROP INDEX site_by_region;
DROP INDEX finding_tally_by_since;
DELETE FROM finding_tally WHERE scope = 'client';
ALTER TABLE finding_tally
    DROP CONSTRAINT finding_tally_scope_check,
    ADD CONSTRAINT finding_tally_scope_check CHECK (scope IN ('site', 'facility', 'vendor', 'region', 'region-hour'));
DROP INDEX tally_by_since;
DROP INDEX tally_sums;
DELETE FROM tally WHERE scope = 'client';
ALTER TABLE tally
    DROP CONSTRAINT tally_scope_check,
    ADD CONSTRAINT tally_scope_check CHECK (scope IN ('site', 'facility', 'vendor', 'region', 'region-hour')),
    DROP COLUMN messages,
    DROP COLUMN accepted,
    DROP COLUMN clean,
    DROP COLUMN rejected;
