//! `izportal serve`: the service until it is told to stop.

use clap::Args;

use crate::app::{App, Base, Role};
use crate::cli::{ConfigFile, Failure, output};
use crate::config::Config;
use crate::endpoint::SummaryLog;
use crate::telemetry::{self, Logs};

/// Serve the Gateway until SIGTERM or Ctrl-C, which let what is in flight be answered
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    /// Apply missing migrations first (always done for the embedded database)
    #[arg(long)]
    migrate: bool,
    /// all, endpoint (takes submissions, delivers nothing from the queue) or worker (delivers, serves no senders)
    #[arg(long, default_value = "all")]
    role: Role,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let logs = Logs::start(config.log.format, &config.log.filter).map_err(Failure::usage)?;
        let base = Base::open(&config, self.migrate).await?;
        if self.role != Role::All && base.store.is_embedded() {
            let text = "--role endpoint and --role worker share a database, which the embedded one cannot: set database.url to a PostgreSQL";
            return Err(Failure::usage(text));
        }
        let app = start(&config, base, &logs, self.role).await?;
        match self.role {
            Role::Worker => tracing::info!("delivering what is queued; no senders are served"),
            Role::All | Role::Endpoint => {
                tracing::info!("serving {} (WSDL {}?wsdl)", app.endpoint(), app.endpoint());
            }
        }
        if let Some(ca) = &app.ca {
            tracing::info!(
                "no certificate is configured: clients must trust {} (curl --cacert, Python verify=, PHP cafile)",
                ca.display()
            );
        }
        if config.gateway.delivery_workers == 0 && app.gateway.store().is_embedded() {
            tracing::warn!(
                "gateway.delivery_workers is 0 and no other process can deliver: what is queued stays queued"
            );
        }
        if let Some(ops) = app.ops {
            tracing::info!("health and metrics at http://{ops}");
        }
        until_told_to_stop().await?;
        tracing::info!("stopping: no new calls, answering what is in flight");
        app.stop().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Starts the service of an installation.
pub(super) async fn start(
    config: &Config,
    base: Base,
    logs: &Logs,
    role: Role,
) -> Result<App, Failure> {
    let metrics = telemetry::metrics().map_err(Failure::failed)?;
    let log = SummaryLog::new(config.log.format, logs.writer());
    Ok(App::start(config, base, log, metrics, role).await?)
}

/// Resolves at SIGTERM or SIGINT; a second one ends the process at once.
pub(super) async fn until_told_to_stop() -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            output::problem("stopped before everything in flight was answered");
            std::process::exit(1);
        });
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
