//! The command line. Only this module prints and knows exit codes.
//!
//! `verbs` holds one file for each verb; the files beside it are shared by several verbs.

mod advice;
mod arguments;
mod change_table;
mod exit;
mod media;
mod metrics;
mod output;
mod place;
mod progress;
mod session;
mod signals;
mod since;
mod tell;
mod text;
mod verbs;
mod whole_file;

use std::process::ExitCode;

use clap::Parser;

use advice::advice;
use arguments::{Arguments, Verb};
use exit::Exit;
use output::Output;
use verbs::{
    backup, changes, check, completions, demo, init, listing, man, refresh, report, simulate,
    status, sync, verify, watch,
};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return without_arguments(&error).into(),
    };
    output::log_to_stderr(arguments.quiet, arguments.verbose, arguments.log_format);
    let output = Output {
        json: arguments.json,
        quiet: arguments.quiet,
    };
    let done = match &arguments.verb {
        Verb::Backup(wanted) => backup::run(&arguments, wanted, &output),
        Verb::Changes(wanted) => changes::run(&arguments, wanted, &output),
        Verb::Check => check::run(&arguments, &output),
        Verb::Completions(wanted) => completions::run(wanted, &output),
        Verb::Demo(wanted) => demo::run(wanted, &output),
        Verb::Init(wanted) => init::run(&arguments, wanted, &output),
        Verb::Listing(wanted) => listing::run(&arguments, wanted, &output),
        Verb::Man(wanted) => man::run(wanted, &output),
        Verb::Refresh(wanted) => refresh::run(&arguments, wanted, &output),
        Verb::Report(wanted) => report::run(&arguments, wanted, &output),
        Verb::Simulate(wanted) => simulate::run(wanted, &output),
        Verb::Status => status::run(&arguments, &output),
        Verb::Sync(wanted) => sync::run(&arguments, wanted, &output),
        Verb::Watch => watch::run(&arguments, &output),
        Verb::Verify(wanted) => verify::run(&arguments, wanted, &output),
    };
    let exit = done.unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        let error = match advice(&error) {
            Some(advice) => anyhow::anyhow!("{error:#}; {advice}"),
            None => error,
        };
        output.error(&error, exit);
        exit
    });
    exit.into()
}

/// Prints the help or the version that was asked for, or what is wrong with the words.
fn without_arguments(error: &clap::Error) -> Exit {
    // Nothing is left to do if the terminal is gone.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let words = error.to_string();
        let words = words.strip_prefix("error: ").unwrap_or(&words);
        // What stands behind it is how the verb is used.
        let first = words.split("\n\n").next().unwrap_or(words);
        output::print_error(first.trim_end(), Exit::Usage);
    }
    Exit::Usage
}
