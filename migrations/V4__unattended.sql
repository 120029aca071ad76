-- What running unattended needs.

-- The processes that hold the mirror for something: `sync` while a job runs,
-- `watch` for as long as the daemon does.
CREATE TABLE _leases (
    name TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started INTEGER NOT NULL,
    since TIMESTAMP NOT NULL
) WITHOUT ROWID;

INSERT INTO _leases SELECT 'sync', host, pid, process_started, since FROM _lease;
DROP TABLE _lease;
