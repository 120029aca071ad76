//! The exit codes of the command line.

use std::process::ExitCode;

use crate::config::{ConfigError, nearest_name};
use crate::feed::{FeedError, TokenError};
use crate::mirror::{LeaseTaken, NoLocks, NotAMirror};
use crate::resource::Resource;
use crate::stop::Signal;
use crate::sync::{Ending, Misconfigured, OtherFeed, UnusableFolder};

/// The ways in which the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Partial,
    Busy,
    Unauthorized,
    Stopped(Signal),
}

/// An invalid combination of arguments, or an argument that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl UsageError {
    /// An option names a resource that is not among the known ones.
    pub fn of_resource(option: &str, named: Resource, known: &[Resource]) -> UsageError {
        let names: Vec<&str> = known.iter().map(|known| known.entity_set()).collect();
        let near = nearest_name(named.entity_set(), &names);
        let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        let names = names.join(", ");
        UsageError(format!("{option} {named}: known are only {names}{near}"))
    }
}

impl UsageError {
    /// An option names a field that is not among the known ones.
    pub fn of_field(option: &str, named: &str, known: &[String]) -> UsageError {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let near = nearest_name(named, &known);
        let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        UsageError(format!(
            "{option} {named}: the mirror has no such field{near}"
        ))
    }
}

impl Exit {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Partial => 3,
            Exit::Busy => 4,
            Exit::Unauthorized => 5,
            Exit::Stopped(Signal::Interrupt) => 130,
            Exit::Stopped(Signal::Terminate) => 143,
        }
    }

    /// Returns the exit for an error.
    pub fn of(error: &anyhow::Error) -> Exit {
        #[cfg(feature = "export")]
        if error.is::<crate::export::ForeignExport>() {
            return Exit::Usage;
        }
        if error.is::<ConfigError>()
            || error.is::<TokenError>()
            || error.is::<NotAMirror>()
            || error.is::<NoLocks>()
            || error.is::<Misconfigured>()
            || error.is::<UnusableFolder>()
            || error.is::<OtherFeed>()
            || error.is::<UsageError>()
        {
            return Exit::Usage;
        }
        if error.is::<LeaseTaken>() {
            return Exit::Busy;
        }
        match error.downcast_ref() {
            Some(FeedError::Unauthorized { .. }) => Exit::Unauthorized,
            Some(FeedError::Interrupted(signal)) => Exit::Stopped(*signal),
            _ => Exit::Failed,
        }
    }
}

impl From<&Ending> for Exit {
    fn from(ending: &Ending) -> Exit {
        match ending {
            Ending::Done => Exit::Done,
            Ending::Partial => Exit::Partial,
            Ending::Failed => Exit::Failed,
            Ending::Misconfigured => Exit::Usage,
            Ending::Unauthorized => Exit::Unauthorized,
            Ending::Interrupted(signal) => Exit::Stopped(*signal),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
