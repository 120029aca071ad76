//! Compares photo downloads with `curl --parallel` over the same number of connections.
//!
//! `cargo bench --bench photos` serves photos of 100 KB in a separate process. It
//! downloads them alternately with curl and with `sync media`. It needs curl.
//!
//! `-- --photos N --rounds N --bytes N` set the size.

#[path = "shared/mod.rs"]
mod shared;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use rusqlite::Connection;
use shared::{Server, Spread, megabytes};

/// The default of `media.max_concurrent_downloads`.
const CONNECTIONS: &str = "8";

#[derive(Parser)]
struct Wanted {
    /// The least number of photos
    #[arg(long, default_value_t = 5_000)]
    photos: u64,
    /// The size of each photo in bytes
    #[arg(long, default_value_t = 100_000)]
    bytes: u64,
    /// The number of rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// An argument that cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse();
    // A simulated listing has three photos on average.
    let listings = (wanted.photos / 3).to_string();
    let bytes = wanted.bytes.to_string();
    let arguments = [
        "--listings",
        &listings,
        "--photos",
        "6",
        "--photo-bytes",
        &bytes,
    ];
    let feed = Server::start(&arguments)?;
    let folder = tempfile::tempdir()?;
    let urls = mirror_rows(&feed, folder.path())?;
    let (mut curl, mut sync, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..wanted.rounds.max(1) {
        curl.push(fetch_with_curl(&urls)?.as_secs_f64());
        let (took, peak) = fetch_with_sync(&feed, folder.path())?;
        sync.push(took.as_secs_f64());
        peaks.push(peak);
    }
    let ratios: Vec<f64> = curl
        .iter()
        .zip(&sync)
        .map(|(curl, sync)| curl / sync)
        .collect();
    let all = urls.len() as f64 * wanted.bytes as f64;
    let (curl, sync) = (Spread::of(curl.into_iter()), Spread::of(sync.into_iter()));
    println!(
        "{} photos of {}, {CONNECTIONS} connections, {} rounds; seconds: median (least to most)",
        urls.len(),
        megabytes(wanted.bytes),
        wanted.rounds
    );
    println!(
        "  curl --parallel       {curl}, {} a second",
        megabytes((all / curl.median) as u64)
    );
    println!(
        "  sync media            {sync}, {} a second",
        megabytes((all / sync.median) as u64)
    );
    println!("  rate / rate of curl   {}", Spread::of(ratios.into_iter()));
    println!(
        "  peak memory           {}",
        megabytes(peaks.into_iter().max().unwrap_or(0))
    );
    Ok(())
}

/// A mirror of all rows without files, and the URLs of all photos.
fn mirror_rows(feed: &Server, folder: &Path) -> anyhow::Result<Vec<String>> {
    feed.configure(folder, "resources = [\"Property\", \"Media\"]")?;
    feed.run(folder, &["--quiet", "sync", "full"])?;
    let connection = Connection::open(folder.join("mirror.db"))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let mut urls = connection.prepare("SELECT \"MediaURL\" FROM media")?;
    let urls = urls.query_map([], |row| row.get(0))?;
    Ok(urls.collect::<Result<_, _>>()?)
}

fn fetch_with_curl(urls: &[String]) -> anyhow::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let mut list = String::new();
    for (at, url) in urls.iter().enumerate() {
        let _ = writeln!(list, "url = \"{url}\"\noutput = \"{at}.jpg\"");
    }
    let path = folder.path().join("urls");
    std::fs::write(&path, list)?;
    let started = Instant::now();
    let fetched = Command::new("curl")
        .args([
            "--silent",
            "--no-progress-meter",
            "--fail",
            "--parallel",
            "--parallel-max",
            CONNECTIONS,
            "--config",
        ])
        .arg(&path)
        .current_dir(folder.path())
        .env("NO_PROXY", "127.0.0.1")
        // curl draws its progress even if it is silent.
        .stderr(Stdio::null())
        .status()
        .context("running curl")?;
    let took = started.elapsed();
    anyhow::ensure!(fetched.success(), "curl failed: {fetched}");
    Ok(took)
}

/// Downloads all photos into a copy of the mirror. Returns the duration, and the peak
/// memory in bytes.
fn fetch_with_sync(feed: &Server, rows: &Path) -> anyhow::Result<(Duration, u64)> {
    let folder = tempfile::tempdir()?;
    for file in ["mirror.db", "mlsmirror.toml"] {
        std::fs::copy(rows.join(file), folder.path().join(file))?;
    }
    let started = Instant::now();
    feed.run(folder.path(), &["--quiet", "sync", "media"])?;
    let took = started.elapsed();
    let peak: i64 = Connection::open(folder.path().join("mirror.db"))?.query_row(
        "SELECT peak_rss_bytes FROM sync_runs WHERE job = 'media'",
        [],
        |row| row.get(0),
    )?;
    Ok((took, peak as u64))
}
