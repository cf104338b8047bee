//! A portal with organizations, their people signed in, each with a browser.

use std::sync::Arc;

use izportal::app;
use izportal::domain::{Account, By, Environment, OrganizationId, Role, SiteId, Timestamp};
use izportal::sites::{Browser as Agent, SignIn, Sites};
use izportal::store::{AuditFilter, LetterFilter};

use crate::support::browser::Browser;
use crate::support::people::{PASSWORD, secret, user};
use crate::support::{Sender, TestApp};

/// A portal and what happens to people behind its pages.
pub(crate) struct Clinic {
    pub(crate) app: TestApp,
    pub(crate) sites: Sites,
}

/// Somebody of an organization, signed in.
pub(crate) struct Person {
    pub(crate) account: Account,
    pub(crate) browser: Browser,
}

impl Clinic {
    pub(crate) async fn open() -> Self {
        let app = TestApp::start().await;
        let store = Arc::clone(app.app.gateway.store());
        let sites = app::sites(&app.config, store, app.base_key.clone(), &app.app.public_url);
        Self { app, sites }
    }

    #[expect(clippy::unused_self, reason = "it reads as the clinic's doing")]
    pub(crate) fn by(&self) -> By {
        By::system(Timestamp::now())
    }

    /// A type 1 Site in Alameda with a test credential, and the organization that it belongs to.
    pub(crate) async fn direct(&self, id: &str) -> (OrganizationId, SiteId, Sender) {
        let site = self.app.direct_site(id).await;
        let sender = self.app.credential(id, Environment::Test).await;
        (self.owner(&site).await, site, sender)
    }

    /// The organization of a Site.
    pub(crate) async fn owner(&self, site: &SiteId) -> OrganizationId {
        self.app.store().site_by_id(site.clone()).await.unwrap().organization
    }

    /// A user of an organization, signed in.
    pub(crate) async fn person(
        &self,
        organization: OrganizationId,
        email: &str,
        role: Role,
    ) -> Person {
        let new = user(email, &[role]);
        let (account, _) = self.sites.user_add_as(organization, new, self.by()).await.unwrap();
        let link = self.sites.account_link(account.id, self.by()).await.unwrap();
        let token = link.rsplit('/').next().unwrap().to_owned();
        let agent = agent();
        let link = self.sites.password_link(&token, &agent).await.unwrap().unwrap();
        self.sites.password_set(&link, secret(PASSWORD), &agent).await.unwrap().unwrap();
        Person { browser: self.sign_in(email).await, account }
    }

    /// The representative of an organization, signed in.
    pub(crate) async fn representative(&self, organization: OrganizationId) -> Person {
        let email = format!("rep{organization}@example.org");
        self.person(organization, &email, Role::Representative).await
    }

    /// A browser of somebody who has an account.
    pub(crate) async fn sign_in(&self, email: &str) -> Browser {
        let done = self.sites.sign_in(email, secret(PASSWORD), None, &agent()).await.unwrap();
        let SignIn::Done { token, .. } = done else { panic!("{done:?}") };
        let browser = self.app.browser();
        browser.set_cookie("__Host-session", token.reveal());
        browser
    }

    /// Nobody has shown recently that they are there.
    pub(crate) fn time_passes(&self) {
        let dir = self.app.config.data_dir.clone();
        self.app.database.change(&dir, "UPDATE session SET stepped_up_at = NULL");
    }

    /// The kinds of letters to an address, the oldest first.
    pub(crate) async fn letters(&self, email: &str) -> Vec<String> {
        let to = Some(email.parse().unwrap());
        let filter = LetterFilter { to, ..LetterFilter::default() };
        let letters = self.app.store().letter_list(filter, 100).await.unwrap();
        letters.into_iter().rev().map(|letter| letter.kind).collect()
    }

    /// What the audit trail tells of an object: actions, the oldest first.
    pub(crate) async fn told(&self, object: &str) -> Vec<String> {
        let filter = AuditFilter { object: Some(object.to_owned()), ..AuditFilter::default() };
        let told = self.app.store().audit_list(filter, 1_000).await.unwrap();
        told.into_iter().rev().map(|one| one.action).collect()
    }
}

fn agent() -> Agent {
    Agent { address: "192.0.2.7".to_owned(), agent: "Firefox".to_owned(), now: Timestamp::now() }
}

/// The secret that a page shows.
pub(crate) fn shown_secret(html: &str) -> String {
    let (_, rest) = html.split_once("id=\"secret\">").unwrap_or_else(|| panic!("{html}"));
    rest.split('<').next().unwrap().to_owned()
}
