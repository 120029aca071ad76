//! Runs the verb that the command line names, and turns its result into an exit code.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use super::advice::advice;
use super::arguments::{Arguments, Verb};
use super::exit::Exit;
use super::output::{self, Output};
use super::session::config_path;
use super::verbs::{
    backup, changes, check, completions, demo, init, listing, man, refresh, report, simulate,
    status, sync, verify, watch,
};
use crate::sync::Misconfigured;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    prevent_core_dumps();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return print_help_or_error(&error).into(),
    };
    output::log_to_stderr(arguments.quiet, arguments.verbose, arguments.log_format);
    let output = Output::new(arguments.json, arguments.quiet);

    let exit = run(&arguments, &output).unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        let path = config_path(&arguments);
        // An error of a setting that only the feed or the mirror can show.
        let error = if error.is::<Misconfigured>() {
            error.context(path.display().to_string())
        } else {
            error
        };
        let error = match advice(&error) {
            Some(advice) => anyhow::anyhow!("{}; {advice}", output::error_text(&error)),
            None => error,
        };
        output.error(&error, exit);
        exit
    });
    exit.into()
}

/// Prevents core dumps, which would contain the token. A failure changes nothing else.
fn prevent_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
    }
    // The limit does not hold where the system passes dumps to a program (core(5)).
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    match &arguments.verb {
        Verb::Backup(options) => backup::run(arguments, options, output),
        Verb::Changes(options) => changes::run(arguments, options, output),
        Verb::Check => check::run(arguments, output),
        Verb::Completions(options) => completions::run(options, output),
        Verb::Demo(options) => demo::run(options, output),
        #[cfg(feature = "export")]
        Verb::Export(options) => super::verbs::export::run(arguments, options, output),
        Verb::Init(options) => init::run(arguments, options, output),
        Verb::Listing(options) => listing::run(arguments, options, output),
        Verb::Man(options) => man::run(options, output),
        Verb::Refresh(options) => refresh::run(arguments, options, output),
        Verb::Report(options) => report::run(arguments, options, output),
        Verb::Simulate(options) => simulate::run(options, output),
        Verb::Status => status::run(arguments, output),
        Verb::Sync(options) => sync::run(arguments, options, output),
        Verb::Verify(options) => verify::run(arguments, options, output),
        Verb::Watch => watch::run(arguments, output),
    }
}

/// Prints the help or version if the user asked for it, or else the usage error.
fn print_help_or_error(error: &clap::Error) -> Exit {
    let printed = error.print();
    if !error.use_stderr() {
        // The reader of a pipe may close it early.
        let failed = printed
            .err()
            .filter(|error| error.kind() != ErrorKind::BrokenPipe);
        return failed.map_or(Exit::Done, |error| {
            let error = output::unwritten(&error);
            Output::new(false, false).error(&error, Exit::Failed);
            Exit::Failed
        });
    }

    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // The usage follows after an empty line.
        let message = text.split("\n\n").next().unwrap_or(text);
        output::print_error(message.trim_end(), Exit::Usage);
    }
    Exit::Usage
}
