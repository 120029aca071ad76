//! The folder of all photos, opened once; everything goes through its handle.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use ring::digest::{Context, SHA256};

use super::incoming::Incoming;
use super::name::Place;
use super::stored::{Stored, hexadecimal};

/// More files than this are flushed with all else that the file system holds, which
/// takes one commit of its journal and not one for each.
const FLUSHED_ONE_BY_ONE: usize = 8;

/// How much of a file is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The folder of all photos.
#[derive(Debug)]
pub struct MediaDir {
    root: Arc<Dir>,
    path: PathBuf,
}

impl MediaDir {
    /// Opens the folder, which may be a link to one; makes it if there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<MediaDir> {
        std::fs::create_dir_all(path)?;
        Ok(MediaDir {
            root: Arc::new(Dir::open_ambient_dir(path, ambient_authority())?),
            path: path.to_owned(),
        })
    }

    /// Opens the folder if it is there.
    ///
    /// # Errors
    /// What the system says, other than that it is not there.
    pub fn find(path: &Path) -> io::Result<Option<MediaDir>> {
        Ok(
            found(Dir::open_ambient_dir(path, ambient_authority()))?.map(|root| MediaDir {
                root: Arc::new(root),
                path: path.to_owned(),
            }),
        )
    }

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.root.entries()?.next().transpose()?.is_none())
    }

    /// Whether files can be made in it, as far as the system tells beforehand.
    ///
    /// # Errors
    /// What the system says if they cannot.
    pub fn check_writable(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Access, AtFlags, accessat};
            let wanted = Access::WRITE_OK | Access::EXEC_OK;
            accessat(opened(&self.root)?, ".", wanted, AtFlags::EACCESS)?;
        }
        Ok(())
    }

    /// Where the folder is, as it was configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a file that is not there yet, in the folder of its place.
    ///
    /// # Errors
    /// What the system says; so if something else than a folder has its name.
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
            // The folder's last file was removed meanwhile, and the folder with it.
            Err(error) if error.kind() == ErrorKind::NotFound => begin(),
            begun => begun,
        }
    }

    /// Makes sure that the content of these files outlives a power cut.
    ///
    /// # Errors
    /// What the system says; then none of them may be taken for kept.
    pub fn flush(&self, files: &[&Incoming]) -> io::Result<()> {
        if files.len() > FLUSHED_ONE_BY_ONE && self.flush_all()? {
            return Ok(());
        }
        files.iter().try_for_each(|file| file.flush())
    }

    /// The same for the names that files got in these folders.
    ///
    /// # Errors
    /// What the system says.
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

    /// Flushes the file system, where the system can; false where it cannot.
    fn flush_all(&self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        {
            rustix::fs::syncfs(opened(&self.root)?)?;
            Ok(true)
        }
        #[cfg(not(target_os = "linux"))]
        Ok(false)
    }

    /// The length of the file at a path within the folder; none if there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn bytes(&self, path: &str) -> io::Result<Option<u64>> {
        let Some((folder, file)) = self.parent(Path::new(path))? else {
            return Ok(None);
        };
        let there = found(folder.symlink_metadata(file))?;
        Ok(there.filter(|is| is.is_file()).map(|is| is.len()))
    }

    /// Reads the file at a path within the folder; none if there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, path: &str) -> io::Result<Option<Stored>> {
        let Some((folder, file)) = self.parent(Path::new(path))? else {
            return Ok(None);
        };
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let is_file = found(folder.symlink_metadata(file))?.is_some_and(|is| is.is_file());
        let opened = match is_file {
            true => found(folder.open_with(file, &options))?,
            false => None,
        };
        let Some(mut file) = opened else {
            return Ok(None);
        };
        let (mut hash, mut bytes) = (Context::new(&SHA256), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => {
                    hash.update(&chunk[..length]);
                    bytes += length as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Stored {
            bytes,
            sha256: hexadecimal(hash.finish().as_ref()),
        }))
    }

    /// Removes the file at a path within the folder, and its own folder with the
    /// last file in it. A link is removed, not what it leads to. Tells whether it
    /// was there.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, path: &Path) -> io::Result<bool> {
        let Some((folder, file)) = self.parent(path)? else {
            return Ok(false);
        };
        let was_there = found(folder.remove_file(file))?.is_some();
        drop(folder);
        self.remove_if_empty(path.parent());
        Ok(was_there)
    }

    /// Removes a folder, and those that it was in, if there is nothing in them.
    fn remove_if_empty(&self, folder: Option<&Path>) {
        let mut next = folder;
        while let Some(folder) = next.filter(|folder| folder.file_name().is_some()) {
            let Ok(Some((parent, name))) = self.parent(folder) else {
                return;
            };
            // It fails where something is in it, which is as good.
            if parent.remove_dir(name).is_err() {
                return;
            }
            next = folder.parent();
        }
    }

    /// The paths of all files of a photo, a temporary one included.
    ///
    /// # Errors
    /// What the system says.
    pub fn files_of(&self, place: &Place) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        let Some(folder) = open_folder(&self.root, OsStr::new(&place.folder))? else {
            return Ok(files);
        };
        for entry in folder.entries()? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().filter(|name| place.owns(name)) {
                files.push(format!("{}/{name}", place.folder));
            }
        }
        Ok(files)
    }

    /// The folder that a path's last part is in, and that part; none if there is
    /// no such folder. Each folder on the way is opened as itself.
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

/// What is not there is no error.
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
        "is no path within the folder of photos",
    )
}

/// Opens a folder as itself: a link is none. None if there is nothing of this name.
fn open_folder(within: &Dir, name: &OsStr) -> io::Result<Option<Dir>> {
    let error = match found(within.open_dir_nofollow(name)) {
        Err(error) => error,
        opened => return opened,
    };
    // The system's own words do not tell that it is a link.
    Err(match within.symlink_metadata(name) {
        Ok(is) if !is.is_dir() => io::Error::new(
            ErrorKind::NotADirectory,
            "its folder is a link or a file; take it away",
        ),
        _ => error,
    })
}

/// A folder as a file: the library's own handle only leads to it.
#[cfg(unix)]
fn opened(folder: &Dir) -> io::Result<cap_std::fs::File> {
    folder.open(".")
}

/// A folder is flushed like a file where the system knows that.
fn flush_folder(folder: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    opened(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
