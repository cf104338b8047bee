//! `izportal validate`: judge messages without sending them.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::app::gateway_settings;
use crate::cli::input::{self, Input};
use crate::cli::output::{self, Printer};
use crate::cli::{ConfigFile, FAILED, Failure, USAGE};
use crate::config::Config;
use crate::domain::{Environment, RegionCode, Timestamp};
use crate::gateway::ack_preview;
use crate::hl7::{BatchError, Header, Identity, Part, Severity, split};
use crate::validation::Strictness;
use crate::validation::report::{
    Judge, Judgement, Suite, TextStyle, Totals, case, closing, document, plain, record, text,
};

/// Judge messages as the Gateway would, without sending them
///
/// Files may hold one message, several back to back, or a batch (FHS, BHS, BTS, FTS); segments may end with CR, LF or CR LF,
/// and MLLP characters are taken off. Updates (VXU), queries (QBP), replies (RSP) and acknowledgements (ACK) are judged by
/// their profiles. Nothing is sent or kept.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "Exit codes:
  0  no message has an error
  1  a message has an error
  2  the command line is wrong, or a file (or part of it) could not be read as messages

Examples:
  izportal validate dose.hl7
  izportal validate --summary --environment production exports/
  izportal validate --format junit tests/messages > report.xml
  izportal explain RULE      what a rule asks and how to mend it")]
pub(super) struct Validate {
    /// Files, folders (with all below them: *.hl7, *.txt and the like), - for standard input; none: what is piped in
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
    #[command(flatten)]
    config: ConfigFile,
    /// onboarding (everything as the guide weighs it), production (by the Gateway's policy) or lenient (the header only);
    /// without it as configured, which is production by default
    #[arg(long)]
    strictness: Option<Strictness>,
    /// Judge for this region, such as CAIRBA: with what its registry asks beyond the guide
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// Judge by the guide alone, without what the registries ask beyond it
    #[arg(long, conflicts_with = "region")]
    no_overlay: bool,
    /// test or production: which MSH-11 is right
    #[arg(long, default_value = "test")]
    environment: Environment,
    /// The mildest findings that are shown: E (errors), W (warnings) or I (remarks, too); all are counted
    #[arg(long, value_enum, ignore_case = true, default_value = "W")]
    severity: Least,
    /// Print totals and the most frequent rules only
    #[arg(long)]
    summary: bool,
    /// Print nothing; the exit code tells
    #[arg(long, conflicts_with_all = ["summary", "format"])]
    quiet: bool,
    /// Show letters of segments as X and digits as 9, for reports that travel (text)
    #[arg(long)]
    mask: bool,
    /// Put segments and values into the report: patient data (json, junit)
    #[arg(long, conflicts_with = "mask")]
    show_values: bool,
    /// Show the ACK that the Gateway would give, too (text, json)
    #[arg(long)]
    ack: bool,
    /// Judge as on this day, YYYY-MM-DD, instead of today
    #[arg(long, value_name = "DATE")]
    on: Option<NaiveDate>,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// JUnit's XML, for build servers.
    Junit,
}

/// The severities, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Least {
    /// Remarks.
    I,
    /// Warnings.
    W,
    /// Errors.
    E,
}

/// Bytes of files that are judged together.
const GROUP: usize = 8 << 20;

/// Messages that are judged before their reports are printed.
const CHUNK: usize = 1024;

impl Validate {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (inputs, problems) = input::gather(&self.files)?;
        let config = self.configured()?;
        let settings = gateway_settings(&config)?;
        let judge = Judge {
            validator: &settings.validator,
            policy: settings.policies.of(self.environment, self.region),
            environment: self.environment,
            processing: settings.processing.clone(),
            now: self.now(),
        };
        let mut run = Run::new(&self, judge, &settings.identity, inputs.len());
        run.begin(self.overlays(&config));
        for problem in problems {
            run.problem(&problem);
        }
        run.read(&inputs);
        Ok(run.end())
    }

    /// The configuration of the Gateway, with what the command line says otherwise.
    fn configured(&self) -> Result<Config, Failure> {
        if let Some(region) = self.region.filter(|region| !region.facts().managed) {
            return Err(Failure::usage(format!("the Gateway does not route to {region}")));
        }
        let mut config = self.config.load()?;
        if let Some(strictness) = self.strictness {
            config.validation.test = strictness;
            config.validation.production = strictness;
        }
        if self.no_overlay {
            config.validation.overlays.clear();
        }
        Ok(config)
    }

    /// The overlays that hold.
    fn overlays<'c>(&self, config: &'c Config) -> &'c [String] {
        let own = self.region.and_then(|region| config.regions.get(region.as_str()));
        own.and_then(|region| region.overlays.as_ref()).unwrap_or(&config.validation.overlays)
    }

    fn now(&self) -> Timestamp {
        let noon = self.on.and_then(|day| day.and_hms_opt(12, 0, 0));
        noon.map_or_else(Timestamp::now, Timestamp::from_naive)
    }

    const fn least(&self) -> Severity {
        match self.severity {
            Least::I => Severity::I,
            Least::W => Severity::W,
            Least::E => Severity::E,
        }
    }
}

/// A file that was read.
struct Loaded {
    name: String,
    bytes: Vec<u8>,
}

/// One message to be judged.
struct Work<'a> {
    /// Which suite it belongs to.
    suite: usize,
    file: &'a str,
    number: usize,
    part: Part<'a>,
}

/// One run over all files.
struct Run<'v> {
    options: &'v Validate,
    judge: Judge<'v>,
    style: TextStyle,
    identity: &'v Identity,
    printer: Printer,
    totals: Totals,
    suites: Vec<Suite>,
    problems: Vec<serde_json::Value>,
    progress: Progress,
}

impl<'v> Run<'v> {
    fn new(options: &'v Validate, judge: Judge<'v>, identity: &'v Identity, files: usize) -> Self {
        let width = output::width();
        let quiet = options.quiet || options.summary || !std::io::stdout().is_terminal();
        Self {
            options,
            judge,
            style: TextStyle { width, least: options.least(), mask: options.mask },
            identity,
            printer: Printer::new(),
            totals: Totals::default(),
            suites: vec![],
            problems: vec![],
            progress: Progress { shown: quiet, files, begun: Instant::now(), last: None },
        }
    }

    /// What a JSON document begins with. Messages follow one on each line, so that a long run needs no memory for them.
    fn begin(&mut self, overlays: &[String]) {
        if self.options.format == ReportFormat::Json {
            let settings = json!({
                "strictness": self.judge.policy.strictness(),
                "overlays": overlays,
                "region": self.options.region,
                "environment": self.options.environment,
                "severity": self.style.least.code(),
            });
            let version = env!("CARGO_PKG_VERSION");
            self.printer.write(&format!(
                "{{\n\"izportal\": \"{version}\",\n\"settings\": {settings},\n\"messages\": ["
            ));
        }
    }

    /// Reads the files, some at a time.
    fn read(&mut self, inputs: &[Input]) {
        let (mut loaded, mut size) = (vec![], 0);
        for input in inputs {
            let name = input.name();
            match input.read() {
                Ok(bytes) => {
                    size += bytes.len();
                    loaded.push(Loaded { name, bytes });
                }
                Err(error) => self.unreadable(&name, &error.to_string()),
            }
            if size >= GROUP {
                self.group(&std::mem::take(&mut loaded));
                size = 0;
            }
            if self.printer.is_closed() {
                return;
            }
        }
        self.group(&loaded);
    }

    /// Judges the messages of some files, on all cores, and reports them in their order.
    fn group(&mut self, files: &[Loaded]) {
        let mut work = vec![];
        for file in files {
            self.totals.files += 1;
            self.suites.push(Suite { name: file.name.clone(), ..Suite::default() });
            let suite = self.suites.len() - 1;
            let mut number = 0;
            for part in split(&file.bytes) {
                match part {
                    Ok(part) => {
                        number += 1;
                        work.push(Work { suite, file: &file.name, number, part });
                    }
                    Err(error) => self.skipped(&file.name, error),
                }
            }
        }
        for chunk in work.chunks(CHUNK) {
            for (work, (judgement, report)) in chunk.iter().zip(self.judged(chunk)) {
                self.report(work.suite, &judgement, report);
            }
            self.progress.show(&self.totals);
            if self.printer.is_closed() {
                return;
            }
        }
    }

    /// The messages judged and put into words, in their order.
    fn judged<'a>(&self, work: &[Work<'a>]) -> Vec<(Judgement<'a>, String)> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = work.len().div_ceil(cores).max(1);
        let format = Format { options: self.options, style: self.style, identity: self.identity };
        let judge = &self.judge;
        let one = |work: &Work<'a>| {
            let judgement = judge.judge(work.file, work.number, work.part);
            let report = format.report(&judgement, judge.now);
            (judgement, report)
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = work
                .chunks(share)
                .map(|share| scope.spawn(|| share.iter().map(one).collect::<Vec<_>>()))
                .collect();
            threads
                .into_iter()
                .map(std::thread::ScopedJoinHandle::join)
                .flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    fn report(&mut self, suite: usize, judgement: &Judgement<'_>, report: String) {
        let first = self.totals.messages == 0;
        self.totals.add(judgement);
        if self.options.quiet || self.options.summary && self.options.format != ReportFormat::Junit
        {
            return;
        }
        match self.options.format {
            ReportFormat::Text => self.printer.write(&report),
            ReportFormat::Json => {
                self.printer.write(if first { "\n" } else { ",\n" });
                self.printer.write(&report);
            }
            ReportFormat::Junit => {
                if let Some(suite) = self.suites.get_mut(suite) {
                    suite.failures += usize::from(judgement.has_errors());
                    suite.cases.push(report);
                }
            }
        }
    }

    /// A stretch of a file that is no message.
    fn skipped(&mut self, name: &str, error: BatchError) {
        let text = error.to_string();
        if let Some(suite) = self.suites.last_mut() {
            suite.errors.push(text.clone());
        }
        self.problems.push(json!({ "file": name, "text": text }));
        self.problem(&format!("{name}: {text}"));
    }

    /// A file that cannot be read at all.
    fn unreadable(&mut self, name: &str, text: &str) {
        let name = name.to_owned();
        self.suites.push(Suite {
            name: name.clone(),
            errors: vec![text.to_owned()],
            ..Suite::default()
        });
        self.problems.push(json!({ "file": name, "text": text }));
        self.problem(&format!("{name}: {text}"));
    }

    fn problem(&mut self, text: &str) {
        self.totals.problems += 1;
        self.progress.clear();
        output::problem(text);
    }

    /// What to try when the messages are for the other environment.
    fn hint(&self) -> String {
        let (rule, other) = match self.options.environment {
            Environment::Test => ("GW-MSH-11-TEST", Environment::Production),
            Environment::Production => ("GW-MSH-11-PRODUCTION", Environment::Test),
        };
        self.totals.rules.get(rule).map_or_else(String::new, |count| {
            format!(
                "\n{} of them are not processed because of MSH-11; --environment {other} judges them as {other} messages.\n",
                count.messages
            )
        })
    }

    /// Prints what stands at the end, and tells the exit code.
    fn end(mut self) -> ExitCode {
        self.progress.clear();
        let several = self.totals.messages > 1 || self.options.summary;
        let end = match self.options.format {
            _ if self.options.quiet => String::new(),
            ReportFormat::Text if several => {
                closing(&self.totals, self.options.summary, self.style.width) + &self.hint()
            }
            ReportFormat::Text => String::new(),
            ReportFormat::Json => format!(
                "\n],\n\"problems\": {},\n\"totals\": {}\n}}\n",
                json!(self.problems),
                json!(self.totals)
            ),
            ReportFormat::Junit => document(&self.suites),
        };
        self.printer.write(&end);
        self.printer.flush();
        match () {
            () if self.totals.problems > 0 => ExitCode::from(USAGE),
            () if self.totals.has_errors() => ExitCode::from(FAILED),
            () => ExitCode::SUCCESS,
        }
    }
}

/// How one message is put into the report.
struct Format<'v> {
    options: &'v Validate,
    style: TextStyle,
    identity: &'v Identity,
}

impl Format<'_> {
    fn report(&self, judgement: &Judgement<'_>, now: Timestamp) -> String {
        let least = self.style.least;
        let values = self.options.show_values;
        if self.options.quiet || self.options.summary {
            return String::new();
        }
        match self.options.format {
            ReportFormat::Text => {
                let mut report = text(judgement, &self.style);
                if let Some(ack) = self.ack(judgement, now) {
                    report.push_str("  The ACK of the Gateway:\n");
                    for segment in ack.split_terminator('\r') {
                        let _ = writeln!(report, "     {}", plain(segment)); // writing to a String does not fail
                    }
                    report.push('\n');
                }
                report
            }
            ReportFormat::Json => {
                let mut record = record(judgement, least, values);
                record.ack = self.ack(judgement, now);
                serde_json::to_string(&record).unwrap_or_default()
            }
            ReportFormat::Junit => case(judgement, least, values),
        }
    }

    fn ack(&self, judgement: &Judgement<'_>, now: Timestamp) -> Option<String> {
        let message = judgement.message.as_ref().ok().filter(|_| self.options.ack)?;
        judgement.verdict.acknowledgment()?;
        let header = Header::of(message);
        let found = judgement.told().to_vec();
        Some(ack_preview(self.identity, &header, "EXAMPLE", now, found, self.options.region))
    }
}

/// How far a long run is, for who looks at the terminal.
struct Progress {
    /// Whether nothing else is written to the terminal.
    shown: bool,
    files: usize,
    begun: Instant,
    last: Option<Instant>,
}

impl Progress {
    fn show(&mut self, totals: &Totals) {
        let now = Instant::now();
        let soon = self.last.unwrap_or(self.begun) + Duration::from_millis(200);
        if !self.shown || now < soon {
            return;
        }
        self.last = Some(now);
        let milliseconds = (now - self.begun).as_millis().max(1);
        let rate = u128::try_from(totals.messages).unwrap_or(0) * 1000 / milliseconds;
        output::progress(&format!(
            "{} of {} files, {} messages, {rate} a second",
            totals.files, self.files, totals.messages
        ));
    }

    fn clear(&mut self) {
        if self.last.take().is_some() {
            output::progress("");
        }
    }
}
