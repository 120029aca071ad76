//! Parses `[schedule]`.

use super::fields::Result;
use crate::config::job_times::{Schedule, When};
use crate::config::profile::Profile;
use crate::config::section_reader::{Section, Value};

pub(super) fn schedule_section(section: Section<'_>, profile: &Profile) -> Result<Schedule> {
    let when = |key: &str, default: &str| {
        let value = section.value(key);
        let text = value.map(Value::any_text).transpose()?.unwrap_or(default);
        match (When::parse(text), value) {
            (Some(when), _) => Ok(when),
            (None, Some(value)) => Err(value.must_be(
                r#"five cron fields of times that occur, such as "0 * * * *", "every 15m", or "" for never"#,
            )),
            (None, None) => Ok(When::Never),
        }
    };

    let timezone = match section.value("timezone") {
        None => profile.timezone,
        Some(value) => value.text()?.parse().map_err(|_| {
            value.must_be(r#"the IANA name of a time zone, such as "America/Denver" or "UTC""#)
        })?,
    };

    Ok(Schedule {
        timezone,
        full: when("full", "0 2 * * SUN")?,
        incremental: when("incremental", "0 * * * *")?,
        monitor: when("monitor", "*/15 * * * *")?,
        deletions: when("deletions", "0 3 * * *")?,
        reconcile: when("reconcile", profile.reconcile)?,
        media: when("media", "")?,
        export: match section.value("export").map(Value::any_text).transpose()? {
            Some("after sync") => When::AfterSync,
            _ => when("export", "")?,
        },
    })
}
