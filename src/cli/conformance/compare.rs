//! `izportal conformance compare`: two runs held against each other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::cli::{FAILED, Failure, Format, output};
use crate::conformance::{Comparison, Report, report};

/// Compare the JSON reports of two runs
#[derive(Args)]
#[command(after_help = "Exit codes:
  0  nothing got worse
  1  something got worse
  2  the command line is wrong, or a file is no report

Examples:
  izportal conformance compare before.json after.json
  izportal conformance compare --format json before.json after.json")]
pub(super) struct Compare {
    /// The earlier report, as `run --json` wrote it
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The later one
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Compare {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let comparison = Comparison::of(&read(&self.before)?, &read(&self.after)?);
        match self.format {
            Format::Text => output::line(comparison.text().trim_end()),
            Format::Json => output::show(Format::Json, &comparison),
        }
        Ok(if comparison.is_worse() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }
}

fn read(path: &Path) -> Result<Report, Failure> {
    let wrong =
        |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    report::read(&text).map_err(|error| wrong(&error))
}
