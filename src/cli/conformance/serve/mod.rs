//! `izportal conformance serve`: a service for trials of senders.

mod setup;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use clap::Args;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::conformance::serve::setup::{Access, unusable};
use crate::cli::serve::until_told_to_stop;
use crate::cli::{FAILED, Failure, output};
use crate::conformance::serve::{
    Area, Call, Ledger, PATH, RULES, Reply, Scenario, Trial, TrialSettings, cases,
};
use crate::conformance::{Breach, Weight};
use crate::domain::Timestamp;
use crate::server::sender_trial;
use crate::validation::report::wrapped;
use crate::validation::{Codes, Policy, Strictness, Validator};

/// Listen as a registry would, judge each call of a sender, and answer as asked
///
/// For makers of software that sends: no registry is needed. Each call is judged at once, from TLS to the HL7 profile, with
/// how to mend what is wrong; the tests of NIST's suite for senders and a message of each profile make a checklist. Answers
/// for the handling of errors are asked for by --reply, or by the path of the address. Send invented patients only; nothing
/// of a message is kept but in the reports that you ask for, and there it is masked.
#[derive(Args)]
#[command(after_help = "Exit codes:
  0  nothing was against a rule, and the cases of --expect were passed
  1  something was, or they were not, or the calls of --calls did not come
  2  the command line or a file of it is wrong

Examples:
  izportal conformance serve
  izportal conformance serve --list
  izportal conformance serve --reply http-503 --times 2
  izportal conformance serve --for 60 --expect SOAPCON-1,SOAPCON-3,VXU-Z22 --html report.html")]
pub(super) struct ServeTrial {
    /// Address to listen at; for other machines give --name, too
    #[arg(long, default_value = "127.0.0.1:8444", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Host that clients call, for the certificate and the addresses that are printed; may be repeated
    #[arg(long, default_value = "localhost", value_name = "HOST")]
    name: Vec<String>,
    /// Folder for what is made at first start: the certificate, its authority and the password
    #[arg(long, default_value = "izportal-trial", value_name = "DIR")]
    dir: PathBuf,
    /// Certificate chain to use, PEM, where clients cannot trust the authority that is made
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// username that clients must send
    #[arg(long, default_value = "TRIAL")]
    username: String,
    /// File with the password that clients must send; without it one is made
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// facilityID that clients must send
    #[arg(long, default_value = "TRIAL-CLINIC")]
    facility: String,
    /// How calls are answered; --list shows all answers
    #[arg(long, default_value = "good", value_name = "ANSWER")]
    reply: Reply,
    /// Wait so long before each answer
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    delay: u64,
    /// Answer so only the first N calls with the same message, then as a good registry does
    #[arg(long, value_name = "N")]
    times: Option<u32>,
    /// Cases that must be passed, such as SOAPCON-1,VXU-Z22
    #[arg(long, value_delimiter = ',', value_name = "CASE")]
    expect: Vec<String>,
    /// End after so many calls
    #[arg(long, value_name = "N")]
    calls: Option<usize>,
    /// End after so long
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Write the report to this file as JSON, anew after each call
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The same as JUnit, for build servers
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The same as a page that prints well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show in reports what messages say, instead of masking it
    #[arg(long)]
    show_messages: bool,
    /// Tell nothing of single calls
    #[arg(long)]
    quiet: bool,
    /// Write addresses and credentials to this file as JSON, once it serves
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// List answers, cases and rules, and end
    #[arg(long)]
    list: bool,
}

/// How often reports are written at most.
const WRITTEN_EVERY: Duration = Duration::from_millis(300);

impl ServeTrial {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        if self.list {
            list();
            return Ok(ExitCode::SUCCESS);
        }
        self.check()?;
        let scenario = Scenario::new(self.reply, self.delay, self.times).map_err(Failure::usage)?;
        std::fs::create_dir_all(&self.dir).map_err(|error| unusable(&self.dir, &error))?;
        let (password, password_file) = self.password()?;
        let (tls, ca) = self.tls()?;
        let listener = TcpListener::bind(self.listen).map_err(|error| {
            Failure::usage(format!(
                "cannot listen at {}: {error}; choose another with --listen",
                self.listen
            ))
        })?;
        let url = self.url(listener.local_addr()?);
        let access = Access { url, password, password_file, ca };
        let policy = Policy::new(Strictness::Onboarding, [], &[]).map_err(Failure::failed)?;
        let settings = TrialSettings {
            public_url: access.url.clone(),
            username: self.username.clone(),
            password: access.password.clone(),
            facility: self.facility.clone(),
            scenario,
            show_messages: self.show_messages,
            validator: Arc::new(Validator::new(Arc::clone(Codes::built_in()))),
            policy,
        };
        let (told, calls) = channel(256);
        let trial = Data::new(Trial::new(settings, told));
        let subject = format!("calls to {}{PATH}", access.url);
        let mut ledger = Ledger::new(subject, Timestamp::now(), self.expect.clone());
        self.write(&ledger.report(Timestamp::now()))?;
        let server = sender_trial(listener, tls, trial.clone())?;
        let stop = server.handle();
        let served = tokio::spawn(server);
        self.announce(&access, scenario)?;
        self.write_ready(&access)?;
        self.listen(calls, &mut ledger, &trial).await?;
        stop.stop(true).await;
        let _ = served.await; // it has stopped
        self.write(&ledger.report(Timestamp::now()))?;
        Ok(self.end(&ledger))
    }

    /// What clap cannot know.
    fn check(&self) -> Result<(), Failure> {
        let known: Vec<_> = cases().collect();
        match self.expect.iter().find(|case| !known.contains(&case.as_str())) {
            Some(case) => Err(Failure::usage(format!(
                "--expect: {case} is no case that can be judged; there are {}",
                known.join(", ")
            ))),
            None => Ok(()),
        }
    }

    /// Tells calls as they come, until the end.
    async fn listen(
        &self,
        mut calls: Receiver<Call>,
        ledger: &mut Ledger,
        trial: &Trial,
    ) -> Result<(), Failure> {
        let mut writing = tokio::time::interval(WRITTEN_EVERY);
        writing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let over = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        let stopped = until_told_to_stop();
        tokio::pin!(stopped);
        let mut written = true;
        let mut known = BTreeSet::new();
        loop {
            tokio::select! {
                call = calls.recv() => {
                    let Some(call) = call else { return Ok(()) };
                    let passed = ledger.add(&call);
                    self.tell(&call, &passed, ledger, &mut known);
                    written = false;
                    if self.calls.is_some_and(|calls| ledger.calls() >= calls) {
                        break;
                    }
                }
                _ = writing.tick() => if !written {
                    self.write(&ledger.report(Timestamp::now()))?;
                    written = true;
                },
                () = &mut over => return Ok(()),
                stop = &mut stopped => { stop?; return Ok(()) }
            }
        }
        // What was asked for is answered first; another Ctrl-C ends the wait.
        tokio::select! {
            () = answered(trial) => Ok(()),
            stop = &mut stopped => stop,
        }
    }

    /// Tells a call: a line, and below it what was found; what was explained before in short.
    fn tell(&self, call: &Call, passed: &[&str], ledger: &Ledger, known: &mut BTreeSet<String>) {
        if self.quiet {
            return;
        }
        let time = call.at.utc().format("%H:%M:%S");
        let soap =
            if call.soap.is_empty() { String::new() } else { format!(" (SOAP {})", call.soap) };
        let count = |weight, one: &str| match call.count(weight) {
            0 => String::new(),
            1 => format!(", 1 {one}"),
            many => format!(", {many} {one}s"),
        };
        let found =
            [(Weight::Error, "error"), (Weight::Warning, "warning"), (Weight::Note, "note")];
        let found: String = found.into_iter().map(|(weight, word)| count(weight, word)).collect();
        let found = found.strip_prefix(", ").unwrap_or("nothing to mend").to_owned();
        output::line(&format!(
            "{time}  {}  {}{soap}; answered with {}: {found}",
            call.number,
            call.title(),
            call.answered
        ));
        for finding in &call.findings {
            let again = !known.insert(finding.breach.rule.clone());
            output::line(told(finding.area, &finding.breach, again).trim_end());
        }
        if !passed.is_empty() {
            let (done, all) = ledger.progress();
            output::line(&format!("          passed {} ({done} of {all})", passed.join(", ")));
        }
    }

    /// What came out, in a few lines; gives the exit code.
    fn end(&self, ledger: &Ledger) -> ExitCode {
        let (done, all) = ledger.progress();
        let (calls, wrong) = (ledger.calls(), ledger.with_errors());
        output::line(&format!(
            "{}, {wrong} with errors; {done} of {all} cases of the checklist passed",
            output::counted(calls, "call")
        ));
        let missing = ledger.missing();
        if !missing.is_empty() {
            output::problem(&format!("expected and not passed: {}", missing.join(", ")));
        }
        let short = match (self.calls, self.seconds) {
            (Some(wanted), _) if calls < wanted => Some(format!("{calls} of {wanted} calls came")),
            (None, Some(_)) if calls == 0 => Some("no call came".to_owned()),
            _ => None,
        };
        if let Some(short) = &short {
            output::problem(short);
        }
        let good = wrong == 0 && missing.is_empty() && short.is_none();
        if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    }
}

/// Resolves when every call is answered, and its answer had a moment to leave.
async fn answered(trial: &Trial) {
    while trial.open() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// A finding in lines.
fn told(area: Area, breach: &Breach, again: bool) -> String {
    let weight = match breach.weight {
        Weight::Error => "error  ",
        Weight::Warning => "warning",
        Weight::Note => "note   ",
    };
    let width = output::width();
    let indent = " ".repeat(19);
    let text = |text: &str| wrapped(text, &indent, width);
    let head = format!("          {weight}  {} ({})\n", breach.rule, area.words());
    if again {
        return format!("{head}{}", text(&breach.found));
    }
    // What a profile finds says itself what it expects.
    let expected = if area == Area::Hl7 && !breach.rule.starts_with("MSH-") {
        text(&breach.found)
    } else {
        text(&format!("expected: {}", breach.expected)) + &text(&format!("found: {}", breach.found))
    };
    let fix =
        if breach.fix.is_empty() { String::new() } else { text(&format!("fix: {}", breach.fix)) };
    format!("{head}{expected}{fix}")
}

fn list() {
    output::line(
        "Answers, for --reply and for the path https://HOST:PORT/reply/ANSWER[/delay/SECONDS][/times/N]:",
    );
    for reply in Reply::ALL {
        output::line(&format!("  {:18}{}", reply.word(), reply.meaning()));
    }
    output::line("\nCases, for --expect:");
    output::line(&format!("  {}", cases().collect::<Vec<_>>().join(", ")));
    output::line("\nRules, beside those of the HL7 profiles (izportal rules):");
    for rule in RULES {
        let weight = match rule.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
            Weight::Note => "note",
        };
        output::line(&format!("  {:22}{weight:9}{}", rule.name, rule.expected));
    }
}
