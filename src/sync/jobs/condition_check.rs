//! Checks the alerts and `[media] listings` against the columns and the statuses of the feed.

use crate::config::{Alert, Config, MONITOR, Transition};
use crate::mirror::Mirror;
use crate::sync::outcome::Misconfigured;

/// Checks the conditions over listings, and the status changes of all alerts. Skips fields and
/// statuses that the mirror does not know yet.
///
/// # Errors
/// [`Misconfigured`], or an error of the database.
pub fn check_conditions(config: &Config, mirror: &mut Mirror) -> anyhow::Result<()> {
    check_kept_photos(config, mirror)?;
    check_alerts(config, mirror)
}

/// Checks the condition of `[media]`.
///
/// # Errors
/// [`Misconfigured`], or an error of the database.
pub fn check_kept_photos(config: &Config, mirror: &mut Mirror) -> anyhow::Result<()> {
    if let Some(condition) = &config.media.kept.condition {
        let checked = mirror.check_condition(condition)?;
        checked.map_err(Misconfigured::kept_photos)?;
    }
    Ok(())
}

fn check_alerts(config: &Config, mirror: &mut Mirror) -> anyhow::Result<()> {
    let statuses = mirror.statuses()?;
    for alert in &config.alerts {
        let wrong = |key: &str, problem: &dyn std::fmt::Display| {
            let title = match alert.name.as_str() {
                MONITOR => "[monitor]".to_owned(),
                name => format!("alert {name:?}"),
            };
            Misconfigured(format!("{title}: `{key}`: {problem}"))
        };
        for transition in checked_transitions(alert) {
            statuses
                .check(Some(&transition.from), Some(&transition.to))
                .map_err(|problem| wrong("transitions", &problem))?;
        }
        if let Some(condition) = &alert.condition {
            mirror
                .check_condition(condition)?
                .map_err(|problem| wrong("where", &problem))?;
        }
    }
    Ok(())
}

/// Returns the status changes to check. The default ones need not exist in every feed.
fn checked_transitions(alert: &Alert) -> impl Iterator<Item = &Transition> {
    let is_default = |transition: &&Transition| {
        alert.name == MONITOR && Transition::defaults().contains(transition)
    };
    let transitions = alert.transitions.iter();
    transitions.filter(move |transition| !is_default(transition))
}
