-- Searches that people keep, each for the pages of one organization or of staff.
CREATE TABLE saved_search (
    id INTEGER PRIMARY KEY NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    place TEXT NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX saved_search_by_account ON saved_search (account_id, place);
