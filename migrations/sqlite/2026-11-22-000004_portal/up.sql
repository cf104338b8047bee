-- The IZ Portal: what organizations and Sites told of themselves, accounts, drafts, requests, letters, the audit trail.
-- `answers` is a JSON object, field name to value; the catalogues of fields are in src/domain.

CREATE TABLE organization_profile (
    organization_id BIGINT PRIMARY KEY NOT NULL REFERENCES organization (id),
    access_level TEXT NOT NULL CHECK (access_level IN ('data-exchange', 'clinical', 'limited-clinical', 'read-only')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    provider_id TEXT,
    county TEXT,
    region TEXT,
    zip TEXT,
    name_key TEXT NOT NULL,
    answers TEXT NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX organization_by_provider_id ON organization_profile (provider_id);
CREATE INDEX organization_by_name_key ON organization_profile (name_key);
CREATE INDEX organization_by_region ON organization_profile (region, organization_id);

CREATE TABLE site_profile (
    site_id TEXT PRIMARY KEY NOT NULL REFERENCES site (id),
    zip TEXT,
    name_key TEXT NOT NULL,
    ehr_vendor TEXT,
    answers TEXT NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX site_profile_by_name_key ON site_profile (name_key);
CREATE INDEX site_by_organization ON site (organization_id);

CREATE TABLE account (
    id INTEGER PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    -- Family and given name, and given and family name, in lower case: what is searched for by its beginning.
    name_key TEXT NOT NULL,
    given_key TEXT NOT NULL,
    phone TEXT,
    state TEXT NOT NULL CHECK (state IN ('invited', 'active', 'deactivated')),
    password TEXT,
    totp BLOB,
    totp_step BIGINT,
    failures BIGINT NOT NULL,
    locked_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    last_sign_in_at TIMESTAMP
);
CREATE INDEX account_by_name ON account (name_key, id);
CREATE INDEX account_by_given_name ON account (given_key, id);

CREATE TABLE membership (
    account_id BIGINT NOT NULL REFERENCES account (id),
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    role TEXT NOT NULL CHECK (role IN ('representative', 'data-exchange', 'vendor', 'facility-operator', 'dx-qa', 'read-only', 'regular', 'power')),
    state TEXT NOT NULL CHECK (state IN ('active', 'awaiting-training', 'inactive')),
    changed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (account_id, organization_id, role)
);
CREATE INDEX membership_by_organization ON membership (organization_id, account_id);

-- What an account may do for CDPH; an empty region means all.
CREATE TABLE staff_role (
    account_id BIGINT NOT NULL REFERENCES account (id),
    role TEXT NOT NULL CHECK (role IN ('onboarding', 'help-desk', 'registrar', 'auditor', 'administrator')),
    region TEXT NOT NULL,
    granted_at TIMESTAMP NOT NULL,
    PRIMARY KEY (account_id, role, region)
);

CREATE TABLE training (
    account_id BIGINT NOT NULL REFERENCES account (id),
    course TEXT NOT NULL,
    completed_on TEXT NOT NULL,
    recorded_by BIGINT NOT NULL REFERENCES account (id),
    recorded_at TIMESTAMP NOT NULL,
    PRIMARY KEY (account_id, course)
);

CREATE TABLE passkey (
    id INTEGER PRIMARY KEY NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    credential_id BLOB NOT NULL UNIQUE,
    data TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP
);
CREATE INDEX passkey_by_account ON passkey (account_id);

CREATE TABLE recovery_code (
    account_id BIGINT NOT NULL REFERENCES account (id),
    hash BLOB NOT NULL,
    PRIMARY KEY (account_id, hash)
);

CREATE TABLE session (
    hash BLOB PRIMARY KEY NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    created_at TIMESTAMP NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    -- When the second factor was shown; none: only the password was.
    second_factor_at TIMESTAMP,
    -- When the password or the second factor was shown again before something secret.
    stepped_up_at TIMESTAMP,
    -- State of a passkey ceremony under way.
    ceremony TEXT,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX session_by_account ON session (account_id);
CREATE INDEX session_by_age ON session (seen_at);

-- Links sent by mail; only their keyed hash is kept, and each serves one purpose once.
CREATE TABLE one_time_link (
    hash BLOB PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP
);
CREATE INDEX one_time_link_by_subject ON one_time_link (subject, purpose);
CREATE INDEX one_time_link_by_expiry ON one_time_link (expires_at);

-- A registration or an enrolment that is being filled in; `hash` is of the key in the visitor's cookie.
CREATE TABLE draft (
    id INTEGER PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('registration', 'enrolment')),
    state TEXT NOT NULL CHECK (state IN ('open', 'submitted', 'verified')),
    hash BLOB NOT NULL UNIQUE,
    answers TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    submitted_at TIMESTAMP
);
CREATE INDEX draft_by_age ON draft (updated_at);

-- What waits for staff: a registration to be looked at, an enrolment or a change to be decided.
CREATE TABLE request (
    id INTEGER PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('registration', 'enrolment', 'update')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'asked', 'approved', 'declined', 'withdrawn')),
    title TEXT NOT NULL,
    region TEXT,
    organization_id BIGINT REFERENCES organization (id),
    site_id TEXT REFERENCES site (id),
    requested_by BIGINT REFERENCES account (id),
    email TEXT NOT NULL,
    answers TEXT NOT NULL,
    before TEXT,
    flags TEXT NOT NULL,
    submitted_at TIMESTAMP NOT NULL,
    decided_at TIMESTAMP,
    decided_by BIGINT REFERENCES account (id)
);
CREATE INDEX request_by_state ON request (state, kind, submitted_at);
CREATE INDEX request_by_organization ON request (organization_id);

CREATE TABLE request_note (
    id INTEGER PRIMARY KEY NOT NULL,
    request_id BIGINT NOT NULL REFERENCES request (id),
    at TIMESTAMP NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('note', 'question', 'answer', 'decision')),
    author TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX request_note_by_request ON request_note (request_id, id);

CREATE TABLE agreement_acceptance (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    address TEXT NOT NULL,
    accepted_at TIMESTAMP NOT NULL
);
CREATE INDEX agreement_by_organization ON agreement_acceptance (organization_id, accepted_at);

CREATE TABLE clinician (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    title TEXT NOT NULL,
    license_type TEXT NOT NULL,
    license TEXT NOT NULL,
    npi TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    changed_at TIMESTAMP NOT NULL
);
CREATE INDEX clinician_by_organization ON clinician (organization_id);

-- A table of Sites that waits to be confirmed, and what came of it.
CREATE TABLE bulk_upload (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    site_rows TEXT NOT NULL,
    result TEXT,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX bulk_upload_by_organization ON bulk_upload (organization_id);

-- When a secret was first shown to somebody; those of before were handed over when they were issued.
ALTER TABLE credential ADD COLUMN shown_at TIMESTAMP;
UPDATE credential SET shown_at = created_at;

-- Mail to be sent. The body is sealed, and goes when the mail has gone: it may hold a one-time link.
CREATE TABLE letter (
    id BIGINT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body BLOB,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'bounced', 'given-up', 'held')),
    attempts BIGINT NOT NULL,
    next_attempt_at TIMESTAMP NOT NULL,
    give_up_at TIMESTAMP NOT NULL,
    last_error TEXT,
    created_at TIMESTAMP NOT NULL,
    settled_at TIMESTAMP
);
CREATE INDEX letter_due ON letter (next_attempt_at) WHERE state = 'queued';
CREATE INDEX letter_by_recipient ON letter (recipient, created_at);

-- Who did what to which; a chain of keyed hashes, never changed.
CREATE TABLE audit_event (
    id BIGINT PRIMARY KEY NOT NULL,
    at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before TEXT,
    after TEXT,
    source TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE INDEX audit_by_object ON audit_event (object, id);
CREATE INDEX audit_by_actor ON audit_event (actor, id);

CREATE TRIGGER audit_event_kept_as_written BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_event_kept BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

-- What was recorded before by `admin` has a place in the portal, too.
INSERT INTO organization_profile (organization_id, access_level, state, name_key, answers, updated_at)
SELECT id, 'data-exchange', 'active', lower(replace(name, ' ', '')), '{}', created_at FROM organization;
INSERT INTO site_profile (site_id, name_key, answers, updated_at)
SELECT id, lower(replace(name, ' ', '')), '{}', updated_at FROM site;
