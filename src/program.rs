//! Runs a program that the configuration names.

use std::env;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

/// How often it is checked whether a program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A shorter secret may be an ordinary word, which other variables contain by chance.
const LONG_BYTES: usize = 8;

/// A program that runs. Programs that it starts belong to its group.
pub struct Program {
    child: Child,
    has_group: bool,
}

impl Program {
    /// Starts a program. Its environment lacks the secrets in these variables, and other
    /// variables that repeat them. `has_group`: whether it gets a process group of its own. A
    /// program that reads from the terminal must not have one.
    pub fn start(mut command: Command, secrets: &[&str], has_group: bool) -> io::Result<Program> {
        remove_secrets(&mut command, secrets);
        #[cfg(unix)]
        if has_group {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let child = command.spawn()?;
        Ok(Program { child, has_group })
    }

    /// Returns the process, for its input and its output.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the program to end, however long the programs run that it has started. If
    /// `must_end` returns true before, kills it with them and returns `None`.
    pub fn wait(&mut self, mut must_end: impl FnMut() -> bool) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if must_end() {
                self.kill()?;
                self.child.wait()?;
                return Ok(None);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn kill(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        if self.has_group {
            let group = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
        }
        self.child.kill()
    }
}

fn remove_secrets(command: &mut Command, secrets: &[&str]) {
    let values = secrets.iter().filter_map(|name| env::var(name).ok());
    let values: Vec<String> = values.map(|value| value.trim().to_owned()).collect();
    for (name, value) in env::vars_os() {
        let value = value.to_string_lossy();
        let repeats = |secret: &String| secret.len() >= LONG_BYTES && value.contains(secret);
        if secrets.iter().any(|secret| name == *secret) || values.iter().any(repeats) {
            command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;
    use std::time::Instant;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_programs_that_a_program_has_started_are_killed_with_it() {
        let started = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo; wait"]);
        command.stdout(Stdio::piped());
        let mut program = Program::start(command, &[], true).unwrap();
        let mut stdout = program.process().stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        assert!(program.wait(|| true).unwrap().is_none());
        stdout.read_to_end(&mut Vec::new()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
