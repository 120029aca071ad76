//! Places of files: with any key from the feed, and with any link in the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value as Json, json};
use simulator::Simulator;

use crate::photo_files::*;
use crate::support::*;

const METADATA: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
<edmx:DataServices><Schema Namespace="odd" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Property"><Key><PropertyRef Name="ListingKey"/></Key>
<Property Name="ListingKey" Type="Edm.String"/><Property Name="PhotosCount" Type="Edm.Int32"/>
<Property Name="ModificationTimestamp" Type="Edm.DateTimeOffset"/>
<NavigationProperty Name="Media" Type="Collection(odd.Media)"/></EntityType>
<EntityType Name="Media"><Key><PropertyRef Name="MediaKey"/></Key>
<Property Name="MediaKey" Type="Edm.String"/><Property Name="ResourceRecordKey" Type="Edm.String"/>
<Property Name="MediaURL" Type="Edm.String"/><Property Name="MediaCategory" Type="Edm.String"/>
<Property Name="Order" Type="Edm.Int32"/>
<Property Name="ModificationTimestamp" Type="Edm.DateTimeOffset"/></EntityType>
<EntityContainer Name="Container"><EntitySet Name="Property" EntityType="odd.Property"/>
<EntitySet Name="Media" EntityType="odd.Media"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"#;

/// Returns keys that some file systems or all of them reject.
fn odd_keys() -> Vec<String> {
    let odd = [
        ".",
        "..",
        "../../outside",
        "/etc/passwd",
        "a/b",
        "a\\b",
        ".hidden",
        "-rf",
        "nul",
        "NUL.jpg",
        "com1.x",
        "a\u{0}b",
        "line\nbreak",
        "\u{202e}gpj.exe",
        "trailing.",
        "trailing ",
        "a:b*c?d\"e<f>g|h",
        "größe",
        "日本語",
        "Photo",
        "photo",
        "PHOTO",
        "image.jpg",
        "~",
        "%2e%2e",
    ];
    let mut keys: Vec<String> = odd.into_iter().map(str::to_owned).collect();
    keys.extend(["x", "X", "é"].map(|letter| letter.repeat(400)));
    keys.push("x".repeat(400) + "y");
    keys
}

/// Creates a feed whose listings and photos have these keys, with the files of the
/// simulator.
fn odd_feed(
    files: &Simulator,
    keys: &[String],
    listing_of: impl Fn(&str) -> String,
) -> (String, BTreeMap<String, Vec<u8>>) {
    let (mut photos, mut contents) = (Vec::new(), BTreeMap::new());
    let mut by_listing: Vec<(String, Vec<Json>)> = Vec::new();
    for (key, file) in keys.iter().zip(photo_keys(files)) {
        let listing = listing_of(key);
        let photo = json!({
            "MediaKey": key, "ResourceRecordKey": listing, "MediaCategory": "Photo", "Order": 0,
            "MediaURL": format!("{}/photos/640x480/{file}", files.asset_url()),
            "ModificationTimestamp": "2026-03-04T18:00:00.000Z",
        });
        contents.insert(key.clone(), files.photo_file(&file).unwrap());
        photos.push(photo.clone());
        match by_listing.iter_mut().find(|(other, _)| *other == listing) {
            Some((_, photos)) => photos.push(photo),
            None => by_listing.push((listing, vec![photo])),
        }
    }
    let listing = |(key, photos): (String, Vec<Json>)| {
        json!({
            "ListingKey": key, "PhotosCount": photos.len(), "Media": photos,
            "ModificationTimestamp": "2026-03-04T18:00:00.000Z",
        })
    };
    let listings: Vec<Json> = by_listing.into_iter().map(listing).collect();
    assert_eq!(
        photos.len(),
        keys.len(),
        "the simulated feed has too few photos"
    );
    let root = serve(move |_, request: &Request| {
        let records: &[Json] = match request.uri().path() {
            "/$metadata" => return Response::new(Body::from(METADATA)),
            "/Property" => &listings,
            _ => &photos,
        };
        let page = json!({ "@odata.count": records.len(), "value": records });
        Response::new(Body::from(page.to_string()))
    });
    (root, contents)
}

fn mirror_of(root: &str) -> Mirror {
    Mirror::at(root, |settings| {
        settings.set("profile", "\"reso\"");
        settings.resources = vec!["Property", "Media"];
        settings.media = true;
    })
}

#[test]
fn with_any_keys_every_file_is_inside_the_folder_and_has_one_photo() {
    let files = feed_with(40, |options| options.photos = 5);
    let keys = odd_keys();
    let (root, contents) = odd_feed(&files, &keys, str::to_owned);
    let mirror = mirror_of(&root);
    let ended = mirror.sync_ends(0, &["full"]);
    mirror.sync_ends(0, &["media"]);
    let db = mirror.open();
    let paths: BTreeMap<String, String> =
        rows(&db, "SELECT \"MediaKey\" AS key, file_path FROM media")
            .into_iter()
            .map(|row| (as_text(&row["key"]).to_owned(), text_of(&row["file_path"])))
            .collect();
    assert_eq!(paths.len(), keys.len(), "{ended}");
    let held = below(&media_dir(&mirror));
    let mut folded = BTreeSet::new();
    for (key, path) in &paths {
        let (folder, file) = path.split_once('/').unwrap();
        for name in [folder, file] {
            assert!(!name.is_empty() && name.len() <= 150, "{key:?}: {path}");
            assert!(
                !name.contains('/') && !name.starts_with('.'),
                "{key:?}: {path}"
            );
        }
        assert!(folded.insert(path.to_lowercase()), "{key:?} shares {path}");
        assert!(
            held[path].as_ref() == Some(&contents[key]),
            "{key:?}: {path}"
        );
    }
    let on_disk = held.values().flatten().count();
    assert_eq!(on_disk, keys.len());
    // This feed does not declare whether websites may show a listing.
    let displayable = "SELECT count(*) FROM displayable_listings";
    assert_eq!(number(&db, displayable), keys.len() as i64);
    // Next to the configuration are only the database and the folder.
    let mut beside: Vec<String> = below(mirror.folder.path()).into_keys().collect();
    beside.retain(|name| !name.starts_with("media/") && !name.starts_with("mirror.db"));
    assert_eq!(beside, ["mlsmirror.toml"]);
    assert!(!files.asset_saw_token());
    assert!(paths["photo"].ends_with("/photo.jpg"), "{}", paths["photo"]);
    assert_eq!(paths["image.jpg"], "image.jpg/image.jpg");
    assert!(paths["Photo"].contains("/Photo-"), "{}", paths["Photo"]);
}

/// Fails unless the row of each photo names a file with its content.
#[track_caller]
fn assert_contents(mirror: &Mirror, contents: &BTreeMap<String, Vec<u8>>) {
    let held = below(&media_dir(mirror));
    for row in rows(
        &mirror.open(),
        "SELECT \"MediaKey\" AS key, file_path FROM media",
    ) {
        let (key, path) = (as_text(&row["key"]), text_of(&row["file_path"]));
        assert!(
            held[&path].as_ref() == Some(&contents[key]),
            "{key}: {path}"
        );
    }
    assert_eq!(held.values().flatten().count(), contents.len());
}

#[test]
fn two_photos_whose_files_could_share_a_name_have_files_of_their_own() {
    let files = feed_with(20, |options| options.photos = 5);
    let keys = ["a.jpg", "photo", "photo.jpg", "photo.jpg.jpg", "other.jpg"].map(str::to_owned);
    // The server does not sort its listings, and is read by its links.
    let listing_of = |key: &str| if key == "a.jpg" { "2" } else { "1" }.to_owned();
    let (root, contents) = odd_feed(&files, &keys, listing_of);
    let mirror = mirror_of(&root);
    mirror.sync_ends(0, &["full"]);
    mirror.sync_ends(0, &["media"]);
    assert_contents(&mirror, &contents);
    assert!(media_dir(&mirror).join("1/other.jpg").is_file());

    // An earlier version gave them these names. They stay.
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    for key in ["photo", "photo.jpg"] {
        let old = format!("1/{key}.jpg");
        let path = text(
            &db,
            &format!("SELECT file_path FROM media WHERE \"MediaKey\" = '{key}'"),
        );
        std::fs::rename(media_dir(&mirror).join(path), media_dir(&mirror).join(&old)).unwrap();
        let sql = "UPDATE media SET file_path = ?1 WHERE \"MediaKey\" = ?2";
        db.execute(sql, [old.as_str(), key]).unwrap();
    }
    // A download of one of them was interrupted.
    db.execute_batch(
        "DELETE FROM _state WHERE name = 'file_names_shortened';
         INSERT INTO _downloads (media_key, folder, stem, file_path)
         VALUES ('photo.jpg', '1', 'photo.jpg', '1/photo.jpg.jpg');",
    )
    .unwrap();
    drop(db);
    mirror.sync_ends(0, &["media"]);
    assert_contents(&mirror, &contents);
}

#[test]
fn a_media_dir_that_is_a_link_is_used() {
    let feed = feed(10);
    let mirror = with_photos(&feed);
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), media_dir(&mirror)).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    assert!(below(elsewhere.path()) == below(&media_dir(&mirror)));
    assert!(media_dir(&mirror).is_symlink());
}

#[test]
fn a_link_placed_by_another_program_is_not_followed() {
    let feed = feed_with(10, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    let outside = tempfile::tempdir().unwrap();
    let precious = outside.path().join("precious.jpg");
    std::fs::write(&precious, "mine").unwrap();
    let photos = feed.truth("Media");
    let of = |at: usize| {
        let key = key_text(&photos[at]["MediaKey"]);
        (key_text(&photos[at]["ResourceRecordKey"]), key)
    };
    // The folder of one listing and the file of one photo are links to the outside.
    let (linked, _) = of(0);
    let (listing, key) = of(photos.len() - 1);
    assert_ne!(linked, listing);
    create_media_dir(&mirror);
    std::fs::create_dir_all(media_dir(&mirror).join(&listing)).unwrap();
    symlink(outside.path(), media_dir(&mirror).join(&linked)).unwrap();
    let file = media_dir(&mirror).join(&listing).join(&key);
    symlink(&precious, &file).unwrap();
    let temporary = media_dir(&mirror)
        .join(&listing)
        .join(format!(".{key}.part"));
    symlink(&precious, &temporary).unwrap();

    mirror
        .sync_ends(3, &[])
        .says(3, &["its folder is a link or a file; remove it"]);
    assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(!file.is_symlink(), "the link itself was replaced");
    assert!(std::fs::read(&file).unwrap() == feed.photo_file(&key).unwrap());

    // Removes the named file, even if it is a link now, and nothing outside.
    std::fs::remove_file(&file).unwrap();
    symlink(&precious, &file).unwrap();
    feed.advance(chrono::Duration::hours(1));
    feed.delete("Property", &listing, true).unwrap();
    feed.delete("Property", &linked, true).unwrap();
    mirror.sync();
    assert!(!file.is_symlink());
    assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
    std::fs::remove_file(media_dir(&mirror).join(&linked)).unwrap();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_path_that_another_program_wrote_into_a_row_is_not_followed() {
    let feed = feed(10);
    let mirror = with_photos(&feed);
    mirror.sync();
    let precious = mirror.folder.path().join("precious.jpg");
    std::fs::write(&precious, "mine").unwrap();
    let listing = key_text(&feed.truth("Media")[0]["ResourceRecordKey"]);
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let sql = "UPDATE media SET file_path = '../precious.jpg' WHERE listing_key = ?1";
    db.execute(sql, [&listing]).unwrap();
    drop(db);
    feed.advance(chrono::Duration::hours(1));
    feed.delete("Property", &listing, true).unwrap();
    mirror.sync();
    assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
}
