//! `changes`: prints the change log.

use std::io::Write;
use std::ops::ControlFlow;

use crate::cli::arguments::Arguments;
use crate::cli::change_csv::ChangeCsv;
use crate::cli::change_table::ChangeTable;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::local_times::LocalTimes;
use crate::cli::named_listing::listing_key;
use crate::cli::options::{ChangeKind, ChangesOptions};
use crate::cli::output::{Output, buffered_bytes, send, terminal_columns};
use crate::cli::session::configuration;
use crate::mirror::{
    ChangeCategory, ChangeFilter, ChangeReader, ChangeRow, Mirror, NoListing, StatusChange,
};
use crate::resource::Resource;

pub fn run(
    arguments: &Arguments,
    wanted: &ChangesOptions,
    output: &Output,
) -> anyhow::Result<Exit> {
    if wanted.csv && output.json {
        let both = "--csv and --json cannot be combined";
        return Err(UsageError(both.to_owned()).into());
    }
    let config = configuration(arguments, output)?;
    let mirror = Mirror::open_to_read(&config.mirror.database);
    if let Some(resource) = wanted.resource {
        let mut known = match &mirror {
            Ok(mirror) => mirror.resources()?,
            Err(_) => Vec::new(),
        };
        known.extend(&config.sync.resources);
        known.extend(Resource::NAMED);
        known.sort_unstable();
        known.dedup();
        if !known.contains(&resource) {
            return Err(UsageError::of_resource("--resource", resource, &known).into());
        }
    }
    let mut mirror = mirror?;
    check_names(wanted, &mirror)?;
    let times = LocalTimes::of(&config);
    let mut filter = filter(wanted, times);
    if let Some(listing) = &wanted.listing {
        let key = listing_key(&mut mirror, listing)?;
        if !mirror.knows_listing(&key)? {
            return Err(NoListing::NoSuchKey { key }.into());
        }
        filter.listing = Some(key);
    }
    let changes = mirror.read_changes(&filter)?;
    let form = match (output.json, wanted.csv) {
        (true, _) => RowFormat::Json { is_first: true },
        (_, true) => RowFormat::Csv(ChangeCsv::new(mirror.listing_places()?)),
        _ => RowFormat::Table(ChangeTable::new(terminal_columns(), times)),
    };
    let is_table = matches!(form, RowFormat::Table(_));
    let printed = print_all(changes, form, output)?;
    if is_table && printed.rows == 0 && printed.exit == Exit::Done {
        output.say(if filter == ChangeFilter::default() {
            "no changes yet; the first full sync does not log any"
        } else {
            "no matching changes"
        });
    }
    Ok(printed.exit)
}

/// Checks the named field and statuses against what the mirror holds.
fn check_names(wanted: &ChangesOptions, mirror: &Mirror) -> anyhow::Result<()> {
    if let Some(field) = &wanted.field {
        let known = mirror.field_names(wanted.resource)?;
        if !known.is_empty() && !known.contains(field) {
            return Err(UsageError::of_field("--field", field, &known).into());
        }
    }
    if let Some(StatusChange { from, to }) = &wanted.transition {
        let checked = mirror.statuses()?.check(from.as_deref(), to.as_deref());
        checked.map_err(|problem| UsageError(format!("--transition {problem}")))?;
    }
    Ok(())
}

fn filter(wanted: &ChangesOptions, times: LocalTimes) -> ChangeFilter {
    let category = |kind: &ChangeKind| match kind {
        ChangeKind::New => ChangeCategory::New,
        ChangeKind::Updated => ChangeCategory::Updated,
        ChangeKind::Status => ChangeCategory::Status,
        ChangeKind::Price => ChangeCategory::Price,
        ChangeKind::Deleted => ChangeCategory::Deleted,
        ChangeKind::Restored => ChangeCategory::Restored,
    };
    ChangeFilter {
        since: wanted.since.as_ref().map(|since| since.stored(times)),
        listing: None,
        resource: wanted.resource,
        field: wanted.field.clone(),
        categories: wanted.kind.iter().map(category).collect(),
        transition: wanted.transition.clone(),
        newest: Some(wanted.limit).filter(|limit| *limit > 0),
    }
}

struct Printed {
    rows: u64,
    exit: Exit,
}

/// Prints the rows in parts, because the log may be larger than the memory.
fn print_all(
    mut changes: ChangeReader<'_>,
    mut form: RowFormat<'_>,
    output: &Output,
) -> anyhow::Result<Printed> {
    let mut buffer = Vec::new();
    let enough = buffered_bytes();
    let (mut rows, mut exit) = (0, Exit::Done);
    form.begin(&mut buffer)?;
    loop {
        let read = changes.read(|row| {
            rows += 1;
            form.row(row, &mut buffer)?;
            Ok(if buffer.len() >= enough {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        let is_more = *read.as_ref().unwrap_or(&false);
        if let Err(error) = read {
            // The error becomes part of the document that is already half printed.
            exit = Exit::of(&error);
            output.complain(&format!("{error:#}"));
            form.end(Some((&error, exit)), &mut buffer)?;
        } else if !is_more {
            form.end(None, &mut buffer)?;
        }
        // `send` returns false if the reader has closed the pipe.
        if !send(&mut buffer)? || !is_more {
            return Ok(Printed { rows, exit });
        }
    }
}

/// The format of the rows.
enum RowFormat<'m> {
    Table(ChangeTable),
    Json { is_first: bool },
    Csv(ChangeCsv<'m>),
}

impl RowFormat<'_> {
    fn begin(&mut self, text: &mut Vec<u8>) -> anyhow::Result<()> {
        match self {
            // The table prints its head together with the first row.
            RowFormat::Table(_) => {}
            RowFormat::Json { .. } => text.extend_from_slice(b"{\n  \"changes\": ["),
            RowFormat::Csv(_) => ChangeCsv::head(text)?,
        }
        Ok(())
    }

    fn row(&mut self, row: &ChangeRow, text: &mut Vec<u8>) -> anyhow::Result<()> {
        match self {
            RowFormat::Table(table) => text.extend_from_slice(table.row(row).as_bytes()),
            RowFormat::Json { is_first } => {
                let before: &[u8] = if *is_first { b"\n    " } else { b",\n    " };
                *is_first = false;
                text.extend_from_slice(before);
                serde_json::to_writer(text, row)?;
            }
            RowFormat::Csv(csv) => csv.row(row, text)?,
        }
        Ok(())
    }

    fn end(
        &mut self,
        error: Option<(&anyhow::Error, Exit)>,
        text: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        if let RowFormat::Json { is_first } = self {
            text.extend_from_slice(if *is_first { b"]" } else { b"\n  ]" });
            if let Some((error, exit)) = error {
                let message = serde_json::to_string(&format!("{error:#}"))?;
                let code = exit.code();
                write!(text, ",\n  \"error\": {message},\n  \"exit_code\": {code}")?;
            }
            text.extend_from_slice(b"\n}\n");
        }
        Ok(())
    }
}
