//! What became of everything: the journal read once more, as tables for people and programs.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::domain::{Timestamp, csv_row};
use crate::send::book::{self, Line};
use crate::send::folder::{Folder, FolderError, replace};
use crate::send::journal::acknowledgement_file;
use crate::send::outcome::State;

/// Errors that are listed in a summary.
const MOST_FREQUENT: usize = 10;

/// What became of the messages of a run.
#[derive(Debug, Default)]
pub struct Account {
    /// Messages by what became of them.
    pub states: BTreeMap<State, u64>,
    /// The most frequent errors, the most frequent one first.
    pub errors: Vec<ErrorCount>,
    /// Of each source, what is not right with its messages.
    pub sources: BTreeMap<String, BTreeMap<State, u64>>,
}

/// How often an error was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorCount {
    /// Its code, severity and place, or why a message was not sent or answered.
    pub error: String,
    /// Messages that had it.
    pub messages: u64,
}

impl Account {
    /// How many messages are in a state.
    pub fn of(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn messages(&self) -> u64 {
        self.states.values().sum()
    }
}

/// Where the last line about a message leaves it.
#[derive(Clone)]
struct Outcome {
    state: State,
    msa: String,
    /// Errors, or why there is no answer.
    why: Box<str>,
    attempts: u16,
    begun: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Outcome {
    /// Of a message that was found and not begun.
    fn none() -> Self {
        Self {
            state: State::Waiting,
            msa: String::new(),
            why: "".into(),
            attempts: 0,
            begun: None,
            ended: None,
        }
    }
}

/// A row of the results.
#[derive(Serialize)]
struct Row<'a> {
    message: u64,
    source: &'a str,
    number: u64,
    line: usize,
    control_id: &'a str,
    facility: &'a str,
    site: &'a str,
    state: State,
    msa: &'a str,
    errors: &'a str,
    attempts: u16,
    sent_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    ack_file: Option<String>,
    sha256: &'a str,
}

/// The columns of `results.csv`.
const COLUMNS: [&str; 15] = [
    "message",
    "source",
    "number",
    "line",
    "control_id",
    "facility",
    "site",
    "state",
    "msa",
    "errors",
    "attempts",
    "sent_at",
    "ended_at",
    "ack_file",
    "sha256",
];

impl Row<'_> {
    fn cells(&self) -> [String; 15] {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        [
            self.message.to_string(),
            self.source.to_owned(),
            self.number.to_string(),
            self.line.to_string(),
            self.control_id.to_owned(),
            self.facility.to_owned(),
            self.site.to_owned(),
            self.state.word().to_owned(),
            self.msa.to_owned(),
            self.errors.to_owned(),
            self.attempts.to_string(),
            moment(self.sent_at),
            moment(self.ended_at),
            self.ack_file.clone().unwrap_or_default(),
            self.sha256.to_owned(),
        ]
    }
}

/// Messages of one Site.
#[derive(Default)]
struct Site {
    states: BTreeMap<State, u64>,
}

/// Writes `results.csv`, `results.json` and `sites.csv` into the folder of a run; gives their sums.
///
/// # Errors
/// When the journal cannot be read or a table cannot be written.
pub fn account(folder: &Folder) -> Result<Account, FolderError> {
    let journal = folder.journal();
    let outcomes = outcomes(&journal)?;
    let mut account = Account::default();
    let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
    for outcome in &outcomes {
        *account.states.entry(outcome.state).or_default() += 1;
        for error in outcome.why.split("; ").filter(|error| !error.is_empty()) {
            *errors.entry(error).or_default() += 1;
        }
    }
    let count = |(error, messages): (&str, u64)| ErrorCount { error: error.to_owned(), messages };
    account.errors = errors.into_iter().map(count).collect();
    account.errors.sort_by_key(|one| std::cmp::Reverse(one.messages));
    account.errors.truncate(MOST_FREQUENT);
    let mut sites = BTreeMap::new();
    table(folder, "results.csv", &mut |out| {
        out.write_all(csv_row(&COLUMNS).as_bytes())?;
        rows(&journal, &outcomes, &mut |row| {
            let site: &mut Site =
                sites.entry((row.facility.to_owned(), row.site.to_owned())).or_default();
            *site.states.entry(row.state).or_default() += 1;
            if !row.state.is_taken() {
                let source = account.sources.entry(row.source.to_owned()).or_default();
                *source.entry(row.state).or_default() += 1;
            }
            out.write_all(csv_row(&row.cells()).as_bytes())
        })
    })?;
    table(folder, "results.json", &mut |out| {
        let mut between: &[u8] = b"[\n";
        rows(&journal, &outcomes, &mut |row| {
            out.write_all(std::mem::replace(&mut between, b",\n"))?;
            serde_json::to_writer(&mut *out, row).map_err(io::Error::from)
        })?;
        out.write_all(if between == b"[\n" { b"[]\n" } else { b"\n]\n" })
    })?;
    table(folder, "sites.csv", &mut |out| write_sites(out, &sites))?;
    Ok(account)
}

fn write_sites(
    out: &mut dyn io::Write,
    sites: &BTreeMap<(String, String), Site>,
) -> io::Result<()> {
    let states = State::ALL.iter().map(|state| state.word());
    let names: Vec<&str> = ["facility", "site", "messages"].into_iter().chain(states).collect();
    out.write_all(csv_row(&names).as_bytes())?;
    for ((facility, site), of) in sites {
        let sum: u64 = of.states.values().sum();
        let counts =
            State::ALL.iter().map(|state| of.states.get(state).copied().unwrap_or(0).to_string());
        let cells: Vec<String> =
            [facility.clone(), site.clone(), sum.to_string()].into_iter().chain(counts).collect();
        out.write_all(csv_row(&cells).as_bytes())?;
    }
    Ok(())
}

fn table(
    folder: &Folder,
    name: &str,
    write: &mut dyn FnMut(&mut io::BufWriter<std::fs::File>) -> io::Result<()>,
) -> Result<(), FolderError> {
    let path = folder.path().join(name);
    replace(&path, write).map_err(|cause| FolderError::io(&path, cause))
}

/// Where each message is, by its number.
fn outcomes(journal: &Path) -> Result<Vec<Outcome>, FolderError> {
    let mut outcomes: Vec<Outcome> = vec![];
    book::read(journal, &mut |line| {
        let m = match &line {
            Line::Found { .. } => return outcomes.push(Outcome::none()),
            Line::Sending { m, .. } | Line::NotSent { m, .. } | Line::Ended { m, .. } => *m,
        };
        let Some(outcome) = usize::try_from(m).ok().and_then(|at| outcomes.get_mut(at)) else {
            return;
        };
        match line {
            Line::Found { .. } => {}
            Line::Sending { at, .. } => {
                outcome.attempts = outcome.attempts.saturating_add(1);
                outcome.begun = Some(at);
                // Until its end is told.
                outcome.state = State::Ambiguous;
            }
            Line::NotSent { why, .. } => {
                outcome.state = State::Waiting;
                outcome.why = why.into();
            }
            Line::Ended { state, msa, why, errors, at, .. } => {
                outcome.state = state;
                outcome.msa = msa;
                outcome.why = if errors.is_empty() { why } else { errors.join("; ") }.into();
                outcome.ended = Some(at);
            }
        }
    })?;
    Ok(outcomes)
}

/// A row for each message, in the order in which they were found.
fn rows(
    journal: &Path,
    outcomes: &[Outcome],
    each: &mut dyn FnMut(&Row<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut written = Ok(());
    let mut outcomes = outcomes.iter();
    let read = book::read(journal, &mut |line| {
        let Line::Found { m, source, number, line, id, facility, site, sha256, .. } = line else {
            return;
        };
        let Some(outcome) = outcomes.next() else { return };
        let row = Row {
            message: u64::from(m) + 1,
            source: &source,
            number,
            line,
            control_id: &id,
            facility: &facility,
            site: &site,
            state: outcome.state,
            msa: &outcome.msa,
            errors: &outcome.why,
            attempts: outcome.attempts,
            sent_at: outcome.begun,
            ended_at: outcome.ended,
            ack_file: Some(format!("acks/{}", acknowledgement_file(m)))
                .filter(|_| !outcome.msa.is_empty()),
            sha256: &sha256,
        };
        if written.is_ok() {
            written = each(&row);
        }
    });
    read.map_err(io::Error::other)?;
    written
}
