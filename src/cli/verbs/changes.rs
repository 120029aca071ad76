//! `changes`: the change log.

use std::io::Write;
use std::ops::ControlFlow;

use crate::cli::arguments::Arguments;
use crate::cli::change_table::ChangeTable;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::{ChangeKind, ChangesOptions};
use crate::cli::output::{Output, gathered_bytes, send, terminal_columns};
use crate::cli::session::configuration;
use crate::mirror::{ChangeCategory, ChangeFilter, ChangeReader, ChangeRow, Mirror};

pub fn run(
    arguments: &Arguments,
    wanted: &ChangesOptions,
    output: &Output,
) -> anyhow::Result<Exit> {
    if wanted.csv && output.json {
        let both = "--csv and --json were both given; give one of them";
        return Err(UsageError(both.to_owned()).into());
    }
    let config = configuration(arguments, output)?;
    let mirror = Mirror::open_to_read(&config.mirror.database)?;
    let filter = filter(wanted);
    let changes = mirror.read_changes(&filter)?;
    let form = match (output.json, wanted.csv) {
        (true, _) => Form::Json { is_first: true },
        (_, true) => Form::Csv,
        _ => Form::Table(ChangeTable::new(terminal_columns())),
    };
    let is_table = matches!(form, Form::Table(_));
    let printed = print_all(changes, form, output)?;
    if is_table && printed.rows == 0 && printed.exit == Exit::Done {
        output.say(if filter == ChangeFilter::default() {
            "no changes yet; the first full sync logs none"
        } else {
            "no changes that match"
        });
    }
    Ok(printed.exit)
}

fn filter(wanted: &ChangesOptions) -> ChangeFilter {
    let category = |kind: &ChangeKind| match kind {
        ChangeKind::New => ChangeCategory::New,
        ChangeKind::Updated => ChangeCategory::Updated,
        ChangeKind::Status => ChangeCategory::Status,
        ChangeKind::Price => ChangeCategory::Price,
        ChangeKind::Deleted => ChangeCategory::Deleted,
        ChangeKind::Restored => ChangeCategory::Restored,
    };
    ChangeFilter {
        since: wanted.since.as_ref().map(|since| since.0.clone()),
        listing: wanted.listing.clone(),
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

/// Prints row after row: the log may be larger than the memory.
fn print_all(
    mut changes: ChangeReader<'_>,
    mut form: Form,
    output: &Output,
) -> anyhow::Result<Printed> {
    let mut gathered = Vec::new();
    let enough = gathered_bytes();
    let (mut rows, mut exit) = (0, Exit::Done);
    form.begin(&mut gathered)?;
    loop {
        let read = changes.read(|row| {
            rows += 1;
            form.row(row, &mut gathered)?;
            Ok(match gathered.len() >= enough {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        });
        let is_more = *read.as_ref().unwrap_or(&false);
        if let Err(error) = read {
            // Not as an error of its own: what was printed is to stay one document.
            exit = Exit::of(&error);
            output.complain(&format!("{error:#}"));
            form.end(Some((&error, exit)), &mut gathered)?;
        } else if !is_more {
            form.end(None, &mut gathered)?;
        }
        // A reader who has gone wants no more.
        if !send(&mut gathered)? || !is_more {
            return Ok(Printed { rows, exit });
        }
    }
}

/// How rows are written.
enum Form {
    Table(ChangeTable),
    Json { is_first: bool },
    Csv,
}

impl Form {
    fn begin(&mut self, text: &mut Vec<u8>) -> anyhow::Result<()> {
        match self {
            // A table has its head with its first row.
            Form::Table(_) => {}
            Form::Json { .. } => text.extend_from_slice(b"{\n  \"changes\": ["),
            Form::Csv => csv::Writer::from_writer(text).write_record(ChangeRow::COLUMNS)?,
        }
        Ok(())
    }

    fn row(&mut self, row: &ChangeRow, text: &mut Vec<u8>) -> anyhow::Result<()> {
        match self {
            Form::Table(table) => text.extend_from_slice(table.row(row).as_bytes()),
            Form::Json { is_first } => {
                let before: &[u8] = if *is_first { b"\n    " } else { b",\n    " };
                *is_first = false;
                text.extend_from_slice(before);
                serde_json::to_writer(text, row)?;
            }
            Form::Csv => csv::WriterBuilder::new()
                .has_headers(false)
                .buffer_capacity(512)
                .from_writer(text)
                .serialize(row)?,
        }
        Ok(())
    }

    fn end(
        &mut self,
        error: Option<(&anyhow::Error, Exit)>,
        text: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        if let Form::Json { is_first } = self {
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
