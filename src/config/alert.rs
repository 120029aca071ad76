//! The alerts: which changes they report, and the programs that receive them.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::transition::Transition;

/// The name of the alert that `[monitor]` configures.
pub const MONITOR: &str = "monitor";

/// An alert: a selection of changes, each of which is reported once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The name, under which the mirror remembers what was reported.
    pub name: String,
    /// What is reported. At least one, and no duplicates.
    pub on: Vec<AlertEvent>,
    /// The status changes that are reported. Empty = all.
    pub transitions: Vec<Transition>,
    /// An SQL condition over `listings`. None = all listings.
    pub condition: Option<String>,
    /// A program that gets one JSON line per report. The first item is its name.
    pub command: Option<Vec<String>>,
    /// How long the program may run. None = no limit.
    pub timeout: Option<Duration>,
}

/// What an alert can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertEvent {
    /// A listing is new, or was restored.
    New,
    /// A listing's ListPrice changed.
    Price,
    /// A listing's StandardStatus changed.
    Status,
    /// A listing was deleted.
    Deleted,
    /// An open house was announced, moved or canceled.
    OpenHouse,
    /// `status` begins or ceases to need attention.
    Attention,
}

impl Alert {
    /// Returns the name of the program if there is no such program.
    pub fn missing_program(&self) -> Option<&str> {
        let name = self.command.as_ref()?.first()?;
        let exists = if name.contains('/') {
            Path::new(name).is_file()
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
        };
        (!exists).then_some(name)
    }
}

impl AlertEvent {
    /// All events, by the names of the configuration.
    pub const NAMED: [(&str, AlertEvent); 6] = [
        ("new", AlertEvent::New),
        ("price", AlertEvent::Price),
        ("status", AlertEvent::Status),
        ("deleted", AlertEvent::Deleted),
        ("open_house", AlertEvent::OpenHouse),
        ("attention", AlertEvent::Attention),
    ];
}
