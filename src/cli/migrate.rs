//! `izportal migrate`: the database schema, step by step.

use clap::{Args, Subcommand};

use crate::app::private_folder;
use crate::cli::{ConfigFile, Failure, output};
use crate::store::Migrator;

/// Apply, revert or show database migrations
#[derive(Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    config: ConfigFile,
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Apply what is missing
    Up,
    /// Take back the newest migration; what it made is lost
    Down,
    /// Show what is applied and what is missing
    Status,
}

impl Migrate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        private_folder(&config.data_dir)?;
        let mut migrator = Migrator::open(config.database_url()?, config.schema())?;
        match self.step {
            Step::Up => {
                let applied = migrator.up()?;
                output::line(&format!("{} applied", applied.len()));
                for name in applied {
                    output::line(&name);
                }
            }
            Step::Down => output::line(&format!("reverted {}", migrator.down()?)),
            Step::Status => {
                let (applied, pending) = migrator.status()?;
                for name in applied.iter().rev() {
                    output::line(&format!("applied  {name}"));
                }
                for name in pending {
                    output::line(&format!("missing  {name}"));
                }
            }
        }
        Ok(())
    }
}
