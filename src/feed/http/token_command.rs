//! The program that prints the token.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::token::{Token, TokenError};
use crate::config;

/// How long the program may run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is checked whether the program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The largest output that is read.
const OUTPUT_LIMIT_BYTES: u64 = 64 * 1024;

/// The program that prints the token.
#[derive(Clone)]
pub struct TokenCommand {
    /// Its name and its arguments.
    words: Vec<String>,
    /// The environment variables that it does not get.
    secret_variables: Vec<String>,
    /// How long it may run.
    timeout: Duration,
}

impl TokenCommand {
    /// Returns the program of these words, for the configured feed.
    pub fn new(words: &[String], settings: &config::Feed) -> TokenCommand {
        let secrets = settings.secret_variables().into_iter();
        TokenCommand {
            words: words.to_vec(),
            secret_variables: secrets.map(str::to_owned).collect(),
            timeout: TIMEOUT,
        }
    }

    /// Returns its name and its arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Runs the program and returns the token in its first line. A program that runs too
    /// long or prints too much is killed.
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
        for name in &self.secret_variables {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::inherit())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("cannot be run: {error}"))?;
        let output = output_of(&mut child, self.timeout);
        if output.is_err() {
            // It fails only if the program has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
        output
    }
}

/// Returns what the program prints, or why that cannot be used, as the rest of a sentence.
fn output_of(child: &mut Child, timeout: Duration) -> Result<Vec<u8>, String> {
    let too_long = || format!("did not end within {} s", timeout.as_secs_f64());
    let failed = |error: std::io::Error| format!("failed ({error})");
    let deadline = Instant::now() + timeout;
    let stdout = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    // A program that prints nothing must not block this thread.
    thread::Builder::new()
        .name("token".to_owned())
        .spawn(move || {
            let mut output = Vec::new();
            let read = stdout.map_or(Ok(0), |stdout| {
                stdout.take(OUTPUT_LIMIT_BYTES + 1).read_to_end(&mut output)
            });
            sender.send(read.map(|_| output))
        })
        .map_err(failed)?;
    let output = receiver
        .recv_timeout(timeout)
        .map_err(|_| too_long())?
        .map_err(failed)?;
    if output.len() as u64 > OUTPUT_LIMIT_BYTES {
        return Err(format!("printed more than {OUTPUT_LIMIT_BYTES} bytes"));
    }
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(output),
            Some(status) => return Err(format!("failed ({status})")),
            None if Instant::now() >= deadline => return Err(too_long()),
            None => thread::sleep(POLL_INTERVAL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(script: &str, timeout: Duration) -> String {
        let words = ["sh", "-c", script];
        let command = TokenCommand {
            words: words.map(str::to_owned).to_vec(),
            secret_variables: Vec::new(),
            timeout,
        };
        let started = Instant::now();
        let error = command.run().expect_err("the program fails").to_string();
        assert!(started.elapsed() < TIMEOUT, "{script}: {error}");
        error
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
