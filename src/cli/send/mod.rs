//! `izportal send`: many messages to one endpoint, unattended.

mod endpoint;
mod inputs;
mod report;
mod watching;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::sync::watch;

use crate::app::gateway_settings;
use crate::backends::Peer;
use crate::cli::send::endpoint::{Endpoint, needed};
use crate::cli::send::inputs::{expanded, sources};
use crate::cli::send::report::{Ending, hint};
use crate::cli::{ConfigFile, Failure, UNREACHABLE, output, serve};
use crate::config::Config;
use crate::domain::{Environment, FailureClass, Timestamp};
use crate::hl7::{Header, Message, Part, ProcessingId};
use crate::send::{
    Account, BackOff, Book, Check, Checked, Engine, Finished, Folder, FolderError, Head, Plan,
    Source, Window, account, count,
};
use crate::validation::report::{Judge, TextStyle, text};

/// What `--help` says of the settings.
const SETTINGS_HELP: &str = "File with url, username, facility, password_file, ca, cert, key and soap (TOML), instead of the options";

/// Send many messages to one endpoint, unattended, and account for each of them
#[derive(Args)]
#[command(
    after_help = "A file may hold one message, several back to back, or a batch (FHS, BHS). Any endpoint of the CDC contract of 2011
will do. A journal in the folder of the run (--out) says on disk what becomes of each message, before it is sent and after
it was answered: after a crash or a reboot --resume goes on, and sends nothing again that was answered. A message is known
by its text: one that was mended is another one. Messages of one patient go one after another.

What cannot have arrived is sent again after 30 s, 1, 2, 4, 8 and 16 minutes, or when the receiver asks for it. What may
have arrived is ambiguous: it is held unless --ambiguous resend is given.

Exit codes:
  0  every message was taken
  1  some were refused, are ambiguous or are left; or the run was stopped
  2  the command line is wrong, or a file is not there
  3  nobody could be reached

Examples, with the settings of your endpoint in iis.toml (url, username, facility, password_file, ca):
  izportal send --settings iis.toml --out tonight exports/
  izportal send --settings iis.toml --resume tonight
  izportal send --settings iis.toml --validate refuse --window 20:00-05:00 --rate 20 january.zip
  izportal send --settings iis.toml --watch outbox"
)]
pub(super) struct Send {
    /// Files, folders (with all below them), patterns in quotes ('exports/*.hl7'), zip archives, - for standard input
    #[arg(value_name = "FILE", conflicts_with = "watch")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    endpoint: Endpoint,
    /// File of settings (TOML).
    #[arg(long, value_name = "FILE", help = SETTINGS_HELP)]
    settings: Option<PathBuf>,
    /// Folder of the run: journal, results, answers, problems; one that holds a run is gone on with [default: a new folder
    /// izportal-send-DATE-TIME]
    #[arg(long, value_name = "DIR", conflicts_with = "watch")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder; without FILE with the files that it was begun with
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "watch"])]
    resume: Option<PathBuf>,
    /// Watch this folder: send the files that come, move them to archive or problem in it, and go on until told to stop
    #[arg(long, value_name = "DIR")]
    watch: Option<PathBuf>,
    /// Seconds between two looks at a watched folder; a file is taken when two looks found it alike
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600), requires = "watch")]
    every: u64,
    #[command(flatten)]
    pace: Pace,
    /// What happens to messages that may have arrived: hold (list them) or resend. izportal's Gateway gives the stored answer
    /// to a repeat of the same message, so resend is safe there; other receivers may keep it twice
    #[arg(long, value_enum, default_value = "hold")]
    ambiguous: Ambiguous,
    /// Check messages first, as izportal validate does: warn (count what is found) or refuse (do not send what has errors)
    #[arg(long, value_enum, value_name = "WHAT")]
    validate: Option<Validation>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Print no progress and no summary; the exit code tells
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// How fast, and when.
#[derive(Args)]
struct Pace {
    /// Messages under way at one time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Messages begun in a second, at most
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// Send in these hours of the local day only, such as 20:00-05:00
    #[arg(long, value_name = "FROM-TO")]
    window: Option<Window>,
    /// Seconds that one answer is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Stop after so many failures in a row, each followed by a longer wait; 7 is half an hour
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    stop_after: u32,
    /// Milliseconds of the first wait after a failure
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000), hide = true)]
    first_wait: u64,
}

/// What happens to messages that may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ambiguous {
    /// They are listed.
    Hold,
    /// They are sent again.
    Resend,
}

/// What a check before sending does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Validation {
    /// What has errors is not sent.
    Refuse,
    /// What is found is counted.
    Warn,
}

/// Where a run is, and what it goes on with.
struct Place {
    folder: PathBuf,
    url: String,
    facility: String,
    inputs: Vec<PathBuf>,
}

/// One run that is over.
struct Over {
    finished: Finished,
    account: Account,
    total: Option<u64>,
    took: Duration,
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Other(_) => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}

impl Send {
    pub(super) async fn run(mut self) -> Result<ExitCode, Failure> {
        self.endpoint = std::mem::take(&mut self.endpoint).with(self.settings.as_deref())?;
        if let Some(dir) = self.watch.clone() {
            return self.watch(&dir).await;
        }
        let place = self.place()?;
        let sources = sources(&place.inputs)?;
        let peer = self.peer(&place)?;
        if let Some(code) = self.unreachable(&place.url, &peer).await {
            return Ok(code);
        }
        let folder = Folder::open(&place.folder)?;
        let head =
            Head::new(&place.url, &place.facility, self.endpoint.soap().word(), place.inputs);
        let book = Book::open(&folder, Some(head))?;
        if book.resumed && !self.quiet {
            output::note(&format!(
                "going on with the run in {}, which knows {}",
                place.folder.display(),
                output::counted(book.messages(), "message")
            ));
        }
        let stop = async {
            let told = serve::until_told_to_stop().await;
            if told.is_err() {
                // Nobody can tell us, so we go on.
                std::future::pending::<()>().await;
            }
            output::note("stopping: what is under way is waited for; once more stops at once");
        };
        let over =
            self.one(&folder, book, sources, (self.plan(true)?, Arc::new(peer)), stop).await?;
        Ok(self.told(&place.url, &place.folder, &over))
    }

    /// One run to its end.
    async fn one(
        &self,
        folder: &Folder,
        book: Book,
        sources: Vec<Source>,
        how: (Plan, Arc<Peer>),
        stop: impl Future<Output = ()>,
    ) -> Result<Over, Failure> {
        let counted = sources.clone();
        let countable = !sources.contains(&Source::Standard);
        let total = if countable {
            Some(tokio::task::spawn_blocking(move || count(&counted)).await.unwrap_or(0))
        } else {
            None
        };
        let (tell, progress) = watch::channel(crate::send::Progress::default());
        let quiet = self.quiet;
        let window = self.pace.window;
        let teller = tokio::spawn(async move {
            if !quiet {
                report::tell(progress, total, window).await;
            }
        });
        let begun = Instant::now();
        let finished = Engine::run(folder, book, sources, how, tell, stop).await?;
        let took = begun.elapsed();
        let _ = teller.await; // it tells and decides nothing
        let account = account(folder).map_err(|error| self.unaccounted(folder, &error))?;
        Ok(Over { finished, account, total, took })
    }

    /// What is said when not even the results can be written, as on a full disk.
    fn unaccounted(&self, folder: &Folder, error: &FolderError) -> Failure {
        let again = match &self.watch {
            Some(dir) => format!("izportal send --watch {}", dir.display()),
            None => format!("izportal send --resume {}", folder.path().display()),
        };
        Failure::failed(format!(
            "{error}; the run is not accounted for yet. Once that is mended, {again} goes on; nothing that the journal knows an answer to is sent again."
        ))
    }

    /// Says how a run ended; gives its exit code.
    fn told(&self, url: &str, folder: &Path, over: &Over) -> ExitCode {
        let Over { finished, account, total, took } = over;
        let ending = Ending { url, folder, finished, account, total: *total, took: *took };
        if self.json {
            output::line(&serde_json::to_string_pretty(&ending.json()).unwrap_or_default());
        } else if !self.quiet {
            ending.print();
        }
        ExitCode::from(ending.code())
    }

    /// The folder of the run; a run that is gone on with says what the command line does not.
    fn place(&self) -> Result<Place, Failure> {
        let folder = self.resume.clone().or_else(|| self.out.clone()).unwrap_or_else(|| {
            let now = chrono::Local::now().format("izportal-send-%Y%m%d-%H%M%S").to_string();
            PathBuf::from(now)
        });
        let old = Head::of(&folder)?;
        if self.resume.is_some() && old.is_none() {
            let text = format!("there is no run in {} that could be resumed", folder.display());
            return Err(Failure::usage(text));
        }
        let (old_url, old_facility) = (
            old.as_ref().map(|old| old.url.as_str()),
            old.as_ref().map(|old| old.facility.as_str()),
        );
        let url = needed(self.endpoint.access.url.as_deref().or(old_url), "--url URL")?.to_owned();
        let facility = self.endpoint.access.facility.as_deref().or(old_facility);
        let facility = needed(facility, "--facility ID")?.to_owned();
        let inputs = match old {
            Some(old) if self.files.is_empty() => old.inputs,
            _ => expanded(&self.files)?,
        };
        Ok(Place { folder, url, facility, inputs })
    }

    fn peer(&self, place: &Place) -> Result<Peer, Failure> {
        let timeout = Duration::from_secs(self.pace.timeout);
        self.endpoint.peer(&place.url, &place.facility, timeout)
    }

    /// Whether nobody is there at all: who has mistyped an address should not wait for half an hour.
    async fn unreachable(&self, url: &str, peer: &Peer) -> Option<ExitCode> {
        let failure = peer.reach().await.err()?;
        let more = if failure.class == FailureClass::Ours {
            format!("; {}", hint(&failure.text))
        } else {
            String::new()
        };
        output::problem(&format!(
            "{url} cannot be used: {}{more}. Nothing was sent.",
            failure.text
        ));
        Some(ExitCode::from(UNREACHABLE))
    }

    fn plan(&self, stops: bool) -> Result<Plan, Failure> {
        let pace = &self.pace;
        Ok(Plan {
            concurrency: pace.concurrency.into(),
            rate: pace.rate,
            window: pace.window,
            back_off: BackOff { first: Duration::from_millis(pace.first_wait) },
            stop_after: stops.then_some(pace.stop_after),
            resend: self.ambiguous == Ambiguous::Resend,
            check: self.validate.map(|what| check(&self.config, what)).transpose()?,
            time: || chrono::Local::now().time(),
        })
    }
}

/// What judges messages before they are sent: as the Gateway would, by MSH-11 as one for testing or for production.
fn check(config: &ConfigFile, what: Validation) -> Result<Check, Failure> {
    let config: Config = config.load()?;
    let settings = Arc::new(gateway_settings(&config)?);
    Ok(Arc::new(move |hl7: &str| {
        let message = Message::parse(hl7.as_bytes()).ok();
        let processing = message.and_then(|message| Header::of(&message).processing());
        let environment = match processing {
            Some(ProcessingId::P) => Environment::Production,
            _ => Environment::Test,
        };
        let judge = Judge {
            validator: &settings.validator,
            policy: settings.policies.of(environment, None),
            environment,
            processing: settings.processing.clone(),
            now: Timestamp::now(),
        };
        let part = Part { bytes: hl7.as_bytes(), offset: 0, line: 1 };
        let judgement = judge.judge("message", 1, part);
        let found = judgement.found.iter().filter(|one| one.severity >= STYLE.least);
        let mut rules: Vec<&'static str> = found.map(|one| one.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let refuses = what == Validation::Refuse && judgement.has_errors();
        Checked { refused: refuses.then(|| text(&judgement, &STYLE)), rules }
    }))
}

/// How findings are told in a file beside the message.
const STYLE: TextStyle = TextStyle { width: 100, least: crate::hl7::Severity::W, mask: false };
