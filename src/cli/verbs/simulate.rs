//! `simulate`: serves the simulated feed.

use std::io::ErrorKind;

use crate::cli::display_text::{counted, time};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::moving_feed::{STEPS, serve};
use crate::cli::options::SimulateOptions;
use crate::cli::output::Output;
use crate::cli::signals::listen_for_signals;
use crate::cli::system_limits::check_threads_and_memory;
use crate::config::profile;
use crate::stop;
use simulator::{Behaviour, Dialect, Limit, Options, ServerBehaviour, Simulator};

/// The variable for the token of the feed.
const VARIABLE: &str = "SIMULATED_TOKEN";

pub fn run(wanted: &SimulateOptions, output: &Output) -> anyhow::Result<Exit> {
    check_threads_and_memory()?;
    let defaults = Options::default();
    let dialect = wanted.dialect;
    let of_dialect = dialect.map_or(&[][..], |dialect| dialect.behaviours);
    let mut server = ServerBehaviour {
        behaviours: wanted
            .behaviours
            .iter()
            .chain(of_dialect)
            .copied()
            .collect(),
        ..ServerBehaviour::default()
    };
    if let Some(dialect) = dialect {
        server.errors = dialect.errors;
        server.limit_as(dialect);
    }
    if wanted.requests_per_minute > 0 {
        server.limits = vec![Limit::requests(wanted.requests_per_minute, 60_000)];
    }
    let simulator = Simulator::start(Options {
        page_size: dialect.map_or(defaults.page_size, |dialect| dialect.page_size),
        port: wanted.port,
        listings: wanted.listings,
        photos: if wanted.bare { 0 } else { wanted.photos },
        photo_bytes: wanted.photo_bytes as usize,
        open_houses: !wanted.bare,
        units: !wanted.bare,
        seed: wanted.seed,
        server,
        ..defaults
    })
    .map_err(|error| {
        let of_system = error.chain().find_map(|cause| cause.downcast_ref());
        match of_system.map(std::io::Error::kind) {
            Some(ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
                UsageError(format!("{error:#}; choose another port with --port")).into()
            }
            _ => error,
        }
    })?;
    let (base_url, token) = (simulator.base_url(), simulator.token().to_owned());
    let document = serde_json::json!({
        "base_url": base_url,
        "asset_url": simulator.asset_url(),
        "token": token,
    });
    let moves = match wanted.move_every {
        Some(every) => format!("it makes {STEPS} changes every {}", time(every)),
        None => format!(
            "to change its records: curl -X POST '{}/simulator/move?steps=100'",
            base_url.trim_end_matches("/reso/odata")
        ),
    };
    let text = format!(
        "a simulated feed of {} is at {base_url}\n\
         its token is {token}; to sync it, write this into mlsmirror.toml:\n\
         {}and run:\n  {VARIABLE}={token} mlsmirror sync\n\
         {moves}\n\
         Ctrl-C stops it\n",
        counted(wanted.listings, ("listing", "listings")),
        configuration(dialect, &base_url)?,
    );
    output.result(&document, &text)?;
    // A signal is the normal end.
    let (stopper, stop) = stop::channel();
    listen_for_signals(stopper, None)?;
    serve(&simulator, wanted.move_every, &stop)?;
    Ok(Exit::Done)
}

/// Returns the configuration of a mirror of the feed: the profile of its dialect, without those
/// marks, sizes of photos and systems that the feed does not have.
fn configuration(dialect: Option<&Dialect>, base_url: &str) -> anyhow::Result<String> {
    let profile = profile(dialect.map_or("wfrmls", |dialect| dialect.name))?;
    let mut text = format!(
        "  [feed]\n  profile = \"{}\"\n  base_url = \"{base_url}\"\n  token_env = \"{VARIABLE}\"\n",
        profile.name
    );
    let marks = dialect.is_some_and(|one| one.behaviours.contains(&Behaviour::DeletedByFlag));
    if !profile.deleted_when.is_empty() && !marks {
        text += "  deleted_when = \"\"\n";
    }
    if !profile.filter.is_empty() {
        text += "  filter = \"ModificationTimestamp gt 2000-01-01T00:00:00Z\"\n";
    }
    if !profile.photos.size.is_empty() {
        text += "  [media]\n  size = \"\"\n";
    }
    Ok(text)
}
