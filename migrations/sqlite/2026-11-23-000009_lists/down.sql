DROP INDEX letter_due;
CREATE INDEX letter_due ON letter (next_attempt_at) WHERE state = 'queued';
DROP INDEX message_by_carried;
CREATE INDEX message_by_site ON message (site_id, id) WHERE site_id <> sender_id;
