//! The lines of alerts as text for people.

use serde::Serialize;

use super::display_text::{printable, thousands};
use crate::config::{AlertEvent, MONITOR};
use crate::mirror::{ChangedOpenHouse, ReportedChange};
use crate::sync::{AlertLine, AlertSubject, AttentionChange};
use crate::value::Value;

/// A line of an alert as programs receive it.
#[derive(Clone, Serialize)]
pub struct PrintedLine {
    #[serde(flatten)]
    pub line: AlertLine,
    /// The line as text for people.
    pub text: String,
}

impl PrintedLine {
    pub fn of(line: &AlertLine) -> PrintedLine {
        PrintedLine {
            line: line.clone(),
            text: describe(line),
        }
    }
}

/// Describes a line of an alert in one line of text.
fn describe(line: &AlertLine) -> String {
    let text = match &line.subject {
        AlertSubject::Change(change) => describe_change(change),
        AlertSubject::Attention(change) => describe_attention(change),
    };
    let text = match line.alert.as_str() {
        MONITOR => text,
        name => format!("{name}: {text}"),
    };
    printable(&text).into_owned()
}

fn describe_attention(change: &AttentionChange) -> String {
    if change.needs_attention {
        format!(
            "the mirror needs attention: {}",
            change.conditions.join("; ")
        )
    } else {
        "the mirror no longer needs attention".to_owned()
    }
}

fn describe_change(change: &ReportedChange) -> String {
    let listing = &change.listing;
    let place = [listing.address.as_deref(), listing.city.as_deref()];
    let place: Vec<&str> = place.into_iter().flatten().collect();
    let place = match place.as_slice() {
        [] => "no address".to_owned(),
        parts => parts.join(", "),
    };
    let moved = format!(
        "{} → {}",
        shown(&change.old_value),
        shown(&change.new_value)
    );
    let what = match (change.event, change.change.as_str()) {
        (AlertEvent::Deleted, _) => "deleted".to_owned(),
        (AlertEvent::Price, _) => format!("price {moved}"),
        (AlertEvent::OpenHouse, change_kind) => {
            let house = describe_open_house(change.open_house.as_ref());
            match change_kind {
                "delete" => format!("{house} deleted"),
                "update" => format!("{house}: {} {moved}", change.field.as_deref().unwrap_or("")),
                _ => house,
            }
        }
        (AlertEvent::New, kind) => {
            let kind = if kind == "insert" { "new" } else { "restored" };
            let status = listing.status.clone();
            let price = listing.list_price.map(|price| thousands(price as u64));
            let facts = [Some(kind.to_owned()), status, price];
            facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        _ => moved,
    };
    format!("listing {}, {place}: {what}", listing.listing_key)
}

/// Describes an open house by its local time, or by UTC if that is unknown.
fn describe_open_house(house: Option<&ChangedOpenHouse>) -> String {
    let start = house.and_then(|house| house.local_start.as_ref().or(house.starts_at.as_ref()));
    let end = house.and_then(|house| house.local_end.as_ref().or(house.ends_at.as_ref()));
    match (start, end) {
        (Some(start), Some(end)) => format!("open house {start} to {end}"),
        (Some(start), None) => format!("open house {start}"),
        _ => "open house".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Integer(number) if *number >= 0 => thousands(*number as u64),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
    }
}
