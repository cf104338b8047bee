//! A service for trials of senders: it judges each call by what was really written, tells what it found, and answers as a
//! good registry would or as was asked.
//!
//! A request is judged by a strict tree of its XML (`xml`, `envelope`), by its headers (`http`), by its message
//! (`message`) and by what its client did before (`history`); it is answered (`reply`) by what the tolerant reader of the
//! service makes of it. `scenario` is what can be asked, `ledger` keeps all calls and the checklist that they fill, `mask`
//! shows a request without what must not be shown. Nothing is kept but in memory.

mod call;
mod envelope;
mod history;
mod http;
mod ledger;
mod line;
mod mask;
mod message;
mod reply;
mod rules;
mod scenario;

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc::Sender;

use crate::conformance::serve::call::looks_like_an_identifier;
use crate::conformance::serve::envelope::Outline;
use crate::conformance::serve::history::{History, Outcome, Sending};
use crate::conformance::serve::message::Profiles;
use crate::conformance::serve::reply::{Answer, Asked};
use crate::conformance::serve::rules::Findings;
use crate::conformance::verdict::Exchange;
use crate::conformance::xml::Document;
use crate::domain::{Password, Timestamp};
use crate::soap::{
    Fault, FaultCode, Limits, MediaType, OperationName, SoapVersion, read_envelope, wsdl,
    wsdl_matches_query,
};
use crate::validation::{Policy, Validator};

pub use call::Call;
pub use ledger::{Ledger, cases};
pub use line::Line;
pub use rules::{Area, Finding, RULES, Rule, rule};
pub use scenario::{Reply, Scenario, ScenarioError};

/// Path of the service.
pub const PATH: &str = "/IISService";

/// Begins the paths at which an answer is asked for.
pub const REPLY_PATH: &str = "/reply";

/// Longest request, in bytes.
const LONGEST_REQUEST: usize = 4 * 1024 * 1024;

/// How long a request body may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How a trial is set up.
pub struct TrialSettings {
    /// Where the service is reached: `https://host:port`.
    pub public_url: String,
    /// What must stand in `username`.
    pub username: String,
    /// What must stand in `password`.
    pub password: Password,
    /// What must stand in `facilityID`.
    pub facility: String,
    /// How calls at [`PATH`] are answered.
    pub scenario: Scenario,
    /// Whether reports show what messages say.
    pub show_messages: bool,
    /// The profiles.
    pub validator: Arc<Validator>,
    /// What findings weigh.
    pub policy: Policy,
}

/// A running trial.
pub struct Trial {
    settings: TrialSettings,
    history: History,
    number: AtomicUsize,
    open: AtomicUsize,
    told: Sender<Call>,
}

/// What is to be done about a call that was judged.
struct Judged {
    call: Call,
    answer: Answer,
    delay: Duration,
}

impl Trial {
    /// A trial that tells its calls to `told`.
    pub fn new(settings: TrialSettings, told: Sender<Call>) -> Self {
        let [number, open] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        Self { settings, history: History::default(), number, open, told }
    }

    /// Calls that are not answered yet.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

/// The routes of a trial: the service, the paths at which answers are asked for, and a page that says what this is.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(PATH, web::route().to(serve))
        .route("/reply/{scenario:.*}", web::route().to(serve))
        .route("/", web::get().to(overview));
}

async fn overview(trial: web::Data<Trial>) -> HttpResponse {
    let TrialSettings { public_url, scenario, .. } = &trial.settings;
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!(
        "This is a trial service for senders of immunization messages: izportal conformance serve.\n\n\
         Service  {public_url}{PATH} (answers: {scenario})\n\
         WSDL     {public_url}{PATH}?wsdl\n\
         Answers  {public_url}{REPLY_PATH}/NAME, also with /delay/SECONDS and /times/N\n\n\
         What was found is told where the service was started. Send invented patients only.\n"
    ))
}

async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    trial: web::Data<Trial>,
) -> HttpResponse {
    let scenario = match request.match_info().get("scenario") {
        None => Ok(trial.settings.scenario),
        Some(text) => Scenario::from_str(text),
    };
    let scenario = match scenario {
        Ok(scenario) => scenario,
        Err(error) => return HttpResponse::NotFound().body(format!("{error}\n")),
    };
    if *request.method() == Method::GET && wsdl_matches_query(request.query_string()) {
        let address = format!("{}{}", trial.settings.public_url, request.path());
        return HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(wsdl(&address));
    }
    let _open = Open::of(&trial);
    // A task of its own: what came is judged and told, also when the caller has gone.
    let (worked, seen) = (web::Data::clone(&trial), request.clone());
    let work = actix_web::rt::spawn(async move { worked.work(&seen, payload, scenario).await });
    let (answer, delay) = match work.await {
        Ok(done) => done,
        Err(broken) => {
            tracing::error!("a call broke down: {broken}");
            return HttpResponse::InternalServerError().finish();
        }
    };
    tokio::time::sleep(delay).await;
    respond(&request, answer)
}

/// A call that is not answered yet; counted while it lives.
struct Open(web::Data<Trial>);

impl Open {
    fn of(trial: &web::Data<Trial>) -> Self {
        trial.open.fetch_add(1, Ordering::AcqRel);
        Self(web::Data::clone(trial))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Trial {
    async fn work(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        scenario: Scenario,
    ) -> (Answer, Duration) {
        let start = Instant::now();
        let arrival = Arrival {
            request,
            number: self.number.fetch_add(1, Ordering::AcqRel) + 1,
            now: Timestamp::now(),
            at: start,
            scenario,
        };
        let unread = scenario.reply == Reply::CutBefore;
        let mut judged = if unread {
            arrival.unread()
        } else {
            let body =
                tokio::time::timeout(READ_TIMEOUT, payload.to_bytes_limited(LONGEST_REQUEST));
            match body.await {
                Ok(Ok(Ok(body))) => self.judge(&arrival, &body),
                Ok(Ok(Err(_))) => arrival.unreadable("a body that broke off"),
                Ok(Err(_)) => arrival.unreadable("a longer body"),
                Err(_) => arrival.unreadable("a body that had not come by then"),
            }
        };
        judged.call.exchange.millis =
            u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Judged { call, answer, delay } = judged;
        let _ = self.told.send(call).await; // nobody listens only when the trial is over
        (answer, delay)
    }

    fn judge(&self, arrival: &Arrival<'_>, body: &[u8]) -> Judged {
        let mut found = Findings::default();
        http::judge_head(arrival.request, Line::tls(arrival.request), &mut found);
        if *arrival.request.method() != Method::POST {
            let answer = Answer::plain(405, "POST a SOAP envelope here.", "HTTP 405");
            return arrival.judged(found, answer, "");
        }
        if body.is_empty() {
            found.add(&rules::EMPTY, "nothing");
            return self.answered(arrival, body, found, None);
        }
        let source = std::str::from_utf8(body).map(|text| text.trim_start_matches('\u{FEFF}'));
        let document = match source {
            Ok(source) => match envelope::read(source.trim_end_matches('\0')) {
                Ok(document) => Some(document),
                Err(fault) => {
                    envelope::judge_fault(&fault, &mut found);
                    None
                }
            },
            Err(error) => {
                let at = error.valid_up_to();
                found.add(&rules::XML_ENCODING, format!("bytes that are not UTF-8, at byte {at}"));
                None
            }
        };
        self.answered(arrival, body, found, document.as_ref())
    }

    /// Judges what the document holds, and answers.
    fn answered(
        &self,
        arrival: &Arrival<'_>,
        body: &[u8],
        mut found: Findings,
        document: Option<&Document<'_>>,
    ) -> Judged {
        let outline = match document {
            Some(document) => envelope::judge(&document.root, &mut found),
            None => Outline::default(),
        };
        http::judge_headers(arrival.request, &outline, &mut found);
        let submits = outline.name == Some(OperationName::SubmitSingleMessage);
        let admitted = submits && self.admits(&outline, &mut found);
        let profiles = Profiles {
            validator: &self.settings.validator,
            policy: &self.settings.policy,
            now: arrival.now,
        };
        let hl7 = outline.operation.filter(|_| submits);
        let read = hl7.and_then(|one| profiles.judge(one.child_named("hl7Message"), &mut found));
        let message = read.as_ref().and_then(|read| read.as_ref().ok());
        let control_id = message.map(message::Read::control_id).unwrap_or_default();
        let sending = message.map(|read| Sending {
            path: arrival.request.path(),
            control_id: &control_id,
            fingerprint: read.fingerprint(),
            at: arrival.at,
        });
        if let Some(sending) = sending.as_ref().filter(|_| admitted) {
            self.history.judge(sending, &mut found);
        }
        let print = sending.as_ref().map(|sending| sending.fingerprint);
        let before = self.history.count(arrival.request.path(), print);
        let scenario = arrival.scenario.after(before);
        let media = arrival.request.headers().get(CONTENT_TYPE);
        let media = MediaType::of(media.map(|value| value.to_str().unwrap_or("?")));
        let envelope = media.map(|media| read_envelope(body, &media, &Limits::default()));
        let asked = Asked {
            envelope: &envelope,
            admitted,
            message: read.as_ref(),
            control_id: &format!("TRIAL-{}", arrival.number),
            now: arrival.now,
        };
        let answer = asked.answer(scenario.reply);
        if let Some(sending) = sending.filter(|_| admitted && answer.outcome != Outcome::Other) {
            self.history.note(&sending, answer.outcome);
        }
        let shown = match document {
            Some(document) => mask::body(document, self.settings.show_messages),
            None => {
                format!("({} bytes, not shown: what cannot be read cannot be masked)", body.len())
            }
        };
        let (kind, profile) =
            message.map_or((None, None), |read| (read.kind(), read.profile.clone()));
        let mut judged = arrival.judged(found, answer, &shown);
        judged.delay = scenario.delay;
        judged.call.operation = outline.name;
        judged.call.soap = outline.version.map_or_else(String::new, |one| one.to_string());
        judged.call.kind = kind;
        judged.call.profile = profile;
        judged.call.control_id = Some(control_id).filter(|id| looks_like_an_identifier(id));
        judged
    }

    /// Whether the credentials are those that were given out.
    fn admits(&self, outline: &Outline<'_>, found: &mut Findings) -> bool {
        let TrialSettings { username, password, facility, .. } = &self.settings;
        let parts = [
            ("username", &rules::USERNAME, username.as_str()),
            ("password", &rules::PASSWORD, password.reveal()),
            ("facilityID", &rules::FACILITY, facility.as_str()),
        ];
        let (mut wrong, mut padded, mut missing) = (vec![], vec![], false);
        for (name, rule, right) in parts {
            let Some(given) = outline.text(name) else {
                found.add(rule, format!("no {name}, or a blank one"));
                missing = true;
                continue;
            };
            if !bool::from(given.trim().as_bytes().ct_eq(right.as_bytes())) {
                wrong.push(name);
            } else if given != right {
                padded.push(name);
            }
        }
        found.add_if(
            !padded.is_empty(),
            &rules::CREDENTIAL_SPACES,
            format!("around {}", padded.join(", ")),
        );
        found.add_if(
            !wrong.is_empty(),
            &rules::CREDENTIALS_WRONG,
            format!("another {}", wrong.join(", ")),
        );
        !missing && wrong.is_empty()
    }
}

/// A call that has come.
struct Arrival<'r> {
    request: &'r HttpRequest,
    number: usize,
    now: Timestamp,
    at: Instant,
    scenario: Scenario,
}

impl Arrival<'_> {
    /// A call that is cut off before it is read.
    fn unread(&self) -> Judged {
        let answer = Answer::cut("the connection was ended before the request was read");
        self.judged(Findings::default(), answer, "(not read)")
    }

    /// A call whose body did not come.
    fn unreadable(&self, what: &str) -> Judged {
        let mut found = Findings::default();
        http::judge_head(self.request, Line::tls(self.request), &mut found);
        found.add(&rules::SIZE, what);
        let fault =
            Fault::new(FaultCode::RequestTooLarge, "The request was too long or broke off.");
        self.judged(found, Answer::fault(SoapVersion::V12, &fault, None), "(not read to its end)")
    }

    fn judged(&self, found: Findings, answer: Answer, body: &str) -> Judged {
        let head = mask::head(self.request, Line::tls(self.request));
        let peer = self.request.peer_addr().map(|address| address.ip().to_string());
        let call = Call {
            number: self.number,
            at: self.now,
            peer: peer.unwrap_or_default(),
            operation: None,
            soap: String::new(),
            kind: None,
            profile: None,
            control_id: None,
            answered: answer.told.clone(),
            findings: found.0,
            exchange: Exchange {
                request: format!("{head}\n{body}"),
                response: shown(&answer),
                millis: 0,
            },
        };
        Judged { call, answer, delay: self.scenario.delay }
    }
}

/// An answer as a report shows it: all of it is ours, but for a query that it repeats.
fn shown(answer: &Answer) -> String {
    if answer.cut {
        return String::new();
    }
    let retry = answer.retry_after.map_or_else(String::new, |one| format!("Retry-After: {one}\n"));
    let body = mask::query(&String::from_utf8_lossy(&answer.body));
    let head = format!("HTTP {}\nContent-Type: {}\n{retry}", answer.status, answer.content_type);
    mask::cut(format!("{head}\n{body}"))
}

fn respond(request: &HttpRequest, answer: Answer) -> HttpResponse {
    if answer.cut {
        return line::cut(request);
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, answer.content_type));
    if let Some(seconds) = answer.retry_after {
        response.insert_header((RETRY_AFTER, seconds));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.insert_header((ALLOW, "GET, POST"));
    }
    response.body(answer.body)
}
