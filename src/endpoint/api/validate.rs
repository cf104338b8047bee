//! A message is judged without being sent; nothing of it is kept.

#![expect(unused_qualifications, reason = "what the path attribute makes of parameters")]

use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{ApiScope, Diagnostic, Effect, Environment, RegionCode, Timestamp};
use crate::endpoint::Endpoint;
use crate::endpoint::api::{Problem, found, problem, program, refusal};
use crate::endpoint::body::{BodyError, read_body};
use crate::gateway::{LONGEST_PREVIEW, PreviewFor, Previewed};
use crate::hl7::{AckCode, ApplicationError, MessageKind, Severity};
use crate::validation::report::Verdict;

/// JSON writes CR with two characters.
const LONGEST_BODY: usize = 2 * LONGEST_PREVIEW;

/// As what a message is judged, beside its text.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct As {
    /// The region that it would go to, such as CAIRBA.
    region: Option<String>,
    /// Which MSH-11 is right; test unless said otherwise.
    #[param(value_type = Option<Environment>)]
    environment: Option<String>,
}

/// A message to judge.
#[derive(Deserialize, ToSchema)]
pub(super) struct ToValidate {
    /// The HL7 text.
    message: String,
    /// The region that it would go to, such as CAIRBA.
    region: Option<String>,
    /// Which MSH-11 is right; test unless said otherwise.
    #[schema(value_type = Option<Environment>)]
    environment: Option<String>,
}

/// What the Gateway would say of a message.
#[derive(Serialize, ToSchema)]
pub(super) struct ValidationReport {
    /// What would become of it.
    verdict: Verdict,
    /// MSA-1 of the Gateway's answer; null when it would answer otherwise than by an acknowledgement.
    acknowledgment: Option<&'static str>,
    /// MSH-9.1 and MSH-9.2, when the Gateway knows the kind.
    kind: Option<&'static str>,
    /// The profile that it was judged by.
    profile: Option<String>,
    /// Why it cannot be read.
    unreadable: Option<String>,
    /// How many errors there are.
    errors: usize,
    /// How many warnings there are.
    warnings: usize,
    /// How many remarks there are.
    remarks: usize,
    /// What was found.
    findings: Vec<ReportedFinding>,
    /// The HL7 text that the Gateway would answer; null when it would pass the message on.
    answer: Option<String>,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
pub(super) struct ReportedFinding {
    /// Name of the rule; /rules/NAME explains it.
    rule: &'static str,
    /// ERR-4: E, W or I.
    severity: &'static str,
    /// Where, as people write it, such as `RXA[2]-5.1`; null for the message as a whole.
    place: Option<String>,
    /// ERR-2.
    location: Option<String>,
    /// ERR-3.
    code: &'static str,
    /// ERR-5.
    application: Option<&'static str>,
    /// What it does to the message.
    effect: Effect,
    /// First byte of the message that it is about.
    start: Option<usize>,
    /// The byte after the last.
    end: Option<usize>,
    /// What is wrong.
    text: String,
    /// What becomes of the data.
    fate: String,
    /// How to mend it.
    fix: String,
}

impl From<&Diagnostic> for ReportedFinding {
    fn from(one: &Diagnostic) -> Self {
        Self {
            rule: one.rule,
            severity: one.severity.code(),
            place: one.location.map(|at| at.human().to_string()),
            location: one.location.map(|at| at.to_string()),
            code: one.code.code(),
            application: one.application.map(ApplicationError::code),
            effect: one.effect,
            start: one.span.as_ref().map(|span| span.start),
            end: one.span.as_ref().map(|span| span.end),
            text: one.text.to_string(),
            fate: one.fate.to_string(),
            fix: one.fix.to_string(),
        }
    }
}

impl ValidationReport {
    fn of(judged: Previewed<'_>) -> Self {
        let judgement = judged.judgement;
        let [errors, warnings, remarks] =
            [Severity::E, Severity::W, Severity::I].map(|severity| judgement.count(severity));
        Self {
            verdict: judgement.verdict,
            acknowledgment: judgement.verdict.acknowledgment().map(AckCode::code),
            kind: judgement.kind.map(MessageKind::code),
            unreadable: judgement.message.as_ref().err().map(ToString::to_string),
            errors,
            warnings,
            remarks,
            findings: judgement.found.iter().map(ReportedFinding::from).collect(),
            profile: judgement.profile,
            answer: judged.answer,
        }
    }
}

/// What the Gateway would say of a message; nothing is sent, kept or logged
#[utoipa::path(
    post,
    path = "/api/v1/validate",
    operation_id = "validateMessage",
    params(As),
    request_body(content((String = "text/plain"), (ToValidate = "application/json"))),
    responses(
        (status = 200, body = ValidationReport),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = ["validate"]))
)]
pub(super) async fn judge(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let now = Timestamp::now();
    let allowed = program(&request, &endpoint, now).await;
    if let Err(error) = allowed.and_then(|who| who.must(ApiScope::Validate)) {
        return refusal(&error);
    }
    let (text, asked) = match text_of(&request, payload, &endpoint).await {
        Ok(given) => given,
        Err(response) => return response,
    };
    let Some(of) = preview_for(&asked) else {
        let detail = "environment is test or production, region a code such as CAIRBA.";
        return problem(StatusCode::BAD_REQUEST, detail);
    };
    match endpoint.gateway.preview().judge(&text, of, now) {
        Ok(judged) => found(&ValidationReport::of(judged)),
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    }
}

/// The HL7 text of a request, and as what it is to be judged.
async fn text_of(
    request: &HttpRequest,
    payload: web::Payload,
    endpoint: &Endpoint,
) -> Result<(Vec<u8>, As), HttpResponse> {
    let timeout = endpoint.settings.read_timeout;
    let mut payload = payload;
    let read = read_body(&mut payload, LONGEST_BODY, timeout, &endpoint.room).await;
    let (body, _held) = read.map_err(|error| match error {
        BodyError::TooLarge { .. } => {
            problem(StatusCode::PAYLOAD_TOO_LARGE, "Send at most 256 KiB of HL7 text.")
        }
        BodyError::NoRoom => problem(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment."),
        BodyError::Broken | BodyError::Late => {
            problem(StatusCode::BAD_REQUEST, "The body did not arrive.")
        }
    })?;
    let query = web::Query::<As>::from_query(request.query_string());
    let query = query.map(web::Query::into_inner).unwrap_or_default();
    match request.content_type() {
        "application/json" => {
            let given: ToValidate = serde_json::from_slice(&body).map_err(|_malformed| {
                let detail =
                    "Send {\"message\": \"MSH|...\"}, with region and environment if you like.";
                problem(StatusCode::BAD_REQUEST, detail)
            })?;
            let environment = given.environment.or(query.environment);
            let asked = As { region: given.region.or(query.region), environment };
            Ok((given.message.into_bytes(), asked))
        }
        "text/plain" | "application/hl7-v2" | "" => Ok((body.to_vec(), query)),
        _ => {
            let detail = "Send the HL7 text as text/plain, or application/json.";
            Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// As what it is to be judged; none when that cannot be read.
fn preview_for(asked: &As) -> Option<PreviewFor> {
    let environment = match asked.environment.as_deref() {
        None => Environment::Test,
        Some(word) => word.parse().ok()?,
    };
    let region = match asked.region.as_deref() {
        None => None,
        Some(code) => Some(code.parse::<RegionCode>().ok().filter(|one| one.facts().managed)?),
    };
    Some(PreviewFor { environment, region })
}
