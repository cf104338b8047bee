//! The built-in regional registry, for demonstration, training and tests: it speaks the CDC 2011 contract over real HTTPS,
//! keeps what it receives, and answers with an ACK of its own. All fourteen registries of a fresh install are this one.
//!
//! It is a service of its own that happens to live in the same process: the Gateway reaches it as it would any registry.
//! Like a good registry it judges what it gets by the rules of its region, and says in its ACK what it found: so that on a
//! fresh install a sender hears of warnings, too. May import `domain`, `endpoint` (bodies and responses), `hl7`, `soap`,
//! `store` and `validation`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::{Environment, MessageId, Password, RegionCode, ServerKey, Timestamp, Told};
use crate::endpoint::{Room, plain_soap_response, read_body};
use crate::hl7::{Ack, Header, Identity, Message};
use crate::soap::{
    EchoBack, EchoReply, Envelope, Fault, FaultCode, Limits, MediaType, Operation, OperationName,
    Submission, connectivity_test_response, read_envelope, submit_single_message_response,
};
use crate::store::{LoopbackRecord, Part, Store};
use crate::validation::{Policies, Validator};

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
        Self { store, key, room: Room::new(ROOM_MIB), validator, policies }
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
    let Ok((body, _room)) =
        read_body(&mut payload, LONGEST_REQUEST, READ_TIMEOUT, &registry.room).await
    else {
        let fault =
            Fault::new(FaultCode::RequestTooLarge, "The request was too long or broke off.");
        return plain_soap_response(media.likely_version(), Err(fault));
    };
    match read_envelope(&body, &media, &Limits::default()) {
        Ok(envelope) => {
            let version = envelope.version;
            plain_soap_response(version, registry.answer(region, environment, envelope).await)
        }
        Err(error) => plain_soap_response(error.version, Err(error.fault())),
    }
}

impl Loopback {
    async fn answer(
        &self,
        region: RegionCode,
        environment: Environment,
        envelope: Envelope<'_>,
    ) -> Result<(OperationName, Vec<u8>), Fault> {
        let (version, related, name) =
            (envelope.version, envelope.addressing, envelope.operation.name());
        let bytes = match envelope.operation {
            Operation::ConnectivityTest { echo_back } => {
                let reply = match &echo_back {
                    EchoBack::Text(text) => EchoReply::Text(text),
                    EchoBack::Absent => EchoReply::Text(""),
                    EchoBack::Nil => EchoReply::Nil,
                };
                connectivity_test_response(version, &reply, related.as_ref())
            }
            Operation::SubmitSingleMessage(submission) => {
                let ack = self.take(region, environment, &submission).await?;
                submit_single_message_response(version, &ack, related.as_ref())
            }
        };
        Ok((name, bytes))
    }

    /// Keeps one message and acknowledges it.
    async fn take(
        &self,
        region: RegionCode,
        environment: Environment,
        submission: &Submission<'_>,
    ) -> Result<String, Fault> {
        let expected =
            self.key.hash("loopback password", password(&self.key, region, environment).reveal());
        let given =
            self.key.hash("loopback password", submission.password.as_deref().unwrap_or_default());
        if submission.username.as_deref() != Some(ACCOUNT) || !expected.matches(&given) {
            return Err(Fault::new(FaultCode::CredentialsRefused, "The credentials were refused."));
        }
        let text = submission.hl7_message.as_deref().unwrap_or_default();
        let message = Message::parse(text.as_bytes()).map_err(|error| {
            Fault::new(FaultCode::NoMsh, format!("hl7Message was not taken: {error}."))
        })?;
        let header = Header::of(&message);
        let now = Timestamp::now();
        let id = self.store.next_message_id(now);
        let record = record(id, region, environment, now, &header, text)
            .seal(&self.store)
            .map_err(|_locked| {
                Fault::new(FaultCode::Internal, "The registry could not keep the message.")
            })?;
        self.store.loopback_keep(record).await.map_err(|_unavailable| {
            Fault::new(FaultCode::Unavailable, "The registry could not keep the message.")
        })?;
        let identity =
            Identity { application: "LOOPBACK".to_owned(), facility: region.to_string() };
        let control_id = id.to_string();
        let policy = self.policies.of(environment, Some(region));
        let mut found = self.validator.check(&message, &header, policy, now);
        found.truncate(FINDINGS);
        let told = Told::of(&found);
        let ack = Ack {
            request: Some(&header),
            code: told.code(),
            lines: &told.lines(),
            control_id: &control_id,
            now: now.utc().fixed_offset(),
            identity: &identity,
        };
        Ok(ack.to_message())
    }
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
