//! Measures the first export, the export of a day's changes, an idle export, and the cost of
//! noting changed rows.
//!
//! `cargo bench --bench export` fills a mirror from the simulated feed with all fields, and runs
//! the program as a process of its own. `-- --listings N --photos N` set the size: the greatest
//! number of photos of a listing is almost twice the average.

#[path = "shared/mod.rs"]
mod shared;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use rusqlite::Connection;
use shared::{PROGRAM, Server, megabytes, wait_for_peak};

#[derive(Parser)]
struct Wanted {
    /// The number of listings
    #[arg(long, default_value_t = 20_000)]
    listings: u64,
    /// The greatest number of photos of a listing
    #[arg(long, default_value_t = 8)]
    photos: u32,
    /// An argument that cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse();
    let (listings, photos) = (wanted.listings.to_string(), wanted.photos.to_string());
    let feed = Server::start(&["--listings", &listings, "--photos", &photos])?;
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path();
    feed.configure(folder, "resources = [\"Property\", \"Media\"]")?;
    feed.run(folder, &["sync"])?;
    let db = Connection::open(folder.join("mirror.db"))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    let count = |what: &str| {
        let sql = format!("SELECT count(*) FROM {what}");
        db.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    let (listings, media) = (count("listings")?, count("media")?);
    let fields = count("pragma_table_info('listings')")?;
    println!("{listings} listings with {fields} columns, {media} photos");

    let before = change(&db, 2)?;
    let first = export(folder, "first export")?;
    let lake = folder.join("lake");
    for (table, rows) in [("listings", listings), ("media", media)] {
        let size = size_of(&lake.join(table))?;
        println!(
            "  {table:<24}{:>10.0} bytes per row",
            size as f64 / rows as f64
        );
    }
    let rows = (listings + media) as f64;
    println!(
        "  {:<24}{:>10.0} rows per second",
        "",
        rows / first.as_secs_f64()
    );

    let after = change(&db, 2)?;
    let day = export(folder, "export of 2 % changed")?;
    println!(
        "  {:<24}{:>10.2} of the first",
        "",
        day.as_secs_f64() / first.as_secs_f64()
    );
    export(folder, "idle export")?;
    change(&db, 2)?;
    let again = change(&db, 2)?;
    println!("changed rows, each in a statement of its own:");
    for (name, took) in [
        ("not noted", before),
        ("noted", after),
        ("noted before", again),
    ] {
        println!("  {name:<24}{:>10.2} µs per row", took);
    }
    Ok(())
}

/// Changes one of this number of percent of all listings in one transaction, and returns the
/// microseconds per row.
fn change(db: &Connection, percent: i64) -> rusqlite::Result<f64> {
    let keys = "SELECT ListingKey FROM listings WHERE rowid % 100 < ?1 ORDER BY ListingKey";
    let mut find = db.prepare(keys)?;
    let keys = find.query_map([percent], |row| row.get(0))?;
    let keys = keys.collect::<rusqlite::Result<Vec<rusqlite::types::Value>>>()?;
    let sql = "UPDATE listings SET ListPrice = ListPrice + 1 WHERE ListingKey = ?1";
    let mut update = db.prepare(sql)?;
    let started = Instant::now();
    db.execute_batch("BEGIN IMMEDIATE")?;
    for key in &keys {
        update.execute([key])?;
    }
    let took = started.elapsed();
    db.execute_batch("COMMIT")?;
    Ok(took.as_secs_f64() * 1e6 / keys.len() as f64)
}

/// Exports, and prints the time and the memory.
fn export(folder: &Path, name: &str) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut process = Command::new(PROGRAM)
        .args(["--quiet", "export"])
        .current_dir(folder)
        .stdout(Stdio::from(File::create(folder.join("output"))?))
        .spawn()?;
    let peak_rss_bytes = wait_for_peak(&mut process)?;
    let took = started.elapsed();
    let seconds = took.as_secs_f64();
    println!(
        "  {name:<24}{seconds:>10.2} s {:>12}",
        megabytes(peak_rss_bytes)
    );
    Ok(took)
}

/// Returns the bytes of the files below a folder.
fn size_of(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            size_of(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
