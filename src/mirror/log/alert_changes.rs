//! The changes that an alert reports, with their listings.

use std::time::Duration;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, named_params, params_from_iter};
use serde::Serialize;

use super::change_reader::ChangeRow;
use crate::config::{Alert, AlertEvent, Transition};
use crate::mirror::Mirror;
use crate::mirror::record_table::Table;
use crate::mirror::sql::{SqlValue, quoted, stored};
use crate::mirror::views::{local_time, photo_file};
use crate::resource::{Resource, folded_name};
use crate::value::Value;

/// How long it may take to find the changes of one batch.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(60);

/// The fields of an open house whose changes are reported.
const OPEN_HOUSE_FIELDS: &str =
    "'OpenHouseDate', 'OpenHouseStartTime', 'OpenHouseEndTime', 'OpenHouseStatus'";

/// A change, as an alert reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedChange {
    /// The kind of the change.
    pub event: AlertEvent,
    /// The id of the change.
    pub change_id: i64,
    /// The listing that it concerns, as it was right after the change.
    #[serde(flatten)]
    pub listing: ChangedListing,
    /// The open house, if it concerns one.
    #[serde(flatten)]
    pub open_house: Option<ChangedOpenHouse>,
    /// `Property` or `OpenHouse`.
    pub resource: String,
    /// The key of the changed record.
    pub record_key: String,
    /// `insert`, `update`, `delete` or `restore`.
    pub change: String,
    /// For `update`, the field.
    pub field: Option<String>,
    /// For `update`, the value before.
    pub old_value: Value,
    /// For `update`, the value after.
    pub new_value: Value,
    /// For a status change, the status before, as the feed spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// For a status change, the status after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// The record's ModificationTimestamp of this change, UTC.
    pub source_timestamp: Option<String>,
    /// When the mirror found it, UTC.
    pub recorded_at: String,
}

/// A listing, as it was right after a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChangedListing {
    /// The listing's key.
    pub listing_key: String,
    /// The listing's number in the MLS.
    pub listing_id: Option<String>,
    /// The listing's address, if it is known.
    pub address: Option<String>,
    /// The listing's city.
    pub city: Option<String>,
    /// The listing's price.
    pub list_price: Option<f64>,
    /// The listing's status.
    pub status: Option<String>,
    /// The file of its first photo now.
    pub photo_file: Option<String>,
}

/// An open house, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangedOpenHouse {
    /// When it starts, UTC.
    pub starts_at: Option<String>,
    /// When it ends, UTC.
    pub ends_at: Option<String>,
    /// When it starts, in the feed's time zone.
    pub local_start: Option<String>,
    /// When it ends, in the feed's time zone.
    pub local_end: Option<String>,
}

/// Some changes that an alert reports.
#[derive(Debug, Default)]
pub struct AlertBatch {
    /// The changes, oldest first.
    pub changes: Vec<ReportedChange>,
    /// The last entry of the log that was considered.
    pub up_to: i64,
    /// The number of changes of the alert's kinds that were considered.
    pub considered: u64,
    /// Whether there may be more.
    pub is_full: bool,
}

impl Mirror {
    /// Returns the first changes after an entry of the log that an alert reports, at most
    /// this number. The condition is evaluated for the listing as it was right after the
    /// change, so that it does not matter when a change is reported.
    pub fn alert_changes(
        &mut self,
        alert: &Alert,
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<AlertBatch> {
        self.limit_statements(Some(EVALUATION_TIMEOUT))?;
        let batch = self.read_alert_changes(alert, after, limit);
        self.limit_statements(None)?;
        batch
    }

    fn read_alert_changes(
        &self,
        alert: &Alert,
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<AlertBatch> {
        let mut batch = AlertBatch {
            up_to: after.max(self.newest_change()?),
            ..AlertBatch::default()
        };
        let Some(kinds) = kinds(alert) else {
            return Ok(batch);
        };
        let Some(lookup) = Lookup::new(&self.connection, alert)? else {
            return Ok(batch);
        };
        let mut statement = self.connection.prepare(&format!(
            "SELECT {} FROM changes WHERE id > :after AND id <= :last AND ({kinds}) ORDER BY id",
            ChangeRow::COLUMNS.join(", ")
        ))?;
        let mut rows = statement.query(named_params! { ":after": after, ":last": batch.up_to })?;
        while let Some(row) = rows.next()? {
            let change = ChangeRow::from_row(row)?;
            let id = change.id;
            batch.considered += 1;
            batch.changes.extend(lookup.reported(change)?);
            if batch.changes.len() >= limit {
                batch.up_to = id;
                batch.is_full = true;
                break;
            }
        }
        Ok(batch)
    }
}

/// Returns the condition for the changes of the alert's kinds; None if it has none.
fn kinds(alert: &Alert) -> Option<String> {
    let condition = |event: &AlertEvent| match event {
        AlertEvent::New => "resource = 'Property' AND change IN ('insert', 'restore')".to_owned(),
        AlertEvent::Price => "resource = 'Property' AND field = 'ListPrice'".to_owned(),
        AlertEvent::Status => "resource = 'Property' AND field = 'StandardStatus'".to_owned(),
        AlertEvent::Deleted => "resource = 'Property' AND change = 'delete'".to_owned(),
        AlertEvent::OpenHouse => format!(
            "resource = 'OpenHouse' AND (change <> 'update' OR field IN ({OPEN_HOUSE_FIELDS}))"
        ),
        AlertEvent::Attention => String::new(),
    };
    let kinds: Vec<String> = (alert.on.iter().map(condition))
        .filter(|condition| !condition.is_empty())
        .collect();
    (!kinds.is_empty()).then(|| kinds.join(" OR "))
}

/// Returns the kind of a change of an alert's kinds.
fn event(change: &ChangeRow) -> AlertEvent {
    match (change.resource.as_str(), change.change.as_str()) {
        ("OpenHouse", _) => AlertEvent::OpenHouse,
        (_, "delete") => AlertEvent::Deleted,
        (_, "update") if change.field.as_deref() == Some("ListPrice") => AlertEvent::Price,
        (_, "update") => AlertEvent::Status,
        _ => AlertEvent::New,
    }
}

/// Finds the listings and open houses of changes.
struct Lookup<'a> {
    connection: &'a Connection,
    alert: &'a Alert,
    listings: Table,
    media: Option<Table>,
    houses: Option<Table>,
}

impl<'a> Lookup<'a> {
    /// Returns None if there are no listings.
    fn new(connection: &'a Connection, alert: &'a Alert) -> rusqlite::Result<Option<Lookup<'a>>> {
        let Some(listings) = Table::of(connection, Resource::PROPERTY)? else {
            return Ok(None);
        };
        Ok(Some(Lookup {
            connection,
            alert,
            listings,
            media: Table::of(connection, Resource::MEDIA)?,
            houses: Table::of(connection, Resource::OPEN_HOUSE)?,
        }))
    }

    /// Returns a change as it is reported, if the alert reports it.
    fn reported(&self, change: ChangeRow) -> rusqlite::Result<Option<ReportedChange>> {
        let event = event(&change);
        if event == AlertEvent::Status && !is_wanted(&self.alert.transitions, &change) {
            return Ok(None);
        }
        let Some(listing) = self.listing(&change)? else {
            return Ok(None);
        };
        let open_house = match event {
            AlertEvent::OpenHouse => self.open_house(&change)?,
            _ => None,
        };
        let is_over = open_house.as_ref().is_some_and(|house| {
            let end = house.ends_at.as_ref().or(house.starts_at.as_ref());
            let deleted_at = change
                .source_timestamp
                .as_ref()
                .unwrap_or(&change.recorded_at);
            end.is_some_and(|end| end < deleted_at)
        });
        if change.change == "delete" && is_over {
            // The feed tidies up open houses that have ended.
            return Ok(None);
        }
        let of_status = |value: &Value| (event == AlertEvent::Status).then(|| value.clone());
        Ok(Some(ReportedChange {
            event,
            change_id: change.id,
            listing,
            open_house,
            from: of_status(&change.old_value),
            to: of_status(&change.new_value),
            resource: change.resource,
            record_key: change.record_key,
            change: change.change,
            field: change.field,
            old_value: change.old_value,
            new_value: change.new_value,
            source_timestamp: change.source_timestamp,
            recorded_at: change.recorded_at,
        }))
    }

    /// Returns the listing of a change, as it was right after it. None if it does not meet
    /// the alert's condition. A listing whose row was purged meets no condition.
    fn listing(&self, change: &ChangeRow) -> rusqlite::Result<Option<ChangedListing>> {
        let Some(key) = change.listing_key.as_deref() else {
            return Ok(None);
        };
        let later = self.later_changes(key, change.id)?;
        let columns: Vec<String> = (self.listings.columns.iter())
            .map(
                |name| match later.iter().position(|(field, _)| field == name) {
                    None => quoted(name),
                    // A plain parameter would have no affinity, so that a number would not
                    // equal its text.
                    Some(at) if matches!(later[at].1, Value::Integer(_) | Value::Real(_)) => {
                        format!("CAST(?{} AS NUMERIC) AS {}", at + 2, quoted(name))
                    }
                    Some(at) => format!("?{} AS {}", at + 2, quoted(name)),
                },
            )
            .collect();
        let listings = &self.listings;
        let condition = self.alert.condition.as_deref().unwrap_or("true");
        let sql = format!(
            "SELECT {id}, {address}, {city}, CAST({price} AS REAL), {status}, {photo}
             FROM (SELECT {columns} FROM listings WHERE {key} = ?1) AS listings
             WHERE (\n{condition}\n)",
            id = listings.value("ListingId"),
            address = listings.address(),
            city = listings.value("City"),
            price = listings.value("ListPrice"),
            status = listings.value("StandardStatus"),
            photo = photo_file(listings, self.media.as_ref()),
            columns = columns.join(", "),
            key = listings.key_column(),
        );
        let key = Value::Text(key.into());
        let values = std::iter::once(&key).chain(later.iter().map(|(_, value)| value));
        let found = self
            .connection
            .prepare_cached(&sql)?
            .query_row(
                params_from_iter(values.map(|value| SqlValue(value.as_ref()))),
                |row| {
                    Ok(ChangedListing {
                        listing_id: text(row.get(0)?),
                        address: text(row.get(1)?),
                        city: text(row.get(2)?),
                        list_price: row.get(3)?,
                        status: text(row.get(4)?),
                        photo_file: row.get(5)?,
                        ..ChangedListing::default()
                    })
                },
            )
            .optional()?;
        let listing_key = change.listing_key.clone().unwrap_or_default();
        Ok(match (found, &self.alert.condition) {
            (None, Some(_)) => None,
            (found, _) => Some(ChangedListing {
                listing_key,
                ..found.unwrap_or_default()
            }),
        })
    }

    /// Returns the fields of a listing that changed later, with their values before.
    fn later_changes(&self, key: &str, after: i64) -> rusqlite::Result<Vec<(String, Value)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT field, old_value, min(id) FROM changes
             WHERE listing_key = :key AND id > :after AND resource = 'Property'
               AND record_key = :key AND change = 'update'
             GROUP BY field",
        )?;
        let later = statement.query_map(named_params! { ":key": key, ":after": after }, |row| {
            Ok((row.get(0)?, stored(row, 1).to_owned()))
        })?;
        later.collect()
    }

    fn open_house(&self, change: &ChangeRow) -> rusqlite::Result<Option<ChangedOpenHouse>> {
        let Some(houses) = &self.houses else {
            return Ok(None);
        };
        let start = houses.value("OpenHouseStartTime");
        let end = houses.value("OpenHouseEndTime");
        self.connection
            .prepare_cached(&format!(
                "SELECT {start}, {end}, {}, {} FROM open_houses WHERE {} = ?1",
                local_time(&start),
                local_time(&end),
                houses.key()
            ))?
            .query_row([&change.record_key], |row| {
                Ok(ChangedOpenHouse {
                    starts_at: text(row.get(0)?),
                    ends_at: text(row.get(1)?),
                    local_start: text(row.get(2)?),
                    local_end: text(row.get(3)?),
                })
            })
            .optional()
    }
}

/// Returns a stored value as text.
fn text(value: Sql) -> Option<String> {
    match value {
        Sql::Null | Sql::Blob(_) => None,
        Sql::Integer(number) => Some(number.to_string()),
        Sql::Real(number) => Some(number.to_string()),
        Sql::Text(text) => Some(text),
    }
}

/// Returns whether a status change is among the wanted ones. One feed sends a status by its
/// display name, another by its member name, so that case and spaces do not matter.
fn is_wanted(wanted: &[Transition], change: &ChangeRow) -> bool {
    let is = |status: &Value, wanted: &str| {
        let status = status.as_text();
        status.is_some_and(|status| folded_name(status).eq(folded_name(wanted)))
    };
    wanted.is_empty()
        || wanted
            .iter()
            .any(|wanted| is(&change.old_value, &wanted.from) && is(&change.new_value, &wanted.to))
}
