//! Measures the queries of `docs/recipes.md` on a large mirror. Each query uses a new
//! connection and reads all rows, and must take at most 100 ms.
//!
//! `cargo bench --bench views` mirrors a simulated feed of 200,000 listings, moves its
//! market 60,000 steps (about 180,000 entries of the log), syncs again, and runs the
//! queries. On two cores of a virtual machine the slowest query took 48 ms, and most took
//! 1 to 2 ms.
//!
//! `-- --listings N --steps N --rounds N` set the size; `-- --mirror FILE` uses an
//! existing mirror.

#[path = "shared/mod.rs"]
mod shared;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use rusqlite::{Connection, OpenFlags};
use shared::{Server, Spread};

const RECIPES: &str = include_str!("../docs/recipes.md");

/// The longest acceptable duration of a query.
const MOST_MS: f64 = 100.0;

#[derive(Parser)]
struct Wanted {
    /// The number of listings
    #[arg(long, default_value_t = 200_000)]
    listings: u64,
    /// The number of steps of the market
    #[arg(long, default_value_t = 60_000)]
    steps: u64,
    /// The number of rounds per query
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Use this mirror instead of a new one
    #[arg(long)]
    mirror: Option<PathBuf>,
    /// An argument that cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse();
    let folder = tempfile::tempdir()?;
    let mirror = match &wanted.mirror {
        Some(mirror) => mirror.clone(),
        None => {
            fill(&wanted, folder.path())?;
            folder.path().join("mirror.db")
        }
    };
    println!("{:>8}{:>8}{:>8}{:>7}", "least", "median", "most", "rows");
    let mut slow = 0;
    for query in RECIPES.split("```sql\n").skip(1) {
        let query = query.split("```").next().unwrap_or_default();
        let mut rows = 0;
        let mut took = Vec::new();
        for _ in 0..wanted.rounds.max(1) {
            let begun = Instant::now();
            rows = run(&mirror, query)?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let took = Spread::of(took.into_iter());
        let is_slow = took.median > MOST_MS;
        slow += usize::from(is_slow);
        println!(
            "{:>5.1} ms{:>5.1} ms{:>5.1} ms{rows:>7}  {}{}",
            took.least,
            took.median,
            took.most,
            query.lines().next().unwrap_or_default(),
            if is_slow { "  TOO SLOW" } else { "" }
        );
    }
    anyhow::ensure!(slow == 0, "{slow} queries take more than {MOST_MS} ms");
    Ok(())
}

/// Creates a mirror with data for every query.
fn fill(wanted: &Wanted, folder: &Path) -> anyhow::Result<()> {
    let listings = wanted.listings.to_string();
    let feed = Server::start(&["--listings", &listings, "--photos", "4"])?;
    feed.configure(folder, "")?;
    feed.run(folder, &["sync"])?;
    let control = feed.feed.base_url.replace("/reso/odata", "/simulator/move");
    let url = format!("{control}?steps={}", wanted.steps);
    // This fails only if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let moved = reqwest::Client::new().post(url).send().await?;
        moved.error_for_status().map(drop)
    })?;
    feed.run(folder, &["sync"])?;
    let db = Connection::open(folder.join("mirror.db"))?;
    // Photos that are missing at their hosts.
    db.execute(
        "UPDATE media SET download_error = 'HTTP 404 ' || (rowid % 3), download_after = deleted_at
         WHERE rowid % 97 = 0",
        [],
    )?;
    let count = |table: &str| -> rusqlite::Result<i64> {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
    };
    println!(
        "{} listings, {} photos, {} open houses, {} entries of the log",
        count("listings")?,
        count("media")?,
        count("open_houses")?,
        count("changes")?
    );
    Ok(())
}

/// Reads all rows of a query. Returns their number.
fn run(mirror: &Path, query: &str) -> anyhow::Result<usize> {
    let db = Connection::open_with_flags(mirror, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = db.prepare(query).with_context(|| query.to_owned())?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            std::hint::black_box(row.get_ref(column)?);
        }
        count += 1;
    }
    Ok(count)
}
