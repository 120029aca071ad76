//! `report`: how the syncs performed and how the market moved.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;
use chrono::Utc;
use serde::Serialize;

use crate::cli::advice::omission;
use crate::cli::arguments::Arguments;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::local_times::LocalTimes;
use crate::cli::options::ReportOptions;
use crate::cli::output::Output;
use crate::cli::output_path::{place, refuse_to_replace};
use crate::cli::session::{config_path, configuration};
use crate::cli::whole_file::{Existing, write_whole};
use crate::mirror::{MarketFilter, Mirror};
use crate::report::{self, Report};
use crate::resource::folded_status;

/// The JSON document of `report`.
#[derive(Serialize)]
struct Document<'a> {
    html: Option<Cow<'a, str>>,
    #[serde(flatten)]
    report: &'a Report,
    left_out: &'a [String],
}

pub fn run(arguments: &Arguments, wanted: &ReportOptions, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let html = wanted.html.as_deref();
    let place = html.map(|file| place(&config_path(arguments), &config, file));
    let place = place.transpose()?;
    if let Some((file, place)) = html.zip(place.as_deref()) {
        refuse_to_replace(file, place, "report", report::is_page)?;
    }
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let filter = filter(&mut mirror, wanted)?;
    let first_day = wanted.since.day(LocalTimes::of(&config));
    let report = report::report(&config, &mut mirror, first_day, &filter, Utc::now())?;
    let left_out: Vec<String> = report.omissions.iter().map(omission).collect();
    let text = match html.zip(place) {
        Some((file, place)) => {
            let page = report::page(&report, &left_out, &config.mirror.media_dir);
            write_whole(&place, &page, Existing::Replaced).with_context(|| {
                format!("the report could not be written to {}", file.display())
            })?;
            format!("the report is in {}\n", file.display())
        }
        None => report::text(&report, &left_out),
    };
    let document = Document {
        html: html.map(Path::to_string_lossy),
        report: &report,
        left_out: &left_out,
    };
    output.result(&document, &text)?;
    Ok(Exit::Done)
}

/// The property type of a report without `--type`.
const USUAL_TYPE: &str = "Residential";

/// The value of `--type` for every property type.
const ALL_TYPES: &str = "all";

/// Returns the listings that the report covers. If the mirror has no residential listings, that
/// is every type by default.
fn filter(mirror: &mut Mirror, wanted: &ReportOptions) -> anyhow::Result<MarketFilter> {
    if let Some(condition) = &wanted.condition {
        let checked = mirror.check_condition(condition)?;
        checked.map_err(|problem| UsageError(format!("--where: {problem}")))?;
    }
    let known = mirror.read()?.property_types()?;
    let find = |wanted: &str| {
        let is_same = |known: &&String| folded_status(known).eq(folded_status(wanted));
        known.iter().find(is_same).cloned()
    };
    let property_types = match &*wanted.types {
        [] => find(USUAL_TYPE).into_iter().collect(),
        [all] if all == ALL_TYPES => Vec::new(),
        types => types
            .iter()
            .map(|name| {
                find(name).ok_or_else(|| {
                    let known = known.join(", ");
                    UsageError(format!("--type {name}: known are only {known}"))
                })
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(MarketFilter {
        property_types,
        condition: wanted.condition.clone(),
    })
}
