//! The scope of a report, as values and in words.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::days::date_of;
use crate::value::instant;

/// The feed, the period and the listings of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Scope {
    /// The name of the service.
    pub service: &'static str,
    /// The host of the feed.
    pub host: String,
    /// The first day, in the time zone.
    pub first_day: String,
    /// The last day: when the report was made.
    pub last_day: String,
    /// The time zone of all days.
    pub timezone: &'static str,
    /// The property types of the market section; empty for all.
    pub property_types: Vec<String>,
    /// The condition that the listings of the market section meet.
    pub condition: Option<String>,
}

impl Scope {
    /// Returns the listings in words: `Residential listings where City = 'Sandy'`.
    pub fn listings(&self) -> String {
        let types = match &*self.property_types {
            [] => "Listings of all property types".to_owned(),
            types => format!("{} listings", types.join(" and ")),
        };
        match &self.condition {
            Some(condition) => format!("{types} where {condition}"),
            None => types,
        }
    }

    /// Returns the period in words: `October 28 to November 27, 2026 (31 days)`.
    pub fn period(&self) -> String {
        let dates = date_of(&self.first_day).zip(date_of(&self.last_day));
        let Some((first, last)) = dates else {
            return format!("{} to {}", self.first_day, self.last_day);
        };
        let days = (last - first).num_days() + 1;
        let whole = |day: NaiveDate| day.format("%B %-d, %Y").to_string();
        match days {
            1 => whole(last),
            _ if first.format("%Y").to_string() == last.format("%Y").to_string() => {
                format!(
                    "{} to {} ({days} days)",
                    first.format("%B %-d"),
                    whole(last)
                )
            }
            _ => format!("{} to {} ({days} days)", whole(first), whole(last)),
        }
    }

    /// Returns a stored time as the clocks of the time zone show it. Another text stays as it
    /// is.
    pub fn local_time(&self, stored: &str) -> String {
        let zone: Tz = self.timezone.parse().unwrap_or(Tz::UTC);
        instant(stored).map_or_else(
            || stored.to_owned(),
            |at| {
                let local = at.with_timezone(&zone);
                local.format("%Y-%m-%d %H:%M:%S").to_string()
            },
        )
    }

    /// Returns a sentence about days and times.
    pub fn days(&self) -> String {
        format!(
            "Days are those of {}, and so are times. A change counts on the day when the mirror found it.",
            self.timezone
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_is_in_words() {
        let mut scope = Scope {
            service: "Any MLS",
            host: "mls.example".to_owned(),
            first_day: "2026-10-28".to_owned(),
            last_day: "2026-11-27".to_owned(),
            timezone: "America/Denver",
            property_types: vec!["Residential".to_owned()],
            condition: Some("City = 'Sandy'".to_owned()),
        };
        assert_eq!(
            scope.listings(),
            "Residential listings where City = 'Sandy'"
        );
        assert_eq!(scope.period(), "October 28 to November 27, 2026 (31 days)");
        scope.first_day = "2025-12-01".to_owned();
        assert_eq!(
            scope.period(),
            "December 1, 2025 to November 27, 2026 (362 days)"
        );
        scope.last_day = "2025-12-01".to_owned();
        assert_eq!(scope.period(), "December 1, 2025");
    }
}
