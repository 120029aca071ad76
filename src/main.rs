//! The mlsmirror command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlsmirror::cli::main()
}
