//! Shared by the benches that run the program: a simulated feed in its own process.

#![allow(dead_code, reason = "each bench uses its part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mlsmirror");
pub const TOKEN: &str = "WFRMLS_BEARER_TOKEN";

/// The simulated feed in its own process.
pub struct Server {
    process: Child,
    pub feed: Announced,
}

#[derive(Deserialize)]
pub struct Announced {
    pub base_url: String,
    pub token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts `simulate` with these arguments, on a port that the system chooses.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Server> {
        let mut process = Command::new(PROGRAM)
            .args(["simulate", "--json", "--port", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("the server has no output")?;
        // One document, which may have several lines.
        let mut document = String::new();
        for line in BufReader::new(output).lines() {
            document += &line?;
            if let Ok(feed) = serde_json::from_str(&document) {
                return Ok(Server { process, feed });
            }
        }
        anyhow::bail!("the server did not start: {document}")
    }

    /// Writes a configuration without rate limits, with these lines in `[sync]`.
    pub fn configure(&self, folder: &Path, sync: &str) -> anyhow::Result<()> {
        let text = format!(
            "[feed]\nbase_url = \"{}\"\ntoken_env = \"{TOKEN}\"\nrequests_per_minute = 0\n\
             requests_per_hour = 0\nrequests_per_day = 0\n[sync]\n{sync}\ndownload_media = false\n",
            self.feed.base_url
        );
        Ok(std::fs::write(folder.join("mlsmirror.toml"), text)?)
    }

    /// Runs the program in a folder.
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .current_dir(folder)
            .env(TOKEN, &self.feed.token)
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// The smallest, median and largest of some measurements.
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(figures: impl Iterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
        let last = figures.len().saturating_sub(1);
        Spread {
            least: at(0),
            median: (at(last / 2) + at(last.div_ceil(2))) / 2.0,
            most: at(last),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.3} ({:.3} to {:.3})",
            self.median, self.least, self.most
        )
    }
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Waits for a process, and returns the peak of its memory, as Linux counts it.
pub fn wait_for_peak(process: &mut Child) -> anyhow::Result<u64> {
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0;
    while process.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = kilobytes.unwrap_or(0_u64).max(peak);
        thread::sleep(Duration::from_millis(10));
    }
    Ok(peak * 1024)
}
