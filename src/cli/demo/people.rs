//! Accounts of the demonstration: one for each role, with a password and, where a role needs it, a second factor, made anew at each start.

use serde::Serialize;

use crate::app::{self, Base};
use crate::cli::Failure;
use crate::config::Config;
use crate::domain::{
    AccountId, By, Course, OneTimeToken, OrganizationId, Password, Role, ServerKey, StaffGrant,
    StaffRole, Timestamp, TrainingNeed,
};
use crate::sites::{Browser, INVITATION_WITHIN, NewUser, SignIn, Sites};
use crate::store::{LinkSecret, NewTraining};

/// How somebody of the demonstration signs in.
#[derive(Serialize)]
pub(super) struct Person {
    /// What they are.
    pub(super) role: &'static str,
    /// Their address.
    pub(super) email: String,
    /// Their password.
    pub(super) password: String,
    /// The secret of their authenticator app, in base 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) totp: Option<String>,
    /// Codes to sign in with once each, in place of the app.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) recovery_codes: Vec<String>,
}

/// Gives every role an account whose password and second factor are new.
pub(super) async fn invite_people(
    base: &Base,
    config: &Config,
    clinic: OrganizationId,
    facility: OrganizationId,
) -> Result<Vec<Person>, Failure> {
    let public_url = format!("https://localhost:{}", config.server.listen.port());
    let sites =
        app::sites(config, std::sync::Arc::clone(&base.store), base.key.clone(), &public_url);
    let mut people = vec![];
    for role in StaffRole::ALL {
        let (account, email) = staff(&sites, *role).await?;
        people.push(person(&sites, account, role.name(), email, true).await?);
    }
    let trainer = base.store.staff_list().await?.first().map(|(account, _)| account.id);
    for role in Role::ALL {
        let needs_factor = role.needs_second_factor();
        let organization = if *role == Role::FacilityOperator { facility } else { clinic };
        let (account, email) = member(&sites, &base.key, organization, *role, trainer).await?;
        people.push(person(&sites, account, role.name(), email, needs_factor).await?);
    }
    Ok(people)
}

fn by() -> By {
    By::cli("demo", Timestamp::now())
}

fn new_user(word: &str, name: &'static str, roles: Vec<Role>) -> Result<NewUser, Failure> {
    Ok(NewUser {
        email: format!("{word}@demo.example").parse().map_err(Failure::failed)?,
        first_name: "Demo".to_owned(),
        last_name: name.to_owned(),
        phone: None,
        roles,
    })
}

async fn staff(sites: &Sites, role: StaffRole) -> Result<(AccountId, String), Failure> {
    let new = new_user(role.word(), role.name(), vec![])?;
    let email = new.email.to_string();
    let grant = StaffGrant { role, region: None };
    let (account, _) = sites.staff_add(new, grant, by()).await.map_err(Failure::failed)?;
    Ok((account.id, email))
}

async fn member(
    sites: &Sites,
    key: &ServerKey,
    organization: OrganizationId,
    role: Role,
    trainer: Option<AccountId>,
) -> Result<(AccountId, String), Failure> {
    let new = new_user(role.word(), role.name(), vec![role])?;
    let email = new.email.to_string();
    let (account, _) = sites.user_add_as(organization, new, by()).await.map_err(Failure::failed)?;
    if let Some(recorded_by) = trainer.filter(|_| role.training() == TrainingNeed::Course) {
        let completed_on = Timestamp::now().utc().date_naive();
        let training =
            NewTraining { account: account.id, course: Course::Webinar, completed_on, recorded_by };
        // The link that the letter would hold is nobody's: the password is set by another one.
        let token = OneTimeToken::generate(&ring::rand::SystemRandom::new())
            .map_err(|_unspecified| Failure::failed("no randomness for a link"))?;
        let link = LinkSecret { hash: token.hash(key), life: INVITATION_WITHIN };
        sites.store().training_record(training, link, by().into()).await?;
    }
    Ok((account.id, email))
}

/// Sets a password and, when the role needs one, an authenticator app, the way that a person does.
async fn person(
    sites: &Sites,
    account: AccountId,
    role: &'static str,
    email: String,
    needs_factor: bool,
) -> Result<Person, Failure> {
    let browser = Browser {
        address: "127.0.0.1".to_owned(),
        agent: "demo".to_owned(),
        now: Timestamp::now(),
    };
    let password = Password::generate(&ring::rand::SystemRandom::new())
        .map_err(|_unspecified| Failure::failed("no randomness for a password"))?;
    sites.store().second_factor_clear(account, by().into()).await?;
    let url = sites.account_link(account, by()).await.map_err(Failure::failed)?;
    let token = url.rsplit('/').next().unwrap_or_default();
    let link = sites.password_link(token, &browser).await.map_err(Failure::failed)?;
    let link = link.ok_or_else(|| Failure::failed("the link to a password does not hold"))?;
    sites.password_set(&link, password.clone(), &browser).await.map_err(Failure::failed)?;
    let (mut totp, mut recovery_codes) = (None, vec![]);
    if needs_factor {
        let (secret, codes) = second_factor(sites, &email, &password, &browser).await?;
        totp = Some(secret);
        recovery_codes = codes;
    }
    Ok(Person { role, email, password: password.reveal().to_owned(), totp, recovery_codes })
}

async fn second_factor(
    sites: &Sites,
    email: &str,
    password: &Password,
    browser: &Browser,
) -> Result<(String, Vec<String>), Failure> {
    let wrong = |what| Failure::failed(format!("a second factor could not be set up: {what}"));
    let SignIn::Done { token, .. } = sites.sign_in(email, password.clone(), None, browser).await?
    else {
        return Err(wrong("the password"));
    };
    let who =
        sites.signed_in(token.reveal(), browser.now).await?.ok_or_else(|| wrong("the session"))?;
    sites.totp_begin(&who, browser.now).await.map_err(Failure::failed)?;
    let shown = sites.totp_set_up(&who, browser.now).await?.ok_or_else(|| wrong("the secret"))?;
    let secret: String = shown.secret.split_whitespace().collect();
    let seconds = u64::try_from(browser.now.utc().timestamp()).unwrap_or(0);
    let code = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(&secret).map_err(Failure::failed)?)
        .build()
        .map_err(Failure::failed)?
        .generate(seconds)
        .to_string();
    let set_up = sites.totp_confirm(&who, &code, browser).await.map_err(Failure::failed)?;
    let set_up = set_up.ok_or_else(|| wrong("the code"))?;
    sites.sign_out(&who, browser).await?;
    let codes = set_up.recovery_codes.iter().map(|code| code.shown().to_string()).collect();
    Ok((secret, codes))
}
