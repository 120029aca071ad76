//! Prints results to stdout and everything else to stderr.
//!
//! Functions that write to stdout return an error if it cannot be written, for example because
//! the disk is full. A closed pipe, such as that of `head`, is no error.

use std::cell::Cell;
use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use super::display_text::steers;
use super::exit::Exit;
use super::local_times::LocalTimes;

/// The options that say what is printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// Print the result as one JSON document.
    pub json: bool,
    /// Print only errors on stderr.
    pub quiet: bool,
    /// How stderr writes times: in UTC until a configuration was read.
    times: Cell<LocalTimes>,
}

/// Prints text to stdout, without control characters.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_unchanged(without_controls(text))
}

/// Prints data that programs read to stdout, unchanged.
pub fn print_unchanged(text: impl Into<Vec<u8>>) -> anyhow::Result<()> {
    send(&mut text.into())?;
    Ok(())
}

/// Replaces control characters, which texts of the feed and of servers may contain.
fn without_controls(lines: &str) -> String {
    lines.replace(|letter| steers(letter) && letter != '\n', " ")
}

/// Returns the number of bytes to buffer before a part of a long result is sent: the size of a
/// pipe's buffer, but a single line on a terminal.
pub fn buffered_bytes() -> usize {
    if std::io::stdout().is_terminal() {
        1
    } else {
        64 * 1024
    }
}

/// Returns the number of columns of stdout, if it is a terminal.
pub fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(width.0.into())
}

/// Sends the buffer to stdout and clears it. Returns false if the reader has closed the pipe.
pub fn send(buffer: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    let sent = stdout.write_all(buffer).and_then(|()| stdout.flush());
    buffer.clear();
    match sent {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        sent => sent.map(|()| true).map_err(|error| unwritten(&error)),
    }
}

/// Returns the error that stdout cannot be written, with the next step.
pub fn unwritten(error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("writing to standard output: {error}; free space, or redirect it elsewhere")
}

impl Output {
    pub fn new(json: bool, quiet: bool) -> Output {
        Output {
            json,
            quiet,
            times: Cell::new(LocalTimes::UTC),
        }
    }

    /// Returns how times are written, by the configuration that was read last.
    pub fn times(&self) -> LocalTimes {
        self.times.get()
    }

    /// Writes times in this way from now on.
    pub fn write_times_as(&self, times: LocalTimes) {
        self.times.set(times);
    }

    /// Prints a result as JSON or as text.
    pub fn result(&self, document: &impl Serialize, text: &str) -> anyhow::Result<()> {
        if self.json {
            print_unchanged(serde_json::to_string_pretty(document)? + "\n")
        } else {
            print(text)
        }
    }

    /// Prints a line to stderr, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.log_line(line);
        }
    }

    /// Prints a log line to stderr, even if quiet.
    pub fn log_line(&self, line: &str) {
        let line = self.times().in_text(&without_controls(line));
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Prints an error or a failed part to stderr, even if quiet.
    pub fn complain(&self, line: &str) {
        self.log_line(&format!("mlsmirror: {line}"));
    }

    /// Prints the error that ends the verb, also as the JSON document with `--json`, whose times
    /// are UTC.
    pub fn error(&self, error: &anyhow::Error, exit: Exit) {
        let text = error_text(error);
        self.complain(&text);
        if self.json {
            print_error(&text, exit);
        }
    }
}

/// Joins the messages of an error and of its causes. SQLite's codes repeat the message.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        let coded = cause.strip_prefix("Error code ");
        let message = coded.and_then(|coded| Some(coded.split_once(": ")?.1));
        if message.is_none_or(|message| !text.contains(message)) {
            text += &format!(": {cause}");
        }
    }
    text
}

/// Prints an error as the JSON document.
pub fn print_error(error: &str, exit: Exit) {
    let document = serde_json::json!({ "error": error, "exit_code": exit.code() });
    // If stdout cannot be written, stderr and the exit code still report the error.
    let _ = print_unchanged(format!("{document:#}\n"));
}

/// The target of the daemon's own log lines. They are shown without `--verbose`.
pub const WATCH_LOG: &str = "mlsmirror::watch";

/// Sends log lines to stderr: by default warnings, and the daemon's own lines.
pub fn log_to_stderr(quiet: bool, verbose: u8, format: LogFormat) {
    let level = match (quiet, verbose) {
        (true, _) => "mlsmirror::watch=warn,error",
        (_, 0) => "mlsmirror::watch=info,mlsmirror=warn,error",
        (_, 1) => "mlsmirror=info,warn",
        _ => "mlsmirror=debug,info",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_ansi(may_colour())
        .with_target(false);
    // It fails only on a second call, after which the first settings stay in force.
    let _ = match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

/// Returns whether stderr is a terminal that shows colours and NO_COLOR is not set
/// (<https://no-color.org>).
fn may_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}
