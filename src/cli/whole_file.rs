//! Files that appear complete or not at all.

use std::io::Write;
use std::path::Path;

/// What happens to an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced, and its permissions are kept.
    Replaced,
    /// It is kept, and the error has the kind `AlreadyExists`.
    Kept,
}

/// Writes a file completely or not at all.
pub fn write_whole(place: &Path, text: &str, existing: Existing) -> std::io::Result<()> {
    // The library's message names the temporary file, which the user does not know.
    let plain = |error: std::io::Error| {
        let words = error.to_string();
        let what = words.split(" at path ").next().unwrap_or(&words);
        std::io::Error::new(error.kind(), what)
    };
    write_temporary(place, text, existing).map_err(plain)
}

fn write_temporary(place: &Path, text: &str, existing: Existing) -> std::io::Result<()> {
    let named = |error: tempfile::PersistError| error.error;
    let mut file = temporary().tempfile_in(folder_of(place))?;
    file.write_all(text.as_bytes())?;
    if existing == Existing::Replaced
        && let Ok(before) = std::fs::metadata(place)
    {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    match existing {
        Existing::Replaced => file.persist(place).map_err(named)?,
        Existing::Kept => file.persist_noclobber(place).map_err(named)?,
    };
    Ok(())
}

/// Returns the folder of a file.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A temporary file with the permissions of a new file: the process's umask applies.
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
