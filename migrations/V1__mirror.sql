-- The tables of every mirror. Those of the feed's records are made from its
-- $metadata when it is first read.

-- One row for every run of a job on a resource.
CREATE TABLE sync_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    resource TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('running', 'succeeded', 'partial', 'failed', 'interrupted')),
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    duration_ms INTEGER,
    watermark_before TIMESTAMP,
    watermark_after TIMESTAMP,
    checkpoint TEXT,
    pages INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    throttled_ms INTEGER NOT NULL DEFAULT 0,
    bytes_received INTEGER NOT NULL DEFAULT 0,
    records_seen INTEGER NOT NULL DEFAULT 0,
    inserted INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    restored INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    changes_logged INTEGER NOT NULL DEFAULT 0,
    records_per_second REAL,
    peak_rss_bytes INTEGER,
    error TEXT
);

CREATE INDEX sync_runs_by_resource ON sync_runs (resource, job, id);

-- Every change of every field, and every record that came, went or came back.
-- The values have no declared type: they stand in their column's storage form.
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL,
    resource TEXT NOT NULL,
    record_key TEXT NOT NULL,
    listing_key TEXT,
    change TEXT NOT NULL CHECK (change IN ('insert', 'update', 'delete', 'restore')),
    field TEXT,
    old_value,
    new_value,
    source_timestamp TIMESTAMP,
    recorded_at TIMESTAMP NOT NULL
);

CREATE INDEX changes_by_listing ON changes (listing_key, id);

-- Records that came and could not be stored, whole.
CREATE TABLE rejects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL,
    resource TEXT NOT NULL,
    record_key TEXT,
    reason TEXT NOT NULL,
    payload TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    resolved_at TIMESTAMP
);

CREATE INDEX rejects_open ON rejects (resource, record_key) WHERE resolved_at IS NULL;

-- The feed's $metadata as it was last read, one row.
CREATE TABLE _metadata (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fetched_at TIMESTAMP NOT NULL,
    document TEXT NOT NULL
);

-- The feed's fields and enumerations, for readers.
CREATE TABLE _fields (
    resource TEXT NOT NULL,
    field TEXT NOT NULL,
    edm_type TEXT NOT NULL,
    description TEXT,
    enumeration TEXT,
    PRIMARY KEY (resource, field)
) WITHOUT ROWID;

CREATE TABLE _lookups (
    enumeration TEXT NOT NULL,
    member TEXT NOT NULL,
    display_name TEXT NOT NULL,
    PRIMARY KEY (enumeration, member)
) WITHOUT ROWID;

-- What a sweep that has not finished met and missed so far. Empty between sweeps.
CREATE TABLE _sweep_seen (
    resource TEXT NOT NULL,
    record_key TEXT NOT NULL,
    PRIMARY KEY (resource, record_key)
) WITHOUT ROWID;

CREATE TABLE _sweep_missing (
    resource TEXT NOT NULL,
    record_key TEXT NOT NULL,
    PRIMARY KEY (resource, record_key)
) WITHOUT ROWID;

-- The one process that syncs this mirror, if there is one.
CREATE TABLE _lease (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started INTEGER NOT NULL,
    since TIMESTAMP NOT NULL
);
