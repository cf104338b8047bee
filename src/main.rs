//! The `izportal` program: reads the command line, runs it, turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    izportal::cli::run(std::env::args_os())
}
