//! The folder of photos. All paths are resolved within its open handle.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::incoming::Incoming;
use super::place::{Place, is_own, is_own_file};
use super::stored::{Hash, Stored};

/// For more files than this, the whole file system is flushed. That takes one commit of
/// its journal instead of one commit per file.
const FLUSHED_ONE_BY_ONE: usize = 8;

/// The number of bytes that one read requests.
const CHUNK_BYTES: usize = 64 * 1024;

/// The folder of photos.
#[derive(Debug)]
pub struct MediaDir {
    root: Arc<Dir>,
    path: PathBuf,
}

impl MediaDir {
    /// Opens the folder, and creates it if it does not exist. The path may be a link to a
    /// folder.
    pub fn open(path: &Path) -> io::Result<MediaDir> {
        std::fs::create_dir_all(path)?;
        Ok(MediaDir {
            root: Arc::new(Dir::open_ambient_dir(path, ambient_authority())?),
            path: path.to_owned(),
        })
    }

    /// Opens the folder. Returns None if it does not exist.
    pub fn find(path: &Path) -> io::Result<Option<MediaDir>> {
        Ok(
            found(Dir::open_ambient_dir(path, ambient_authority()))?.map(|root| MediaDir {
                root: Arc::new(root),
                path: path.to_owned(),
            }),
        )
    }

    /// Returns an error if the permissions do not allow to create files in the folder.
    pub fn check_writable(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Access, AtFlags, accessat};
            let wanted = Access::WRITE_OK | Access::EXEC_OK;
            accessat(opened(&self.root)?, ".", wanted, AtFlags::EACCESS)?;
        }
        Ok(())
    }

    /// Returns the configured path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a temporary file in the folder of a place.
    ///
    /// # Errors
    /// If a link or a file has the name of the folder.
    pub fn begin(&self, place: &Place) -> io::Result<Incoming> {
        let name = OsStr::new(&place.folder);
        let begin = || {
            let folder = match open_folder(&self.root, name)? {
                Some(folder) => folder,
                None => {
                    match self.root.create_dir(name) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                            return Err(error);
                        }
                        _ => {}
                    }
                    self.root.open_dir_nofollow(name)?
                }
            };
            Incoming::create(Arc::clone(&self.root), folder, place.clone())
        };
        match begin() {
            // Another thread removed the last file of the folder, and the folder itself.
            Err(error) if error.kind() == ErrorKind::NotFound => begin(),
            begun => begun,
        }
    }

    /// Flushes the content of these files, so that it survives a power failure. After an
    /// error, treat all of them as lost.
    pub fn flush(&self, files: &[&Incoming]) -> io::Result<()> {
        if files.len() > FLUSHED_ONE_BY_ONE && self.flush_all()? {
            return Ok(());
        }
        files.iter().try_for_each(|file| file.flush())
    }

    /// Flushes the names of the files in these folders.
    pub fn flush_names(&self, folders: &[&str]) -> io::Result<()> {
        if folders.len() > FLUSHED_ONE_BY_ONE && self.flush_all()? {
            return Ok(());
        }
        flush_folder(&self.root)?;
        for folder in folders {
            if let Some(folder) = open_folder(&self.root, OsStr::new(folder))? {
                flush_folder(&folder)?;
            }
        }
        Ok(())
    }

    /// Flushes the file system. Returns false if the operating system cannot.
    fn flush_all(&self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        {
            rustix::fs::syncfs(opened(&self.root)?)?;
            Ok(true)
        }
        #[cfg(not(target_os = "linux"))]
        Ok(false)
    }

    /// Returns the length of the file at a path within the folder, or None if it does not
    /// exist.
    pub fn bytes(&self, path: &str) -> io::Result<Option<u64>> {
        let Some((folder, file)) = self.parent(Path::new(path))? else {
            return Ok(None);
        };
        let there = found(folder.symlink_metadata(file))?;
        Ok(there.filter(|is| is.is_file()).map(|is| is.len()))
    }

    /// Reads the file at a path within the folder. Returns None if it does not exist.
    pub fn read(&self, path: &str) -> io::Result<Option<Stored>> {
        let Some((folder, file)) = self.parent(Path::new(path))? else {
            return Ok(None);
        };
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let is_file = found(folder.symlink_metadata(file))?.is_some_and(|is| is.is_file());
        if !is_file {
            return Ok(None);
        }
        let Some(mut file) = found(folder.open_with(file, &options))? else {
            return Ok(None);
        };

        let mut hash = Hash::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => hash.update(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(hash.finish()))
    }

    /// Removes the file at a path within the folder, and then its folder if that is empty. A
    /// link is removed, not its target. Returns whether the file existed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a path of another form than the mirror gives to its
    /// files. Such a file is never removed.
    pub fn remove(&self, path: &str) -> io::Result<bool> {
        if !is_own(path) {
            return Err(outside());
        }
        let path = Path::new(path);
        let Some((folder, file)) = self.parent(path)? else {
            return Ok(false);
        };
        let existed = found(folder.remove_file(file))?.is_some();
        drop(folder);
        if let Some(folder) = path.parent() {
            // This fails if the folder is not empty, and the folder stays.
            let _ = self.root.remove_dir(folder);
        }
        Ok(existed)
    }

    /// Renames a file within its folder. Does nothing if a file has the new name already.
    /// Returns whether it was renamed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for paths that the mirror does not give to files of one
    /// folder.
    pub fn rename(&self, path: &str, new_path: &str) -> io::Result<bool> {
        let [old, new] = [path, new_path].map(Path::new);
        if !is_own(path) || !is_own(new_path) || old.parent() != new.parent() {
            return Err(outside());
        }
        let Some((folder, file)) = self.parent(old)? else {
            return Ok(false);
        };
        let new = new.file_name().ok_or_else(outside)?;
        let is_file = found(folder.symlink_metadata(file))?.is_some_and(|is| is.is_file());
        if !is_file || found(folder.symlink_metadata(new))?.is_some() {
            return Ok(false);
        }
        folder.rename(file, &folder, new)?;
        Ok(true)
    }

    /// Returns the paths of all files of a photo, including a temporary file.
    pub fn files_of(&self, place: &Place) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        let Some(folder) = open_folder(&self.root, OsStr::new(&place.folder))? else {
            return Ok(files);
        };
        for entry in folder.entries()? {
            let name = entry?.file_name();
            if let Some(name) = name
                .to_str()
                .filter(|name| is_own_file(name) && place.owns(name))
            {
                files.push(format!("{}/{name}", place.folder));
            }
        }
        Ok(files)
    }

    /// Opens the folder of a path's last part. Returns the folder and that part, or None if
    /// the folder does not exist. Links are not followed.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<Option<(Dir, &'p OsStr)>> {
        let mut names = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(name) => names.push(name),
                _ => return Err(outside()),
            }
        }
        let Some((last, folders)) = names.split_last() else {
            return Err(outside());
        };
        let mut folder = self.root.try_clone()?;
        for name in folders {
            match open_folder(&folder, name)? {
                Some(next) => folder = next,
                None => return Ok(None),
            }
        }
        Ok(Some((folder, last)))
    }

    pub(super) fn root(&self) -> &Dir {
        &self.root
    }
}

/// Returns None for the error that a file does not exist.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn outside() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidInput,
        "is not the path of a file of the mirror",
    )
}

/// Opens a folder. Returns None if it does not exist, and an error if it is a link.
fn open_folder(within: &Dir, name: &OsStr) -> io::Result<Option<Dir>> {
    let error = match found(within.open_dir_nofollow(name)) {
        Err(error) => error,
        opened => return opened,
    };
    // The system's own error does not mention the link.
    Err(match within.symlink_metadata(name) {
        Ok(is) if !is.is_dir() => io::Error::new(
            ErrorKind::NotADirectory,
            "its folder is a link or a file; remove it",
        ),
        _ => error,
    })
}

/// Opens a folder as a file, because the handle of the library cannot be flushed.
#[cfg(unix)]
fn opened(folder: &Dir) -> io::Result<cap_std::fs::File> {
    folder.open(".")
}

/// Flushes a folder, if the operating system supports it.
fn flush_folder(folder: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    opened(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
