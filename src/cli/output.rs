//! Printing: results to stdout, everything else to stderr.

use std::io::{ErrorKind, IsTerminal, Write};

use anyhow::Context as _;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use super::exit::Exit;
use super::text::steers;

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// As one JSON document.
    pub json: bool,
    /// Nothing but errors on stderr.
    pub quiet: bool,
}

/// Prints text to stdout, without what would steer a terminal. A reader that has gone,
/// such as `head`, is no error.
///
/// # Errors
/// What else keeps it from being written, such as a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_as_it_is(steady(text))
}

/// The same for what is no text for people.
///
/// # Errors
/// As [`print`].
pub fn print_as_it_is(text: impl Into<Vec<u8>>) -> anyhow::Result<()> {
    let sent = send(&mut text.into());
    sent.context("writing to standard output")?;
    Ok(())
}

/// Lines without what would steer a terminal: the feed's and servers' words stand in them.
fn steady(lines: &str) -> String {
    lines.replace(|letter| steers(letter) && letter != '\n', " ")
}

/// How much of a long result is gathered before it is sent: a pipe's fill, but
/// on a terminal no more than a line, for somebody waits for it.
pub fn gathered_bytes() -> usize {
    if std::io::stdout().is_terminal() {
        1
    } else {
        64 * 1024
    }
}

/// The columns of the terminal that stdout is, if it is one.
pub fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(width.0.into())
}

/// Sends what was gathered to stdout; false once its reader has gone, such as `head`.
///
/// # Errors
/// What else keeps it from being written, such as a full disk.
pub fn send(gathered: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    let sent = stdout.write_all(gathered).and_then(|()| stdout.flush());
    gathered.clear();
    match sent {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        sent => sent.map(|()| true),
    }
}

impl Output {
    /// Prints a result: the JSON document, or the text.
    pub fn result(&self, document: &impl Serialize, text: &str) -> anyhow::Result<()> {
        if self.json {
            print_as_it_is(serde_json::to_string_pretty(document)? + "\n")
        } else {
            print(text)
        }
    }

    /// Says something on stderr, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.log_line(line);
        }
    }

    /// A line of a log on stderr, quiet or not.
    pub fn log_line(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", steady(line));
    }

    /// Says what went wrong with a part, on stderr, quiet or not.
    pub fn complain(&self, line: &str) {
        self.log_line(&format!("mlsmirror: {line}"));
    }

    /// Says what went wrong, also as the JSON document if that was asked for.
    pub fn error(&self, error: &anyhow::Error, exit: Exit) {
        self.complain(&format!("{error:#}"));
        if self.json {
            print_error(&format!("{error:#}"), exit);
        }
    }
}

/// Prints what went wrong as the JSON document.
pub fn print_error(error: &str, exit: Exit) {
    let document = serde_json::json!({ "error": error, "exit_code": exit.code() });
    // If it cannot be printed, stderr and the exit code still tell.
    let _ = print_as_it_is(format!("{document:#}\n"));
}

/// Sends log lines to stderr: warnings by default.
pub fn log_to_stderr(quiet: bool, verbose: u8, format: LogFormat) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "mlsmirror=warn,error",
        (_, 1) => "mlsmirror=info,warn",
        _ => "mlsmirror=debug,info",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_ansi(may_colour())
        .with_target(false);
    // A second call changes nothing: the first one's settings hold.
    let _ = match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

/// Whether stderr may be coloured: on a terminal that can, unless NO_COLOR says not to
/// (<https://no-color.org>).
fn may_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}
