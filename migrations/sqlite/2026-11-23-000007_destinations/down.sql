DROP TABLE destination_version;
DROP INDEX operator_action_by_place;
DROP TABLE last_delivery;
