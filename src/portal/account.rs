//! Your account: what you said of yourself, your password, your address, where you are signed in.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, Field, FieldErrors, Kind, Page};
use crate::domain::{EmailAddress, MembershipState, Passphrase, Password, Permission, Standing};
use crate::portal::ask::Asked;
use crate::portal::member::{HOME, Holder, SET_UP};
use crate::portal::moment::{Moment, moment};
use crate::portal::page::{Notice, Trouble};
use crate::portal::sign_in::{WRONG_CODE, advice, page, typed_twice};
use crate::portal::visit::get;
use crate::portal::{Layout, Member, Posted};
use crate::sites::{AccountError, PasswordChange, Proof, SecondFactors};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(HOME, get().to(overview))
        .route("/account/profile", get().to(profile_page))
        .route("/account/profile", web::post().to(profile))
        .route("/account/password", get().to(password_page))
        .route("/account/password", web::post().to(password))
        .route("/account/email", get().to(email_page))
        .route("/account/email", web::post().to(email))
        .route("/account/sessions", get().to(sessions_page))
        .route("/account/sessions", web::post().to(sessions))
        .route("/account/confirm", get().to(confirm_page))
        .route("/account/confirm", web::post().to(confirm));
}

/// What somebody is in an organization.
struct Place {
    organization: String,
    /// The address of the organization's pages, when they are open to the person.
    to: Option<String>,
    roles: Vec<String>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Overview {
    layout: Layout,
    email: String,
    user_id: String,
    name: String,
    phone: Option<String>,
    factors: SecondFactors,
    needs_second_factor: bool,
    places: Vec<Place>,
    staff: Vec<String>,
    last_sign_in: Option<Moment>,
}

async fn overview(member: Member) -> Result<HttpResponse, Trouble> {
    let principal = &member.who.principal;
    let organizations =
        member.sites().store().membership_organizations(principal.account.id).await?;
    let places = organizations.into_iter().filter_map(|(id, organization)| {
        let held = principal
            .memberships
            .iter()
            .filter(|one| one.organization == id && one.state != MembershipState::Inactive);
        let roles: Vec<String> = held
            .map(|one| match one.state {
                MembershipState::AwaitingTraining => {
                    format!("{} (after training)", one.role.name())
                }
                _ => one.role.name().to_owned(),
            })
            .collect();
        let to =
            principal.may(Permission::ViewOrganization, id).then(|| format!("/organization/{id}"));
        (!roles.is_empty()).then_some(Place { organization, to, roles })
    });
    let staff = principal.staff.iter().map(|grant| match grant.region {
        Some(region) => format!("{}, {}", grant.role.name(), region.facts().name),
        None => format!("{}, all regions", grant.role.name()),
    });
    let account = &principal.account;
    Ok(member.visit.page(&Overview {
        layout: member.layout("Your account"),
        email: account.email.to_string(),
        user_id: account.user_id.to_string(),
        name: account.name(),
        phone: account.phone.clone(),
        factors: member.sites().factors(&member.who).await?,
        needs_second_factor: principal.needs_second_factor(),
        places: places.collect(),
        staff: staff.collect(),
        last_sign_in: account.last_sign_in_at.map(moment),
    }))
}

const PROFILE: Page = page(
    "Your name and telephone number",
    "",
    &[
        Field::new("first_name", "First name", Kind::Text(60), "Enter your first name")
            .autocomplete("given-name"),
        Field::new("last_name", "Last name", Kind::Text(60), "Enter your last name")
            .autocomplete("family-name"),
        Field::optional("phone", "Telephone number (optional)", Kind::Phone).autocomplete("tel"),
    ],
);

async fn profile_page(member: Member) -> HttpResponse {
    let account = &member.who.principal.account;
    let phone = account.phone.clone().unwrap_or_default();
    let known: Answers = [
        ("first_name", account.first_name.clone()),
        ("last_name", account.last_name.clone()),
        ("phone", phone),
    ]
    .into_iter()
    .collect();
    profile_asked(&member, &known, FieldErrors::default())
}

fn profile_asked(member: &Member, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    let user_id = &member.who.principal.account.user_id;
    Asked::new(member.layout(PROFILE.title), &PROFILE, typed, errors, "Save")
        .back(HOME)
        .paragraph(format!("Your User ID {user_id} was issued to you and does not change."))
        .show(&member.visit)
}

async fn profile(posted: Posted, member: Member) -> Result<HttpResponse, Trouble> {
    let good = match PROFILE.read(&posted.fields, member.visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => return Ok(profile_asked(&member, &PROFILE.gather(&posted.fields), errors)),
    };
    let phone = Some(good.get("phone").to_owned()).filter(|phone| !phone.is_empty());
    let profile = (good.get("first_name").to_owned(), good.get("last_name").to_owned(), phone);
    let browser = member.visit.browser();
    match member.sites().profile_change(&member.who, profile, &browser).await {
        Ok(_) => Ok(member.visit.redirect(HOME)),
        Err(error) => member.answer(error, HOME),
    }
}

const PASSWORD: Page = page(
    "Change your password",
    "",
    &[
        Field::new("present", "Present password", Kind::Password, "Enter your present password")
            .autocomplete("current-password"),
        Field::new("password", "New password", Kind::Password, "Enter a new password")
            .autocomplete("new-password"),
        Field::new(
            "again",
            "New password once more",
            Kind::Password,
            "Enter the new password once more",
        )
        .autocomplete("new-password"),
    ],
);

async fn password_page(member: Member) -> Result<HttpResponse, Trouble> {
    password_asked(&member, FieldErrors::default()).await
}

async fn password_asked(member: &Member, errors: FieldErrors) -> Result<HttpResponse, Trouble> {
    let factors = member.sites().factors(&member.who).await?;
    let least = Passphrase::least(!factors.is_none());
    let nothing = Answers::default();
    Ok(Asked::new(
        member.layout(PASSWORD.title),
        &PASSWORD,
        &nothing,
        errors,
        "Change the password",
    )
    .back(HOME)
    .paragraph(advice(least))
    .paragraph("You stay signed in here. All your other sessions end.")
    .show(&member.visit))
}

async fn password(posted: Posted, member: Member) -> Result<HttpResponse, Trouble> {
    let fields = &posted.fields;
    let today = member.visit.now.utc().date_naive();
    let good = match PASSWORD.read(fields, today) {
        Ok(good) => good,
        Err(errors) => return password_asked(&member, errors).await,
    };
    let new = match typed_twice(fields, &member.visit) {
        Ok(new) => new,
        Err(errors) => return password_asked(&member, errors).await,
    };
    let present = Password::from(good.get("present").to_owned());
    let browser = member.visit.browser();
    match member.sites().password_change(&member.who, (present, new), &browser).await {
        Ok(PasswordChange::Done(token)) => {
            member.visit.keep(&token);
            let text = "Your password is changed. All your other sessions have ended.";
            Ok(told(&member, "Your password is changed", text))
        }
        Ok(PasswordChange::Wrong) => {
            password_asked(&member, FieldErrors::one("present", WRONG_PASSWORD)).await
        }
        Err(AccountError::Weak(weakness)) => {
            password_asked(&member, FieldErrors::one("password", weakness.text())).await
        }
        Err(error) => member.answer(error, "/account/password"),
    }
}

const WRONG_PASSWORD: &str = "This is not your password. After several tries, wait a few minutes";

/// What was done, with the way back to the account.
pub(super) fn told(member: &Member, title: &str, text: &str) -> HttpResponse {
    member.visit.page(&Notice {
        layout: member.layout(title),
        text: vec![text.to_owned()],
        link: Some((HOME.to_owned(), "Go to your account")),
    })
}

const EMAIL: Page = page(
    "Change your email address",
    "We mail a link to the new address. The change holds when you open it. We tell the old address, too.",
    &[Field::new("email", "New email address", Kind::Email, "Enter your new email address")
        .autocomplete("email")],
);

async fn email_page(member: Member) -> HttpResponse {
    if let Some(first) = member.step_up("/account/email") {
        return first;
    }
    email_asked(&member, &Answers::default(), FieldErrors::default())
}

fn email_asked(member: &Member, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    Asked::new(member.layout(EMAIL.title), &EMAIL, typed, errors, "Mail me a link")
        .back(HOME)
        .show(&member.visit)
}

async fn email(posted: Posted, member: Member) -> Result<HttpResponse, Trouble> {
    let read = EMAIL.read(&posted.fields, member.visit.now.utc().date_naive());
    let typed = EMAIL.gather(&posted.fields);
    let email = match read.map(|good| good.get("email").parse::<EmailAddress>()) {
        Ok(Ok(email)) if email != member.who.principal.account.email => email,
        Ok(_) => {
            let errors =
                FieldErrors::one("email", "This is your address already. Enter another one");
            return Ok(email_asked(&member, &typed, errors));
        }
        Err(errors) => return Ok(email_asked(&member, &typed, errors)),
    };
    match member.sites().email_change(&member.who, &email, &member.visit.browser()).await {
        Ok(()) => {
            let text = "Open the link in our email to the new address within 24 hours.";
            Ok(told(&member, "Look into your new mailbox", text))
        }
        Err(error) => member.answer(error, "/account/email"),
    }
}

/// A place where somebody is signed in.
struct Seat {
    name: String,
    agent: String,
    address: String,
    begun: Moment,
    seen: Moment,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Seats {
    layout: Layout,
    seats: Vec<Seat>,
}

async fn sessions_page(member: Member) -> Result<HttpResponse, Trouble> {
    let sessions = member.sites().sessions(&member.who, member.visit.now).await?;
    let seats = sessions.into_iter().map(|(hash, session)| Seat {
        is_here: member.who.is(&hash),
        name: hash.to_hex(),
        agent: browser_of(&session.agent),
        address: session.address,
        begun: moment(session.created_at),
        seen: moment(session.seen_at),
    });
    let seats = seats.collect();
    Ok(member.visit.page(&Seats { layout: member.layout("Where you are signed in"), seats }))
}

/// A browser in words that people know, by what it calls itself.
fn browser_of(agent: &str) -> String {
    // In this order: most browsers name others besides themselves.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let name = |list: &[(&str, &'static str)]| {
        list.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
    };
    match (name(&browsers), name(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "Another browser".to_owned(),
    }
}

async fn sessions(posted: Posted, member: Member) -> Result<HttpResponse, Trouble> {
    let browser = member.visit.browser();
    match posted.fields.get("session") {
        "" => {
            member.sites().sign_out_elsewhere(&member.who, &browser).await?;
        }
        name => {
            member.sites().session_end(&member.who, name, &browser).await?;
        }
    }
    Ok(member.visit.redirect("/account/sessions"))
}

const BY_PASSWORD: Page = page(
    "Confirm that it is you",
    "What comes next is protected. Show once more that it is you.",
    &[Field::new("password", "Your password", Kind::Password, "Enter your password")
        .autocomplete("current-password")],
);

const BY_CODE: Page = page(
    "Confirm that it is you",
    "What comes next is protected. Enter the code of your authenticator app.",
    &[Field::new("code", "Six-digit code", Kind::Code, "Enter the six digits that your app shows")
        .autocomplete("one-time-code")],
);

/// The question for those with an app, and for those without.
async fn confirm_by(member: &Member) -> Result<&'static Page, Trouble> {
    let factors = member.sites().factors(&member.who).await?;
    Ok(if factors.has_app && member.visit.query("by") != "password" {
        const { &BY_CODE }
    } else {
        const { &BY_PASSWORD }
    })
}

async fn confirm_page(Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    let page = confirm_by(&member).await?;
    Ok(confirm_asked(&member, page, FieldErrors::default()))
}

fn confirm_asked(member: &Member, page: &'static Page, errors: FieldErrors) -> HttpResponse {
    let nothing = Answers::default();
    let asked =
        Asked::new(member.layout(page.title), page, &nothing, errors, "Continue").back(HOME);
    let next = member.visit.next(HOME);
    if page.fields.iter().any(|field| field.name == "code") {
        let link = format!("/account/confirm?by=password&next={next}");
        return asked.link(link, "Use your password instead").show(&member.visit);
    }
    asked.show(&member.visit)
}

async fn confirm(posted: Posted, Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    let page = confirm_by(&member).await?;
    let good = match page.read(&posted.fields, member.visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => return Ok(confirm_asked(&member, page, errors)),
    };
    let (proof, errors) = if good.has("code") {
        (Proof::Totp(good.get("code").to_owned()), FieldErrors::one("code", WRONG_CODE))
    } else {
        let password = Password::from(good.get("password").to_owned());
        (Proof::Password(password), FieldErrors::one("password", WRONG_PASSWORD))
    };
    match member.sites().prove(&member.who, proof, &member.visit.browser()).await? {
        Some(token) => {
            member.visit.keep(&token);
            let home = match member.who.standing() {
                Standing::SecondFactorMissing => SET_UP,
                _ => HOME,
            };
            Ok(member.visit.redirect(&member.visit.next(home)))
        }
        None => Ok(confirm_asked(&member, page, errors)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_as_people_know_them() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 15.0; rv:143.0) Gecko/20100101 Firefox/143.0",
                "Firefox on Mac",
            ),
            ("", "Another browser"),
            ("<script>", "Another browser"),
        ] {
            assert_eq!(browser_of(agent), name, "{agent}");
        }
    }
}
