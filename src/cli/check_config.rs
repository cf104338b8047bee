//! `izportal check-config`: what a configuration means, before it is used.

use clap::Args;

use crate::cli::{ConfigFile, Failure, output};
use crate::config::EXAMPLE;
use crate::validation::Codes;

/// Read a configuration and say what is wrong with it, without starting anything
#[derive(Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    config: ConfigFile,
    /// Print a file with every key and its default instead
    #[arg(long)]
    example: bool,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.example {
            output::line(EXAMPLE.trim_end());
            return Ok(());
        }
        let config = self.config.load()?;
        let database = config.database_url()?;
        config.destinations()?;
        config.mail.mailer(&config.data_dir)?;
        config.alerts.hook()?;
        let codes = Codes::in_use(&config.data_dir)?;
        output::line("The configuration can be used.");
        output::line(&format!("  database   {database:?}"));
        output::line(&format!("  listen     https://{}", config.server.listen));
        let outside = config
            .regions
            .values()
            .flat_map(|region| [&region.test, &region.production])
            .flatten()
            .count();
        output::line(&format!(
            "  registries {outside} configured, {} by the built-in loopback registry",
            14 - outside
        ));
        output::line(&format!("  mail       {}", config.mail.way(&config.data_dir)));
        if config.mail.mail_secrets {
            output::line(
                "  warning    mail.mail_secrets is on: passwords of test credentials leave by mail, and lie in mailboxes",
            );
        }
        let loaded = codes.files().filter(|file| !file.built_in).count();
        let all = codes.files().count();
        output::line(&format!(
            "  codes      {loaded} of {all} tables loaded, {} built-in",
            all - loaded
        ));
        Ok(())
    }
}
