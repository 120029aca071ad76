//! `[schedule]`: when jobs are due.

use std::fmt;
use std::time::Duration;

use super::units;

/// When jobs are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The IANA name of the time zone of cron expressions; not empty, and not
    /// yet looked up.
    pub timezone: String,
    /// The full sync.
    pub full: When,
    /// The incremental sync.
    pub incremental: When,
    /// The watch for status changes.
    pub monitor: When,
    /// The announced deletions.
    pub deletions: When,
    /// The comparison of keys.
    pub reconcile: When,
    /// The download of media files.
    pub media: When,
}

/// When one job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Never, written as empty text.
    Never,
    /// So long after it last started, written `every 15m`; never zero.
    Every(Duration),
    /// At the times of five cron fields, joined by single spaces. Only their
    /// number and characters are checked.
    Cron(String),
}

impl When {
    /// Reads five cron fields, `every 15m` or empty text; None for others.
    pub fn parse(text: &str) -> Option<When> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.as_slice() {
            [] => Some(When::Never),
            ["every", every] => match units::duration(every)? {
                Duration::ZERO => None,
                every => Some(When::Every(every)),
            },
            [_, _, _, _, _] if fields.iter().all(|field| is_cron(field)) => {
                Some(When::Cron(fields.join(" ")))
            }
            _ => None,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Never => Ok(()),
            When::Every(every) => write!(f, "every {}", units::duration_text(*every)),
            When::Cron(fields) => f.write_str(fields),
        }
    }
}

fn is_cron(field: &str) -> bool {
    field
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "*/,-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_cron_an_interval_or_never() {
        let cron = |text: &str| Some(When::Cron(text.to_owned()));
        let cases = [
            ("", Some(When::Never)),
            (" ", Some(When::Never)),
            ("every 15m", Some(When::Every(Duration::from_secs(900)))),
            ("every 0", None),
            ("every 15", None),
            ("every", None),
            ("15m", None),
            ("0 2 * * SUN", cron("0 2 * * SUN")),
            ("*/15  * * * 1-5,7", cron("*/15 * * * 1-5,7")),
            ("0 2 * *", None),
            ("0 0 2 * * *", None),
            ("0 2 * * ?", None),
            ("@daily", None),
        ];
        for (text, when) in cases {
            assert_eq!(When::parse(text), when, "{text}");
        }
        assert_eq!(
            When::Every(Duration::from_secs(5400)).to_string(),
            "every 1h30m"
        );
    }
}
