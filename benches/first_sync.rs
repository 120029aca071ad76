//! Compares a first sync with a plain download of the same pages.
//!
//! `cargo bench --bench first_sync` runs the server (the simulated feed without
//! children) and the sync as separate processes. The plain download reads the same
//! pages over one connection and drops them. Rounds of both alternate, so that other
//! load on the machine affects both.
//!
//! `-- --listings N --rounds N` set the size; `-- --large` also measures the memory of
//! a sync that is ten times larger.

#[path = "shared/mod.rs"]
mod shared;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use reqwest::header::AUTHORIZATION;
use rusqlite::Connection;
use serde::Deserialize;
use shared::{Server, Spread, megabytes};

const PAGE_SIZE: usize = 200;

#[derive(Parser)]
struct Wanted {
    /// The number of listings
    #[arg(long, default_value_t = 20_000)]
    listings: u64,
    /// The number of rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Also measure the memory of a sync ten times as large
    #[arg(long)]
    large: bool,
    /// An argument that cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse();
    // This fails only if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let feed = Asked::start(wanted.listings)?;
    let pages = feed.pages()?;
    let mut figures = Figures::default();
    for _ in 0..wanted.rounds.max(1) {
        figures.download.push(feed.download(&pages)?);
        let mirror = tempfile::tempdir()?;
        figures.first.push(feed.sync(mirror.path())?);
        figures.second.push(feed.sync(mirror.path())?);
        figures.database_bytes = database_bytes(mirror.path())?;
    }
    figures.print(&pages);
    if wanted.large {
        drop(feed);
        let many = wanted.listings * 10;
        let mirror = tempfile::tempdir()?;
        let sync = Asked::start(many)?.sync(mirror.path())?;
        println!("{many} listings: {}", megabytes(sync.peak_rss_bytes));
        println!("  took                  {:.2} s", sync.took.as_secs_f64());
    }
    Ok(())
}

/// The URLs of all pages, and the number of their bytes and listings.
struct Pages {
    urls: Vec<String>,
    listings: usize,
    bytes: u64,
}

/// The measurements of one sync.
struct Sync {
    took: Duration,
    requests: u64,
    peak_rss_bytes: u64,
}

/// The simulated feed and its pages.
struct Asked(Server);

impl Asked {
    fn start(listings: u64) -> anyhow::Result<Asked> {
        let listings = listings.to_string();
        Ok(Asked(Server::start(&["--bare", "--listings", &listings])?))
    }

    /// Reads the feed once to find the URL of each page.
    fn pages(&self) -> anyhow::Result<Pages> {
        #[derive(Deserialize)]
        struct Answer {
            value: Vec<Keyed>,
        }
        #[derive(Deserialize)]
        struct Keyed {
            #[serde(rename = "ListingKeyNumeric")]
            key: i64,
        }
        let mut pages = Pages {
            urls: Vec::new(),
            listings: 0,
            bytes: 0,
        };
        let runtime = runtime()?;
        let client = reqwest::Client::new();
        let mut last = 0;
        loop {
            let url = format!(
                "{}/Property?$orderby=ListingKeyNumeric%20asc&$filter=ListingKeyNumeric%20gt%20{last}&$top={PAGE_SIZE}",
                self.0.feed.base_url
            );
            let body = runtime.block_on(self.body(&client, &url))?;
            let answer: Answer = serde_json::from_slice(&body)?;
            let Some(keyed) = answer.value.last() else {
                return Ok(pages);
            };
            last = keyed.key;
            pages.urls.push(url);
            pages.listings += answer.value.len();
            pages.bytes += body.len() as u64;
            if answer.value.len() < PAGE_SIZE {
                return Ok(pages);
            }
        }
    }

    /// Measures a download of all pages over one connection.
    fn download(&self, pages: &Pages) -> anyhow::Result<Duration> {
        let (runtime, client) = (runtime()?, reqwest::Client::new());
        let started = Instant::now();
        runtime.block_on(async {
            for url in &pages.urls {
                self.body(&client, url).await?;
            }
            anyhow::Ok(())
        })?;
        Ok(started.elapsed())
    }

    async fn body(&self, client: &reqwest::Client, url: &str) -> anyhow::Result<Vec<u8>> {
        let token = format!("Bearer {}", self.0.feed.token);
        let answer = client.get(url).header(AUTHORIZATION, token).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.into())
    }

    /// Measures a full sync into the mirror in `folder`.
    fn sync(&self, folder: &Path) -> anyhow::Result<Sync> {
        self.0.configure(folder, "resources = [\"Property\"]")?;
        let started = Instant::now();
        self.0.run(folder, &["--quiet", "sync", "full"])?;
        let took = started.elapsed();
        let (requests, peak) = Connection::open(folder.join("mirror.db"))?.query_row(
            "SELECT requests, peak_rss_bytes FROM sync_runs ORDER BY id DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        Ok(Sync {
            took,
            requests: requests as u64,
            peak_rss_bytes: peak as u64,
        })
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Returns the size of the database after the write-ahead log is truncated.
fn database_bytes(folder: &Path) -> anyhow::Result<u64> {
    let path = folder.join("mirror.db");
    let connection = Connection::open(&path)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(std::fs::metadata(path)?.len())
}

#[derive(Default)]
struct Figures {
    download: Vec<Duration>,
    first: Vec<Sync>,
    second: Vec<Sync>,
    database_bytes: u64,
}

impl Figures {
    fn print(&self, pages: &Pages) {
        let seconds = |times: &[Duration]| Spread::of(times.iter().map(Duration::as_secs_f64));
        let took = |syncs: &[Sync]| Spread::of(syncs.iter().map(|sync| sync.took.as_secs_f64()));
        let (download, first, second) = (
            seconds(&self.download),
            took(&self.first),
            took(&self.second),
        );
        let ratio = |sync: &Spread| sync.median / download.median;
        let most = |syncs: &[Sync]| {
            syncs
                .iter()
                .map(|sync| sync.peak_rss_bytes)
                .max()
                .unwrap_or(0)
        };
        let requests = |syncs: &[Sync]| syncs.last().map_or(0, |sync| sync.requests);
        println!(
            "{} listings, {} of JSON, {} pages, {} rounds; seconds: median (least to most)",
            pages.listings,
            megabytes(pages.bytes),
            pages.urls.len(),
            self.first.len()
        );
        println!("  download alone        {download}");
        println!(
            "  first full sync       {first}, {:.2} x the download",
            ratio(&first)
        );
        println!(
            "  unchanged full sync   {second}, {:.2} x the download",
            ratio(&second)
        );
        println!(
            "  peak memory           {}, unchanged {}",
            megabytes(most(&self.first)),
            megabytes(most(&self.second))
        );
        println!(
            "  requests              {}, unchanged {}",
            requests(&self.first),
            requests(&self.second)
        );
        println!(
            "  database              {}, {:.2} x the JSON",
            megabytes(self.database_bytes),
            self.database_bytes as f64 / pages.bytes as f64
        );
    }
}
