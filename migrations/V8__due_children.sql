-- The listings whose children are still to be read: a sync stored the listing, and did
-- not read its children.

CREATE TABLE _due_children (
    resource TEXT NOT NULL,
    listing_key TEXT NOT NULL,
    PRIMARY KEY (resource, listing_key)
) WITHOUT ROWID;
