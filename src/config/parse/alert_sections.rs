//! Parses `[monitor]` and `[[alerts]]`.

use std::time::Duration;

use super::fields::{Result, program};
use crate::config::alert::{Alert, AlertEvent, MONITOR};
use crate::config::nearest_name::nearest_name;
use crate::config::section_reader::{Section, Value};
use crate::config::transition::Transition;

/// How long a program may run by default.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Parses all alerts. The first one is that of `[monitor]`.
pub(super) fn alerts(monitor: Section<'_>, sections: &[Section<'_>]) -> Result<Vec<Alert>> {
    let mut alerts = vec![monitor_alert(monitor)?];
    for section in sections {
        let alert = alert(*section)?;
        if alerts.iter().any(|other| other.name == alert.name) {
            let name = &alert.name;
            return Err(section.fail(format!("two alerts have the name {name:?}")));
        }
        alerts.push(alert);
    }
    Ok(alerts)
}

fn monitor_alert(section: Section<'_>) -> Result<Alert> {
    let transitions = match section.value("transitions") {
        None => Transition::defaults(),
        Some(value) => transitions(value)?,
    };
    // Without a transition there is nothing to report.
    let on = match transitions.as_slice() {
        [] => Vec::new(),
        _ => vec![AlertEvent::Status],
    };
    with_program(
        section,
        Alert {
            name: MONITOR.to_owned(),
            on,
            transitions,
            condition: None,
            command: None,
            timeout: None,
        },
    )
}

fn alert(section: Section<'_>) -> Result<Alert> {
    let required = |key, example| {
        let needs = format!("an alert needs `{key}`, such as {key} = {example}");
        section.value(key).ok_or_else(|| section.fail(needs))
    };
    let name = required("name", r#""price-cuts""#)?;
    if name.text()? == MONITOR {
        return Err(name.fail("must be another name: [monitor] has this one"));
    }
    let on = events(required("on", r#"["new", "price"]"#)?)?;
    let transitions = match section.value("transitions") {
        None => Vec::new(),
        Some(value) if !on.contains(&AlertEvent::Status) => {
            return Err(value.fail(r#"needs "status" in `on`"#));
        }
        Some(value) => transitions(value)?,
    };
    let condition = section.value("where").map(Value::text).transpose()?;

    with_program(
        section,
        Alert {
            name: name.text()?.to_owned(),
            on,
            transitions,
            condition: condition.map(str::to_owned),
            command: None,
            timeout: None,
        },
    )
}

/// Adds the program and its timeout to an alert.
fn with_program(section: Section<'_>, alert: Alert) -> Result<Alert> {
    Ok(Alert {
        command: section.value("command").map(program).transpose()?,
        timeout: section.time_limit("timeout", TIMEOUT)?,
        ..alert
    })
}

fn events(value: Value<'_>) -> Result<Vec<AlertEvent>> {
    let known = AlertEvent::NAMED.map(|(name, _)| name);
    let mut events = Vec::new();
    for item in value.texts()? {
        let text = item.text()?;
        let found = AlertEvent::NAMED.iter().find(|(name, _)| *name == text);
        let Some((_, event)) = found else {
            let near = nearest_name(text, &known);
            let near = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let known = known.join(", ");
            return Err(item.fail(format!("must list some of {known}, not {text:?}{near}")));
        };
        if !events.contains(event) {
            events.push(*event);
        }
    }
    if events.is_empty() {
        return Err(value.fail(r#"must not be empty: write, for example, ["new", "price"]"#));
    }
    Ok(events)
}

fn transitions(value: Value<'_>) -> Result<Vec<Transition>> {
    let mut transitions = Vec::new();
    for item in value.texts()? {
        transitions.push(Transition::parse(item.text()?).map_err(|error| item.fail(error))?);
    }
    Ok(transitions)
}
