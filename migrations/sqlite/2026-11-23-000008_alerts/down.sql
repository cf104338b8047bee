DROP TABLE system_notice;
DROP TABLE alert_wish;
DROP TABLE alert_watch;
DROP TABLE alert;
DROP INDEX credential_by_end;
DROP INDEX letter_failed;
