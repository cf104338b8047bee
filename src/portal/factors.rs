//! The second factor: an authenticator app, passkeys, recovery codes. Set up, used, taken away.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::PasskeyId;
use crate::domain::form::{Answers, Field, FieldErrors, Kind, Page};
use crate::portal::account::told;
use crate::portal::ask::Asked;
use crate::portal::form::{FieldView, fields};
use crate::portal::member::{HOME, HalfWay, Holder, SECOND_FACTOR, SET_UP};
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::sign_in::{WRONG_CODE, page};
use crate::portal::visit::get;
use crate::portal::{Layout, Member, Posted, Visit};
use crate::sites::{Proof, SecondFactors, SetUp};
use crate::store::StoreError;

const APP: &str = "/account/authenticator";
const APP_REMOVE: &str = "/account/authenticator/remove";
const PASSKEYS: &str = "/account/passkeys";
const CODES: &str = "/account/recovery-codes";
const ASK_PASSKEY: &str = "/sign-in/passkey";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(SET_UP, get().to(factors_page))
        .route(SET_UP, web::post().to(app_begin))
        .route(APP, get().to(app_page))
        .route(APP, web::post().to(app_confirm))
        .route(APP_REMOVE, get().to(app_remove_page))
        .route(APP_REMOVE, web::post().to(app_remove))
        .route(PASSKEYS, get().to(passkeys_page))
        .route(PASSKEYS, web::post().to(passkey_add))
        .route("/account/passkeys/options", web::post().to(passkey_options))
        .route("/account/passkeys/{id}/remove", get().to(passkey_remove_page))
        .route("/account/passkeys/{id}/remove", web::post().to(passkey_remove))
        .route(CODES, get().to(codes_page))
        .route(CODES, web::post().to(codes))
        .route(ASK_PASSKEY, get().to(ask_page))
        .route(ASK_PASSKEY, web::post().to(ask))
        .route("/sign-in/passkey/options", web::post().to(ask_options));
}

/// A passkey in a list.
struct Key {
    id: PasskeyId,
    name: String,
    added: Moment,
    used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "factors.html")]
struct FactorsPage {
    layout: Layout,
    factors: SecondFactors,
    keys: Vec<Key>,
    is_needed: bool,
    has_passkeys: bool,
}

async fn factors_page(Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    let keys = member.sites().passkey_list(&member.who).await?.into_iter().map(|key| Key {
        id: key.id,
        name: key.name,
        added: moment(key.created_at),
        used: key.last_used_at.map(moment),
    });
    Ok(member.visit.page(&FactorsPage {
        layout: member.layout("Your second factor"),
        factors: member.sites().factors(&member.who).await?,
        keys: keys.collect(),
        is_needed: member.who.principal.needs_second_factor(),
        has_passkeys: member.sites().has_passkeys(),
    }))
}

async fn app_begin(posted: Posted, Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    drop(posted);
    match member.sites().totp_begin(&member.who, member.visit.now).await {
        Ok(()) => Ok(member.visit.redirect(APP)),
        Err(error) => member.answer(error, SET_UP),
    }
}

/// What the app shows.
const CODE: Page = page(
    "Set up an authenticator app",
    "",
    &[Field::new("code", "Six-digit code", Kind::Code, "Enter the six digits that your app shows")
        .hint("The app shows another code every 30 seconds")
        .autocomplete("one-time-code")],
);

#[derive(Template)]
#[template(path = "authenticator.html")]
struct App {
    layout: Layout,
    picture: String,
    secret: String,
    errors: FieldErrors,
    fields: Vec<FieldView>,
}

async fn app_page(Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    app_asked(&member, FieldErrors::default()).await
}

async fn app_asked(member: &Member, errors: FieldErrors) -> Result<HttpResponse, Trouble> {
    let Some(told) = member.sites().totp_set_up(&member.who, member.visit.now).await? else {
        return Ok(member.visit.redirect(SET_UP));
    };
    let title =
        if errors.is_empty() { CODE.title.to_owned() } else { format!("Error: {}", CODE.title) };
    Ok(member.visit.page(&App {
        layout: Layout { heading: CODE.title.to_owned(), ..member.layout(title) },
        picture: told.picture.to_string(),
        secret: told.secret.to_string(),
        fields: fields(&CODE, &Answers::default(), &errors),
        errors,
    }))
}

async fn app_confirm(posted: Posted, Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    let good = match CODE.read(&posted.fields, member.visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => return app_asked(&member, errors).await,
    };
    let browser = member.visit.browser();
    match member.sites().totp_confirm(&member.who, good.get("code"), &browser).await {
        Ok(Some(done)) => Ok(set_up(&member, &done, "Your authenticator app is set up")),
        Ok(None) => app_asked(&member, FieldErrors::one("code", WRONG_CODE)).await,
        Err(error) => member.answer(error, SET_UP),
    }
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    layout: Layout,
    said: &'static str,
    codes: Vec<String>,
}

/// The page after a second factor was set up: the recovery codes, once.
fn set_up(member: &Member, done: &SetUp, title: &'static str) -> HttpResponse {
    member.visit.keep(&done.token);
    if done.recovery_codes.is_empty() {
        return told(member, title, "From now on you are asked for it when you sign in.");
    }
    let codes = done.recovery_codes.iter().map(|code| code.shown().to_string()).collect();
    let said = "From now on you are asked for it when you sign in.";
    member.visit.page(&CodesPage { layout: member.layout(title), said, codes })
}

const REMOVE_APP: Page = page(
    "Remove the authenticator app?",
    "Its codes will not be asked for and not be taken any more.",
    &[],
);

async fn app_remove_page(member: Member) -> HttpResponse {
    if let Some(first) = member.step_up(APP_REMOVE) {
        return first;
    }
    sure(&member, &REMOVE_APP, "Remove the app")
}

/// A page that asks whether something is really to be taken away.
fn sure(member: &Member, page: &'static Page, button: &'static str) -> HttpResponse {
    let (nothing, errors) = (Answers::default(), FieldErrors::default());
    Asked::new(member.layout(page.title), page, &nothing, errors, button)
        .back(SET_UP)
        .dangerous()
        .show(&member.visit)
}

async fn app_remove(posted: Posted, member: Member) -> Result<HttpResponse, Trouble> {
    drop(posted);
    match member.sites().totp_remove(&member.who, &member.visit.browser()).await {
        Ok(()) => Ok(member.visit.redirect(SET_UP)),
        Err(error) => member.answer(error, SET_UP),
    }
}

/// What a passkey is called.
const NAME: Page = page(
    "Add a passkey",
    "",
    &[Field::optional("name", "A name for it (optional)", Kind::Text(60))
        .hint("So that you know it later, such as: telephone, office computer")],
);

/// A page whose form asks the browser for a passkey.
#[derive(Template)]
#[template(path = "passkey.html")]
struct AskPasskey {
    layout: Layout,
    back: &'static str,
    lede: &'static str,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    /// What the script asks for: `create` or `get`.
    verb: &'static str,
    /// Where the script gets the challenge.
    options: &'static str,
    button: &'static str,
    /// Ways to go on without a passkey.
    links: Vec<(String, &'static str)>,
}

async fn passkeys_page(Holder(member): Holder) -> HttpResponse {
    if let Some(first) = member.step_up(PASSKEYS) {
        return first;
    }
    passkey_asked(&member, FieldErrors::default())
}

fn passkey_asked(member: &Member, errors: FieldErrors) -> HttpResponse {
    let title =
        if errors.is_empty() { NAME.title.to_owned() } else { format!("Error: {}", NAME.title) };
    member.visit.page(&AskPasskey {
        layout: Layout { heading: NAME.title.to_owned(), ..member.layout(title) },
        back: SET_UP,
        lede: "A passkey is a key in your telephone, your computer or a security key. You unlock it with your \
               finger, your face or a PIN.",
        fields: fields(&NAME, &Answers::default(), &errors),
        errors,
        verb: "create",
        options: "/account/passkeys/options",
        button: "Add a passkey",
        links: vec![],
    })
}

/// A challenge for the script.
fn options(visit: &Visit, json: String) -> HttpResponse {
    let mut response = HttpResponse::Ok().content_type("application/json").body(json);
    visit.add_cookies(&mut response);
    response
}

async fn passkey_options(posted: Posted, Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    drop(posted);
    match member.sites().passkey_add_begin(&member.who, member.visit.now).await {
        Ok(json) => Ok(options(&member.visit, json)),
        Err(error) => member.answer(error, PASSKEYS),
    }
}

async fn passkey_add(posted: Posted, Holder(member): Holder) -> Result<HttpResponse, Trouble> {
    let good = match NAME.read(&posted.fields, member.visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => return Ok(passkey_asked(&member, errors)),
    };
    let answer = (good.get("name"), posted.fields.get("answer"));
    match member.sites().passkey_add(&member.who, answer, &member.visit.browser()).await {
        Ok(Some(done)) => Ok(set_up(&member, &done, "Your passkey is added")),
        Ok(None) => Ok(passkey_asked(&member, FieldErrors::one("name", NO_PASSKEY))),
        Err(error) => member.answer(error, PASSKEYS),
    }
}

const NO_PASSKEY: &str = "The passkey was not taken. Try once more, or use another one";

const REMOVE_KEY: Page = page(
    "Remove this passkey?",
    "You cannot sign in with it any more. Remove it on the device, too.",
    &[],
);

async fn passkey_remove_page(member: Member, id: web::Path<i64>) -> Result<HttpResponse, Trouble> {
    if let Some(first) = member.step_up(&format!("/account/passkeys/{id}/remove")) {
        return Ok(first);
    }
    let keys = member.sites().passkey_list(&member.who).await?;
    if !keys.iter().any(|key| key.id == PasskeyId(*id)) {
        return Ok(member.visit.missing());
    }
    Ok(sure(&member, &REMOVE_KEY, "Remove the passkey"))
}

async fn passkey_remove(
    posted: Posted,
    member: Member,
    id: web::Path<i64>,
) -> Result<HttpResponse, Trouble> {
    drop(posted);
    let browser = member.visit.browser();
    match member.sites().passkey_remove(&member.who, PasskeyId(*id), &browser).await {
        Ok(()) => Ok(member.visit.redirect(SET_UP)),
        Err(error) => member.answer(error, SET_UP),
    }
}

const NEW_CODES: Page = page(
    "Get new recovery codes?",
    "You get ten new codes. The ones that you have will not work any more.",
    &[],
);

async fn codes_page(member: Member) -> HttpResponse {
    if let Some(first) = member.step_up(CODES) {
        return first;
    }
    sure(&member, &NEW_CODES, "Get new codes")
}

async fn codes(posted: Posted, member: Member) -> Result<HttpResponse, Trouble> {
    drop(posted);
    match member.sites().recovery_codes_renew(&member.who, &member.visit.browser()).await {
        Ok(codes) => {
            let codes = codes.iter().map(|code| code.shown().to_string()).collect();
            let layout = member.layout("Your new recovery codes");
            Ok(member.visit.page(&CodesPage {
                layout,
                said: "The codes before do not work any more.",
                codes,
            }))
        }
        Err(error) => member.answer(error, SET_UP),
    }
}

async fn ask_page(HalfWay(member): HalfWay) -> Result<HttpResponse, Trouble> {
    ask_asked(&member, FieldErrors::default()).await
}

async fn ask_asked(member: &Member, errors: FieldErrors) -> Result<HttpResponse, Trouble> {
    let next = member.visit.next(HOME);
    let mut links = vec![];
    if member.sites().factors(&member.who).await?.has_app {
        let link = format!("{SECOND_FACTOR}?next={next}");
        links.push((link, "Use your authenticator app instead"));
    }
    links.push((format!("/sign-in/recovery-code?next={next}"), "Use a recovery code instead"));
    let heading = "Use your passkey";
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    Ok(member.visit.page(&AskPasskey {
        layout: Layout { heading: heading.to_owned(), ..member.visit.layout(title) },
        back: "/sign-in",
        lede: "Unlock the passkey that you added to this account.",
        errors,
        fields: vec![],
        verb: "get",
        options: "/sign-in/passkey/options",
        button: "Use a passkey",
        links,
    }))
}

async fn ask_options(posted: Posted, HalfWay(member): HalfWay) -> Result<HttpResponse, Trouble> {
    drop(posted);
    let asked = member.sites().passkey_ask(&member.who, member.visit.now).await?;
    let json = asked.ok_or_else(|| StoreError::NotFound("passkey".to_owned()))?;
    Ok(options(&member.visit, json))
}

async fn ask(posted: Posted, HalfWay(member): HalfWay) -> Result<HttpResponse, Trouble> {
    let proof = Proof::Passkey(posted.fields.get("answer").to_owned());
    match member.sites().prove(&member.who, proof, &member.visit.browser()).await? {
        Some(token) => {
            member.visit.keep(&token);
            Ok(member.visit.redirect(&member.visit.next(HOME)))
        }
        None => ask_asked(&member, FieldErrors::one("passkey", NO_PASSKEY)).await,
    }
}
