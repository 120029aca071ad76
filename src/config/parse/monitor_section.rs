//! Parses `[monitor]`.

use super::fields::{Result, program};
use crate::config::section_reader::{Section, Value};
use crate::config::settings::Monitor;
use crate::config::transition::Transition;

/// The status changes that are reported by default.
const DEFAULT_TRANSITIONS: [&str; 4] = [
    "Active>Pending",
    "Pending>Closed",
    "Active>Withdrawn",
    "Active>Expired",
];

pub(super) fn monitor_section(section: Section<'_>) -> Result<Monitor> {
    let transitions = match section.value("transitions") {
        None => DEFAULT_TRANSITIONS
            .into_iter()
            .filter_map(Transition::parse)
            .collect(),
        Some(value) => transitions(value)?,
    };
    let command = section.value("command").map(program).transpose()?;

    Ok(Monitor {
        transitions,
        command,
    })
}

fn transitions(value: Value<'_>) -> Result<Vec<Transition>> {
    let mut transitions = Vec::new();
    for item in value.texts()? {
        let text = item.text()?;
        let transition = Transition::parse(text).ok_or_else(|| {
            item.fail(format!(
                r#"must list changes such as "Active>Pending", and {text:?} is none"#
            ))
        })?;
        transitions.push(transition);
    }
    Ok(transitions)
}
