//! The portal below its pages: `sites` on a database of its own, people with accounts, their mailboxes and their clock.

use std::sync::Arc;
use std::time::Duration;

use izportal::app::{self, Base};
use izportal::config::Config;
use izportal::domain::{
    Account, By, EmailAddress, MessageId, OrganizationId, Password, Role, StaffGrant, StaffRole,
    Timestamp,
};
use izportal::sites::{Browser, NewUser, Proof, SignIn, SignedIn, Sites};
use izportal::store::{AuditFilter, LetterEnd, LetterFilter, Store};
use tempfile::TempDir;

use crate::support::{TestApp, TestDatabase};

/// The address that the portal is known by.
pub(crate) const PORTAL: &str = "https://localhost:8443";

/// Where people are shown how to look patients up.
pub(crate) const VIDEOS: &str = "https://videos.example/";

/// A password that is good enough for everybody.
pub(crate) const PASSWORD: &str = "quiet lemon fence";

/// `sites` on a database of its own, with a clock that the test moves.
pub(crate) struct Office {
    pub(crate) sites: Sites,
    pub(crate) store: Arc<Store>,
    /// What time it is.
    pub(crate) now: std::cell::Cell<Timestamp>,
    url: String,
    own: Option<(TestDatabase, TempDir)>,
}

/// An authenticator app.
pub(crate) struct App(totp_rs::Totp);

impl App {
    /// An app that was told this secret.
    pub(crate) fn with(secret: &str) -> Self {
        let secret = totp_rs::Secret::try_from_base32(secret.replace(' ', "")).unwrap();
        Self(totp_rs::Builder::new().with_secret(secret).build().unwrap())
    }

    /// The code of this moment.
    pub(crate) fn code(&self, now: Timestamp) -> String {
        self.0.generate(u64::try_from(now.utc().timestamp()).unwrap()).to_string()
    }
}

impl Office {
    pub(crate) async fn open() -> Self {
        let (database, dir) = (TestDatabase::new(), TempDir::new().unwrap());
        let mut config = Config::defaults().unwrap();
        config.data_dir = dir.path().join("data");
        PORTAL.clone_into(&mut config.server.public_url);
        VIDEOS.clone_into(&mut config.portal.training_videos);
        database.configure(&mut config);
        let base = Base::open(&config, true).await.unwrap();
        let sites = app::sites(&config, Arc::clone(&base.store), base.key, PORTAL);
        let now = std::cell::Cell::new(Timestamp::now());
        let (store, url) = (base.store, PORTAL.to_owned());
        Self { sites, store, now, url, own: Some((database, dir)) }
    }

    /// The office behind a service that runs.
    pub(crate) fn of(app: &TestApp) -> Self {
        let (store, url) = (Arc::clone(app.app.gateway.store()), app.app.public_url.clone());
        let sites = app::sites(&app.config, Arc::clone(&store), app.base_key.clone(), &url);
        Self { sites, store, now: std::cell::Cell::new(Timestamp::now()), url, own: None }
    }

    /// Changes what the tables of an office of its own hold.
    pub(crate) fn change(&self, sql: &str) {
        let (database, dir) = self.own.as_ref().unwrap();
        database.change(&dir.path().join("data"), sql);
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, span: Duration) {
        self.now.set(self.now.get().plus(span));
    }

    /// A browser somewhere, now.
    pub(crate) fn browser(&self) -> Browser {
        self.browser_at("192.0.2.7")
    }

    pub(crate) fn browser_at(&self, address: &str) -> Browser {
        let (address, agent) = (address.to_owned(), "Firefox".to_owned());
        Browser { address, agent, now: self.now.get() }
    }

    /// The service itself, now.
    pub(crate) fn by(&self) -> By {
        By::system(self.now.get())
    }

    pub(crate) async fn organization(&self, name: &str) -> OrganizationId {
        self.store.organization_create(name.to_owned(), self.by()).await.unwrap().id
    }

    /// Adds a user to an organization, as staff would.
    pub(crate) async fn invite(
        &self,
        organization: OrganizationId,
        email: &str,
        roles: &[Role],
    ) -> Account {
        let new = user(email, roles);
        self.sites.user_add_as(organization, new, self.by()).await.unwrap().0
    }

    /// A user of an organization, with [`PASSWORD`].
    pub(crate) async fn member(
        &self,
        organization: OrganizationId,
        email: &str,
        role: Role,
    ) -> Account {
        let account = self.invite(organization, email, &[role]).await;
        self.set_password(&self.link(email).await).await;
        account
    }

    /// Staff with [`PASSWORD`] and without a second factor.
    pub(crate) async fn staff(
        &self,
        email: &str,
        role: StaffRole,
        region: Option<&str>,
    ) -> Account {
        let grant = StaffGrant { role, region: region.map(|code| code.parse().unwrap()) };
        let new = user(email, &[]);
        let (account, link) = self.sites.staff_add(new, grant, self.by()).await.unwrap();
        self.set_password(link.unwrap().rsplit('/').next().unwrap()).await;
        account
    }

    /// Sets [`PASSWORD`] by a link.
    pub(crate) async fn set_password(&self, token: &str) {
        let browser = self.browser();
        let link = self.sites.password_link(token, &browser).await.unwrap().unwrap();
        let set = self.sites.password_set(&link, secret(PASSWORD), &browser).await.unwrap();
        assert!(set.is_some(), "the link holds");
    }

    /// Tries to sign in with [`PASSWORD`].
    pub(crate) async fn try_sign_in(&self, email: &str, password: &str) -> SignIn {
        self.sites.sign_in(email, secret(password), None, &self.browser()).await.unwrap()
    }

    /// Signs in with [`PASSWORD`]: the token of the cookie.
    pub(crate) async fn token(&self, email: &str) -> String {
        match self.try_sign_in(email, PASSWORD).await {
            SignIn::Done { token, .. } => token.reveal().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Signs in with [`PASSWORD`].
    pub(crate) async fn sign_in(&self, email: &str) -> SignedIn {
        self.session(&self.token(email).await).await.unwrap()
    }

    /// Whose session a cookie is, now.
    pub(crate) async fn session(&self, token: &str) -> Option<SignedIn> {
        self.sites.signed_in(token, self.now.get()).await.unwrap()
    }

    /// Sets an authenticator app up: the app, and the recovery codes. The session has another token then.
    pub(crate) async fn set_up_app(&self, who: &SignedIn) -> (App, Vec<String>, SignedIn) {
        self.sites.totp_begin(who, self.now.get()).await.unwrap();
        let told = self.sites.totp_set_up(who, self.now.get()).await.unwrap().unwrap();
        let app = App::with(&told.secret);
        let code = app.code(self.now.get());
        let done = self.sites.totp_confirm(who, &code, &self.browser()).await.unwrap().unwrap();
        let codes = done.recovery_codes.iter().map(|code| code.shown().to_string()).collect();
        let who = self.session(done.token.reveal()).await.unwrap();
        self.pass(Duration::from_mins(1)); // the code of this step is used
        (app, codes, who)
    }

    /// Shows something; the session as it is then, when it held.
    pub(crate) async fn prove(&self, who: &SignedIn, proof: Proof) -> Option<SignedIn> {
        let token = self.sites.prove(who, proof, &self.browser()).await.unwrap()?;
        Some(self.session(token.reveal()).await.unwrap())
    }

    /// The letters to an address, the oldest first: kind and text.
    pub(crate) async fn letters(&self, email: &str) -> Vec<(String, String)> {
        let to: EmailAddress = email.parse().unwrap();
        let filter = LetterFilter { to: Some(to), ..LetterFilter::default() };
        let mut letters = vec![];
        for record in self.store.letter_list(filter, 100).await.unwrap().iter().rev() {
            letters.push((record.kind.clone(), self.words(record.id).await));
        }
        letters
    }

    /// The text of a letter, which can be read once it lies in the data directory.
    async fn words(&self, id: MessageId) -> String {
        for _ in 0..200 {
            self.hold_letters().await;
            if let Some((text, _)) = self.store.letter_by_id(id).await.unwrap().1 {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(25)).await; // the worker of the service has it
        }
        panic!("letter {id} is not held");
    }

    /// Takes the place of the worker where no mail server is configured: its letters can be read.
    async fn hold_letters(&self) {
        let now = self.now.get().max(Timestamp::now());
        for letter in self.store.letter_claim(now, Duration::from_mins(1), 100).await.unwrap() {
            let end = LetterEnd::Held;
            self.store.letter_settle(letter.id, letter.attempts, end, now).await.unwrap();
        }
    }

    /// The secret of the newest link to a page of ours in a mailbox.
    pub(crate) async fn link(&self, email: &str) -> String {
        let letters = self.letters(email).await;
        let texts = letters.iter().rev().map(|(_, text)| text);
        texts
            .flat_map(|text| text.lines())
            .find_map(|line| line.strip_prefix(&self.url)?.rsplit('/').next())
            .unwrap_or_else(|| panic!("no link in {letters:?}"))
            .to_owned()
    }

    /// What the audit trail tells of an object, the oldest first: action and what holds after.
    pub(crate) async fn told(&self, object: &str) -> Vec<(String, Option<String>)> {
        let filter = AuditFilter { object: Some(object.to_owned()), ..AuditFilter::default() };
        let told = self.store.audit_list(filter, 1_000).await.unwrap();
        told.into_iter().rev().map(|one| (one.action, one.after)).collect()
    }

    /// How often the audit trail tells of an action.
    pub(crate) async fn count(&self, action: &str) -> usize {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        self.store.audit_list(filter, 1_000).await.unwrap().len()
    }
}

/// Somebody who is to be a user.
pub(crate) fn user(email: &str, roles: &[Role]) -> NewUser {
    NewUser {
        email: email.parse().unwrap(),
        first_name: "Rosa".to_owned(),
        last_name: "Inventa".to_owned(),
        phone: None,
        roles: roles.to_vec(),
    }
}

pub(crate) fn secret(text: &str) -> Password {
    Password::from(text.to_owned())
}
