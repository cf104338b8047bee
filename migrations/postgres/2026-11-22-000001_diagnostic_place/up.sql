-- What a finding did to the message, and which bytes of the message it is about.
ALTER TABLE diagnostic ADD COLUMN effect TEXT NOT NULL DEFAULT 'none';
ALTER TABLE diagnostic ADD COLUMN start_byte BIGINT;
ALTER TABLE diagnostic ADD COLUMN end_byte BIGINT;
