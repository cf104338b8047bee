//! `izportal conformance`: whether the two sides of the contract keep it.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Failure;
use crate::cli::conformance_serve::ServeTrial;

/// Judge whether a sender of messages keeps the CDC contract
#[derive(Args)]
pub(super) struct Conformance {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Listen as a registry would, judge each call of a sender, and answer as asked
    Serve(ServeTrial),
}

impl Conformance {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Serve(serve) => serve.run().await,
        }
    }
}
