//! Compares whole records with their rows.

use std::collections::HashSet;

use super::difference::Difference;
use crate::change::FieldChange;
use crate::mirror::{Mirror, StoredRow};
use crate::record::{Record, Shape};
use crate::sync::records::file_effect::is_signature;
use crate::value::Value;

/// A sample of whole records, compared with their rows.
pub(super) struct RecordSample<'k> {
    /// Records whose timestamps are known to differ.
    known: &'k HashSet<&'k str>,
    /// The differences.
    pub found: Vec<Difference>,
    /// The number of records compared.
    pub compared: u64,
}

impl<'k> RecordSample<'k> {
    pub fn new(known: &'k HashSet<&'k str>) -> RecordSample<'k> {
        RecordSample {
            known,
            found: Vec::new(),
            compared: 0,
        }
    }

    /// Compares records with their rows, field by field.
    pub fn compare<'r>(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        records: impl Iterator<Item = &'r Record>,
    ) -> rusqlite::Result<()> {
        let tx = mirror.read()?;
        let mut rows = tx.row_reader(shape)?;
        for record in records {
            // A record that was added or deleted meanwhile was noted by its key.
            let StoredRow::Present {
                deleted: None,
                changes,
                ..
            } = rows.compare(record)?
            else {
                continue;
            };
            self.compared += 1;
            let is_other = |change: &FieldChange| !is_signature(shape, record, change);
            for change in changes.into_iter().filter(is_other) {
                let key = record.key.to_string();
                let field = shape.fields.get(change.position);
                let feed = match field {
                    Some(_) => record.values[change.position].clone(),
                    None => extra_of(record),
                };
                if shape.is_timestamp(change.position) {
                    if !self.known.contains(&*record.key) {
                        self.found.push(Difference::Timestamp {
                            key,
                            mirror: change.old.as_text().map(str::to_owned),
                            feed: feed.as_text().map(str::to_owned),
                            // It changed during the comparison.
                            since_last_sync: true,
                        });
                    }
                    continue;
                }
                self.found.push(Difference::Field {
                    key,
                    field: field.map_or("extra", |field| &field.name).to_owned(),
                    mirror: change.old,
                    feed,
                });
            }
        }
        Ok(())
    }
}

fn extra_of(record: &Record) -> Value {
    let extra = record.extra.as_deref();
    extra.map_or(Value::Null, |text| Value::Text(text.into()))
}
