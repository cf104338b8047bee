//! What every page has around its content, and the pages of what went wrong.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::domain::{Permission, Refusal};
use crate::portal::banners::Banner;
use crate::portal::visit::Told;
use crate::portal::{PortalSettings, assets};
use crate::sites::{AccountError, SignedIn};
use crate::store::StoreError;

/// What every page shows around its content.
#[expect(clippy::struct_excessive_bools, reason = "each shows or hides a thing of its own")]
pub struct Layout {
    /// Title of the page, without the name of the service.
    pub title: String,
    /// Heading of the page; the title says besides whether something is wrong.
    pub heading: String,
    /// What a form must bring back.
    pub csrf: String,
    /// Whether no regional registry is connected.
    pub is_trial: bool,
    /// Whether the letters of a trial are shown on a page.
    pub shows_letters: bool,
    /// Notices of CDPH, and maintenance of the reader's regions.
    pub(super) banners: Vec<Banner>,
    /// Whom to ask.
    pub help_desk: String,
    /// Version of style sheet and script.
    pub assets: &'static str,
    /// Name of who is signed in.
    pub signed_in: Option<String>,
    /// Whether somebody who is not signed in is offered to.
    pub offers_sign_in: bool,
    /// Where whoever is lost goes on: address and name.
    pub home: (&'static str, &'static str),
    /// Whether staff see as an organization's own people see.
    pub only_looks: bool,
    /// The places of the navigation: address, name, whether we are there.
    pub nav: Vec<(&'static str, &'static str, bool)>,
}

impl Layout {
    pub(super) fn new(title: String, path: &str, csrf: String, settings: &PortalSettings) -> Self {
        let nav = places(
            path,
            &[
                ("/where", "Am I in the right place?"),
                ("/register", "Register"),
                ("/enroll", "Enroll"),
            ],
        );
        Self {
            heading: title.clone(),
            title,
            csrf,
            is_trial: false,
            shows_letters: false,
            banners: vec![],
            help_desk: settings.help_desk.clone(),
            assets: assets::VERSION.as_str(),
            signed_in: None,
            offers_sign_in: true,
            home: ("/", "Go to the start page"),
            only_looks: false,
            nav,
        }
    }

    /// The same for somebody who is signed in: what they come for is their account.
    #[must_use]
    pub(super) fn of(self, who: &SignedIn, path: &str) -> Self {
        // Between the password and the second factor nothing is open yet.
        let is_halfway = path.starts_with("/sign-in/");
        let mut nav = places(path, &[("/account", "Your account")]);
        if !who.principal.organizations(Permission::ManageSites).is_empty() {
            nav.extend(places(path, &[("/register", "Register another Site")]));
        }
        let is_staff = !who.principal.staff.is_empty();
        if is_staff {
            nav.extend(places(path, &[("/staff", "Waiting")]));
        }
        if is_halfway {
            nav.clear();
        }
        let home = if is_staff {
            ("/staff", "Go to what waits for you")
        } else {
            ("/account", "Go to your account")
        };
        Self { signed_in: Some(who.principal.account.name()), nav, home, ..self }
    }
}

/// Places of the navigation, with whether a path is there.
fn places(
    path: &str,
    places: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str, bool)> {
    let here = |to: &str| path == to || path.starts_with(&format!("{to}/"));
    places.iter().map(|(to, name)| (*to, *name, here(to))).collect()
}

/// A page as a response.
pub fn render(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html),
        Err(error) => {
            tracing::error!("a page could not be written: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// What went wrong, for what is not a browser.
pub(super) fn plain(status: StatusCode) -> HttpResponse {
    let advice = match status {
        StatusCode::NOT_FOUND => {
            "Check the address, or start at /. The SOAP service is at /IISService, its description at /IISService?wsdl."
        }
        _ => Failure::advice(status),
    };
    let text = format!("{}. {advice}\n", Failure::title(status));
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

/// The page of what went wrong.
#[derive(Template)]
#[template(path = "failure.html")]
pub(super) struct Failure {
    layout: Layout,
    advice: &'static str,
}

impl Failure {
    pub(super) fn new(layout: Layout, status: StatusCode) -> Self {
        Self { layout, advice: Self::advice(status) }
    }

    /// What went wrong.
    pub(super) const fn title(status: StatusCode) -> &'static str {
        match status {
            StatusCode::NOT_FOUND => "This page is not here",
            StatusCode::FORBIDDEN => "This form cannot be used any more",
            StatusCode::PAYLOAD_TOO_LARGE => "That is too much at once",
            StatusCode::CONFLICT => "This was done already",
            StatusCode::TOO_MANY_REQUESTS => "Too many tries",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "This cannot be read",
            _ => "Something went wrong here",
        }
    }

    /// What to do about it.
    const fn advice(status: StatusCode) -> &'static str {
        match status {
            StatusCode::NOT_FOUND => {
                "If you typed the address, check it. If you followed a link, the page may have moved, or it belongs to an account that you are not signed in to."
            }
            StatusCode::FORBIDDEN => {
                "The page was open too long, or cookies are switched off. Go back, load the page again and try once more."
            }
            StatusCode::PAYLOAD_TOO_LARGE => "Go back and send a smaller form or file.",
            StatusCode::TOO_MANY_REQUESTS => "Wait a few minutes and try again.",
            StatusCode::CONFLICT => {
                "Somebody else was faster, or the page was open for long. Go back, load the page again and look what holds now."
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "Go back, and send it with the form of the page.",
            _ => {
                "Nothing was changed. Try again in a few minutes; if it happens again, tell the help desk."
            }
        }
    }
}

/// A page that says something, with a way to go on.
#[derive(Template)]
#[template(path = "notice.html")]
pub(super) struct Notice {
    pub(super) layout: Layout,
    /// Paragraphs.
    pub(super) text: Vec<String>,
    /// Address and name of where to go on.
    pub(super) link: Option<(String, &'static str)>,
}

/// What a handler could not do: told by a page, never with its cause.
#[derive(Debug)]
pub(super) struct Trouble(StoreError);

impl From<AccountError> for Trouble {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => Self(error),
            AccountError::Forbidden => Self(StoreError::NotFound("such thing".to_owned())),
            AccountError::StepUp | AccountError::TooMany | AccountError::Weak(_) => {
                Self(StoreError::Refused(Refusal(error.to_string())))
            }
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

impl actix_web::ResponseError for Trouble {
    fn status_code(&self) -> StatusCode {
        match self.0 {
            StoreError::NotFound(_) => StatusCode::NOT_FOUND,
            StoreError::Conflict | StoreError::Refused(_) => StatusCode::CONFLICT,
            StoreError::Locked(_) | StoreError::Overloaded | StoreError::Unavailable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = plain(self.status_code());
        response.extensions_mut().insert(Told);
        response
    }
}
