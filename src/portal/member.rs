//! Who is signed in: the cookie of the session, and the two kinds of visits that need one.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use crate::domain::{By, SessionToken, Standing};
use crate::portal::page::{Layout, Notice, Trouble};
use crate::portal::visit::stopped;
use crate::portal::{Portal, Visit};
use crate::sites::{AccountError, Browser, SignedIn, Sites};
use crate::store::StoreError;

/// Holds the token of the session.
pub(super) const SESSION_COOKIE: &str = "__Host-session";
/// Where somebody is after signing in.
pub(super) const HOME: &str = "/account";
/// Where the second factor is shown.
pub(super) const SECOND_FACTOR: &str = "/sign-in/second-factor";
/// Where a second factor is set up.
pub(super) const SET_UP: &str = "/account/second-factor";

/// A visit of somebody who is signed in, the second factor shown where there is one or must be one. Whoever is not is sent to
/// where they can sign in.
pub struct Member {
    /// The request.
    pub visit: Visit,
    /// Who asks, as they are at this moment.
    pub who: SignedIn,
}

/// The same, but the second factor that they must have may still be missing: for the pages that set one up.
pub(super) struct Holder(pub(super) Member);

/// A visit of somebody who has shown the password, and has to show the second factor.
pub(super) struct HalfWay(pub(super) Member);

type Arriving<T> = Pin<Box<dyn Future<Output = Result<T, actix_web::Error>>>>;

impl FromRequest for Member {
    type Error = actix_web::Error;
    type Future = Arriving<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        arrive(Visit::from_request(request, payload), Standing::SignedIn)
    }
}

impl FromRequest for Holder {
    type Error = actix_web::Error;
    type Future = Arriving<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let arriving = arrive(Visit::from_request(request, payload), Standing::SecondFactorMissing);
        Box::pin(async move { arriving.await.map(Self) })
    }
}

impl FromRequest for HalfWay {
    type Error = actix_web::Error;
    type Future = Arriving<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let arriving = arrive(Visit::from_request(request, payload), Standing::SecondFactorDue);
        Box::pin(async move { arriving.await.map(Self) })
    }
}

/// The person behind a visit, when they have come as far as `needed`; else the way to where they are to go first.
fn arrive(
    visit: impl Future<Output = Result<Visit, actix_web::Error>> + 'static,
    needed: Standing,
) -> Arriving<Member> {
    Box::pin(async move {
        let visit = visit.await?;
        match visit.arrived(needed).await.map_err(Trouble::from)? {
            Ok(who) => Ok(Member { visit, who }),
            Err(elsewhere) => Err(stopped(elsewhere)),
        }
    })
}

impl Visit {
    /// Who is signed in with this browser.
    pub(super) async fn signed_in(&self) -> Result<Option<SignedIn>, StoreError> {
        if let Some(who) = self.met() {
            return Ok(Some(who));
        }
        match self.cookie(SESSION_COOKIE) {
            Some(token) => self.portal().sites.signed_in(&token, self.now).await,
            None => Ok(None),
        }
    }

    /// The person, when they have come as far as `needed`; else the way to where they are to go first.
    pub(super) async fn arrived(
        &self,
        needed: Standing,
    ) -> Result<Result<SignedIn, HttpResponse>, StoreError> {
        let Some(who) = self.signed_in().await? else {
            self.drop_cookie(SESSION_COOKIE);
            return Ok(Err(self.redirect(&format!("/sign-in?next={}", self.path()))));
        };
        let to = match (who.standing(), needed) {
            (Standing::SignedIn, Standing::SignedIn | Standing::SecondFactorMissing)
            | (Standing::SecondFactorMissing, Standing::SecondFactorMissing)
            | (Standing::SecondFactorDue, Standing::SecondFactorDue) => return Ok(Ok(who)),
            (Standing::SecondFactorDue, _) => format!("{SECOND_FACTOR}?next={}", self.path()),
            (Standing::SecondFactorMissing, _) => SET_UP.to_owned(),
            (Standing::SignedIn, Standing::SecondFactorDue) => HOME.to_owned(),
        };
        Ok(Err(self.redirect(&to)))
    }

    /// The browser, as `sites` knows it.
    pub(super) fn browser(&self) -> Browser {
        Browser { address: self.address.clone(), agent: self.agent.clone(), now: self.now }
    }

    /// Gives the browser the token of its session.
    pub(super) fn keep(&self, token: &SessionToken) {
        self.set_cookie(SESSION_COOKIE, token.reveal().to_owned());
    }

    /// The page of ours that the parameter `next` names, or else another one. Never a place of somebody else.
    pub(super) fn next(&self, otherwise: &str) -> String {
        let next = self.query("next");
        if is_own(&next) { next } else { otherwise.to_owned() }
    }
}

/// Whether it is the path of a page of ours.
fn is_own(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() < 200
        && path.bytes().all(|one| one.is_ascii_alphanumeric() || b"/-_.".contains(&one))
}

impl Member {
    /// The portal.
    pub fn portal(&self) -> &Portal {
        self.visit.portal()
    }

    /// What may be done.
    pub fn sites(&self) -> &Sites {
        &self.portal().sites
    }

    /// Who does something, for the audit trail.
    pub fn by(&self) -> By {
        self.who.by(&self.visit.browser())
    }

    /// What every page shows around its content to somebody who is signed in.
    pub fn layout(&self, title: impl Into<String>) -> Layout {
        self.visit.layout(title).of(&self.who, self.visit.path())
    }

    /// The way to show again that one is there, and from there to this page; nothing when that was done just now.
    pub(super) fn step_up(&self, next: &str) -> Option<HttpResponse> {
        let fresh = self.who.is_fresh(self.visit.now);
        (!fresh).then(|| self.visit.redirect(&format!("/account/confirm?next={next}")))
    }

    /// What an account's trouble looks like; `next` is where to go on after showing that one is there.
    pub(super) fn answer(&self, error: AccountError, next: &str) -> Result<HttpResponse, Trouble> {
        match error {
            AccountError::Forbidden => Ok(self.visit.missing()),
            AccountError::StepUp => {
                Ok(self.visit.redirect(&format!("/account/confirm?next={next}")))
            }
            AccountError::Store(StoreError::Refused(refusal)) => {
                let layout = self.layout("This cannot be done");
                let text = vec![sentence(&refusal.0)];
                let page = Notice { layout, text, link: Some((next.to_owned(), "Go back")) };
                Ok(self.visit.page_with(StatusCode::CONFLICT, &page))
            }
            AccountError::Store(error) => Err(error.into()),
            AccountError::TooMany => Ok(self.visit.failure(StatusCode::TOO_MANY_REQUESTS)),
            AccountError::Weak(weakness) => {
                let page = Notice {
                    layout: self.layout("This password is not taken"),
                    text: vec![weakness.text()],
                    link: Some((next.to_owned(), "Go back")),
                };
                Ok(self.visit.page(&page))
            }
        }
    }
}

/// A refusal as a sentence.
pub(super) fn sentence(text: &str) -> String {
    format!("{}.", capital(text))
}

/// A text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|one| one.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_gone_to() {
        for path in ["/account", "/sign-in/second-factor", "/organization/12/users"] {
            assert!(is_own(path), "{path}");
        }
        for path in [
            "",
            "account",
            "//evil.example.org",
            "/\\evil.example.org",
            "https://evil.example.org",
            "/account\r\nSet-Cookie: a=b",
            "/%2f/evil",
            "/a?next=b",
            "/@evil.example.org:",
        ] {
            assert!(!is_own(path), "{path}");
        }
    }
}
