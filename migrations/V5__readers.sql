-- What the views for readers need.

-- Since when the feed's time zone is how far from UTC: SQLite knows no time zones.
CREATE TABLE _utc_offsets (
    since TIMESTAMP PRIMARY KEY,
    offset_minutes INTEGER NOT NULL
) WITHOUT ROWID;

-- Entries of the log by what they tell, the newest last.
CREATE INDEX changes_of_price ON changes (id)
    WHERE resource = 'Property' AND field = 'ListPrice';
CREATE INDEX changes_of_status ON changes (id)
    WHERE resource = 'Property' AND field = 'StandardStatus';
CREATE INDEX changes_new_listings ON changes (id)
    WHERE resource = 'Property' AND change = 'insert';
-- Children that went from one listing to another.
CREATE INDEX changes_moved ON changes (id)
    WHERE resource <> 'Property' AND field IN
        ('ResourceRecordKey', 'ResourceRecordKeyNumeric', 'ListingKey', 'ListingKeyNumeric');
