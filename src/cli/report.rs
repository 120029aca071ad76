//! `report`: how the syncs did, and how the market moved.

use chrono::Utc;

use super::arguments::{Arguments, ReportWanted};
use super::exit::Exit;
use super::output::Output;
use super::session::configuration;
use crate::mirror::Mirror;
use crate::report;

pub fn run(arguments: &Arguments, wanted: &ReportWanted, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let report = report::report(&config, &mut mirror, &wanted.since.0, Utc::now())?;
    output.result(&report, &report::text(&report))?;
    Ok(Exit::Done)
}
