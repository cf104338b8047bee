-- How many e-mails wait, and since when, is read from the index alone.
DROP INDEX letter_due;
CREATE INDEX letter_due ON letter (next_attempt_at, created_at) WHERE state = 'queued';

-- Messages that one Site sent for another. By an expression: PostgreSQL keeps statistics of it, and so knows that most Sites have
-- none. As text: without the affinity SQLite does not take the index for a comparison with a column.
DROP INDEX message_by_site;
CREATE INDEX message_by_carried ON message (CAST(CASE WHEN site_id <> sender_id THEN site_id END AS TEXT), id) WHERE site_id <> sender_id;
