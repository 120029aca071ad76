-- How far each alert has reported the changes, and whether its program fails.

CREATE TABLE _alerts (
    name TEXT PRIMARY KEY,
    -- The last entry of `changes` that was reported, or did not have to be.
    reported_up_to INTEGER NOT NULL,
    -- Whether the alert reported that the mirror needs attention.
    attention BOOLEAN NOT NULL DEFAULT 0,
    -- The number of lines that the program receives at once.
    lines_at_once INTEGER NOT NULL,
    -- Why the last report failed; NULL if it succeeded.
    error TEXT,
    updated_at TIMESTAMP NOT NULL
) WITHOUT ROWID;

INSERT INTO _alerts (name, reported_up_to, lines_at_once, updated_at)
    SELECT 'monitor', CAST(value AS INTEGER), 500, updated_at FROM _state
    WHERE name = 'reported_up_to_change';
DELETE FROM _state WHERE name = 'reported_up_to_change';
