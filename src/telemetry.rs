//! Logs and metrics: set up once, never blocking, never more of a library than its warnings.

use std::io::Write;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::endpoint::SummaryFormat;

/// Libraries that might log what they carry; whatever the filter says, they are held to warnings or less.
const HELD: [&str; 10] = [
    "yaserde=off",
    "xml=off",
    "reqwest=warn",
    "hyper=warn",
    "hyper_util=warn",
    "rustls=warn",
    "diesel=warn",
    "lettre=off",
    "actix_http=warn",
    "actix_server=warn",
];

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// The log writer; what was written is flushed when it is dropped.
pub struct Logs {
    writer: NonBlocking,
    _flush: WorkerGuard,
}

/// Logs that could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter cannot be read.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// There is no standard output.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl Logs {
    /// Starts logging to standard output.
    ///
    /// # Errors
    /// When the filter cannot be read or there is no standard output.
    pub fn start(format: SummaryFormat, filter: &str) -> Result<Self, LogsError> {
        let filter = self::filter(filter)?;
        let (writer, flush) = NonBlockingBuilder::default().lossy(true).finish(buffered_output()?);
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(writer.clone())
            .with_target(false);
        match format {
            SummaryFormat::Json => {
                builder.json().flatten_event(true).with_current_span(false).init();
            }
            SummaryFormat::Plain => builder.with_ansi(false).init(),
        }
        Ok(Self { writer, _flush: flush })
    }

    /// A writer for the summary lines.
    pub fn writer(&self) -> Box<dyn Write + Send> {
        Box::new(self.writer.clone())
    }
}

/// Standard output that writes when the log has nothing more to say or 64 KiB to say, not at each line's end.
fn buffered_output() -> std::io::Result<Box<dyn Write + Send>> {
    #[cfg(unix)]
    {
        let output = std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned()?;
        Ok(Box::new(std::io::BufWriter::with_capacity(64 * 1024, std::fs::File::from(output))))
    }
    #[cfg(not(unix))]
    Ok(Box::new(std::io::stdout()))
}

/// What is logged: what the operator asks for, except of libraries that might log what they carry.
///
/// # Errors
/// When the text cannot be read.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{text},{}", HELD.join(",")))
}

/// Installs the recorder of metrics; gives the handle that prints them.
///
/// # Errors
/// When one is installed already.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full("gateway_commit_group_size".to_owned()),
            &[1.0, 4.0, 16.0, 64.0, 128.0],
        )?
        .install_recorder()?;
    metrics::gauge!("gateway_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    Ok(handle)
}
