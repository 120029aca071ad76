//! What an alert reports, and the program around it that passes the reports on.

use std::path::Path;

use serde::Serialize;

use crate::config::{Alert, AlertEvent, MONITOR};
use crate::mirror::{Mirror, ReportedChange};

/// The program that passes reports on.
pub trait AlertHost {
    /// Passes lines on: to the user, and to the program of the alert.
    ///
    /// # Errors
    /// If they could not be passed on. The next run reports them again.
    fn report(&mut self, alert: &Alert, lines: &[AlertLine]) -> Result<(), ReportError>;

    /// Returns the conditions of the mirror that need attention.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn conditions(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<String>>;
}

/// Why lines could not be passed on.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The program did not end in time.
    #[error("{0:#}")]
    TimedOut(anyhow::Error),
    /// Another reason.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl ReportError {
    /// Adds how many lines of an alert were not passed on.
    pub(super) fn of(self, alert: &Alert, lines: usize) -> ReportError {
        let what = match (alert.name.as_str(), lines) {
            (MONITOR, 1) => "1 status change was".to_owned(),
            (MONITOR, many) => format!("{many} status changes were"),
            (_, 1) => "1 change was".to_owned(),
            (_, many) => format!("{many} changes were"),
        };
        let sentence = |error: &anyhow::Error| {
            anyhow::anyhow!("{what} not reported ({error:#}); the next run reports them again")
        };
        match self {
            ReportError::TimedOut(error) => ReportError::TimedOut(sentence(&error)),
            ReportError::Failed(error) => ReportError::Failed(sentence(&error)),
        }
    }
}

/// One line of an alert.
#[derive(Clone, Debug, Serialize)]
pub struct AlertLine {
    /// The name of the alert.
    pub alert: String,
    /// What is reported.
    #[serde(flatten)]
    pub subject: AlertSubject,
}

/// What a line reports.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum AlertSubject {
    /// A change of a listing or of an open house.
    Change(Box<ReportedChange>),
    /// The mirror begins or ceases to need attention.
    Attention(AttentionChange),
}

/// The mirror begins or ceases to need attention.
#[derive(Clone, Debug, Serialize)]
pub struct AttentionChange {
    /// Always `attention`.
    pub event: AlertEvent,
    /// Whether the mirror needs attention now.
    pub needs_attention: bool,
    /// The conditions that need attention, as `status` words them.
    pub conditions: Vec<String>,
}

impl AlertLine {
    /// Returns the line of a change. Its photo gets a path that every program can open.
    pub(super) fn change(alert: &Alert, mut change: ReportedChange, media_dir: &Path) -> AlertLine {
        let photo = change.listing.photo_file.take();
        change.listing.photo_file = photo.and_then(|file| {
            let path = std::path::absolute(media_dir.join(file)).ok()?;
            Some(path.display().to_string())
        });
        AlertLine {
            alert: alert.name.clone(),
            subject: AlertSubject::Change(Box::new(change)),
        }
    }

    pub(super) fn attention(alert: &Alert, conditions: Vec<String>) -> AlertLine {
        AlertLine {
            alert: alert.name.clone(),
            subject: AlertSubject::Attention(AttentionChange {
                event: AlertEvent::Attention,
                needs_attention: !conditions.is_empty(),
                conditions,
            }),
        }
    }
}
