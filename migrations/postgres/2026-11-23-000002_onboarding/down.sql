DROP INDEX site_profile_for_board;
DROP INDEX site_profile_by_vendor;
DROP INDEX site_by_name;
DROP INDEX site_by_age;
DROP TABLE statement;
DROP TABLE site_note;
