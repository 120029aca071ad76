-- Plain names for the table of facts that the mirror keeps between runs.

ALTER TABLE _learned RENAME TO _state;
ALTER TABLE _state RENAME COLUMN learned_at TO updated_at;

UPDATE _state SET name = 'reported_up_to_change' WHERE name = 'told_up_to_change';
UPDATE _state SET name = 'checked_files_up_to' WHERE name = 'files_looked_for';
