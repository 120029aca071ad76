-- The state of the export to Delta tables.

-- The clusters whose rows changed since they were last exported. Triggers write here, in
-- the transaction of the row, after a table was exported for the first time.
CREATE TABLE _export_touched (
    table_name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    cluster_key NOT NULL,
    PRIMARY KEY (table_name, generation, cluster_key)
) WITHOUT ROWID;

-- The generation that triggers write now. Each export starts the next one.
CREATE TABLE _export_generation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
);

INSERT INTO _export_generation (id, generation) VALUES (1, 1);

-- The newest version of each exported table, and the version that an export is about to
-- publish, each with the export that wrote it.
CREATE TABLE _export_tables (
    table_name TEXT PRIMARY KEY,
    version INTEGER,
    run_id TEXT,
    pending_version INTEGER,
    pending_run_id TEXT
) WITHOUT ROWID;

-- The values of exported rows that the types of their columns cannot hold.
CREATE TABLE _export_misfits (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    cluster_key,
    record_key TEXT,
    field TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE INDEX export_misfits_by_cluster ON _export_misfits (table_name, cluster_key);

-- One row for every table that an export published.
CREATE TABLE _exports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    exported_at TIMESTAMP NOT NULL,
    table_name TEXT NOT NULL,
    delta_version INTEGER NOT NULL,
    rows INTEGER NOT NULL
);
