//! `report`: how the syncs performed and how the market moved.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;
use chrono::Utc;
use serde::Serialize;

use crate::cli::advice::omission;
use crate::cli::arguments::Arguments;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::ReportOptions;
use crate::cli::output::{Output, print_unchanged};
use crate::cli::output_path::{STDOUT, place, refuse_to_replace};
use crate::cli::report_filter::report_filter;
use crate::cli::session::{config_path, configuration};
use crate::cli::whole_file::{Existing, write_whole};
use crate::mirror::Mirror;
use crate::report::{self, Report};

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
    let prints_page = html == Some(Path::new(STDOUT));
    if prints_page && output.json {
        let both = "--html - and --json cannot be combined; omit --json, or name a file";
        return Err(UsageError(both.to_owned()).into());
    }
    let html = html.filter(|_| !prints_page);
    let place = html.map(|file| place(&config_path(arguments), &config, file));
    let place = place.transpose()?;
    if let Some((file, place)) = html.zip(place.as_deref()) {
        refuse_to_replace(file, place, "report", report::is_page)?;
    }
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let filter = report_filter(&mut mirror, &wanted.types, wanted.condition.as_deref())?;
    let times = output.times();
    let first_day = wanted.since.day(times);
    let report = report::report(&config, &mut mirror, first_day, &filter, Utc::now())?;
    let left_out: Vec<String> = report.omissions.iter().map(omission).collect();
    let shown: Vec<String> = left_out.iter().map(|part| times.in_text(part)).collect();
    let page = || report::page(&report, &shown, &config.mirror.media_dir);
    if prints_page {
        print_unchanged(page() + "\n")?;
        return Ok(Exit::Done);
    }
    let text = match html.zip(place) {
        Some((file, place)) => {
            let page = page();
            write_whole(&place, &page, Existing::Replaced).with_context(|| {
                format!("the report could not be written to {}", file.display())
            })?;
            format!("the report is in {}\n", file.display())
        }
        None => report::text(&report, &shown),
    };
    let document = Document {
        html: html.map(Path::to_string_lossy),
        report: &report,
        left_out: &left_out,
    };
    output.result(&document, &text)?;
    Ok(Exit::Done)
}
