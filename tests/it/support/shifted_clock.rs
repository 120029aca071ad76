//! A clock of the program that the test sets. Only the calendar time changes; waits take as
//! long as before.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::NamedTempFile;

/// A clock for the processes of one mirror.
pub struct ShiftedClock {
    /// The number of seconds that are added to the clock of this machine.
    file: NamedTempFile,
}

impl ShiftedClock {
    pub fn at(time: DateTime<Utc>) -> ShiftedClock {
        let file = NamedTempFile::new().unwrap();
        let clock = ShiftedClock { file };
        clock.set(time);
        clock
    }

    /// Sets the clock, also for processes that run.
    pub fn set(&self, time: DateTime<Utc>) {
        let seconds = (time - Utc::now()).num_seconds();
        let file = self.file.as_file();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    pub fn now(&self) -> DateTime<Utc> {
        let mut bytes = [0; 8];
        self.file.as_file().read_exact_at(&mut bytes, 0).unwrap();
        Utc::now() + TimeDelta::seconds(i64::from_ne_bytes(bytes))
    }

    /// Gives a program this clock.
    pub fn give(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("SHIFTED_CLOCK", self.file.path());
    }
}

/// Compiles the library that shifts the clock, once for each process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join(format!("shifted-clock-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clock/shifted.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, Path::new(source)])
            .status();
        assert!(compiled.unwrap().success(), "compiling {source}");
        library
    })
}
