-- Why the mirror does not hold the values of a field in its column; NULL if it does.
ALTER TABLE _fields ADD COLUMN left_out TEXT;
