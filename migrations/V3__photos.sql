-- What fetching the files of photos needs. Where each photo's file is stands in
-- its row of `media`, whose columns and indexes for it are made with the table.

-- Photos that are being fetched now, so that what a killed process left beside
-- its rows is found without looking at every folder. Else empty.
CREATE TABLE _downloads (
    media_key TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    stem TEXT NOT NULL,
    file_path TEXT
) WITHOUT ROWID;
