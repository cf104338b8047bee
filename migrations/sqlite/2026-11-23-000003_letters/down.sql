DROP INDEX tally_by_time;
DROP TABLE expiry_notice;
DROP TABLE digest_mark;
DROP TABLE site_watch;
DROP TABLE letter_wish;
