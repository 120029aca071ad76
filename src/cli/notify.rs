//! The lines of alerts: printed, and passed to their programs.

use std::io::{ErrorKind, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::Utc;

use super::advice;
use super::alert_text::PrintedLine;
use super::local_times::LocalTimes;
use super::output::{print, print_unchanged};
use crate::config::{Alert, Config, MONITOR};
use crate::mirror::Mirror;
use crate::program;
use crate::report::{self, PhotoFiles};
use crate::stop::Stop;
use crate::sync::{AlertLine, ReportError};

/// How long the program may run after this process is asked to stop.
const TIMEOUT_AFTER_STOP: Duration = Duration::from_secs(4);

/// How the lines of alerts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintFormat {
    /// One line of text for each.
    Text,
    /// One JSON document per line.
    JsonLines,
    /// Not printed.
    None,
}

/// Passes the lines of an alert to its program, and prints them. Without a program, they are
/// reported when they are printed.
pub fn notify(
    config: &Config,
    alert: &Alert,
    lines: &[AlertLine],
    format: PrintFormat,
    stop: &Stop,
) -> Result<(), ReportError> {
    let lines: Vec<PrintedLine> = lines.iter().map(PrintedLine::of).collect();
    let mut input = String::new();
    for line in &lines {
        let line =
            serde_json::to_string(line).map_err(|error| ReportError::Failed(error.into()))?;
        input += &format!("{line}\n");
    }
    // When the program accepts the lines, they count as reported, even if they cannot be printed.
    // Lines that it does not accept are printed by the run in which it does.
    let title = match &alert.command {
        None => None,
        Some(command) => {
            let program = Program {
                title: title(alert, command),
                command,
                timeout: alert.timeout,
            };
            program.run(&config.feed.secret_variables(), &input, stop)?;
            Some(program.title)
        }
    };
    let printed = match format {
        PrintFormat::Text => {
            let text: String = lines.iter().map(|line| line.text.clone() + "\n").collect();
            print(&text)
        }
        PrintFormat::JsonLines => print_unchanged(input.as_str()),
        PrintFormat::None => Ok(()),
    };
    match (printed, title) {
        (Err(error), None) => Err(ReportError::Failed(error)),
        (Err(error), Some(title)) => {
            tracing::warn!("changes could not be printed, but {title} accepted them: {error:#}");
            Ok(())
        }
        (Ok(()), _) => Ok(()),
    }
}

/// Returns the alert's program as messages name it.
pub fn title(alert: &Alert, command: &[String]) -> String {
    let program = command.first().map_or("", String::as_str);
    match alert.name.as_str() {
        MONITOR => format!("monitor.command `{program}`"),
        _ => format!("command `{program}`"),
    }
}

/// A program that receives lines.
struct Program<'a> {
    title: String,
    command: &'a [String],
    timeout: Option<Duration>,
}

impl Program<'_> {
    /// Runs the program with these lines on its standard input.
    fn run(&self, secrets: &[&str], input: &str, stop: &Stop) -> Result<(), ReportError> {
        let ended = run(self.command, secrets, input, self.timeout, stop);
        let ended = ended
            .with_context(|| self.title.clone())
            .map_err(ReportError::Failed)?;
        match ended {
            None => {
                let seconds = self.timeout.unwrap_or_default().as_secs_f64();
                let error = anyhow::anyhow!("{} did not finish within {seconds} s", self.title);
                Err(ReportError::TimedOut(error))
            }
            Some(status) if !status.success() => {
                let error = anyhow::anyhow!("{} failed ({status})", self.title);
                Err(ReportError::Failed(error))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Runs a program with the input on its standard input. Returns None if it did not end in time.
fn run(
    words: &[String],
    secrets: &[&str],
    input: &str,
    timeout: Option<Duration>,
    stop: &Stop,
) -> anyhow::Result<Option<ExitStatus>> {
    let (program, arguments) = words.split_first().context("it has no name")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        // Standard output is for results.
        .stdout(Stdio::from(std::io::stderr()));
    let mut program = program::Program::start(command, secrets, true)?;
    let stdin = program.process().stdin.take();
    let input = input.as_bytes().to_vec();
    // A program that writes before it reads must not block this process.
    let writer = std::thread::Builder::new().spawn(move || match stdin {
        Some(mut stdin) => stdin.write_all(&input),
        None => Ok(()),
    })?;
    let mut deadline = timeout.map(|timeout| Instant::now() + timeout);
    let status = program.wait(|| {
        if stop.requested().is_some() {
            let soon = Instant::now() + TIMEOUT_AFTER_STOP;
            deadline = Some(deadline.map_or(soon, |deadline| deadline.min(soon)));
        }
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    })?;
    // The program may end without reading all of its input, and a program that it has
    // started may keep the input open.
    let has_written = status.is_some_and(|status| status.success()) && writer.is_finished();
    match has_written.then(|| writer.join()) {
        Some(Ok(Err(error))) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(status),
    }
}

/// Returns the conditions that need attention now, as `status` words them.
pub fn current_conditions(config: &Config, mirror: &mut Mirror) -> anyhow::Result<Vec<String>> {
    let status = report::status(config, mirror, PhotoFiles::AsRecorded, Utc::now())?;
    let conditions = status.conditions.iter();
    let texts = conditions.map(|one| advice::condition(one, LocalTimes::UTC));
    Ok(texts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_ended_although_one_that_it_started_keeps_its_input_open() {
        let words = ["sh", "-c", "sleep 60 <&0 >&- 2>&- &"].map(str::to_owned);
        let more_than_a_pipe_holds = "x".repeat(1_000_000);
        let started = Instant::now();
        let status = run(&words, &[], &more_than_a_pipe_holds, None, &Stop::never());
        assert!(status.unwrap().unwrap().success());
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
