//! Who asks, from where, with what: cookies, sessions, forms that are ours, and the headers of every page.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_multipart::Multipart;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, Route, guard, web};
use futures_util::StreamExt as _;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::domain::form::Answers;
use crate::domain::{By, Timestamp, hex};
use crate::portal::banners::Banner;
use crate::portal::member::SESSION_COOKIE;
use crate::portal::page::{self, Failure};
use crate::portal::{Layout, Portal};
use crate::sites::SignedIn;

/// A route for looking: `GET` and `HEAD`.
pub(super) fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Marks a browser, so that a form that it posts is known to be one that it was given. Says nothing of who it is.
const VISITOR_COOKIE: &str = "__Host-visitor";

/// Bytes of a form without files.
const LONGEST_FORM: usize = 64 * 1024;

/// What is known of who is behind a request, where there is a session's cookie.
enum Known {
    Is(Box<SignedIn>),
    /// It could not be found out.
    Unsure,
}

/// What stands above a page.
struct Above(Vec<Banner>);

/// One request of a browser.
pub struct Visit {
    portal: web::Data<Portal>,
    /// The value of the visitor's cookie.
    visitor: String,
    /// Cookies that the response sets.
    cookies: std::cell::RefCell<Vec<Cookie<'static>>>,
    /// Where the request came from.
    pub address: String,
    /// What the browser calls itself, cut to a bearable length.
    pub agent: String,
    /// When it came.
    pub now: Timestamp,
    request: HttpRequest,
}

impl Visit {
    fn new(request: &HttpRequest) -> Option<Self> {
        let portal = request.app_data::<web::Data<Portal>>()?.clone();
        let known = request
            .cookie(VISITOR_COOKIE)
            .map(|cookie| cookie.value().to_owned())
            .filter(|value| value.len() == 32 && value.bytes().all(|one| one.is_ascii_hexdigit()));
        let cookies = std::cell::RefCell::<Vec<_>>::default();
        let visitor = if let Some(visitor) = known {
            visitor
        } else {
            let visitor = random_hex::<16>()?;
            cookies.borrow_mut().push(cookie(VISITOR_COOKIE, visitor.clone()).finish());
            visitor
        };
        let agent = request
            .headers()
            .get("User-Agent")
            .and_then(|value| value.to_str().ok())
            .map(|text| text.chars().take(120).collect())
            .unwrap_or_default();
        Some(Self {
            portal,
            visitor,
            cookies,
            address: request
                .peer_addr()
                .map(|peer| peer.ip().to_canonical().to_string())
                .unwrap_or_default(),
            agent,
            now: Timestamp::now(),
            request: request.clone(),
        })
    }

    /// The portal.
    pub(super) fn portal(&self) -> &Portal {
        &self.portal
    }

    /// Who does something, for the audit trail.
    pub(super) fn by(&self) -> By {
        By::visitor(&self.address, self.now)
    }

    /// What a form of this visitor must bring back.
    pub(super) fn form_token(&self) -> String {
        self.portal.sites.form_token(&self.visitor)
    }

    /// The value of a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        self.request.cookie(name).map(|cookie| cookie.value().to_owned())
    }

    /// A parameter of the address.
    pub(super) fn query(&self, name: &str) -> String {
        form_urlencoded(self.request.query_string().as_bytes())
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
            .unwrap_or_default()
    }

    /// The path that was asked for.
    pub(super) fn path(&self) -> &str {
        self.request.path()
    }

    /// Sets a cookie that only we read and that ends with the browser's session.
    pub(super) fn set_cookie(&self, name: &'static str, value: String) {
        self.cookies.borrow_mut().push(cookie(name, value).finish());
    }

    /// Removes a cookie.
    pub(super) fn drop_cookie(&self, name: &'static str) {
        let mut gone = cookie(name, String::new()).finish();
        gone.make_removal();
        self.cookies.borrow_mut().push(gone);
    }

    /// What every page shows around its content.
    pub(super) fn layout(&self, title: impl Into<String>) -> Layout {
        let title = title.into();
        let mut layout = Layout {
            is_trial: self.portal.is_trial(),
            shows_letters: self.portal.shows_letters(),
            ..Layout::new(title, self.path(), self.form_token(), &self.portal.settings)
        };
        if let Some(Above(banners)) = self.request.extensions().get::<Above>() {
            layout.banners.clone_from(banners);
        }
        match self.request.extensions().get::<Known>() {
            Some(Known::Is(who)) => layout.of(who, self.path()),
            Some(Known::Unsure) => Layout { offers_sign_in: false, ..layout },
            None => layout,
        }
    }

    /// A page.
    pub(super) fn page(&self, template: &impl askama::Template) -> HttpResponse {
        self.page_with(StatusCode::OK, template)
    }

    /// A page with another status.
    pub(super) fn page_with(
        &self,
        status: StatusCode,
        template: &impl askama::Template,
    ) -> HttpResponse {
        self.finish(page::render(status, template))
    }

    /// Sends the browser on to another page of ours.
    pub(super) fn redirect(&self, to: &str) -> HttpResponse {
        self.finish(HttpResponse::SeeOther().insert_header(("Location", to)).finish())
    }

    /// The page of what is not there, or not theirs to see: the two are not told apart.
    pub(super) fn missing(&self) -> HttpResponse {
        self.failure(StatusCode::NOT_FOUND)
    }

    /// A page of what went wrong; a text for what is no browser.
    pub(super) fn failure(&self, status: StatusCode) -> HttpResponse {
        let wants_html = self
            .request
            .headers()
            .get("Accept")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        if !wants_html {
            return self.finish(page::plain(status));
        }
        self.page_with(status, &Failure::new(self.layout(Failure::title(status)), status))
    }

    /// Finds out who is signed in with this browser, so that every page of this visit shows it.
    async fn meet(&self) {
        if self.cookie(SESSION_COOKIE).is_none() || self.path().starts_with("/assets/") {
            return;
        }
        let known = match self.signed_in().await {
            Ok(Some(who)) => Known::Is(Box::new(who)),
            Ok(None) => return,
            // Whoever needs to know asks again, and tells the trouble.
            Err(_unavailable) => Known::Unsure,
        };
        self.request.extensions_mut().insert(known);
    }

    /// Who was found to be signed in.
    pub(super) fn met(&self) -> Option<SignedIn> {
        match self.request.extensions().get::<Known>() {
            Some(Known::Is(who)) => Some((**who).clone()),
            _ => None,
        }
    }

    /// Keeps what stands above this page.
    pub(super) fn keep_banners(&self, banners: Vec<Banner>) {
        self.request.extensions_mut().insert(Above(banners));
    }

    fn finish(&self, mut response: HttpResponse) -> HttpResponse {
        self.add_cookies(&mut response);
        response
    }

    /// Puts the cookies of this visit on a response that is no page.
    pub(super) fn add_cookies(&self, response: &mut HttpResponse) {
        for cookie in self.cookies.borrow().iter() {
            // A cookie that cannot be written is one that we made wrongly; the page is still good without it.
            let _ = response.add_cookie(cookie);
        }
    }
}

impl FromRequest for Visit {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::new(request).ok_or_else(|| actix_web::error::ErrorInternalServerError("")))
    }
}

/// What a form of ours brought, and whose it was.
pub struct Posted {
    /// The request.
    pub visit: Visit,
    /// Its fields, trimmed of nothing; a name that comes twice has its values joined with commas.
    pub fields: Answers,
}

impl FromRequest for Posted {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::new(request);
        let mut payload = payload.take();
        let urlencoded =
            request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let foreign = is_foreign(request);
        Box::pin(async move {
            let visit = visit.ok_or_else(|| actix_web::error::ErrorInternalServerError(""))?;
            let refuse = |visit: &Visit, status| Err(stopped(visit.failure(status)));
            if foreign {
                return refuse(&visit, StatusCode::FORBIDDEN);
            }
            if !urlencoded {
                return refuse(&visit, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let mut body = web::BytesMut::new();
            while let Some(chunk) = payload.next().await {
                body.extend_from_slice(&chunk?);
                if body.len() > LONGEST_FORM {
                    return refuse(&visit, StatusCode::PAYLOAD_TOO_LARGE);
                }
            }
            let mut fields = Answers::default();
            for (name, value) in form_urlencoded(&body) {
                let joined = match fields.get(&name) {
                    "" => value,
                    before => format!("{before},{value}"),
                };
                fields.set(&name, joined);
            }
            if !visit.portal.sites.is_form_token(&visit.visitor, fields.get("csrf")) {
                return refuse(&visit, StatusCode::FORBIDDEN);
            }
            fields.set("csrf", "");
            Ok(Self { visit, fields })
        })
    }
}

/// The file that a form of ours brought, and whose it was; at most `LARGEST` bytes, and `LONGEST` of each other field.
pub struct PostedFile<const LARGEST: usize, const LONGEST: usize = LONGEST_FIELD> {
    /// The request.
    pub visit: Visit,
    /// Its other fields, trimmed of nothing; what is not UTF-8 is replaced.
    pub fields: Answers,
    /// Content of the field `file`; its name and its type say nothing that counts.
    pub file: Vec<u8>,
}

impl<const LARGEST: usize, const LONGEST: usize> FromRequest for PostedFile<LARGEST, LONGEST> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::new(request);
        let foreign = is_foreign(request);
        let is_multipart = request.content_type().eq_ignore_ascii_case("multipart/form-data");
        let parts = Multipart::new(request.headers(), payload.take());
        Box::pin(async move {
            let visit = visit.ok_or_else(|| actix_web::error::ErrorInternalServerError(""))?;
            let refuse = |visit: &Visit, status| Err(stopped(visit.failure(status)));
            if foreign {
                return refuse(&visit, StatusCode::FORBIDDEN);
            }
            if !is_multipart {
                return refuse(&visit, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let (mut fields, file) = match gather(parts, LARGEST, LONGEST).await {
                Ok(gathered) => gathered,
                Err(status) => return refuse(&visit, status),
            };
            if !visit.portal.sites.is_form_token(&visit.visitor, fields.get("csrf")) {
                return refuse(&visit, StatusCode::FORBIDDEN);
            }
            fields.set("csrf", "");
            Ok(Self { visit, fields, file })
        })
    }
}

/// The fields and the file of a form; every part is read within bounds.
async fn gather(
    mut parts: Multipart,
    largest: usize,
    longest: usize,
) -> Result<(Answers, Vec<u8>), StatusCode> {
    let (mut fields, mut file) = (Answers::default(), vec![]);
    let mut left = MOST_PARTS;
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|_malformed| StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
        left = left.checked_sub(1).ok_or(StatusCode::PAYLOAD_TOO_LARGE)?;
        let name = part.name().unwrap_or_default().to_owned();
        let most = if name == "file" { largest } else { longest };
        let mut read = vec![];
        while let Some(chunk) = part.next().await {
            read.extend_from_slice(
                &chunk.map_err(|_malformed| StatusCode::UNSUPPORTED_MEDIA_TYPE)?,
            );
            if read.len() > most {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
        }
        if name == "file" {
            file = read;
        } else {
            fields.set(&name, String::from_utf8_lossy(&read).into_owned());
        }
    }
    Ok((fields, file))
}

/// Parts of a form with a file.
const MOST_PARTS: usize = 10;

/// Bytes of a field beside a file.
pub(super) const LONGEST_FIELD: usize = 1024;

/// A response that takes the place of what the handler would have said.
pub(super) fn stopped(response: HttpResponse) -> actix_web::Error {
    actix_web::error::InternalError::from_response("", response).into()
}

/// Whether a browser says that a form was posted by another origin's page.
fn is_foreign(request: &HttpRequest) -> bool {
    request
        .headers()
        .get("Sec-Fetch-Site")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|site| site != "same-origin" && site != "none")
}

/// Names and values of a form, percent-decoded; what is not UTF-8 is replaced.
fn form_urlencoded(text: &[u8]) -> Vec<(String, String)> {
    web::Query::<Vec<(String, String)>>::from_query(&String::from_utf8_lossy(text))
        .map(web::Query::into_inner)
        .unwrap_or_default()
}

fn cookie(name: &'static str, value: String) -> actix_web::cookie::CookieBuilder<'static> {
    Cookie::build(name, value).path("/").secure(true).http_only(true).same_site(SameSite::Lax)
}

/// So many random bytes in hexadecimal; none when the operating system gives no randomness.
pub(super) fn random_hex<const N: usize>() -> Option<String> {
    let mut bytes = [0_u8; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}

/// Marks a response of which only the status is known yet: the page that tells it needs to know who asked.
pub(super) struct Told;

/// Makes the page of a trouble, and puts the headers of security on every response of the portal. Source: features 4.3 (ASVS 3.4, 14.3.2).
pub(super) async fn protect(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let is_local =
        request.app_data::<web::Data<Portal>>().is_none_or(|portal| portal.settings.is_local);
    if let Some(visit) = Visit::new(request.request()) {
        visit.meet().await;
        visit.gather_banners().await;
    }
    let response = next.call(request).await?;
    let told = response.response().extensions().get::<Told>().is_some();
    let mut response = if told {
        let (request, response) = response.into_parts();
        let page = Visit::new(&request).map(|visit| visit.failure(response.status()));
        ServiceResponse::new(request, page.unwrap_or_else(|| response.map_into_boxed_body()))
    } else {
        response.map_into_boxed_body()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        put(headers, name, value);
    }
    if !is_local {
        put(headers, "strict-transport-security", "max-age=31536000");
    }
    if !headers.contains_key("cache-control") {
        put(headers, "cache-control", "no-store");
    }
    Ok(response)
}

const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), publickey-credentials-get=(self), publickey-credentials-create=(self)",
    ),
];

fn put(headers: &mut HeaderMap, name: &'static str, value: &'static str) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
}
