-- What the feed can do, as its answers showed. A value that does not hold any more is deleted.

CREATE TABLE _capabilities (
    resource TEXT NOT NULL,
    capability TEXT NOT NULL,
    value TEXT NOT NULL,
    detail TEXT,
    observed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (resource, capability)
) WITHOUT ROWID;

INSERT INTO _capabilities (resource, capability, value, observed_at)
    SELECT '', 'count', value, updated_at FROM _state WHERE name = 'counts';
INSERT INTO _capabilities (resource, capability, value, observed_at)
    SELECT substr(name, 8), 'paging', value, updated_at FROM _state
    WHERE name LIKE 'paging:%' AND value = 'next links';
INSERT INTO _capabilities (resource, capability, value, observed_at)
    SELECT substr(name, 8), 'expand', 'incomplete', updated_at FROM _state
    WHERE name LIKE 'expand:%' AND value = 'lacks records';
INSERT INTO _capabilities (resource, capability, value, observed_at)
    SELECT '', 'deleted', value, updated_at FROM _state WHERE name = 'deleted_names';
INSERT OR REPLACE INTO _capabilities (resource, capability, value, observed_at)
    SELECT '', 'deleted', 'refused', value FROM _state
    WHERE name = 'deleted_refused_at' AND value <> '';

DELETE FROM _state WHERE name IN ('counts', 'deleted_names', 'deleted_refused_at')
    OR name LIKE 'paging:%' OR name LIKE 'expand:%';
