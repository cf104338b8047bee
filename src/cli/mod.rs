//! The command line: one program with subcommands, its exit codes, and how it speaks.

mod access;
mod accounts;
mod admin;
mod audit;
mod check_config;
mod codes;
mod conformance;
mod delivery;
mod demo;
mod input;
mod mail;
mod migrate;
mod output;
mod password;
mod registry;
mod rules;
mod send;
mod serve;
mod validate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

use crate::app::AppError;
use crate::config::{Config, ConfigError};
use crate::store::StoreError;
use crate::validation::CodesError;

pub use output::Format;

/// The CDPH Immunization Gateway: takes immunization messages by SOAP, keeps them, and delivers them to regional registries.
#[derive(Parser)]
#[command(name = "izportal", version, max_term_width = 100)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create and change organizations, Sites, links and credentials; look at messages, letters and the audit trail
    Admin(admin::Admin),
    /// Read a configuration and say what is wrong with it
    CheckConfig(check_config::CheckConfig),
    /// Show the code tables that messages are judged by, and replace them
    Codes(codes::CodeTables),
    /// Judge whether an endpoint, or a sender of messages, keeps the CDC contract
    Conformance(conformance::Conformance),
    /// Start with invented Sites and seven loopback registries, submit a first message, and keep serving
    Demo(demo::Demo),
    /// Explain a rule: what it asks, where it comes from, what a breach costs, how to mend it
    Explain(rules::Explain),
    /// Apply, revert or show database migrations
    Migrate(migrate::Migrate),
    /// List the rules that messages are judged by
    Rules(rules::Rules),
    /// Send many messages to one endpoint, unattended, and account for each of them
    Send(Box<send::Send>),
    /// Serve the Gateway
    Serve(serve::Serve),
    /// Judge messages as the Gateway would, without sending them
    Validate(validate::Validate),
}

/// Where the configuration is.
#[derive(Args, Clone)]
struct ConfigFile {
    /// Configuration file (TOML); without it the defaults hold
    #[arg(long, global = true, env = "IZPORTAL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory, instead of the configured one
    #[arg(long, global = true, env = "IZPORTAL_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> Result<Config, Failure> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }
}

/// A command that did not do what was asked: what to print, and the exit code.
struct Failure {
    text: String,
    code: u8,
}

/// The thing asked for could not be done.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
const USAGE: u8 = 2;
/// The database or another service could not be reached.
const UNREACHABLE: u8 = 3;

impl Failure {
    fn failed(text: impl std::fmt::Display) -> Self {
        Self { text: format!("{text}"), code: FAILED }
    }

    fn usage(text: impl std::fmt::Display) -> Self {
        Self { text: format!("{text}"), code: USAGE }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("configuration: {error}"))
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Codes(error) => error.into(),
            AppError::Config(error) => error.into(),
            AppError::Store { cause } => cause.into(),
            other => Self::failed(other),
        }
    }
}

impl From<CodesError> for Failure {
    fn from(error: CodesError) -> Self {
        Self::failed(format!("the code tables of the data directory cannot be used: {error}"))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause =
            std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let code = if matches!(error, StoreError::Unavailable(_)) { UNREACHABLE } else { FAILED };
        let text = match error {
            StoreError::Conflict => "that name or ID is taken; choose another".to_owned(),
            other => format!("{other}{cause}"),
        };
        Self { text, code }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl Command {
    /// What drives it.
    fn runtime(&self) -> Builder {
        // A client that waits for its peer most of the time loses more by handing work from thread to thread than it gains.
        if matches!(self, Self::Send(_)) {
            return Builder::new_current_thread();
        }
        let mut several = Builder::new_multi_thread();
        several.worker_threads(2);
        several
    }
}

/// Runs the program; 0 done, 1 could not be done (of `validate`: an error was found), 2 usage or configuration, 3
/// unreachable.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let program = match Program::try_parse_from(arguments) {
        Ok(program) => program,
        Err(help) => {
            let _ = help.print(); // where standard output is closed there is nobody to tell
            return ExitCode::from(u8::try_from(help.exit_code()).unwrap_or(USAGE));
        }
    };
    let runtime = match program.command.runtime().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::problem(&format!("cannot start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let done = |()| ExitCode::SUCCESS;
    let result = runtime.block_on(async {
        match program.command {
            Command::Admin(admin) => admin.run().await.map(done),
            Command::CheckConfig(check) => check.run().map(done),
            Command::Codes(tables) => tables.run().map(done),
            Command::Conformance(conformance) => conformance.run().await,
            Command::Demo(demo) => demo.run().await.map(done),
            Command::Explain(explain) => explain.run().map(done),
            Command::Migrate(migrate) => migrate.run().map(done),
            Command::Rules(rules) => rules.run().map(done),
            Command::Send(send) => send.run().await,
            Command::Serve(serve) => serve.run().await.map(done),
            Command::Validate(validate) => validate.run(),
        }
    });
    match result {
        Ok(code) => code,
        Err(failure) => {
            output::problem(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}
