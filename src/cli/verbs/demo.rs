//! `demo`: runs the main jobs against a simulated feed over some days.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde::Serialize;

use super::sync::describe_runs;
use crate::cli::change_table::change;
use crate::cli::demo_folder::{create_folder, write_config};
use crate::cli::display_text::{counted, dollars, listed, quoted, time};
use crate::cli::exit::Exit;
use crate::cli::local_times::LocalTimes;
use crate::cli::moving_feed::serve;
use crate::cli::options::DemoOptions;
use crate::cli::output::{Output, print};
use crate::cli::progress_display::ProgressDisplay;
use crate::cli::report_filter::report_filter;
use crate::cli::session::Session;
use crate::cli::system_limits::check_threads_and_memory;
use crate::feed::{Credentials, Token};
use crate::mirror::{ChangeCount, Mirror, RunSummary};
use crate::report::{self, Figures, Report};
use crate::resource::Resource;
use crate::sync::{self, Ending};
use simulator::{Clock, Options, Simulator};

/// The number of days since the first sync. A report covers today and the 30 days before, so
/// that the first sync precedes all of them.
const DAYS: i32 = 31;

/// The number of listings for one change a day, and the limits of the changes of a day.
const LISTINGS_PER_CHANGE: u64 = 50;
const CHANGES_A_DAY: (u64, u64) = (10, 200);

/// The greatest number of photos of a listing.
const PHOTOS: u32 = 4;

/// The number of changes that are printed.
const CHANGES_SHOWN: u32 = 8;

/// The time between two moves of the market with `--serve`.
const MOVE_EVERY: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Document {
    database: PathBuf,
    first_sync: Vec<RunSummary>,
    /// The number of later syncs, one a day.
    later_syncs: i32,
    last_sync: Vec<RunSummary>,
    changes: Vec<ChangeCount>,
    /// The figures of the report.
    figures: Option<Figures>,
}

pub fn run(wanted: &DemoOptions, output: &Output) -> anyhow::Result<Exit> {
    check_threads_and_memory()?;
    let dir = create_folder(wanted.dir.as_deref())?;
    let started = Instant::now();
    let simulator = Simulator::start(Options {
        listings: wanted.listings,
        photos: PHOTOS,
        clock: Clock::Ahead(-TimeDelta::days(DAYS.into())),
        ..Options::default()
    })?;
    let session = session(&dir, &simulator)?;
    let database = session.config.mirror.database.clone();
    let mut mirror = session.open_for_sync(false)?;
    let say = |text: &str| if output.json { Ok(()) } else { print(text) };

    say(&format!(
        "A simulated feed of {} is at {}\n\n1. {DAYS} days ago, the first sync reads everything:\n",
        counted(wanted.listings, Resource::PROPERTY.nouns()),
        simulator.base_url()
    ))?;
    let first = sync_a_day(&session, &mut mirror, DAYS, output)?;
    describe(&first, output)?;

    say("\n2. The market moves, and a sync each day reads the changes. Today it reads:\n")?;
    let (least, most) = CHANGES_A_DAY;
    let steps = (wanted.listings / LISTINGS_PER_CHANGE).clamp(least, most) as u32;
    let mut last = Vec::new();
    for days_ago in (0..DAYS).rev() {
        simulator.advance(TimeDelta::days(1));
        simulator.move_market(steps);
        last = sync_a_day(&session, &mut mirror, days_ago, output)?;
    }
    describe(&last, output)?;
    let since = last.first().map_or(0, |run| run.id);
    for row in mirror.notable_changes(since, CHANGES_SHOWN)? {
        let what = change(&row, CHANGE_WIDTH, LocalTimes::of(&session.config));
        say(&format!("   listing {}: {what}\n", row.record_key))?;
    }
    let after_first = first.last().map_or(0, |run| run.id);
    let changes = mirror.count_changes(after_first)?;
    let report = report(&session, &mut mirror)?;
    say(&describe_report(&report))?;
    drop(mirror);

    let state = if wanted.serve {
        "is still up, and moves"
    } else {
        "has stopped"
    };
    say(&format!(
        "\nDone in {}. The simulated feed {state}. The mirror is {}. Try:\n\n",
        time(started.elapsed()),
        database.display()
    ))?;
    say(&things_to_try(&dir, &database, wanted.serve))?;
    let document = Document {
        database,
        first_sync: first,
        later_syncs: DAYS,
        last_sync: last,
        changes,
        figures: report.market.map(|market| market.headline.current),
    };
    output.result(&document, "")?;
    if wanted.serve {
        serve(&simulator, Some(MOVE_EVERY), &session.stop)?;
    }
    Ok(Exit::Done)
}

/// Opens a session with the demo's configuration. The ledger of its requests stays in the folder.
fn session(dir: &Path, simulator: &Simulator) -> anyhow::Result<Session> {
    let config = write_config(dir, simulator)?;
    Mirror::open(&config.mirror.database)?.keep_request_ledger()?;
    let token = Token::checked(simulator.token(), "the simulated feed")?;
    let credentials = Credentials::of_token(&config.feed, token)?;
    Session::with(config, credentials)
}

/// Returns the report that `report` shows without options.
fn report(session: &Session, mirror: &mut Mirror) -> anyhow::Result<Report> {
    let config = &session.config;
    let filter = report_filter(mirror, &[], None)?;
    let now = Utc::now();
    let first_day = LocalTimes::of(config).day(now - TimeDelta::days((DAYS - 1).into()));
    report::report(config, mirror, first_day, &filter, now)
}

fn describe_report(report: &Report) -> String {
    let Some(market) = &report.market else {
        return String::new();
    };
    let figures = &market.headline.current;
    let count = |number: Option<u64>, nouns| number.map(|number| counted(number, nouns));
    let parts = [
        count(figures.new, ("new listing", "new listings")),
        count(figures.price_cuts, ("price cut", "price cuts")),
        count(figures.sold, ("sale", "sales")),
        figures
            .median_sold_price
            .map(|price| format!("a median sale price of {}", dollars(price))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!(
        "\n3. {}, {}: {}\n",
        report.scope.listings(),
        report.scope.period(),
        listed(&parts)
    )
}

fn things_to_try(dir: &Path, database: &Path, is_served: bool) -> String {
    let mut text = String::new();
    for query in QUERIES {
        text += &format!("  sqlite3 -box {} \"{query}\"\n\n", quoted(database));
    }
    text += "or:\n\n";
    let program = std::env::args_os().next().unwrap_or("mlsmirror".into());
    let (program, config) = (quoted(program.as_ref()), dir.join("mlsmirror.toml"));
    let config = quoted(&config);
    for command in COMMANDS {
        text += &format!("  {program} --config {config} {command}\n");
    }
    if is_served {
        text += "\nor, in another terminal, with the feed:\n\n";
        for command in FEED_COMMANDS {
            text += &format!("  {program} --config {config} {command}\n");
        }
        text += "\nCtrl-C stops the feed\n";
    }
    text
}

/// The width of a printed change, in columns.
const CHANGE_WIDTH: usize = 60;

/// Queries that the user can try on the mirror.
const QUERIES: [&str; 4] = [
    "SELECT address, City, ListPrice, BedroomsTotal, DaysOnMarket FROM active_listings LIMIT 10",
    "SELECT address, City, old_price, new_price, percent FROM price_changes LIMIT 10",
    "SELECT from_status, to_status, count(*) AS listings FROM status_changes GROUP BY 1, 2",
    "SELECT ListingKey, count(*) AS photos, min(file_path) FROM listing_photos GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
];

/// Verbs that the user can try on the mirror.
const COMMANDS: [&str; 3] = [
    "report --html report.html   # charts of the market, to open in a browser",
    "changes --kind price,status --limit 20",
    "status",
];

/// Verbs that the user can try while the feed is up.
const FEED_COMMANDS: [&str; 3] = ["sync", "watch", "verify"];

/// Runs the sync of an earlier day, by the clock of the mirror.
fn sync_a_day(
    session: &Session,
    mirror: &mut Mirror,
    days_ago: i32,
    output: &Output,
) -> anyhow::Result<Vec<RunSummary>> {
    mirror.set_clock_offset(-TimeDelta::days(days_ago.into()));
    let quiet = Output::new(output.json, true);
    let progress = ProgressDisplay::new(&quiet, &session.feed);
    let context = session.context(&progress, 0);
    let report = sync::up_to_date(&context, mirror, &session.config.sync.resources)?;
    match report.ending {
        Ending::Done => Ok(report.runs),
        Ending::Interrupted(signal) => Err(crate::feed::FeedError::Interrupted(signal).into()),
        _ => {
            let errors: Vec<String> = report
                .runs
                .iter()
                .filter_map(|run| run.error.clone())
                .collect();
            anyhow::bail!(
                "the simulated feed could not be mirrored: {}",
                errors.join("; ")
            )
        }
    }
}

fn describe(runs: &[RunSummary], output: &Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(());
    }
    for line in describe_runs(runs) {
        print(&format!("   {line}\n"))?;
    }
    Ok(())
}
