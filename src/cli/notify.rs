//! Status changes: printed, and passed to `[monitor] command`.

use std::io::{ErrorKind, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::display_text::printable;
use super::output::{print, print_unchanged};
use crate::config::Config;
use crate::mirror::Transition;
use crate::stop::Stop;

/// How long the program may run. After that it is killed, and the status changes count as
/// not reported.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long the program may run after this process is asked to stop.
const TIMEOUT_AFTER_STOP: Duration = Duration::from_secs(4);

/// How status changes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintFormat {
    /// One line of text for each.
    Text,
    /// One JSON document per line.
    JsonLines,
    /// Not printed.
    None,
}

/// Prints status changes, one per line, and passes them to the configured program.
///
/// # Errors
/// If the program cannot be run or fails. Without a program: if the status changes cannot
/// be printed.
pub fn notify(
    config: &Config,
    transitions: &[Transition],
    format: PrintFormat,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut lines = String::new();
    for transition in transitions {
        lines += &format!("{}\n", serde_json::to_string(transition)?);
    }
    let printed = match format {
        PrintFormat::Text => {
            let text: String = transitions
                .iter()
                .map(|transition| format!("{}\n", describe(transition)))
                .collect();
            print(&text)
        }
        PrintFormat::JsonLines => print_unchanged(lines.as_str()),
        PrintFormat::None => Ok(()),
    };
    let Some(command) = &config.monitor.command else {
        return printed;
    };
    // The program gets the status changes even if they cannot be printed. When it accepts
    // them, they count as reported.
    run(command, &lines, stop)?;
    if let Err(error) = printed {
        tracing::warn!(
            "status changes could not be printed, but monitor.command accepted them: {error:#}"
        );
    }
    Ok(())
}

/// Describes a status change in one line.
fn describe(transition: &Transition) -> String {
    let status = |status: &Option<String>| status.clone().unwrap_or("nothing".to_owned());
    let mut place = transition.address.clone().unwrap_or_default();
    if let Some(city) = &transition.city {
        if !place.is_empty() {
            place += ", ";
        }
        place += city;
    }
    if place.is_empty() {
        place = "no address".to_owned();
    }
    let line = format!(
        "listing {}, {place}: {} → {}",
        transition.listing_key,
        status(&transition.from),
        status(&transition.to)
    );
    printable(&line).into_owned()
}

/// Runs a program with the input on its standard input.
fn run(command: &[String], input: &str, stop: &Stop) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("monitor.command is empty")?;
    let named = || format!("monitor.command `{program}`");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        // Standard output is for results.
        .stdout(Stdio::from(std::io::stderr()))
        .spawn()
        .with_context(named)?;
    let stdin = child.stdin.take();
    let input = input.as_bytes().to_vec();
    // A program that writes before it reads must not block this process.
    let writer = std::thread::spawn(move || match stdin {
        Some(mut stdin) => stdin.write_all(&input),
        None => Ok(()),
    });
    let status = wait(&mut child, stop).with_context(named)?;
    let Some(status) = status else {
        let seconds = TIMEOUT.as_secs();
        anyhow::bail!("{} did not finish within {seconds} s", named());
    };
    anyhow::ensure!(status.success(), "{} failed ({status})", named());
    match writer.join() {
        // The program may end without reading all of its input.
        Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error).with_context(named),
        _ => Ok(()),
    }
}

/// Waits for a program to end. Kills it after the timeout, and returns `None`.
fn wait(child: &mut Child, stop: &Stop) -> std::io::Result<Option<ExitStatus>> {
    const POLL_INTERVAL: Duration = Duration::from_millis(10);
    let mut deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if stop.requested().is_some() {
            deadline = deadline.min(Instant::now() + TIMEOUT_AFTER_STOP);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
