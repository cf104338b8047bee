//! What a run says: how far it is, and how it ended.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cli::output;
use crate::cli::{FAILED, UNREACHABLE};
use crate::send::{Account, Finished, Progress, State, Stop, Window};

/// How often a terminal is written to.
const TICK: Duration = Duration::from_millis(500);

/// How often something else than a terminal is.
const LINE: Duration = Duration::from_secs(30);

/// Problems of the input that are shown; all are counted.
const SHOWN: usize = 20;

/// Tells how far a run is until `progress` ends.
pub(super) async fn tell(
    mut progress: watch::Receiver<Progress>,
    total: Option<u64>,
    window: Option<Window>,
) {
    let terminal = output::is_terminal();
    let begun = Instant::now();
    let every = if terminal { TICK } else { LINE };
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            ended = progress.changed() => match ended {
                Ok(()) => continue,
                Err(_) => break,
            },
        }
        let text = line(*progress.borrow(), total, window, begun.elapsed());
        if terminal { output::progress(&text) } else { output::note(&text) }
    }
    if terminal {
        output::progress("");
    }
}

fn line(now: Progress, total: Option<u64>, window: Option<Window>, took: Duration) -> String {
    let mut text = match total {
        Some(total) => {
            let percent = now.done.saturating_mul(100) / total.max(1);
            format!("{} of {} ({percent} %)", now.done, output::counted(total, "message"))
        }
        None => output::counted(now.done, "message"),
    };
    if now.problems > 0 {
        let _ = write!(text, ", {} to look at", now.problems); // writing to a String does not fail
    }
    let rate = rate(now.answered, took);
    let _ = write!(text, ", {rate} a second"); // as above
    if now.shut
        && let Some(window) = window
    {
        let _ = write!(text, "; nothing is sent until {}", window.opens()); // as above
    } else if let Some(away) = now.away {
        let _ = write!(text, "; nobody takes messages now, tried again in {} s", away.as_secs()); // as above
    } else if let Some(left) = total.and_then(|total| total.checked_sub(now.done))
        && let Some(seconds) = left.checked_div(rate)
    {
        let _ = write!(text, ", {} left", span(seconds)); // as above
    }
    text
}

fn rate(messages: u64, took: Duration) -> u64 {
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    messages.saturating_mul(1000) / milliseconds
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How a run ended.
pub(super) struct Ending<'e> {
    pub(super) url: &'e str,
    pub(super) folder: &'e Path,
    pub(super) finished: &'e Finished,
    pub(super) account: &'e Account,
    /// Messages of the input, when they were counted.
    pub(super) total: Option<u64>,
    pub(super) took: Duration,
}

impl Ending<'_> {
    /// Messages that nobody has.
    fn left(&self) -> u64 {
        self.unread() + self.account.of(State::Waiting)
    }

    /// Messages of the input that were not even read.
    fn unread(&self) -> u64 {
        self.total.map_or(0, |total| total.saturating_sub(self.finished.met))
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        let taken = self.account.of(State::Accepted) + self.account.of(State::Warned);
        let all_taken = taken == self.account.messages()
            && self.left() == 0
            && self.finished.problems.is_empty();
        match &self.finished.stop {
            Some(Stop::Away(_)) if self.finished.answered == 0 => UNREACHABLE,
            None if all_taken => 0,
            Some(_) | None => FAILED,
        }
    }

    /// As one JSON document.
    pub(super) fn json(&self) -> Value {
        let states: serde_json::Map<String, Value> = State::ALL
            .iter()
            .map(|state| (state.word().to_owned(), self.account.of(*state).into()))
            .collect();
        json!({
            "url": self.url,
            "folder": self.folder,
            "messages": self.account.messages(),
            "states": states,
            "left": self.left(),
            "sent_once_though_repeated": self.finished.repeated,
            "done_by_earlier_runs": self.finished.earlier,
            "not_in_the_input_any_more": self.finished.unmet,
            "answered_in_this_run": self.finished.answered,
            "seconds": self.took.as_secs_f64(),
            "errors": self.account.errors,
            "rules": self.finished.rules,
            "problems": self.finished.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "stopped": self.finished.stop.as_ref().map(Self::why),
            "exit_code": self.code(),
        })
    }

    /// For people.
    pub(super) fn print(&self) {
        let finished = self.finished;
        for problem in finished.problems.iter().take(SHOWN) {
            output::problem(&problem.to_string());
        }
        let (answered, took) = (finished.answered, self.took);
        output::line(&format!(
            "{} in {}; {answered} answered in {} ({} a second) by {}",
            output::counted(self.account.messages(), "message"),
            self.folder.display(),
            span(took.as_secs()),
            rate(answered, took),
            self.url
        ));
        for (state, words) in WORDS {
            if self.account.of(state) > 0 {
                output::line(&format!("{:>9}  {words}", self.account.of(state)));
            }
        }
        let unread = u64::try_from(finished.problems.len()).unwrap_or(u64::MAX);
        let more = [
            (self.unread(), "not come to in this run"),
            (finished.repeated, "byte for byte the same as others, and sent once"),
            (
                u64::try_from(finished.unmet).unwrap_or(u64::MAX),
                "of earlier runs not in the input any more",
            ),
            (unread, "stretches of the input that are no messages"),
        ];
        for (count, words) in more.into_iter().filter(|(count, _)| *count > 0) {
            output::line(&format!("{count:>9}  {words}"));
        }
        self.print_errors();
        for advice in self.advice() {
            output::line(&advice);
        }
    }

    fn print_errors(&self) {
        let listed = |title: &str, rows: &mut dyn Iterator<Item = (u64, &str)>| {
            let mut rows = rows.peekable();
            if rows.peek().is_some() {
                output::line(title);
            }
            for (count, text) in rows {
                output::line(&format!("{count:>9}  {text}"));
            }
        };
        let errors = &self.account.errors;
        let mut errors = errors.iter().map(|one| (one.messages, one.error.as_str()));
        listed("Most frequent (code, severity, place):", &mut errors);
        let mut rules: Vec<(u64, &str)> =
            self.finished.rules.iter().map(|(rule, count)| (*count, *rule)).collect();
        rules.sort_unstable_by(|one, other| other.cmp(one));
        let title = "Found by our own check (izportal explain RULE tells more):";
        listed(title, &mut rules.into_iter().take(10));
    }

    /// What to do next.
    fn advice(&self) -> Vec<String> {
        let folder = self.folder.display();
        let mut advice = vec![];
        if let Some(stop) = &self.finished.stop {
            advice.push(format!("Stopped: {}.", Self::why(stop)));
        }
        let problems: u64 =
            State::ALL.iter().filter(|one| one.is_problem()).map(|one| self.account.of(*one)).sum();
        if problems > 0 {
            advice.push(format!(
                "Look at {folder}/problem: each message is there with the reason. Mend them in a new file and send that."
            ));
        }
        if self.account.of(State::Ambiguous) > 0 {
            advice.push(format!(
                "Ambiguous messages may have arrived. Ask the receiver, or send them again: izportal send --resume {folder} --ambiguous resend"
            ));
        }
        if self.left() > 0 {
            advice.push(format!(
                "Messages are left: izportal send --resume {folder} goes on with them."
            ));
        }
        advice.push(format!(
            "Of each message: {folder}/results.csv (results.json); of each Site: {folder}/sites.csv; answers: {folder}/acks"
        ));
        advice
    }

    fn why(stop: &Stop) -> String {
        match stop {
            Stop::Away(text) => format!("nobody took a message after several waits ({text})"),
            Stop::Journal(text) => format!("the journal could not be written ({text})"),
            Stop::Ours(text) => format!("{text}; {}", hint(text)),
            Stop::Told => "as asked; what was under way was waited for".to_owned(),
        }
    }
}

/// Each state in words.
const WORDS: [(State, &str); 7] = [
    (State::Accepted, "accepted"),
    (State::Warned, "accepted with warnings"),
    (State::Refused, "refused by the receiver"),
    (State::Invalid, "not sent: our own check found errors"),
    (State::Unsendable, "not to be sent as they are"),
    (State::Ambiguous, "ambiguous: sent, and no answer was read"),
    (State::Waiting, "not sent yet"),
];

/// What may help against something that is ours.
pub(super) fn hint(text: &str) -> &'static str {
    if text.contains("SecurityFault") {
        "check --username, the password and --facility as they were issued"
    } else if text.contains("authority") {
        "name its authority with --ca FILE"
    } else if text.contains("our certificate") {
        "name the certificate with --cert FILE --key FILE"
    } else {
        "check --url"
    }
}
