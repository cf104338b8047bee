-- How a loopback registry is told to misbehave; without a row it answers as ever.
CREATE TABLE loopback_behaviour (
    region TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (environment IN ('production', 'test')),
    behaviour TEXT NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (region, environment)
);
