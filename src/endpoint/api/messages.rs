//! What became of messages.

#![expect(unused_qualifications, reason = "what the path attribute makes of parameters")]

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use crate::domain::{ClientKeyPin, MessageId, MessageState, Timestamp};
use crate::endpoint::Endpoint;
use crate::endpoint::api::{Problem, address_of, answer, bearer, found, problem, program, refusal};
use crate::gateway::{Inquirer, InquiryError, MessageOutcome, MessagePage};
use crate::store::MessageSearch;

/// The header that may name the facility ID of the credential.
const FACILITY: &str = "Facility-ID";

/// Messages of a page, unless fewer or more are asked for.
const USUAL: i64 = 50;
/// The most messages of a page.
const MOST: i64 = 200;

/// Which messages are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// MSH-10. With HTTP Basic it must be given.
    control_id: Option<String>,
    /// Only those that this Site is responsible for.
    site: Option<String>,
    /// Only those in this state.
    #[param(value_type = Option<MessageState>)]
    state: Option<String>,
    /// Only those received then or later (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only those received before (RFC 3339).
    #[param(format = DateTime)]
    to: Option<String>,
    /// What the page before said as `next`.
    after: Option<String>,
    /// Messages of a page: 50 unless said otherwise, at most 200.
    limit: Option<i64>,
}

/// Whether the text is wanted, too.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Whether the text of the message and of its last acknowledgement is wanted: needs the scope bodies-read, and is
    /// recorded. With HTTP Basic the acknowledgement is always told.
    #[serde(default)]
    body: bool,
}

/// A page of messages for a key; for HTTP Basic all with that MSH-10, newest first.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what is answered")]
pub(super) enum Messages {
    /// For a key.
    Page(MessagePage),
    /// For HTTP Basic.
    Outcomes(Vec<MessageOutcome>),
}

/// Messages that your Site sent or is responsible for, newest first
#[utoipa::path(
    get,
    path = "/api/v1/messages",
    operation_id = "listMessages",
    params(Question),
    responses(
        (status = 200, body = Messages),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = ["messages-read"]), ("credential" = []))
)]
pub(super) async fn list(request: HttpRequest, endpoint: web::Data<Endpoint>) -> HttpResponse {
    let Ok(question) = web::Query::<Question>::from_query(request.query_string()) else {
        return problem(StatusCode::BAD_REQUEST, "The parameters cannot be read.");
    };
    let question = question.into_inner();
    if bearer(&request).is_none() {
        return by_control_id(&request, question.control_id, &endpoint).await;
    }
    let who = match program(&request, &endpoint, Timestamp::now()).await {
        Ok(who) => who,
        Err(error) => return refusal(&error),
    };
    match search(question) {
        Ok((search, after, limit)) => {
            answer(&endpoint.gateway.site_messages(&who, search, after, limit).await)
        }
        Err(name) => {
            problem(StatusCode::BAD_REQUEST, format!("The parameter {name} cannot be read."))
        }
    }
}

/// What is asked for, where the page begins, and how long it is; or the name of the parameter that cannot be read.
fn search(question: Question) -> Result<(MessageSearch, Option<MessageId>, i64), &'static str> {
    fn read<T: std::str::FromStr>(
        text: Option<String>,
        name: &'static str,
    ) -> Result<Option<T>, &'static str> {
        text.map(|text| text.parse().map_err(|_wrong| name)).transpose()
    }
    let limit = question.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err("limit");
    }
    let search = MessageSearch {
        control_id: question.control_id,
        site: read(question.site, "site")?,
        state: read(question.state, "state")?,
        from: moment(question.from.as_deref(), "from")?,
        until: moment(question.to.as_deref(), "to")?,
        ..MessageSearch::default()
    };
    Ok((search, read(question.after, "after")?, limit))
}

fn moment(text: Option<&str>, name: &'static str) -> Result<Option<Timestamp>, &'static str> {
    let read = |text| chrono::DateTime::parse_from_rfc3339(text).map_err(|_wrong| name);
    Ok(text.map(read).transpose()?.map(|at| Timestamp::from_naive(at.naive_utc())))
}

/// What became of a message
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    operation_id = "readMessage",
    params(("id" = String, Path, description = "Our identifier: MSH-10 of our own acknowledgement"), Wanted),
    responses(
        (status = 200, body = MessageOutcome),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = ["messages-read"]), ("credential" = []))
)]
pub(super) async fn one(
    request: HttpRequest,
    id: web::Path<String>,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let account = Account::of(&request);
    if account.is_none() && bearer(&request).is_none() {
        return refused();
    }
    let Ok(wanted) = web::Query::<Wanted>::from_query(request.query_string()) else {
        return problem(StatusCode::BAD_REQUEST, "The parameter body is true or false.");
    };
    let Ok(id) = id.parse::<MessageId>() else {
        return problem(
            StatusCode::NOT_FOUND,
            "No message has such an identifier. It is MSH-10 of the Gateway's own acknowledgement.",
        );
    };
    if let Some(account) = account {
        return told(endpoint.gateway.outcome(&account.inquirer(&request), id).await);
    }
    match program(&request, &endpoint, Timestamp::now()).await {
        Ok(who) => answer(&endpoint.gateway.site_message(&who, id, wanted.body).await),
        Err(error) => refusal(&error),
    }
}

async fn by_control_id(
    request: &HttpRequest,
    control_id: Option<String>,
    endpoint: &Endpoint,
) -> HttpResponse {
    let Some(account) = Account::of(request) else { return refused() };
    let Some(control_id) = control_id.filter(|id| !id.is_empty()) else {
        let text = "Ask for /api/v1/messages/ID or /api/v1/messages?control_id=MSH-10.";
        return problem(StatusCode::BAD_REQUEST, text);
    };
    told(endpoint.gateway.outcomes(&account.inquirer(request), &control_id).await)
}

/// Username and password of HTTP Basic.
struct Account {
    text: Zeroizing<String>,
    facility_id: Option<String>,
}

impl Account {
    fn of(request: &HttpRequest) -> Option<Self> {
        let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let text = Zeroizing::new(String::from_utf8(decoded).ok()?);
        let facility = request.headers().get(FACILITY).and_then(|value| value.to_str().ok());
        text.contains(':').then(|| Self { text, facility_id: facility.map(str::to_owned) })
    }

    fn inquirer(&self, request: &HttpRequest) -> Inquirer<'_> {
        let (username, password) = self.text.split_once(':').unwrap_or_default();
        Inquirer {
            username,
            password,
            facility_id: self.facility_id.as_deref(),
            client_key: request.conn_data::<ClientKeyPin>().copied(),
            address: address_of(request),
        }
    }
}

fn told<T: Serialize>(result: Result<T, InquiryError>) -> HttpResponse {
    match result {
        Ok(outcome) => found(&outcome),
        Err(InquiryError::CredentialsRefused) => {
            metrics::counter!("gateway_auth_failures_total", "reason" => "refused").increment(1);
            refused()
        }
        Err(InquiryError::NotFound) => {
            problem(StatusCode::NOT_FOUND, "You have sent no such message with these credentials.")
        }
        Err(InquiryError::Store(error)) => {
            tracing::error!("an outcome could not be read: {error}");
            problem(StatusCode::SERVICE_UNAVAILABLE, "The Gateway cannot read messages now.")
        }
    }
}

fn refused() -> HttpResponse {
    let text = "Give the username and password of your SOAP calls by HTTP Basic authentication, or an API key of your Site.";
    let mut response = problem(StatusCode::UNAUTHORIZED, text);
    let realm = HeaderValue::from_static("Basic realm=\"izportal\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    response
}
