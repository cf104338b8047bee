//! Signing in and out, the forgotten password, and what the links of accounts open.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::domain::form::{Answers, Field, FieldErrors, Kind, Page, When};
use crate::domain::{EmailAddress, Password, Standing};
use crate::portal::ask::Asked;
use crate::portal::member::{HOME, HalfWay, SECOND_FACTOR, SESSION_COOKIE};
use crate::portal::page::{Notice, Trouble};
use crate::portal::visit::get;
use crate::portal::{Posted, Visit};
use crate::sites::{AccountError, PasswordLink, Proof, SignIn};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sign-in", get().to(sign_in_page))
        .route("/sign-in", web::post().to(sign_in))
        .route(SECOND_FACTOR, get().to(code_page))
        .route(SECOND_FACTOR, web::post().to(code))
        .route("/sign-in/recovery-code", get().to(recovery_page))
        .route("/sign-in/recovery-code", web::post().to(recovery))
        .route("/sign-out", web::post().to(sign_out))
        .route("/forgot-password", get().to(forgot_page))
        .route("/forgot-password", web::post().to(forgot))
        .route("/forgot-password/sent", get().to(forgot_sent))
        .route("/set-password/{token}", get().to(set_page))
        .route("/set-password/{token}", web::post().to(set))
        .route("/confirm-email/{token}", get().to(email_page))
        .route("/confirm-email/{token}", web::post().to(email));
}

const SIGN_IN: Page = page(
    "Sign in",
    "By signing in you agree to use the portal only for the work of your organization, and never to share your account.",
    &[
        Field::new("email", "Email address", Kind::Email, "Enter your email address")
            .autocomplete("username"),
        Field::new("password", "Password", Kind::Password, "Enter your password")
            .autocomplete("current-password"),
    ],
);

/// What is said of every refusal, so that nobody learns which addresses have accounts.
const REFUSED: &str = "The email address or the password is not right. After several tries, wait a few minutes, or set a new password";

const CODE: Page = page(
    "Enter your code",
    "Open the authenticator app on your telephone or computer and enter the code for the IZ Portal.",
    &[Field::new("code", "Six-digit code", Kind::Code, "Enter the six digits that your app shows")
        .autocomplete("one-time-code")],
);

const RECOVERY: Page = page(
    "Use a recovery code",
    "When you set up your second factor, you got ten recovery codes. Each one opens once.",
    &[Field::new("code", "Recovery code", Kind::Text(30), "Enter one of your recovery codes")
        .hint("For example: a1b2c-d3e4f")
        .autocomplete("off")],
);

const FORGOT: Page = page(
    "Forgot your password?",
    "Enter the email address of your account. We mail you a link to set a new password.",
    &[Field::new("email", "Email address", Kind::Email, "Enter your email address")
        .autocomplete("username")],
);

/// Sets a password.
const SET: Page = page(
    "Set your password",
    "",
    &[
        Field::new("password", "New password", Kind::Password, "Enter a password")
            .autocomplete("new-password"),
        Field::new(
            "again",
            "New password once more",
            Kind::Password,
            "Enter the password once more",
        )
        .autocomplete("new-password"),
    ],
);

/// A page with questions of its own.
pub(super) const fn page(
    title: &'static str,
    lede: &'static str,
    fields: &'static [Field],
) -> Page {
    Page { slug: "", title, lede, fields, when: When::Always, rule: None }
}

async fn sign_in_page(visit: Visit) -> Result<HttpResponse, Trouble> {
    let who = visit.signed_in().await?;
    // Whoever stands before the second factor may as well begin anew, perhaps as somebody else.
    if who.is_some_and(|who| who.standing() != Standing::SecondFactorDue) {
        return Ok(visit.redirect(&visit.next(HOME)));
    }
    Ok(asked(&visit, &Answers::default(), FieldErrors::default()))
}

fn asked(visit: &Visit, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    Asked::new(visit.layout(SIGN_IN.title), &SIGN_IN, typed, errors, "Sign in")
        .link("/forgot-password", "Forgot your password?")
        .link("/where", "No account yet? Find out how to register or enroll")
        .show(visit)
}

async fn sign_in(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let good = match SIGN_IN.read(&fields, visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => return Ok(asked(&visit, &SIGN_IN.gather(&fields), errors)),
    };
    let password = Password::from(good.get("password").to_owned());
    let before = visit.cookie(SESSION_COOKIE);
    let answer = visit
        .portal()
        .sites
        .sign_in(good.get("email"), password, before.as_deref(), &visit.browser())
        .await?;
    match answer {
        SignIn::Done { token, second_factor } => {
            visit.keep(&token);
            let next = visit.next(HOME);
            let to = if second_factor { format!("{SECOND_FACTOR}?next={next}") } else { next };
            Ok(visit.redirect(&to))
        }
        SignIn::Refused => {
            let errors = FieldErrors::one("email", REFUSED);
            Ok(asked(&visit, &SIGN_IN.gather(&fields), errors))
        }
        SignIn::TooMany => Ok(visit.failure(StatusCode::TOO_MANY_REQUESTS)),
    }
}

async fn code_page(HalfWay(member): HalfWay) -> Result<HttpResponse, Trouble> {
    let factors = member.portal().sites.factors(&member.who).await?;
    if !factors.has_app {
        let next = member.visit.next(HOME);
        return Ok(member.visit.redirect(&format!("/sign-in/passkey?next={next}")));
    }
    Ok(code_asked(&member.visit, factors.passkeys > 0, FieldErrors::default()))
}

fn code_asked(visit: &Visit, has_passkey: bool, errors: FieldErrors) -> HttpResponse {
    let next = visit.next(HOME);
    let mut page =
        Asked::new(visit.layout(CODE.title), &CODE, &Answers::default(), errors, "Continue");
    if has_passkey {
        page = page.link(format!("/sign-in/passkey?next={next}"), "Use a passkey instead");
    }
    page.link(format!("/sign-in/recovery-code?next={next}"), "Use a recovery code instead")
        .show(visit)
}

async fn code(posted: Posted, HalfWay(member): HalfWay) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let errors = match CODE.read(&fields, visit.now.utc().date_naive()) {
        Err(errors) => errors,
        Ok(good) => {
            let proof = Proof::Totp(good.get("code").to_owned());
            if let Some(token) = member.sites().prove(&member.who, proof, &visit.browser()).await? {
                visit.keep(&token);
                return Ok(visit.redirect(&visit.next(HOME)));
            }
            FieldErrors::one("code", WRONG_CODE)
        }
    };
    let has_passkey = member.sites().factors(&member.who).await?.passkeys > 0;
    Ok(code_asked(&visit, has_passkey, errors))
}

/// What is said of a code that is wrong, used, or comes while the account waits.
pub(super) const WRONG_CODE: &str = "This code is not right or was used already. Wait for the next one; after several tries, wait a few minutes";

async fn recovery_page(HalfWay(member): HalfWay) -> HttpResponse {
    recovery_asked(&member.visit, &Answers::default(), FieldErrors::default())
}

fn recovery_asked(visit: &Visit, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    let help = format!("No code left? Ask: {}", visit.layout("").help_desk);
    Asked::new(visit.layout(RECOVERY.title), &RECOVERY, typed, errors, "Continue")
        .paragraph(help)
        .back(SECOND_FACTOR)
        .show(visit)
}

async fn recovery(posted: Posted, HalfWay(member): HalfWay) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let errors = match RECOVERY.read(&fields, visit.now.utc().date_naive()) {
        Err(errors) => errors,
        Ok(good) => {
            let proof = Proof::RecoveryCode(good.get("code").to_owned());
            if let Some(token) = member.sites().prove(&member.who, proof, &visit.browser()).await? {
                visit.keep(&token);
                return Ok(visit.redirect(&visit.next(HOME)));
            }
            FieldErrors::one("code", "This recovery code is not right or was used already")
        }
    };
    Ok(recovery_asked(&visit, &RECOVERY.gather(&fields), errors))
}

async fn sign_out(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    if let Some(who) = visit.signed_in().await? {
        visit.portal().sites.sign_out(&who, &visit.browser()).await?;
    }
    visit.drop_cookie(SESSION_COOKIE);
    Ok(visit.redirect("/sign-in"))
}

async fn forgot_page(visit: Visit) -> HttpResponse {
    forgot_asked(&visit, &Answers::default(), FieldErrors::default())
}

fn forgot_asked(visit: &Visit, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    Asked::new(visit.layout(FORGOT.title), &FORGOT, typed, errors, "Mail me a link")
        .back("/sign-in")
        .show(visit)
}

async fn forgot(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let read = FORGOT.read(&fields, visit.now.utc().date_naive());
    let email = read.map(|good| good.get("email").parse::<EmailAddress>());
    let email = match email {
        Ok(Ok(email)) => email,
        Ok(Err(_)) => return Ok(visit.failure(StatusCode::BAD_REQUEST)),
        Err(errors) => return Ok(forgot_asked(&visit, &FORGOT.gather(&fields), errors)),
    };
    match visit.portal().sites.password_forgotten(&email, &visit.browser()).await {
        Ok(()) => Ok(visit.redirect("/forgot-password/sent")),
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(_) => Ok(visit.failure(StatusCode::TOO_MANY_REQUESTS)),
    }
}

async fn forgot_sent(visit: Visit) -> HttpResponse {
    let text = [
        "If an account has this address, an email with a link is on its way. Open the link within one hour.",
        "No email after some minutes? Look into the folder for spam, or check the address and ask again.",
    ];
    visit.page(&Notice {
        layout: visit.layout("Look into your mailbox"),
        text: text.map(str::to_owned).to_vec(),
        link: Some(("/sign-in".to_owned(), "Go to sign in")),
    })
}

fn dead(visit: &Visit) -> HttpResponse {
    let text = [
        "Each link opens once and ends after a while. A newer email replaces an older one.",
        "Look for a newer email, or let us mail you another link.",
    ];
    visit.page(&Notice {
        layout: visit.layout("This link does not work any more"),
        text: text.map(str::to_owned).to_vec(),
        link: Some(("/forgot-password".to_owned(), "Mail me another link")),
    })
}

async fn set_page(visit: Visit, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    match visit.portal().sites.password_link(&token, &visit.browser()).await? {
        Some(link) => Ok(set_asked(&visit, &link, FieldErrors::default())),
        None => Ok(dead(&visit)),
    }
}

fn set_asked(visit: &Visit, link: &PasswordLink, errors: FieldErrors) -> HttpResponse {
    let title = if link.is_first { "Set your password" } else { "Set a new password" };
    let account = &link.account;
    Asked::new(visit.layout(title), &SET, &Answers::default(), errors, "Set the password")
        .paragraph(format!("For {}, User ID {}.", account.email, account.user_id))
        .paragraph(advice(link.least))
        .show(visit)
}

/// What a good password is.
pub(super) fn advice(least: usize) -> String {
    format!(
        "At least {least} characters. Any characters will do; a sentence or a few words that do not belong together \
         are easy to remember and hard to guess. You need not change it from time to time."
    )
}

/// The password that was typed twice.
pub(super) fn typed_twice(fields: &Answers, visit: &Visit) -> Result<Password, FieldErrors> {
    let good = SET.read(fields, visit.now.utc().date_naive())?;
    if good.get("password") != good.get("again") {
        let text = "The two passwords differ. Type the same password twice";
        return Err(FieldErrors::one("again", text));
    }
    Ok(Password::from(good.get("password").to_owned()))
}

async fn set(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let sites = &visit.portal().sites;
    let Some(link) = sites.password_link(&token, &visit.browser()).await? else {
        return Ok(dead(&visit));
    };
    let password = match typed_twice(&fields, &visit) {
        Ok(password) => password,
        Err(errors) => return Ok(set_asked(&visit, &link, errors)),
    };
    match sites.password_set(&link, password, &visit.browser()).await {
        Ok(Some(_)) => {
            visit.drop_cookie(SESSION_COOKIE);
            Ok(visit.page(&Notice {
                layout: visit.layout("Your password is set"),
                text: vec!["Sign in with your email address and the new password.".to_owned()],
                link: Some(("/sign-in".to_owned(), "Sign in")),
            }))
        }
        Ok(None) => Ok(dead(&visit)),
        Err(AccountError::Weak(weakness)) => {
            let errors = FieldErrors::one("password", weakness.text());
            Ok(set_asked(&visit, &link, errors))
        }
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(_) => Ok(visit.missing()),
    }
}

const CONFIRM_EMAIL: Page = page("Confirm your new email address", "", &[]);

async fn email_page(visit: Visit, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Some((account, email)) = visit.portal().sites.email_link(&token, &visit.browser()).await?
    else {
        return Ok(dead(&visit));
    };
    let layout = visit.layout(CONFIRM_EMAIL.title);
    let (nothing, errors) = (Answers::default(), FieldErrors::default());
    Ok(Asked::new(layout, &CONFIRM_EMAIL, &nothing, errors, "Confirm this address")
        .paragraph(format!("{email} becomes the address of the account {}.", account.user_id))
        .show(&visit))
}

async fn email(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    match visit.portal().sites.email_confirm(&token, &visit.browser()).await? {
        Some(account) => Ok(visit.page(&Notice {
            layout: visit.layout("Your email address is changed"),
            text: vec![format!("From now on sign in with {}.", account.email)],
            link: Some((HOME.to_owned(), "Go to your account")),
        })),
        None => Ok(dead(&visit)),
    }
}
