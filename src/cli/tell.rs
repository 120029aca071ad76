//! Telling of changes of status: printed, and given to a program.

use std::io::{ErrorKind, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::output::{print, print_unchanged};
use super::text::printable;
use crate::config::Config;
use crate::mirror::Transition;
use crate::stop::Stop;

/// A program that has not ended by then is ended, and what it was told counts as not
/// told.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same once the process was asked to stop.
const PATIENCE_AT_END: Duration = Duration::from_secs(4);

/// How changes of status are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// A line each, for people.
    Lines,
    /// A JSON document a line.
    JsonLines,
    /// Not here.
    Not,
}

/// Prints changes of status, a line each, and gives them to the configured program.
///
/// # Errors
/// If the program cannot be run or did not end well; if there is none, and they cannot be
/// printed.
pub fn tell(
    config: &Config,
    transitions: &[Transition],
    printed: Printed,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut lines = String::new();
    for transition in transitions {
        lines += &format!("{}\n", serde_json::to_string(transition)?);
    }
    let printed = match printed {
        Printed::Lines => {
            let told: String = transitions
                .iter()
                .map(|transition| format!("{}\n", describe(transition)))
                .collect();
            print(&told)
        }
        Printed::JsonLines => print_unchanged(lines.as_str()),
        Printed::Not => Ok(()),
    };
    let Some(command) = &config.monitor.command else {
        return printed;
    };
    // The program is told what cannot be printed, too; once it took that, it is told.
    run(command, &lines, stop)?;
    if let Err(error) = printed {
        tracing::warn!("changes of status were told to monitor.command alone: {error:#}");
    }
    Ok(())
}

/// A change of status in a line.
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

/// Runs a program with this on its standard input.
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
    // It may not read before it has written: neither waits for the other.
    let writing = std::thread::spawn(move || match stdin {
        Some(mut stdin) => stdin.write_all(&input),
        None => Ok(()),
    });
    let ended = wait(&mut child, stop).with_context(named)?;
    let Some(ended) = ended else {
        let seconds = PATIENCE.as_secs();
        anyhow::bail!("{} did not end within {seconds} s", named());
    };
    anyhow::ensure!(ended.success(), "{} failed ({ended})", named());
    match writing.join() {
        // It need not read what it does not want.
        Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error).with_context(named),
        _ => Ok(()),
    }
}

/// Waits for a program; none if it had to be ended.
fn wait(child: &mut Child, stop: &Stop) -> std::io::Result<Option<ExitStatus>> {
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(ended) = child.try_wait()? {
            return Ok(Some(ended));
        }
        if stop.requested().is_some() {
            deadline = deadline.min(Instant::now() + PATIENCE_AT_END);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
