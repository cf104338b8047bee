//! What is sent when: one task decides, the attempts run beside it.
//!
//! A message waits for those of its patient that came before it. Attempts that fail without anybody having the message are
//! made again after growing waits; when all that is under way fails, nothing new begins until such a wait is over.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backends::{Peer, RegistryReply};
use crate::domain::{Failure, FailureClass, Timestamp};
use crate::send::book::{Book, Known, Line, fingerprint_text};
use crate::send::folder::{Folder, FolderError};
use crate::send::intake::{self, Found, Source, Taken};
use crate::send::journal::{Aside, Journal};
use crate::send::outcome::{State, Told, harmless, words_of};
use crate::send::plan::{Check, Checked, Finished, Plan, Progress, Stop};

/// Messages that are read ahead, beside those that wait for their patient or for another attempt.
const READ_AHEAD: usize = 32;

/// Messages that are held, at most.
const MOST_HELD: usize = 2_000;

/// Bytes of messages that are held, at most, but for those read ahead.
const MOST_BYTES: usize = 16 << 20;

/// Attempts of one message without a known outcome, when they may be made again at all.
const MOST_DOUBTFUL: u32 = 5;

/// One message on its way.
struct Job {
    m: u32,
    text: Arc<str>,
    name: String,
    place: String,
    patient: Option<u64>,
    /// Attempts of this run.
    attempts: u32,
    /// Attempts of this run without a known outcome.
    doubtful: u32,
    /// When the last attempt began.
    begun: Instant,
}

/// What failed since something was answered.
#[derive(Default)]
struct Failures {
    /// Failures of this round.
    row: usize,
    /// Rounds, each followed by a wait.
    rounds: u32,
    /// When the last round was over; what was begun before belongs to it.
    over: Option<Instant>,
    /// Nothing begins before.
    not_before: Option<Instant>,
}

/// An attempt that is over.
type Over = (Job, Result<RegistryReply, Failure>);

/// One run.
pub struct Engine {
    plan: Plan,
    peer: Arc<Peer>,
    book: Book,
    journal: Journal,
    limiter: Option<DefaultDirectRateLimiter>,
    ready: VecDeque<Job>,
    delayed: BTreeMap<(Instant, u32), Job>,
    /// Patients of whom a message is on its way, with what waits for it.
    behind: HashMap<u64, VecDeque<Job>>,
    /// What goes out as soon as the journal says so on disk.
    starting: Vec<Job>,
    running: JoinSet<Over>,
    held: (usize, usize),
    failures: Failures,
    tell: watch::Sender<Progress>,
    progress: Progress,
    finished: Finished,
}

impl Engine {
    /// Sends everything in `sources` that the book does not know as done. Ends when that is done, or when `stop` is told.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub async fn run(
        folder: &Folder,
        book: Book,
        sources: Vec<Source>,
        (plan, peer): (Plan, Arc<Peer>),
        tell: watch::Sender<Progress>,
        stop: impl Future<Output = ()>,
    ) -> Result<Finished, FolderError> {
        let failed = |cause| FolderError::io(&folder.journal(), cause);
        let journal = Journal::new(folder, book.file().map_err(failed)?);
        let one = NonZeroU32::MIN;
        let limiter =
            plan.rate.map(|rate| RateLimiter::direct(Quota::per_second(rate).allow_burst(one)));
        let (sender, found) = mpsc::channel(READ_AHEAD);
        let check = plan.check.clone();
        // It is not waited for: it may be reading a standard input that says nothing more.
        std::thread::spawn(move || read(&sources, check.as_ref(), &sender));
        let mut engine = Self {
            plan,
            peer,
            book,
            journal,
            limiter,
            ready: VecDeque::new(),
            delayed: BTreeMap::new(),
            behind: HashMap::new(),
            starting: vec![],
            running: JoinSet::new(),
            held: (0, 0),
            failures: Failures::default(),
            tell,
            progress: Progress::default(),
            finished: Finished::default(),
        };
        engine.work(found, stop).await;
        let Self { book, mut finished, .. } = engine;
        if finished.stop.is_none() {
            finished.unmet = book.unmet();
        }
        Ok(finished)
    }

    async fn work(
        &mut self,
        mut found: mpsc::Receiver<(Found, Checked)>,
        stop: impl Future<Output = ()>,
    ) {
        tokio::pin!(stop);
        let mut reading = true;
        loop {
            let wake = self.begin();
            self.go();
            if self.running.is_empty() && (self.is_stopped() || (!reading && self.is_idle())) {
                return;
            }
            let asleep = wake.unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
            tokio::select! {
                one = found.recv(), if reading && self.has_room() => match one {
                    Some((found, checked)) => self.take_in(found, checked),
                    None => reading = false,
                },
                Some(over) = self.running.join_next() => self.settle(over),
                () = tokio::time::sleep_until(asleep), if wake.is_some() => {}
                () = &mut stop, if !self.is_stopped() => self.finished.stop = Some(Stop::Told),
            }
            // What else is there: one write to the disk serves all of it.
            while let Some(over) = self.running.try_join_next() {
                self.settle(over);
            }
            for _ in 0..READ_AHEAD {
                let one = if reading && self.has_room() { found.try_recv().ok() } else { None };
                let Some((found, checked)) = one else { break };
                self.take_in(found, checked);
            }
            self.tell.send_replace(self.progress);
        }
    }

    /// Whether more is read.
    const fn has_room(&self) -> bool {
        !self.is_stopped() && self.held.0 < MOST_HELD && self.held.1 < MOST_BYTES
    }

    const fn is_stopped(&self) -> bool {
        self.finished.stop.is_some()
    }

    /// Nothing that was read waits; what is behind another one of its patient waits for one that is running.
    fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty()
    }

    /// Begins what may begin now; when to look again, where time alone changes that.
    fn begin(&mut self) -> Option<Instant> {
        let now = Instant::now();
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            self.ready.push_back(entry.remove());
        }
        let due = self.delayed.first_key_value().map(|((at, _), _)| *at);
        while !self.is_stopped() && self.running.len() + self.starting.len() < self.most() {
            if self.ready.is_empty() {
                return due;
            }
            if let Some(wait) = self.must_wait(now) {
                return Some(now + wait);
            }
            if let Some(job) = self.ready.pop_front() {
                self.attempt(job);
            }
        }
        due.filter(|_| !self.is_stopped())
    }

    /// Attempts under way at one time. After a round of failures one finds out whether somebody is there again.
    const fn most(&self) -> usize {
        if self.failures.rounds > 0 { 1 } else { self.plan.concurrency }
    }

    /// How long nothing may begin.
    fn must_wait(&mut self, now: Instant) -> Option<Duration> {
        let away = self.failures.not_before.and_then(|at| at.checked_duration_since(now));
        self.progress.away = away.filter(|wait| !wait.is_zero());
        if self.progress.away.is_some() {
            return self.progress.away;
        }
        self.failures.not_before = None;
        let shut = self.plan.window.and_then(|window| window.shut_for((self.plan.time)()));
        self.progress.shut = shut.is_some();
        if let Some(shut) = shut {
            // The clock may be set meanwhile.
            return Some(shut.min(Duration::from_secs(30)));
        }
        let limiter = self.limiter.as_ref()?;
        limiter.check().err().map(|early| early.wait_time_from(DefaultClock::default().now()))
    }

    /// Takes in what was read.
    fn take_in(&mut self, found: Found, checked: Checked) {
        let taken = match found {
            Found::Message(taken) => *taken,
            Found::Problem(problem) => return self.finished.problems.push(problem),
        };
        for rule in &checked.rules {
            *self.finished.rules.entry(rule).or_default() += 1;
        }
        self.finished.met += 1;
        let known = self.book.meet(taken.fingerprint);
        let m = match known {
            Known::Repeated => {
                self.finished.repeated += 1;
                return self.progress.done += 1;
            }
            Known::Ended(state) => {
                self.finished.earlier += 1;
                self.progress.problems += u64::from(state.is_problem());
                return self.progress.done += 1;
            }
            Known::New(m) => {
                self.found(m, &taken);
                m
            }
            Known::Waiting(m) | Known::Doubtful { m, .. } => m,
        };
        let name = format!("{:07}-{}", m.saturating_add(1), file_word(&taken.control_id));
        let place = format!("message {} of {}, line {}", taken.number, taken.source, taken.line);
        let text = taken.text.as_deref().unwrap_or_default().into();
        let (patient, begun) = (taken.patient, Instant::now());
        let job = Job { m, text, name, place, patient, attempts: 0, doubtful: 0, begun };
        match (known, taken.text, checked.refused) {
            (Known::Doubtful { told, .. }, ..) if !self.plan.resend => {
                if told {
                    self.finished.earlier += 1;
                    self.progress.problems += 1;
                    self.progress.done += 1;
                } else {
                    let why = "the program or the machine stopped before an answer was read";
                    self.ended(&job, State::Ambiguous, String::new(), why, vec![]);
                }
            }
            (_, Err(why), _) => self.problem(&job, State::Unsendable, &why, &why),
            (_, Ok(_), Some(findings)) => {
                self.problem(&job, State::Invalid, "our own check found errors", &findings);
            }
            (_, Ok(_), None) => self.line_up(job),
        }
    }

    /// A message goes behind the others of its patient.
    fn line_up(&mut self, job: Job) {
        self.held.0 += 1;
        self.held.1 += job.text.len();
        if let Some(patient) = job.patient {
            if let Some(waiting) = self.behind.get_mut(&patient) {
                return waiting.push_back(job);
            }
            self.behind.insert(patient, VecDeque::new());
        }
        self.ready.push_back(job);
    }

    /// An attempt begins with [`Self::go`].
    fn attempt(&mut self, mut job: Job) {
        job.attempts += 1;
        job.begun = Instant::now();
        self.journal.line(&Line::Sending { m: job.m, at: Timestamp::now() });
        self.starting.push(job);
    }

    /// Puts on disk what has happened and what is about to; then, and only then, the messages go out.
    fn go(&mut self) {
        if let Err(error) = self.journal.save() {
            self.finished.stop = Some(Stop::Journal(error.to_string()));
            return self.starting.clear();
        }
        for job in self.starting.drain(..) {
            let peer = Arc::clone(&self.peer);
            self.running.spawn(async move {
                let result = peer.send(&job.text).await;
                (job, result)
            });
        }
    }

    /// What an attempt leads to: the one place where classes of failure become deeds.
    fn settle(&mut self, over: Result<Over, tokio::task::JoinError>) {
        let Ok((job, result)) = over else {
            let problem = "an attempt broke down; what it sent is ambiguous".to_owned();
            self.finished.stop = Some(Stop::Journal(problem));
            return;
        };
        match result {
            Ok(reply) => {
                self.answered();
                self.reply(&job, reply);
                self.release(&job);
            }
            Err(failure) => match failure.class {
                FailureClass::Sender => {
                    self.answered();
                    self.problem(&job, State::Unsendable, &failure.text, &failure.text);
                    self.release(&job);
                }
                FailureClass::Ours => {
                    self.not_sent(&job, &failure);
                    self.finished.stop.get_or_insert(Stop::Ours(failure.text));
                }
                FailureClass::Transient => {
                    self.not_sent(&job, &failure);
                    self.failed(&job, &failure);
                    self.again(job, &failure);
                }
                FailureClass::Ambiguous | FailureClass::Poison => self.doubtful(job, &failure),
            },
        }
    }

    fn answered(&mut self) {
        self.failures = Failures::default();
        self.finished.answered += 1;
        self.progress.answered += 1;
    }

    fn reply(&mut self, job: &Job, reply: RegistryReply) {
        let told = Told::of(&reply);
        if told.state.is_problem() {
            let reason = format!(
                "{} ({}) by its receiver: {}\n\nWhat the receiver says of it:\n{}\n",
                told.state,
                told.code,
                job.place,
                words_of(&reply.text).join("\n")
            );
            self.put_aside(job, reason);
        }
        self.journal.keep(job.m, reply.text);
        self.ended(job, told.state, told.code, "", told.errors);
    }

    /// It may have arrived.
    fn doubtful(&mut self, mut job: Job, failure: &Failure) {
        self.failed(&job, failure);
        job.doubtful += 1;
        if self.plan.resend && job.doubtful < MOST_DOUBTFUL && !self.is_stopped() {
            // On disk it stays as being sent, which is what it is.
            self.again(job, failure);
        } else {
            self.ended(&job, State::Ambiguous, String::new(), &failure.text, vec![]);
            self.release(&job);
        }
    }

    /// An attempt failed. When all that is under way has failed, nothing begins for a while.
    fn failed(&mut self, job: &Job, failure: &Failure) {
        if self.failures.over.is_some_and(|over| job.begun < over) {
            return;
        }
        self.failures.row += 1;
        let alone = self.running.is_empty() && self.ready.is_empty();
        if self.failures.row < self.most() && !alone {
            return;
        }
        self.failures.row = 0;
        self.failures.rounds += 1;
        if self.plan.stop_after.is_some_and(|most| self.failures.rounds >= most) {
            self.finished.stop.get_or_insert_with(|| Stop::Away(failure.text.clone()));
        }
        let now = Instant::now();
        let wait = self.plan.back_off.wait(self.failures.rounds, failure.retry_after);
        self.failures.over = Some(now);
        self.failures.not_before = Some(now + wait);
    }

    /// A message is tried again after a wait of its own, unless it was tried too often in this run.
    fn again(&mut self, job: Job, failure: &Failure) {
        if self.plan.stop_after.is_some_and(|most| job.attempts >= most) {
            // Those behind it must not overtake it, so they wait for the next run, too.
            let behind = job.patient.and_then(|patient| self.behind.remove(&patient));
            for left in behind.into_iter().flatten().chain([job]) {
                self.let_go(&left);
            }
            return;
        }
        let wait = self.plan.back_off.wait(job.attempts, failure.retry_after);
        self.delayed.insert((Instant::now() + wait, job.m), job);
    }

    /// A message is done; the next one of its patient may go.
    fn release(&mut self, job: &Job) {
        self.let_go(job);
        let Some(patient) = job.patient else { return };
        match self.behind.get_mut(&patient).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => {
                self.behind.remove(&patient);
            }
        }
    }

    fn let_go(&mut self, job: &Job) {
        self.held.0 = self.held.0.saturating_sub(1);
        self.held.1 = self.held.1.saturating_sub(job.text.len());
    }

    /// The journal hears of a message before anything is done about it.
    fn found(&mut self, m: u32, taken: &Taken) {
        let line = Line::Found {
            m,
            source: taken.source.to_string(),
            number: taken.number,
            offset: taken.offset,
            line: taken.line,
            id: taken.control_id.clone(),
            facility: taken.facility.clone(),
            site: taken.site.clone(),
            sha256: fingerprint_text(&taken.fingerprint),
        };
        self.journal.line(&line);
    }

    fn not_sent(&mut self, job: &Job, failure: &Failure) {
        let why = failure.text.clone();
        self.journal.line(&Line::NotSent { m: job.m, why, at: Timestamp::now() });
    }

    /// A message that somebody must look at, and that was not sent or not taken.
    fn problem(&mut self, job: &Job, state: State, why: &str, reason: &str) {
        let reason = format!("{state}: {}\n\n{}\n", job.place, reason.trim_end());
        self.put_aside(job, reason);
        self.ended(job, state, String::new(), why, vec![]);
    }

    fn ended(&mut self, job: &Job, state: State, msa: String, why: &str, errors: Vec<String>) {
        self.progress.done += 1;
        self.progress.problems += u64::from(!state.is_taken());
        let (why, at) = (harmless(why), Timestamp::now());
        self.journal.line(&Line::Ended { m: job.m, state, msa, why, errors, at });
    }

    fn put_aside(&mut self, job: &Job, reason: String) {
        let (name, text) = (job.name.clone(), job.text.to_string());
        self.journal.put_aside(Aside { name, text, reason });
    }
}

/// Reads and checks, in a thread of its own, as fast as messages are taken in.
fn read(sources: &[Source], check: Option<&Check>, sender: &mpsc::Sender<(Found, Checked)>) {
    intake::take(sources, &mut |found| {
        let checked = match (&found, check) {
            (Found::Message(taken), Some(check)) => {
                taken.text.as_deref().map(|text| check(text)).unwrap_or_default()
            }
            _ => Checked::default(),
        };
        match sender.blocking_send((found, checked)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
}

/// A word as a part of a file's name.
fn file_word(text: &str) -> String {
    let plain = |one: char| {
        if one.is_ascii_alphanumeric() || matches!(one, '-' | '_') { one } else { '_' }
    };
    text.chars().map(plain).take(60).collect()
}
