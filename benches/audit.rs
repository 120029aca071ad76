//! Measures the requests, the time and the memory of a full sync, an idle sync, an audit and a
//! deep verify.
//!
//! `cargo bench --bench audit` runs the simulated feed, which makes its answers on the fly, and
//! the program as separate processes. The mirror holds few fields of each record, so that the
//! full sync that fills it is quick; the requests are those of a sync of all fields.
//!
//! `-- --listings N --photos N` set the size: the greatest number of photos of a listing is
//! almost twice the average. `-- --listings 1700000 --photos 25` has 20 million photos.
//! `-- --differences N` deletes that number of listings from the mirror, in 10 places and then
//! scattered, and measures an audit that finds them and a reconcile that reads them again.

#[path = "shared/mod.rs"]
mod shared;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use rusqlite::Connection;
use shared::{PROGRAM, Server, TOKEN, megabytes, wait_for_peak};

#[derive(Parser)]
struct Wanted {
    /// The number of listings
    #[arg(long, default_value_t = 20_000)]
    listings: u64,
    /// The greatest number of photos of a listing
    #[arg(long, default_value_t = 25)]
    photos: u32,
    /// The number of listings to delete from the mirror
    #[arg(long, default_value_t = 100)]
    differences: u64,
    /// An argument that cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// The fields that the mirror holds.
const SELECT: &str = "[sync.select]\nProperty = [\"ListPrice\"]\nMedia = [\"Order\"]\n\
     OpenHouse = [\"OpenHouseDate\"]";

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse();
    let (listings, photos) = (wanted.listings.to_string(), wanted.photos.to_string());
    let feed = Server::start(&["--listings", &listings, "--photos", &photos])?;
    let folder = tempfile::tempdir()?;
    configure(&feed, folder.path())?;

    let full = run(&feed, folder.path(), &["sync", "full"])?;
    let database = Connection::open(folder.path().join("mirror.db"))?;
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        database.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    let (listings, media) = (count("listings")?, count("media")?);
    println!(
        "{listings} listings, {media} photos, {} open houses",
        count("open_houses")?
    );
    full.print("full sync");
    run(&feed, folder.path(), &["sync"])?.print("idle sync");
    run(&feed, folder.path(), &["verify", "--sample", "0"])?.print("audit");
    run(&feed, folder.path(), &["verify", "--deep"])?.print("deep verify");

    let reconcile = ["sync", "reconcile", "--only", "Property"];
    for (name, places) in [("in 10 places", 10), ("scattered", wanted.differences)] {
        lose(&database, wanted.differences, places)?;
        let audit = [&reconcile[..], &["--dry-run"]].concat();
        run(&feed, folder.path(), &audit)?.print(&format!("lost listings {name}"));
        run(&feed, folder.path(), &reconcile)?.print("  their reconcile");
    }
    Ok(())
}

/// Deletes listings from the mirror, in runs of consecutive ones at random places.
fn lose(database: &Connection, listings: u64, places: u64) -> rusqlite::Result<()> {
    let run = listings.div_ceil(places.max(1));
    // Their photos stay.
    database.pragma_update(None, "foreign_keys", false)?;
    database.execute_batch(&format!(
        "CREATE TEMP TABLE lost AS SELECT rowid AS first FROM listings
             WHERE deleted_at IS NULL ORDER BY random() LIMIT {places};
         DELETE FROM listings WHERE rowid IN (
             SELECT l.rowid FROM lost JOIN listings AS l
                 ON l.rowid >= first AND l.rowid < first + {run});
         DROP TABLE lost"
    ))
}

/// Writes a configuration without rate limits. A simulated feed of millions of photos needs some
/// time to find the newest one. It made many records just before it started, which an overlap
/// would read again.
fn configure(feed: &Server, folder: &Path) -> anyhow::Result<()> {
    let text = format!(
        "[feed]\nbase_url = \"{}\"\ntoken_env = \"{TOKEN}\"\ntimeout = \"30m\"\n\
         requests_per_minute = 0\nrequests_per_hour = 0\nrequests_per_day = 0\n\
         [sync]\ndownload_media = false\noverlap = \"0\"\n{SELECT}\n",
        feed.feed.base_url
    );
    Ok(std::fs::write(folder.join("mlsmirror.toml"), text)?)
}

/// The measurements of one command.
struct Measured {
    took: Duration,
    requests: u64,
    peak_rss_bytes: u64,
    differences: Option<u64>,
}

impl Measured {
    fn print(&self, name: &str) {
        let found = self.differences.filter(|found| *found > 0);
        let found = found.map_or(String::new(), |found| format!(", {found} differences"));
        println!(
            "  {name:<24}{:>8} requests {:>10.1} s {:>12}{found}",
            self.requests,
            self.took.as_secs_f64(),
            megabytes(self.peak_rss_bytes)
        );
    }
}

/// Runs the program in a folder, and measures it.
fn run(feed: &Server, folder: &Path, arguments: &[&str]) -> anyhow::Result<Measured> {
    let started = Instant::now();
    let output = std::fs::File::create(folder.join("output.json"))?;
    let mut process = Command::new(PROGRAM)
        .args(["--quiet", "--json"])
        .args(arguments)
        .current_dir(folder)
        .env(TOKEN, &feed.feed.token)
        .stdout(Stdio::from(output))
        .spawn()?;
    let peak_rss_bytes = wait_for_peak(&mut process)?;
    let took = started.elapsed();
    let text = std::fs::read_to_string(folder.join("output.json"))?;
    let document: serde_json::Value = serde_json::from_str(&text)?;
    let of_runs = |runs: &Vec<serde_json::Value>| {
        let requests = runs.iter().filter_map(|run| run["requests"].as_u64());
        requests.sum::<u64>()
    };
    let requests = document["requests"].as_u64();
    let refetched = document["resources"][0]["refetch"].as_array();
    let refetched = refetched.map(|keys| keys.len() as u64);
    Ok(Measured {
        took,
        requests: requests
            .or_else(|| document["runs"].as_array().map(of_runs))
            .unwrap_or(0),
        peak_rss_bytes,
        differences: document["differences"].as_u64().or(refetched),
    })
}
