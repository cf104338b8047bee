ALTER TABLE diagnostic DROP COLUMN end_byte;
ALTER TABLE diagnostic DROP COLUMN start_byte;
ALTER TABLE diagnostic DROP COLUMN effect;
