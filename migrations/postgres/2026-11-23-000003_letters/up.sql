-- What somebody wants to be written about a Site, where it is not as usual for their roles.
CREATE TABLE letter_wish (
    account_id BIGINT NOT NULL REFERENCES account (id),
    site_id TEXT NOT NULL REFERENCES site (id),
    tests TEXT NOT NULL CHECK (tests IN ('at-once', 'digest', 'none')),
    production TEXT NOT NULL CHECK (production IN ('daily', 'weekly', 'none')),
    outcomes BOOLEAN NOT NULL,
    silence BOOLEAN NOT NULL,
    PRIMARY KEY (account_id, site_id)
);
CREATE INDEX letter_wish_by_site ON letter_wish (site_id);

-- The watch over Sites that fall silent.
CREATE TABLE site_watch (
    site_id TEXT PRIMARY KEY NOT NULL REFERENCES site (id),
    -- Days without a message after which its people are told; none: as the installation has it; 0: never.
    silence_days BIGINT,
    -- When they were told; none: messages come.
    silent_since TIMESTAMP
);

-- Up to which moment the messages of an organization's Sites have been told of in digests.
CREATE TABLE digest_mark (
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    kind TEXT NOT NULL CHECK (kind IN ('tests', 'daily', 'weekly')),
    until TIMESTAMP NOT NULL,
    PRIMARY KEY (organization_id, kind)
);

-- Of which ends of credentials their people were told, and how many days before.
CREATE TABLE expiry_notice (
    credential_id BIGINT NOT NULL REFERENCES credential (id),
    expires_at TIMESTAMP NOT NULL,
    days BIGINT NOT NULL,
    PRIMARY KEY (credential_id, expires_at, days)
);

-- Digests ask who had messages in a time.
CREATE INDEX tally_by_time ON tally (scope, environment, since);
