//! The program while it runs, and its result.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;

/// The longest time that a test waits for one thing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Polls a condition until it holds, and fails if that takes too long.
pub fn wait_until(condition: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "waited too long until {condition}"
        );
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// The exit code and the output of the program.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended the process.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program while it runs.
pub struct Running {
    pub(super) child: Child,
    pub(super) streams: [Receiver<String>; 2],
    pub(super) command: String,
}

pub(super) fn read_to_end(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }

    /// Sends a signal unless the process has ended.
    pub fn signal_if_alive(&self, name: &str) {
        let kill = format!("kill -{name} {} 2> /dev/null", self.child.id());
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }

    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let streams = self
            .streams
            .each_ref()
            .map(|stream| stream.recv_timeout(deadline.saturating_duration_since(Instant::now())));
        let [Ok(stdout), Ok(stderr)] = streams else {
            let _ = self.child.kill();
            panic!(
                "`mlsmirror {}` did not end within {PATIENCE:?}",
                self.command
            );
        };
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // This fails if the process has ended, and nothing is left to kill then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Returns the JSON document on stdout, which holds nothing else.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}: {self}"))
    }

    /// Fails unless the exit code is this one and stderr contains all parts.
    #[track_caller]
    pub fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` on stderr: {self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ended {
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

/// Returns the names of the entries of a folder, sorted.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
