//! Checks that hold for every input from outside. The fuzz targets use them, and so does
//! the test that runs their seeds.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use mlsmirror::config::Config;
use mlsmirror::feed::{Known, Metadata, Page, Wanted, columns, shape};
use mlsmirror::files::Place;
use mlsmirror::record::{Reject, Shape};
use mlsmirror::resource::Resource;

/// Metadata with every kind of field, and with children.
const METADATA: &str = include_str!("seeds/metadata/every-kind.xml");

/// The shape of listings with their photos.
static SHAPE: LazyLock<Arc<Shape>> = LazyLock::new(|| {
    let metadata = Metadata::parse(METADATA.as_bytes()).expect("the seed is metadata");
    let wanted = Wanted {
        select: &Default::default(),
        expand: &[Resource::MEDIA],
        known: Known::default(),
    };
    let shape = shape(&metadata, Resource::PROPERTY, wanted);
    Arc::new(shape.expect("the seed declares listings"))
});

/// Checks that a page is decoded or refused, with the same result twice.
pub fn page(input: &[u8]) {
    let decode = || Page::decode(input, &SHAPE);
    let page = match decode() {
        Ok(page) => page,
        Err(error) => return assert_is_message(&error.to_string()),
    };
    let again = decode().expect("it was decoded before");
    assert_eq!(format!("{page:?}"), format!("{again:?}"));
    let is_listing = |reject: &&Reject| reject.resource == Resource::PROPERTY;
    let rejected = page.rejects.iter().filter(is_listing).count();
    assert_eq!(page.records.len() + rejected, page.entries);
    for record in &page.records {
        assert!(!record.key.is_empty());
        assert_eq!(record.values.len(), SHAPE.fields.len());
        assert_eq!(SHAPE.key_of(&record.values).as_ref(), Some(&record.key));
        if let Some(extra) = &record.extra {
            let extra: serde_json::Value = serde_json::from_str(extra).expect("JSON");
            assert!(extra.is_object());
        }
    }
    for reject in &page.rejects {
        assert_is_message(&reject.reason);
    }
}

/// Checks that metadata is read or refused, and that tables and shapes can be created from
/// it.
pub fn metadata(input: &[u8]) {
    let metadata = match Metadata::parse(input) {
        Ok(metadata) => metadata,
        Err(error) => return assert_is_message(&error.to_string()),
    };
    assert_eq!(Metadata::parse(input).ok().as_ref(), Some(&metadata));
    for resource in Resource::NAMED {
        let wanted = Wanted {
            select: &Default::default(),
            expand: &[],
            known: Known::default(),
        };
        if let Err(error) = shape(&metadata, resource, wanted) {
            assert_is_message(&error.to_string());
        }
        let Ok(columns) = columns(&metadata, resource, wanted) else {
            continue;
        };
        // SQLite ignores the case of names.
        let mut names: Vec<String> = columns
            .iter()
            .map(|column| column.name.to_ascii_lowercase())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), columns.len());
    }
}

/// Checks that the photos of two keys, one per line, have different names that are valid on
/// every file system.
pub fn file_name(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (one, other) = text.split_once('\n').unwrap_or((&text, ""));
    let places = [one, other].map(|key| (key, Place::of(Some(key), key)));
    for (key, place) in &places {
        for name in [&place.folder, &place.stem] {
            // The temporary file is `.stem.part`.
            let longest = 150 - "..part".len();
            assert!((1..=longest).contains(&name.len()), "{name:?}");
            assert!(
                !name.starts_with('.') && !name.ends_with(['.', ' ']),
                "{name:?}"
            );
            let is_plain = |letter: char| {
                letter.is_ascii_graphic() && !"/\\:*?\"<>|".contains(letter) || letter == ' '
            };
            assert!(name.chars().all(is_plain), "{name:?}");
            let stem = name
                .split('.')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            let port = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
            let is_port =
                port.is_some_and(|digits| digits.len() == 1 && digits.parse::<u8>().is_ok());
            let is_device = ["con", "prn", "aux", "nul"].contains(&stem.as_str());
            assert!(!is_device && !is_port, "{name:?}");
        }
        assert_eq!(&Place::of(Some(key), key), place);
    }
    let [(one, first), (other, second)] = &places;
    if one != other {
        assert_ne!(
            first.stem.to_ascii_lowercase(),
            second.stem.to_ascii_lowercase(),
            "{one:?} and {other:?}"
        );
        assert_ne!(
            first.folder.to_ascii_lowercase(),
            second.folder.to_ascii_lowercase(),
            "{one:?} and {other:?}"
        );
    }
}

/// Checks that a configuration is read, or refused with one line that names the file.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match Config::parse(text, Path::new("mlsmirror.toml")) {
        Ok(config) => {
            for warning in config.warnings() {
                assert_is_message(&warning);
            }
        }
        Err(error) => {
            let error = error.to_string();
            assert_is_message(&error);
            assert!(error.contains("mlsmirror.toml"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

/// Checks that a message contains words and no control characters except line breaks.
fn assert_is_message(text: &str) {
    assert!(text.chars().any(char::is_alphabetic), "{text:?}");
    let steers = |letter: char| letter.is_control() && letter != '\n';
    assert!(!text.contains(steers), "{text:?}");
}
