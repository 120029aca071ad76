-- What following the feed needs beyond reading it once.

-- What the live rows of a resource were all read with: the configured filter,
-- and the fields as a JSON list. Where the configuration or the feed's $metadata
-- now says otherwise, the resource is read anew.
CREATE TABLE _scope (
    resource TEXT PRIMARY KEY,
    filter TEXT,
    fields TEXT NOT NULL
) WITHOUT ROWID;

INSERT INTO _scope (resource, filter, fields)
SELECT resource, NULL, json_group_array(field) FROM _fields
WHERE resource IN (SELECT resource FROM sync_runs
                   WHERE job = 'full' AND status IN ('succeeded', 'partial') AND checkpoint IS NULL)
GROUP BY resource;

-- What was found out about the server, to ask it right the first time.
CREATE TABLE _learned (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    learned_at TIMESTAMP NOT NULL
) WITHOUT ROWID;

-- What changed since a time is asked for often, and the log is long.
CREATE INDEX changes_by_time ON changes (recorded_at);

-- Sweeps of several jobs may stand unfinished side by side.
ALTER TABLE _sweep_seen RENAME TO _sweep_seen_before;
ALTER TABLE _sweep_missing RENAME TO _sweep_missing_before;

CREATE TABLE _sweep_seen (
    job TEXT NOT NULL,
    resource TEXT NOT NULL,
    record_key TEXT NOT NULL,
    PRIMARY KEY (job, resource, record_key)
) WITHOUT ROWID;

CREATE TABLE _sweep_missing (
    resource TEXT NOT NULL,
    record_key TEXT NOT NULL,
    job TEXT NOT NULL,
    PRIMARY KEY (resource, record_key, job)
) WITHOUT ROWID;

INSERT INTO _sweep_seen SELECT 'full', resource, record_key FROM _sweep_seen_before;
INSERT INTO _sweep_missing SELECT resource, record_key, 'full' FROM _sweep_missing_before;
DROP TABLE _sweep_seen_before;
DROP TABLE _sweep_missing_before;
