DROP TABLE loopback_behaviour;
