//! `izportal conformance`: whether the two sides of the contract keep it.

mod compare;
mod list;
mod run;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Failure;

/// Judge whether an endpoint keeps the CDC contract
///
/// Cases are sent to any endpoint of the CDC IIS WSDL of 2011, ours or another's, and each reply is judged by rules with
/// their sources. All patients are invented; send to test systems only, unless their owners ask you to.
#[derive(Args)]
pub(super) struct Conformance {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the JSON reports of two runs
    Compare(compare::Compare),
    /// List the cases
    List(list::List),
    /// Run cases against an endpoint and report
    Run(Box<run::Run>),
    /// Listen as a registry would, judge each call of a sender, and answer as asked
    Serve(Box<serve::ServeTrial>),
    /// Show a case: its story, what is sent, what is expected and why
    Show(list::Show),
}

impl Conformance {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Compare(compare) => compare.run(),
            Command::List(list) => {
                list.run();
                Ok(ExitCode::SUCCESS)
            }
            Command::Run(run) => run.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Show(show) => show.run(),
        }
    }
}
