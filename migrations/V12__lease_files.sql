-- Leases are locks on files next to the database now.

DROP TABLE _leases;
