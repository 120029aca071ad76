//! The program that prints the token.

use std::io::{IsTerminal, Read};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::token::{Token, TokenError};
use crate::config;
use crate::program::Program;

/// How long the program may run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest output that is read.
const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

/// The program that prints the token.
#[derive(Clone)]
pub struct TokenCommand {
    /// Its name and its arguments.
    words: Vec<String>,
    /// The environment variables that it does not get.
    secret_variables: Vec<String>,
    /// How long it may run.
    timeout: Duration,
    /// Whether it can ask at a terminal, for example for a password.
    may_prompt: bool,
}

impl TokenCommand {
    /// Returns the program of these words, for the configured feed.
    pub fn new(words: &[String], settings: &config::Feed) -> TokenCommand {
        let secrets = settings.secret_variables().into_iter();
        TokenCommand {
            words: words.to_vec(),
            secret_variables: secrets.map(str::to_owned).collect(),
            timeout: TIMEOUT,
            may_prompt: std::io::stdin().is_terminal(),
        }
    }

    /// Returns its name and its arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Runs the program and returns the token in its first line. A program that runs too
    /// long or prints too much is killed with all programs that it has started.
    pub fn run(&self) -> Result<Token, TokenError> {
        let output = self.output().map_err(|what| TokenError::Command {
            program: self.words.first().cloned().unwrap_or_default(),
            what,
        })?;
        let text = String::from_utf8_lossy(&output);
        Token::checked(
            text.lines().next().unwrap_or_default(),
            "feed.token_command",
        )
    }

    fn output(&self) -> Result<Vec<u8>, String> {
        let (program, arguments) = self.words.split_first().ok_or("is empty")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::inherit())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let secrets: Vec<&str> = self.secret_variables.iter().map(String::as_str).collect();
        let mut program = Program::start(command, &secrets, !self.may_prompt)
            .map_err(|error| format!("cannot be run: {error}"))?;
        output_of(&mut program, self.timeout)
    }
}

/// Returns what the program prints, or why that cannot be used, as the rest of a sentence.
fn output_of(program: &mut Program, timeout: Duration) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("failed ({error})");
    let deadline = Instant::now() + timeout;
    let printed = read(program.process().stdout.take()).map_err(failed)?;
    let mut output = Vec::new();
    let status = program
        .wait(|| {
            output.extend(printed.try_iter().flatten());
            output.len() > OUTPUT_LIMIT_BYTES || Instant::now() >= deadline
        })
        .map_err(failed)?;
    // A program that it has started may keep the output open.
    while status.is_some() && output.len() <= OUTPUT_LIMIT_BYTES && !output.contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(more) = printed.recv_timeout(left) else {
            break;
        };
        output.extend(more);
    }
    match status {
        _ if output.len() > OUTPUT_LIMIT_BYTES => {
            Err(format!("printed more than {OUTPUT_LIMIT_BYTES} bytes"))
        }
        None => Err(format!("did not end within {} s", timeout.as_secs_f64())),
        Some(status) if !status.success() => Err(format!("failed ({status})")),
        Some(_) => Ok(output),
    }
}

/// Reads the output in a thread of its own: a program that prints nothing must not block this
/// one. Not much is read ahead.
fn read(stdout: Option<ChildStdout>) -> std::io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let mut buffer = [0; 4_096];
    let read_all = move || {
        let Some(mut stdout) = stdout else { return };
        while let Ok(length @ 1..) = stdout.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("token".to_owned());
    thread.spawn(read_all)?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str, timeout: Duration) -> TokenCommand {
        let words = ["sh", "-c", script];
        TokenCommand {
            words: words.map(str::to_owned).to_vec(),
            secret_variables: Vec::new(),
            timeout,
            may_prompt: false,
        }
    }

    fn error_of(script: &str, timeout: Duration) -> String {
        let started = Instant::now();
        let ended = command(script, timeout).run();
        let error = ended.expect_err("the program fails").to_string();
        assert!(started.elapsed() < TIMEOUT, "{script}: {error}");
        error
    }

    #[test]
    fn the_token_is_there_although_a_program_keeps_the_output_open() {
        let started = Instant::now();
        let token = command("sleep 60 & echo token", TIMEOUT).run().unwrap();
        assert_eq!(token.secret(), "token");
        assert!(started.elapsed() < TIMEOUT);
    }

    #[test]
    fn a_program_that_hangs_or_prints_without_end_is_killed() {
        let soon = Duration::from_millis(200);
        for script in [
            "exec sleep 600",
            "echo token; exec sleep 600",
            "exec >&-; exec sleep 600",
        ] {
            let error = error_of(script, soon);
            assert!(
                error.contains("did not end within 0.2 s"),
                "{script}: {error}"
            );
        }
        let error = error_of("exec yes", TIMEOUT);
        assert!(error.contains("printed more than 65536 bytes"), "{error}");
    }
}
