//! Files that are written whole, or not at all.

use std::io::Write;
use std::path::Path;

/// What is done with a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// It is replaced; who may read it stays.
    Replaced,
    /// It stays: an error of kind `AlreadyExists`.
    Kept,
}

/// Writes a file whole, or not at all.
///
/// # Errors
/// What kept it from being written.
pub fn write_whole(place: &Path, text: &str, there: There) -> std::io::Result<()> {
    // The library adds the name of the file beside, which nobody gave it.
    let plain = |error: std::io::Error| {
        let words = error.to_string();
        let what = words.split(" at path ").next().unwrap_or(&words);
        std::io::Error::new(error.kind(), what)
    };
    write_beside(place, text, there).map_err(plain)
}

fn write_beside(place: &Path, text: &str, there: There) -> std::io::Result<()> {
    let named = |error: tempfile::PersistError| error.error;
    let mut file = temporary().tempfile_in(folder_of(place))?;
    file.write_all(text.as_bytes())?;
    if there == There::Replaced
        && let Ok(before) = std::fs::metadata(place)
    {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    match there {
        There::Replaced => file.persist(place).map_err(named)?,
        There::Kept => file.persist_noclobber(place).map_err(named)?,
    };
    Ok(())
}

/// The folder that a file is in, or is to be in.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file beside its place, that others may read as the process's mask has it.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mlsmirror-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}
