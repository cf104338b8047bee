//! The built-in regional registry, for demonstration, training and tests: it speaks the CDC 2011 contract over real HTTPS,
//! keeps what it receives, and answers with an ACK of its own. All fourteen registries of a fresh install are this one.
//!
//! It is a service of its own that happens to live in the same process: the Gateway reaches it as it would any registry.
//! Like a good registry it judges what it gets by the rules of its region, and says in its ACK what it found: so that on a
//! fresh install a sender hears of warnings, too. For training and rehearsal it misbehaves on demand ([`Behaviour`]).
//! May import `domain`, `endpoint` (bodies and responses), `hl7`, `soap`, `store` and `validation`.

mod behaviour;
mod history;
mod misbehave;
mod scripts;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::domain::{
    Diagnostic, Environment, MessageId, Password, RegionCode, ServerKey, Timestamp, Told,
};
use crate::endpoint::{Room, plain_soap_response, read_body};
use crate::hl7::{Ack, ErrorCode, Header, Identity, Location, Message, MessageKind, Query};
use crate::loopback::behaviour::{Act, Call, Deed, Plan};
use crate::loopback::misbehave::{Answer, Said, acknowledgement, cut};
use crate::loopback::scripts::{Script, Scripts};
use crate::soap::{
    EchoBack, Envelope, Fault, FaultCode, Limits, MediaType, Operation, Submission, read_envelope,
};
use crate::store::{LoopbackRecord, Part, Store};
use crate::validation::{Policies, Validator};

pub use behaviour::{Behaviour, BehaviourError, Listed};
pub use misbehave::Line;

/// Longest request, in bytes: what the Gateway takes, and then the envelope.
const LONGEST_REQUEST: usize = 4 * 1024 * 1024;

/// Memory for request bodies, in MiB.
const ROOM_MIB: usize = 256;

/// Findings told of one message.
const FINDINGS: usize = 100;

/// How long a request body may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The loopback registry.
pub struct Loopback {
    store: Arc<Store>,
    key: ServerKey,
    room: Room,
    validator: Arc<Validator>,
    policies: Policies,
    scripts: Scripts,
}

/// Path of one region's registry.
pub fn path(region: RegionCode, environment: Environment) -> String {
    format!("/loopback/{region}/{environment}/IISService")
}

/// The Gateway's password at one region's registry: derived from the server key, so none ships and none is stored.
pub fn password(key: &ServerKey, region: RegionCode, environment: Environment) -> Password {
    Password::from(key.hash("loopback", &format!("{region} {environment}")).to_hex())
}

/// The Gateway's username and facility there.
pub const ACCOUNT: &str = "IZGATEWAY";

impl Loopback {
    /// A registry that keeps what it receives in `store`.
    pub fn new(
        store: Arc<Store>,
        key: ServerKey,
        validator: Arc<Validator>,
        policies: Policies,
    ) -> Self {
        let (room, scripts) = (Room::new(ROOM_MIB), Scripts::default());
        Self { store, key, room, validator, policies, scripts }
    }
}

/// The routes of the loopback registry.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/loopback/{region}/{environment}/IISService", web::post().to(serve));
}

async fn serve(
    request: HttpRequest,
    place: web::Path<(String, String)>,
    mut payload: web::Payload,
    registry: web::Data<Loopback>,
) -> HttpResponse {
    let (region, environment) = place.into_inner();
    let (Ok(region), Ok(environment)) =
        (region.parse::<RegionCode>(), environment.parse::<Environment>())
    else {
        return HttpResponse::NotFound().finish();
    };
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Ok(media) = MediaType::of(content_type) else {
        return HttpResponse::UnsupportedMediaType().finish();
    };
    let script = registry.scripts.of(&registry.store, region, environment).await;
    if script.as_ref().is_some_and(Script::cuts_unread) {
        return cut(&request);
    }
    let Ok((body, _room)) =
        read_body(&mut payload, LONGEST_REQUEST, READ_TIMEOUT, &registry.room).await
    else {
        let fault =
            Fault::new(FaultCode::RequestTooLarge, "The request was too long or broke off.");
        return plain_soap_response(media.likely_version(), Err(fault));
    };
    match read_envelope(&body, &media, &Limits::default()) {
        Ok(envelope) => {
            registry.answer(&request, (region, environment), envelope, script.as_ref()).await
        }
        Err(error) => plain_soap_response(error.version, Err(error.fault())),
    }
}

impl Loopback {
    async fn answer(
        &self,
        request: &HttpRequest,
        destination: (RegionCode, Environment),
        envelope: Envelope<'_>,
        script: Option<&Script>,
    ) -> HttpResponse {
        let (version, related) = (envelope.version, envelope.addressing);
        let done = match envelope.operation {
            Operation::ConnectivityTest { echo_back } => {
                let echo = match echo_back {
                    EchoBack::Text(text) => Some(text.into_owned()),
                    EchoBack::Absent => Some(String::new()),
                    EchoBack::Nil => None,
                };
                self.plan(destination, script, None).map(|plan| (plan, Said::Echo(echo)))
            }
            Operation::SubmitSingleMessage(submission) => {
                self.take(destination, &submission, script).await
            }
        };
        match done {
            Ok((plan, said)) => {
                tokio::time::sleep(plan.wait).await;
                Answer { version, related, said }.given(request, plan.act).await
            }
            Err(fault) => plain_soap_response(version, Err(fault)),
        }
    }

    /// What is done about a call: of a message (its sender and MSH-10), or a connectivityTest.
    fn plan(
        &self,
        (region, environment): (RegionCode, Environment),
        script: Option<&Script>,
        message: Option<&str>,
    ) -> Result<Plan, Fault> {
        let Some(script) = script else { return Ok(Plan::NORMAL) };
        let behaviour = script.behaviour.as_ref().map_err(|wrong| {
            Fault::new(FaultCode::Internal, format!("The registry's script is not known: {wrong}."))
        })?;
        let name =
            format!("{region} {environment} {} {}", script.name, message.unwrap_or_default());
        let call = Call { is_submission: message.is_some(), before: self.scripts.count(name) };
        Ok(behaviour.plan(call, &mut random))
    }

    /// Takes one message: keeps it and acknowledges it, unless a script says otherwise.
    async fn take(
        &self,
        destination: (RegionCode, Environment),
        submission: &Submission<'_>,
        script: Option<&Script>,
    ) -> Result<(Plan, Said), Fault> {
        let (region, environment) = destination;
        self.check_account(destination, submission)?;
        let text = submission.hl7_message.as_deref().unwrap_or_default();
        let message = Message::parse(text.as_bytes()).map_err(|error| {
            Fault::new(FaultCode::NoMsh, format!("hl7Message was not taken: {error}."))
        })?;
        let header = Header::of(&message);
        let now = Timestamp::now();
        let id = self.store.next_message_id(now);
        let (plan, mut found) = self.decide(destination, &message, &header, script, now)?;
        let query = Query::of(&message).filter(|_| header.kind() == Some(MessageKind::QbpQ11));
        if plan.keep && query.is_none() {
            self.keep(record(id, region, environment, now, &header, text)).await?;
        }
        found.truncate(FINDINGS);
        let told = Told::of(&found);
        let identity =
            Identity { application: "LOOPBACK".to_owned(), facility: region.to_string() };
        let ack = Ack {
            request: Some(&header),
            code: told.code(),
            lines: &told.lines(),
            control_id: &id.to_string(),
            now: now.utc().fixed_offset(),
            identity: &identity,
        };
        let told = match query {
            Some(query) if !found.iter().any(Diagnostic::stops) => {
                self.history(destination, query, &ack).await
            }
            Some(query) => query.refusal(&ack),
            None => ack.to_message(),
        };
        let text = match plan.act {
            Act::Deed(deed) => acknowledgement(deed, &told),
            Act::Status(..) => told,
        };
        Ok((plan, Said::Ack { text, quotation: quotation(&message) }))
    }

    /// The Gateway's account here, and no other.
    fn check_account(
        &self,
        (region, environment): (RegionCode, Environment),
        submission: &Submission<'_>,
    ) -> Result<(), Fault> {
        let expected =
            self.key.hash("loopback password", password(&self.key, region, environment).reveal());
        let given =
            self.key.hash("loopback password", submission.password.as_deref().unwrap_or_default());
        if submission.username.as_deref() == Some(ACCOUNT) && expected.matches(&given) {
            return Ok(());
        }
        Err(Fault::new(FaultCode::CredentialsRefused, "The credentials were refused."))
    }

    /// What is done about a message, and what its ACK says was found. An ACK by script says nothing else.
    fn decide(
        &self,
        destination: (RegionCode, Environment),
        message: &Message<'_>,
        header: &Header<'_>,
        script: Option<&Script>,
        now: Timestamp,
    ) -> Result<(Plan, Vec<Diagnostic>), Fault> {
        let (region, environment) = destination;
        let own = asked(message, environment);
        if let Some(Script { behaviour: Err(wrong), .. }) = own {
            return Ok((Plan { keep: false, ..Plan::NORMAL }, vec![not_understood(wrong)]));
        }
        let called = [header.sending_facility, header.control_id]
            .map(|value| String::from_utf8_lossy(value.text().unwrap_or_default()));
        let plan = self.plan(destination, own.as_ref().or(script), Some(&called.join("|")))?;
        match plan.act {
            Act::Deed(deed) if deed.is_acknowledgement() && deed != Deed::Normal => {
                Ok((plan, vec![]))
            }
            _ => {
                let policy = self.policies.of(environment, Some(region));
                Ok((plan, self.validator.check(message, header, policy, now)))
            }
        }
    }

    async fn keep(&self, open: Open<'_>) -> Result<(), Fault> {
        let record = open.seal(&self.store).map_err(|_locked| {
            Fault::new(FaultCode::Internal, "The registry could not keep the message.")
        })?;
        self.store.loopback_keep(record).await.map_err(|_unavailable| {
            Fault::new(FaultCode::Unavailable, "The registry could not keep the message.")
        })
    }
}

/// Begins MSH-6.4 of a message that asks for a behaviour.
const ASKS: &str = "TC-";

/// The behaviour that a test message asks for itself, in MSH-6.4: `CAIRBA^^^TC-fail:2:reset-after`. HD has three
/// components, so a fourth disturbs nobody: the region stands in the first.
fn asked(message: &Message<'_>, environment: Environment) -> Option<Script> {
    if environment != Environment::Test {
        return None;
    }
    let place = Location::segment("MSH", 1).field(6).component(4);
    let name = String::from_utf8_lossy(message.at(&place).text()?).strip_prefix(ASKS)?.to_owned();
    Some(Script { behaviour: name.parse(), name })
}

fn not_understood(wrong: BehaviourError) -> Diagnostic {
    Diagnostic::reject(
        "LOOPBACK-SCRIPT",
        ErrorCode::TableValueNotFound,
        Location::segment("MSH", 1).field(6).component(4),
        format!(
            "MSH-6.4 asks for a behaviour that is not known: {wrong}. The message was not kept."
        ),
    )
}

/// Patient data for a fault that must not be passed on.
fn quotation(message: &Message<'_>) -> String {
    let patient = message.segment("PID");
    patient
        .map_or_else(String::new, |patient| String::from_utf8_lossy(patient.bytes()).into_owned())
}

/// An evenly distributed number; 0 when the system gives none.
fn random() -> u32 {
    let mut bytes = [0; 4];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::warn!("the system gives no randomness");
    }
    u32::from_ne_bytes(bytes)
}

/// A message with its text still open.
struct Open<'a>(LoopbackRecord, &'a str);

fn record<'a>(
    id: MessageId,
    region: RegionCode,
    environment: Environment,
    now: Timestamp,
    header: &Header<'_>,
    text: &'a str,
) -> Open<'a> {
    let shown =
        |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let record = LoopbackRecord {
        id,
        region,
        environment,
        received_at: now,
        control_id: shown(header.control_id.text()),
        sending_facility: shown(header.sending_facility.text()),
        site_id: shown(header.responsible_organization.text()),
        size: i64::try_from(text.len()).unwrap_or(i64::MAX),
        body: vec![],
    };
    Open(record, text)
}

impl Open<'_> {
    fn seal(self, store: &Store) -> Result<LoopbackRecord, crate::store::StoreError> {
        let Self(record, text) = self;
        let body = store.vault().seal(record.id, Part::Loopback, text.as_bytes())?;
        Ok(LoopbackRecord { body, ..record })
    }
}
