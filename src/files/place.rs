//! Names for files and folders, made of keys of the feed.
//!
//! Two keys get different names on every file system, also where case is ignored. A key that
//! ends in the extension of its file, such as `a.jpg`, is the whole name. So it could share
//! its name with the key `a`: such keys are [`rivals`] and get [`Place::distinct`] names.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

/// The contract's limit for a name, in bytes.
const NAME_MAX_BYTES: usize = 150;

/// The most bytes that are added to a stem: `.` and `.part` of a temporary file. The
/// extension of every image type is shorter.
const AROUND_BYTES: usize = 6;

/// The number of hash digits in a name. 64 bits distinguish all keys.
const HASH_DIGITS: usize = 16;

/// Names that Windows reserves for devices, with any extension.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The folder of photos without a listing, such as photos of members.
const NO_LISTING: &str = "_other";

/// The place of a photo within the folder of photos: the folder of its listing, and the
/// name of its file without the extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the folder.
    pub folder: String,
    /// The name of the file without its extension.
    pub stem: String,
}

impl Place {
    /// Returns the place of a listing's photo.
    pub fn of(listing_key: Option<&str>, media_key: &str) -> Place {
        Place {
            folder: listing_key.map_or(NO_LISTING.to_owned(), safe),
            stem: safe(media_key),
        }
    }

    /// Returns the place that this key has while a rival exists: the name ends with the hash
    /// of the key.
    pub fn distinct(listing_key: Option<&str>, media_key: &str) -> Place {
        Place {
            stem: hashed(media_key),
            ..Place::of(listing_key, media_key)
        }
    }

    /// Returns the path that a file of this photo should have, if `path` is the path that
    /// earlier versions gave it: with the extension twice.
    pub fn shortened(&self, path: &str) -> Option<String> {
        let (_, extension) = path.rsplit_once('.').filter(|_| self.is_of(path))?;
        let shortened = format!("{}/{}", self.folder, self.file(extension));
        (shortened != path).then_some(shortened)
    }

    /// Returns whether the file at this path within the folder of photos belongs to this
    /// photo.
    pub fn is_of(&self, path: &str) -> bool {
        path.split_once('/')
            .is_some_and(|(folder, file)| folder == self.folder && self.owns(file))
    }

    /// Returns the name of the temporary file.
    pub(super) fn temporary(&self) -> String {
        format!(".{}{TEMPORARY}", self.stem)
    }

    /// Returns the name of the file with this extension.
    pub(super) fn file(&self, extension: &str) -> String {
        match base(&self.stem) {
            Some((_, own)) if own == extension => self.stem.clone(),
            _ => format!("{}.{extension}", self.stem),
        }
    }

    /// Returns whether a file in its folder belongs to this photo, with any extension.
    pub(super) fn owns(&self, file: &str) -> bool {
        let has_stem = |(stem, _)| stem == self.stem;
        file == self.temporary()
            || file == self.stem && base(file).is_some()
            || file.rsplit_once('.').is_some_and(has_stem)
    }
}

/// Returns the keys whose files may have the same name as a file of this key.
pub fn rivals(key: &str) -> Vec<String> {
    let longer = IMAGE_EXTENSIONS.map(|extension| format!("{key}.{extension}"));
    let shorter = base(key).map(|(base, _)| base.to_owned());
    longer.into_iter().chain(shorter).collect()
}

/// Splits a plain key that ends in the extension of an image. None if the rest is not plain:
/// it could be the name of another key.
fn base(key: &str) -> Option<(&str, &str)> {
    let (base, extension) = key.rsplit_once('.')?;
    let is_image = IMAGE_EXTENSIONS.contains(&extension);
    (is_image && is_plain(base) && is_plain(key)).then_some((base, extension))
}

/// The extension of a temporary file.
const TEMPORARY: &str = ".part";

/// The extensions of images, as [`infer`] gives them.
const IMAGE_EXTENSIONS: [&str; 17] = [
    "jpg", "jp2", "png", "gif", "webp", "cr2", "tif", "bmp", "jxr", "psd", "ico", "heif", "avif",
    "jxl", "ora", "djvu", "dwg",
];

/// Returns whether a path within the folder of photos has the form that the mirror gives to
/// its files: the name of a folder, and the name of an image or of a temporary file.
pub(super) fn is_own(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(folder, file)| is_own_folder(folder) && is_own_file(file))
}

/// Returns whether the mirror gives such names to folders.
pub(super) fn is_own_folder(name: &str) -> bool {
    name == NO_LISTING || is_safe(name)
}

/// Returns whether the mirror gives such names to files.
pub(super) fn is_own_file(name: &str) -> bool {
    let stem = match name.strip_prefix('.') {
        Some(temporary) => temporary.strip_suffix(TEMPORARY),
        None => name
            .rsplit_once('.')
            .filter(|(_, extension)| IMAGE_EXTENSIONS.contains(extension))
            .map(|(stem, _)| stem),
    };
    stem.is_some_and(is_safe)
}

/// Returns whether [`safe`] may return this name.
fn is_safe(name: &str) -> bool {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_hashed = || {
        ends_with_hash(name)
            && name.len() <= NAME_MAX_BYTES - AROUND_BYTES
            && name.bytes().all(is_kept)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
    };
    is_plain(name) || is_hashed()
}

/// Returns a name for a key. A plain key is its own name. Any other name ends with the hash
/// of the key, which makes it unique.
fn safe(key: &str) -> String {
    if is_plain(key) {
        return key.to_owned();
    }
    hashed(key)
}

/// Returns the safe letters of a key, and its hash.
fn hashed(key: &str) -> String {
    let is_kept = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let readable = |letter: char| if is_kept(letter) { letter } else { '_' };
    let mut name: String = key.chars().map(readable).collect();
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || is_reserved(&name) {
        name.insert(0, '_');
    }
    name.truncate(NAME_MAX_BYTES - AROUND_BYTES - HASH_DIGITS - 1);
    name.push('-');
    for byte in &digest(&SHA256, key.as_bytes()).as_ref()[..HASH_DIGITS / 2] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Returns whether a key is a valid name on every file system and differs from the name of
/// every other key. Capitals are not plain, because some file systems ignore case.
fn is_plain(key: &str) -> bool {
    let is_plain_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    key.len() <= NAME_MAX_BYTES - AROUND_BYTES
        && key.bytes().all(is_plain_letter)
        && key.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !key.ends_with('.')
        && !is_reserved(key)
        && !ends_with_hash(key)
}

fn is_reserved(name: &str) -> bool {
    let device = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let is_port = |device: &str| {
        let number = ["com", "lpt"]
            .iter()
            .find_map(|port| device.strip_prefix(port));
        number.is_some_and(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    RESERVED.contains(&device.as_str()) || is_port(&device)
}

/// Returns whether the name could belong to a key that is not plain.
fn ends_with_hash(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, hash)| {
        hash.len() == HASH_DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn odd_keys() -> Vec<String> {
        let mut keys: Vec<String> = [
            "",
            ".",
            "..",
            "...",
            ".hidden",
            "-rf",
            "_",
            "a.",
            "a ",
            " a",
            "a/b",
            "a\\b",
            "../../etc/passwd",
            "/etc/passwd",
            "C:\\x",
            "a\0b",
            "a\nb",
            "\u{7f}",
            "a:b",
            "a*b?",
            "con",
            "CON",
            "con.jpg",
            "nul.tar.gz",
            "com1",
            "lpt9.x",
            "com10",
            "aux",
            "abc",
            "ABC",
            "Abc",
            "abC",
            "größe",
            "gro\u{308}ße",
            "GRÖSSE",
            "日本語",
            "\u{202e}gpj",
            "photo-0123456789abcdef",
            "photo.part",
            ".photo.part",
            "a.jpg",
            "a",
        ]
        .map(str::to_owned)
        .into();
        keys.extend(["x", "X", "é", "/", "."].map(|letter| letter.repeat(400)));
        keys.extend(["x", "y"].map(|last| "x".repeat(400) + last));
        keys.extend((140..150).map(|length| "k".repeat(length)));
        // The resulting names are keys, too.
        let names: Vec<String> = keys.iter().map(|key| safe(key)).collect();
        keys.extend(names);
        keys.sort();
        keys.dedup();
        keys
    }

    #[test]
    fn every_name_is_safe_on_every_file_system() {
        for key in odd_keys() {
            let place = Place::of(Some(&key), &key);
            for name in [place.folder.clone(), place.file("jpeg"), place.temporary()] {
                assert!(name.len() <= NAME_MAX_BYTES, "{key:?}: {name}");
                let allowed =
                    |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
                assert!(name.chars().all(allowed), "{key:?}: {name}");
                assert!(!name.ends_with('.'), "{key:?}: {name}");
                assert!(!is_reserved(&name), "{key:?}: {name}");
            }
            for file in [place.file("jpg"), place.temporary()] {
                let path = format!("{}/{file}", place.folder);
                assert!(is_own(&path), "{key:?}: {path}");
            }
            assert!(
                !place.stem.starts_with(['.', '-']),
                "{key:?}: {}",
                place.stem
            );
            assert!(
                !place.folder.starts_with(['.', '-']),
                "{key:?}: {}",
                place.folder
            );
        }
    }

    #[test]
    fn no_two_keys_share_a_name_even_if_case_is_ignored() {
        let mut names: HashMap<String, String> = HashMap::new();
        for key in odd_keys() {
            let name = safe(&key).to_ascii_lowercase();
            if let Some(other) = names.insert(name.clone(), key.clone()) {
                panic!("{key:?} and {other:?} are both {name}");
            }
        }
    }

    #[test]
    fn a_name_stays_readable_if_the_key_is_safe() {
        for plain in [
            "1000002",
            "1611952_050774e9_2880536.jpg",
            "d7b22bd8-62d2-4d77-8ff1-c05be98e5b55",
        ] {
            assert_eq!(safe(plain), plain);
        }
        assert_eq!(safe("Kitchen 1/2"), "Kitchen_1_2-0691502af9b99f2a");
        assert_eq!(safe("..").split('-').next(), Some("_.."));
    }

    #[test]
    fn paths_of_other_forms_are_not_own() {
        for path in [
            "a.jpg",
            "1/a",
            "1/a.txt",
            "1/.a",
            "1/a.JPG",
            "1/A.jpg",
            "A/1.jpg",
            "1/2/3.jpg",
            "../a.jpg",
            "1/../a.jpg",
            "/1/a.jpg",
            "1//a.jpg",
            "_x/a.jpg",
            "con/a.jpg",
            "",
        ] {
            assert!(!is_own(path), "{path}");
        }
        assert!(is_own("_other/a.jpg"));
        assert!(IMAGE_EXTENSIONS.into_iter().all(infer::is_supported));
    }

    #[test]
    fn a_photo_owns_its_files_and_no_others() {
        let place = Place::of(Some("1"), "a");
        for own in ["a.jpg", "a.png", ".a.part"] {
            assert!(place.owns(own), "{own}");
        }
        for other in ["a", "a.jpg.jpg", "ab.jpg", ".ab.part", "b.a", "a.b.png"] {
            assert!(!place.owns(other), "{other}");
        }
        let place = Place::of(Some("1"), "a.jpg");
        for own in ["a.jpg", "a.jpg.jpg", "a.jpg.png", ".a.jpg.part"] {
            assert!(place.owns(own), "{own}");
        }
        for other in ["a", "a.png", ".a.part", "a.jpg.b.png"] {
            assert!(!place.owns(other), "{other}");
        }
    }

    #[test]
    fn a_key_with_the_extension_of_its_file_is_the_whole_name() {
        for (key, extension, name) in [
            ("a.jpg", "jpg", "a.jpg"),
            ("a.jpg", "png", "a.jpg.png"),
            ("a.jpg.jpg", "jpg", "a.jpg.jpg"),
            ("a..jpg", "jpg", "a..jpg.jpg"),
            ("con.jpg", "jpg", "_con.jpg-1f02e9b8867dc737.jpg"),
            (
                "b-0123456789abcdef.jpg",
                "jpg",
                "b-0123456789abcdef.jpg.jpg",
            ),
        ] {
            assert_eq!(Place::of(Some("1"), key).file(extension), name);
        }
    }

    #[test]
    fn two_keys_whose_files_may_share_a_name_are_rivals() {
        let keys = odd_keys();
        let mut names: HashMap<String, &str> = HashMap::new();
        for (key, extension) in keys.iter().flat_map(|key| [(key, "jpg"), (key, "png")]) {
            let name = Place::of(Some("1"), key).file(extension).to_lowercase();
            let other = names.insert(name, key).filter(|other| other != key);
            if let Some(other) = other {
                assert!(rivals(key).iter().any(|rival| rival == other), "{key}");
                assert!(rivals(other).iter().any(|rival| rival == key), "{other}");
                let distinct = Place::distinct(Some("1"), key).file(extension);
                assert!(is_own_file(&distinct), "{distinct}");
            }
        }
    }

    #[test]
    fn a_file_with_its_extension_twice_gets_the_shorter_name() {
        let place = Place::of(Some("1"), "a.jpg");
        assert_eq!(place.shortened("1/a.jpg.jpg").as_deref(), Some("1/a.jpg"));
        for path in ["1/a.jpg", "1/a.jpg.png", "2/a.jpg.jpg", "1/b.jpg.jpg"] {
            assert_eq!(place.shortened(path), None, "{path}");
        }
        assert_eq!(Place::of(Some("1"), "a").shortened("1/a.jpg"), None);
    }
}
