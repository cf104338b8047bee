//! `izportal conformance run`: cases against an endpoint.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::cli::conformance::settings::Settings;
use crate::cli::output::Printer;
use crate::cli::{FAILED, Failure, output};
use crate::conformance::{Report, report, run};

/// Run cases against an endpoint and report
///
/// The cases are sent one after the other, as a client would. Without credentials only those are run that need none. A
/// report shows for each failure what was sent and answered (credentials masked), the rule, what was expected and found, and
/// how to mend it.
#[derive(Args)]
#[command(after_help = "Exit codes:
  0  all required cases that were run passed
  1  a required case failed or could not be judged
  2  the command line or a file of it is wrong
  3  the endpoint cannot be reached

Examples:
  izportal conformance run --url https://localhost:8443/IISService --ca izportal-demo/tls/ca.pem
  izportal conformance run --url https://localhost:8443/IISService --ca izportal-demo/tls/ca.pem \\
      --username DE-000001-T --password-file password.txt --facility DE-000001 --html report.html
  izportal conformance run --preset demo --presets presets.toml --suite transport,faults --junit report.xml
  izportal conformance run --preset demo --presets presets.toml --case SOAPCON-3 --soap 1.1 --exchanges")]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
    /// Settings by this name from a file of presets; the command line goes before
    #[arg(long, value_name = "NAME", requires = "presets")]
    preset: Option<String>,
    /// The file of presets (TOML)
    #[arg(long, value_name = "FILE", requires = "preset")]
    presets: Option<PathBuf>,
    /// Write the report as JUnit, for build servers
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report as JSON, for programs and for `compare`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page that prints well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print for each failure what was sent and answered, too
    #[arg(long)]
    exchanges: bool,
    /// Print nothing; the exit code and the files tell
    #[arg(long)]
    quiet: bool,
}

/// A report in a format.
type Written = fn(&Report) -> String;

impl Run {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let settings = match (&self.preset, &self.presets) {
            (Some(name), Some(file)) => self.settings.clone().with(name, file)?,
            _ => self.settings.clone(),
        };
        let endpoint = settings.endpoint()?;
        let plan = settings.plan()?;
        endpoint.reach().await?;
        let all = plan.steps().len();
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let report = run(&endpoint, &plan, |done, result| {
            if shown {
                output::progress(&format!("{} of {all}: {}", done + 1, result.key()));
            }
        })
        .await;
        if shown {
            output::progress("");
        }
        self.write(&report)?;
        Ok(if report.has_passed() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    fn write(&self, report: &Report) -> Result<(), Failure> {
        if !self.quiet {
            let mut printer = Printer::new();
            printer.write(&report::text(report, output::width(), self.exchanges));
            printer.flush();
        }
        let files: [(&Option<PathBuf>, Written); 3] =
            [(&self.junit, report::junit), (&self.json, report::json), (&self.html, report::html)];
        for (file, written) in files {
            if let Some(path) = file {
                save(path, &written(report))?;
            }
        }
        Ok(())
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))
}
