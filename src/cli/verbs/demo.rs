//! `demo`: runs the main jobs against a simulated feed.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;

use super::sync::describe_runs;
use crate::cli::change_table::change;
use crate::cli::display_text::{counted, listed, quoted, time};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::DemoOptions;
use crate::cli::output::{Output, print};
use crate::cli::progress_display::ProgressDisplay;
use crate::cli::session::Session;
use crate::config::Config;
use crate::feed::{Credentials, Token};
use crate::mirror::{ChangeCount, Mirror, RunSummary};
use crate::resource::Resource;
use crate::sync::{self, Ending};
use simulator::{Moved, Options, Simulator};

/// The number of events between the two syncs.
const MOVES: u32 = 200;

/// The number of changes that are printed.
const CHANGES_SHOWN: u32 = 8;

#[derive(Serialize)]
struct Document {
    database: PathBuf,
    first_sync: Vec<RunSummary>,
    second_sync: Vec<RunSummary>,
    changes: Vec<ChangeCount>,
}

pub fn run(wanted: &DemoOptions, output: &Output) -> anyhow::Result<Exit> {
    let dir = folder(wanted.dir.as_deref())?;
    let started = Instant::now();
    let simulator = Simulator::start(Options {
        listings: wanted.listings,
        ..Options::default()
    })?;
    let config = write_config(&dir, &simulator, wanted.listings)?;
    let database = config.mirror.database.clone();
    let token = Token::checked(simulator.token(), "the simulated feed")?;
    let credentials = Credentials::of_token(&config.feed, token)?;
    let session = Session::with(config, credentials)?;
    let mut mirror = session.open_for_sync(false)?;
    let say = |text: &str| if output.json { Ok(()) } else { print(text) };

    say(&format!(
        "A simulated feed of {} is at {}\n\n1. The first sync reads everything:\n",
        counted(wanted.listings, Resource::PROPERTY.nouns()),
        simulator.base_url()
    ))?;
    let first = sync_and_describe(&session, &mut mirror, output)?;

    let moved = simulator.move_market(MOVES);
    say(&format!(
        "\n2. The market moves: {}\n\n3. The next sync reads the changes:\n",
        describe(&moved)
    ))?;
    let second = sync_and_describe(&session, &mut mirror, output)?;
    let since = second.first().map_or(0, |run| run.id);
    let changes = mirror.count_changes(since)?;
    for row in mirror.notable_changes(since, CHANGES_SHOWN)? {
        let what = change(&row, CHANGE_WIDTH);
        say(&format!("   listing {}: {what}\n", row.record_key))?;
    }
    drop(mirror);

    say(&format!(
        "\nDone in {}. The simulated feed has stopped. The mirror is {}. Try:\n\n",
        time(started.elapsed()),
        database.display()
    ))?;
    for query in QUERIES {
        say(&format!(
            "  sqlite3 -box {} \"{query}\"\n\n",
            quoted(&database)
        ))?;
    }
    say("or:\n\n")?;
    let program = std::env::args_os().next().unwrap_or("mlsmirror".into());
    let (program, config) = (quoted(program.as_ref()), dir.join("mlsmirror.toml"));
    for command in COMMANDS {
        let config = quoted(&config);
        say(&format!("  {program} --config {config} {command}\n"))?;
    }
    let document = Document {
        database,
        first_sync: first,
        second_sync: second,
        changes,
    };
    output.result(&document, "")?;
    Ok(Exit::Done)
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

fn sync_and_describe(
    session: &Session,
    mirror: &mut Mirror,
    output: &Output,
) -> anyhow::Result<Vec<RunSummary>> {
    let quiet = Output {
        quiet: true,
        ..*output
    };
    let progress = ProgressDisplay::new(&quiet, &session.feed);
    let context = session.context(&progress, 0);
    let report = sync::up_to_date(&context, mirror, &session.config.sync.resources)?;
    if !output.json {
        for line in describe_runs(&report.runs) {
            print(&format!("   {line}\n"))?;
        }
    }
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

/// Creates the demo's folder, or checks that an existing one is empty.
fn folder(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = match named {
        Some(dir) => dir.to_owned(),
        None => {
            let numbered = (2..).map(|number| PathBuf::from(format!("mlsmirror-demo-{number}")));
            let mut names = [PathBuf::from("mlsmirror-demo")]
                .into_iter()
                .chain(numbered);
            names
                .find(|dir| !dir.exists())
                .context("too many mlsmirror-demo folders here; use --dir")?
        }
    };
    std::fs::create_dir_all(&dir).map_err(|error| {
        let shown = dir.display();
        UsageError(format!(
            "the folder {shown} cannot be created ({error}); name a new folder with --dir"
        ))
    })?;
    let mut entries =
        std::fs::read_dir(&dir).with_context(|| format!("reading the folder {}", dir.display()))?;
    if entries.next().is_some() {
        let full = format!(
            "{} is not empty; name a new folder with --dir",
            dir.display()
        );
        return Err(UsageError(full).into());
    }
    Ok(dir)
}

/// Writes a configuration next to the mirror, and reads it as any verb does.
fn write_config(dir: &Path, simulator: &Simulator, listings: u64) -> anyhow::Result<Config> {
    let path = dir.join("mlsmirror.toml");
    let url = url::Url::parse(&simulator.base_url())?;
    let port = url
        .port()
        .context("the simulated feed's address has no port")?;
    let text = format!(
        "# The demo's feed has stopped with the demo, so this mirror can be read but not synced.\n\
         # To try sync, watch and verify on a similar feed: move mirror.db and media away, run `mlsmirror simulate --port {port} --listings {listings} --photos {photos}` in\n\
         # another terminal, and `export WFRMLS_BEARER_TOKEN={token}` here.\n\
         [feed]\nprofile = \"wfrmls\"\nbase_url = \"{url}\"\n\
         # The demo does not wait for the real feed's limits.\n\
         requests_per_minute = 0\nrequests_per_hour = 0\nrequests_per_day = 0\n\n\
         [sync]\nresources = [\"Property\", \"Media\", \"OpenHouse\", \"PropertyUnitTypes\", \"Adu\", \
         \"Member\", \"Office\", \"Lookup\"]\n",
        photos = Options::default().photos,
        token = simulator.token(),
    );
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(Config::load(&path)?)
}

fn describe(moved: &Moved) -> String {
    let parts = [
        (moved.price_changes, ("price change", "price changes")),
        (moved.pendings, ("sale pending", "sales pending")),
        (moved.closings, ("closing", "closings")),
        (moved.withdrawals, ("withdrawal", "withdrawals")),
        (moved.new_listings, ("new listing", "new listings")),
        (
            moved.photos_added + moved.photos_replaced,
            ("new photo", "new photos"),
        ),
        (moved.deletions, ("deletion", "deletions")),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, nouns)| counted(count.into(), nouns))
        .collect();
    listed(&parts)
}
