//! How a registry is reached, as staff write it: a draft, tested, put into use by somebody else; and what was before.

use std::collections::{BTreeMap, HashMap};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ring::digest;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::{
    AccountId, DialectName, Environment, Password, Permission as P, RegistrySecrets,
    RegistrySettings, RegistryVersion, VersionDeed, VersionState, hex,
};
use crate::gateway::{Origin, SettingError};
use crate::portal::member::{capital, sentence};
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::staff::delivery::{
    account_of, name_of, path_of, place_of, reason_of, sentence_of, who,
};
use crate::portal::staff::{demand, done, layout};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, Staff};
use crate::store::{NewVersion, Place, StoreError};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/delivery/{region}/{environment}/settings", get().to(show))
        .route("/staff/delivery/{region}/{environment}/settings/draft", get().to(edit))
        .route("/staff/delivery/{region}/{environment}/settings/draft", web::post().to(save))
        .route("/staff/delivery/{region}/{environment}/settings/test", web::post().to(test))
        .route("/staff/delivery/{region}/{environment}/settings/activate", web::post().to(activate))
        .route("/staff/delivery/{region}/{environment}/settings/withdraw", web::post().to(withdraw))
        .route("/staff/delivery/{region}/{environment}/settings/discard", web::post().to(discard))
        .route("/staff/delivery/{region}/{environment}/settings/compare", get().to(compare));
}

/// The permission that these pages ask for.
const CONFIGURE: &[P] = &[P::Configure];

/// The registry that an address names, when its settings are theirs to change.
fn theirs(staff: &Staff, path: &(String, String)) -> Result<Place, StoreError> {
    let place = place_of(staff, (&path.0, &path.1))?;
    if staff.may_in(P::Configure, Some(place.0)) {
        Ok(place)
    } else {
        Err(StoreError::NotFound("such destination".to_owned()))
    }
}

/// The fields of the form: name, and what it is called.
const FIELDS: [(&str, &str); 12] = [
    ("dialect", "How it is spoken to"),
    ("url", "Address"),
    ("soap", "SOAP version"),
    ("username", "Our username"),
    ("password", "Our password"),
    ("facility_id", "Our facility ID"),
    ("ca", "Authority of its certificate"),
    ("pin", "Pin of its key"),
    ("certificate", "Our client certificate"),
    ("key", "Key of our certificate"),
    ("timeout_seconds", "Seconds of one attempt"),
    ("connect_timeout_seconds", "Seconds until there is a connection"),
];

/// What is wrong with a setting, at its field.
fn at_field(error: &SettingError) -> FieldErrors {
    let found = FIELDS.iter().find(|(name, _)| *name == error.key);
    let (field, label) = match found {
        Some((field, label)) => (*field, *label),
        None if error.key.starts_with("rewrite") => ("rewrite", "Fields of the header"),
        None => ("certificate", "Our client certificate"),
    };
    FieldErrors::one(field, format!("{label}: {}", error.problem))
}

/// A certificate, for people: which one it is can be compared.
fn of_pem(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let hash = hex(digest::digest(&digest::SHA256, text.trim().as_bytes()).as_ref());
    format!("Given, SHA-256 of the text: {}", hash.chars().take(16).collect::<String>())
}

/// What settings say, for people; nothing is secret among it.
fn facts(of: &RegistrySettings) -> Vec<(&'static str, String)> {
    let seconds = |number: Option<u64>| number.map(|one| one.to_string()).unwrap_or_default();
    let rewrite: Vec<_> =
        of.rewrite.iter().map(|(field, text)| format!("{field} = {text}")).collect();
    let values = [
        of.dialect.name().to_owned(),
        of.url.clone(),
        of.soap.clone(),
        of.username.clone(),
        String::new(),
        of.facility_id.clone(),
        of_pem(&of.ca),
        of.pin.clone(),
        of_pem(&of.certificate),
        String::new(),
        seconds(of.timeout_seconds),
        seconds(of.connect_timeout_seconds),
    ];
    FIELDS
        .iter()
        .zip(values)
        .filter(|((name, _), _)| !matches!(*name, "password" | "key"))
        .map(|((_, label), value)| (*label, value))
        .chain([("Fields of the header", rewrite.join("; "))])
        .collect()
}

/// Facts that are given, with what is known of the secrets.
fn given(of: &RegistryVersion) -> Vec<(&'static str, String)> {
    let mut found: Vec<_> =
        facts(&of.settings).into_iter().filter(|(_, value)| !value.is_empty()).collect();
    for (label, is_there) in
        [("Our password", of.password.is_some()), ("Key of our certificate", of.key.is_some())]
    {
        if is_there {
            found.push((label, "Kept sealed, never shown".to_owned()));
        }
    }
    found
}

/// What differs between two versions: label, before, after.
type Difference = (&'static str, String, String);

fn differences(one: &RegistryVersion, other: &RegistryVersion) -> Vec<Difference> {
    let told = |text: String| if text.is_empty() { "Not given".to_owned() } else { text };
    let mut found: Vec<Difference> = facts(&one.settings)
        .into_iter()
        .zip(facts(&other.settings))
        .filter(|((_, before), (_, after))| before != after)
        .map(|((label, before), (_, after))| (label, told(before), told(after)))
        .collect();
    let secret = |is_there: bool, word: &str| {
        if is_there { word.to_owned() } else { "Not given".to_owned() }
    };
    for (label, before, after) in [
        ("Our password", &one.password, &other.password),
        ("Key of our certificate", &one.key, &other.key),
    ] {
        if before != after {
            let words = (secret(before.is_some(), "Not shown"), secret(after.is_some(), "Changed"));
            found.push((label, words.0, words.1));
        }
    }
    found
}

/// A deed, for people.
struct Told {
    who: String,
    at: Moment,
    why: String,
}

fn told(deed: &VersionDeed, names: &HashMap<AccountId, String>) -> Told {
    Told { who: who(&deed.by, names), at: moment(deed.at), why: deed.why.clone() }
}

/// A version as it is shown.
struct Version {
    number: i64,
    state: &'static str,
    tag: &'static str,
    based_on: Option<i64>,
    authors: String,
    changed: Moment,
    tested: Option<Moment>,
    problem: Option<String>,
    has_passed: bool,
    activated: Option<Told>,
    ended: Option<Told>,
    facts: Vec<(&'static str, String)>,
    /// What the forms bring back, so that nobody decides about what they have not seen.
    seen: String,
}

fn version(of: &RegistryVersion, names: &HashMap<AccountId, String>) -> Version {
    let (state, tag) = match of.state {
        VersionState::Draft => ("Draft", "tag-blue"),
        VersionState::Active => ("In use", "tag-green"),
        VersionState::Past => ("Was in use", "tag-grey"),
        VersionState::Discarded => ("Discarded", "tag-grey"),
    };
    let name = |id: &AccountId| names.get(id).cloned().unwrap_or_else(|| "Somebody".to_owned());
    Version {
        number: of.number,
        state,
        tag,
        based_on: of.based_on,
        authors: of.authors.iter().map(name).collect::<Vec<_>>().join(", "),
        changed: moment(of.changed_at),
        tested: of.tested_at.map(moment),
        problem: of.test_problem.as_deref().map(sentence_of),
        has_passed: of.has_passed(),
        activated: of.activated.as_ref().map(|one| told(one, names)),
        ended: of.ended.as_ref().map(|one| told(one, names)),
        facts: given(of),
        seen: of.changed_at.utc().timestamp_micros().to_string(),
    }
}

#[derive(Template)]
#[template(path = "staff/registry_settings.html")]
struct Show {
    layout: Layout,
    said: Option<&'static str>,
    errors: FieldErrors,
    typed: Answers,
    /// Address of the destination.
    path: String,
    active: Option<Version>,
    draft: Option<Version>,
    /// Whether somebody else has to put the draft into use.
    is_own: bool,
    /// What holds when no version is in use.
    origin: &'static str,
    origin_facts: Vec<(&'static str, String)>,
    history: Vec<Version>,
}

const DONE: [(&str, &str); 5] = [
    ("activate", "The draft is in use from the next message on."),
    ("discard", "The draft is thrown away."),
    ("draft", "The draft is kept. Test it next."),
    ("test", "The draft was tested. What came of it stands below."),
    (
        "withdraw",
        "The version is not in use any more. What the service was configured with holds again.",
    ),
];

fn seen(fields: &Answers, of: &RegistryVersion) -> bool {
    fields.get("seen") == of.changed_at.utc().timestamp_micros().to_string()
}

async fn page(
    visit: &Visit,
    staff: &Staff,
    place: Place,
    (typed, errors): (Answers, FieldErrors),
) -> Result<HttpResponse, Trouble> {
    let store = visit.portal().sites.store();
    let versions = store.version_list(place).await?;
    let mut ids: Vec<_> = versions.iter().flat_map(|one| one.authors.clone()).collect();
    let deeds = versions.iter().flat_map(|one| one.activated.iter().chain(&one.ended));
    ids.extend(deeds.filter_map(|one| account_of(&one.by)));
    let names = store.account_names(ids).await?;
    let with = |state| versions.iter().find(|one| one.state == state);
    let (origin, origin_facts) = match visit.portal().operator.origin(place) {
        Some(Origin::File(settings)) => {
            let given = facts(&settings).into_iter().filter(|(_, value)| !value.is_empty());
            ("From the configuration file", given.collect())
        }
        Some(Origin::BuiltIn) => {
            ("The built-in loopback registry, which takes everything: no real registry", vec![])
        }
        None => ("Nothing: the configuration file names no registry here", vec![]),
    };
    let heading = format!("Settings: {}", name_of(place));
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    let draft = with(VersionState::Draft);
    let shown = Show {
        layout: Layout { heading, ..layout(visit, staff, title) },
        said: done(visit, &DONE).filter(|_| errors.is_empty()),
        errors,
        typed,
        path: path_of(place),
        active: with(VersionState::Active).map(|one| version(one, &names)),
        is_own: place.1 == Environment::Production
            && draft.is_some_and(|one| one.authors.contains(&staff.id())),
        draft: draft.map(|one| version(one, &names)),
        origin,
        origin_facts,
        history: versions.iter().map(|one| version(one, &names)).collect(),
    };
    Ok(visit.page_with(status, &shown))
}

async fn show(visit: Visit, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    page(&visit, &staff, place, (Answers::default(), FieldErrors::default())).await
}

#[derive(Template)]
#[template(path = "staff/registry_draft.html")]
struct Edit {
    layout: Layout,
    errors: FieldErrors,
    typed: Answers,
    path: String,
    dialects: Vec<(&'static str, &'static str, bool)>,
    /// Whether there is a secret that an empty field keeps.
    keeps_password: bool,
    keeps_key: bool,
}

/// Settings as the fields of the form.
fn typed_of(settings: &RegistrySettings, based_on: Option<i64>) -> Answers {
    let seconds = |number: Option<u64>| number.map(|one| one.to_string()).unwrap_or_default();
    let rewrite: Vec<_> =
        settings.rewrite.iter().map(|(field, text)| format!("{field} = {text}")).collect();
    let mut typed = Answers::default();
    for (name, value) in [
        ("dialect", settings.dialect.word().to_owned()),
        ("url", settings.url.clone()),
        ("soap", settings.soap.clone()),
        ("username", settings.username.clone()),
        ("facility_id", settings.facility_id.clone()),
        ("ca", settings.ca.clone()),
        ("pin", settings.pin.clone()),
        ("certificate", settings.certificate.clone()),
        ("timeout_seconds", seconds(settings.timeout_seconds)),
        ("connect_timeout_seconds", seconds(settings.connect_timeout_seconds)),
        ("rewrite", rewrite.join("\n")),
        ("based_on", based_on.map(|one| one.to_string()).unwrap_or_default()),
    ] {
        typed.set(name, value);
    }
    typed
}

/// The fields as settings; or what cannot be read.
fn settings_of(typed: &Answers) -> Result<RegistrySettings, FieldErrors> {
    let mut errors = FieldErrors::default();
    let text = |name: &str| typed.get(name).trim().replace("\r\n", "\n");
    let mut seconds = |name: &'static str| {
        let read = text(name).parse::<u64>().ok();
        if read.is_none() && !text(name).is_empty() {
            errors.add(name, "Enter a whole number of seconds");
        }
        read
    };
    let (timeout_seconds, connect_timeout_seconds) =
        (seconds("timeout_seconds"), seconds("connect_timeout_seconds"));
    let dialect = text("dialect").parse::<DialectName>().unwrap_or_default();
    let mut rewrite = BTreeMap::new();
    for line in text("rewrite").lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once('=') {
            Some((field, value)) => {
                rewrite.insert(field.trim().to_owned(), value.trim().to_owned());
            }
            None => errors.add("rewrite", "Write a field on each line, such as MSH-6 = CAIRBA"),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(RegistrySettings {
        dialect,
        url: text("url"),
        soap: text("soap"),
        username: text("username"),
        facility_id: text("facility_id"),
        ca: text("ca"),
        certificate: text("certificate"),
        pin: text("pin"),
        timeout_seconds,
        connect_timeout_seconds,
        rewrite,
    })
}

/// The version whose secrets an empty field keeps: the draft that there is, else the one that it is made from.
fn base<'v>(versions: &'v [RegistryVersion], typed: &Answers) -> Option<&'v RegistryVersion> {
    let number = typed.get("based_on").parse::<i64>().ok();
    versions
        .iter()
        .find(|one| one.state == VersionState::Draft)
        .or_else(|| versions.iter().find(|one| Some(one.number) == number))
}

fn form(
    visit: &Visit,
    staff: &Staff,
    (place, base): (Place, Option<&RegistryVersion>),
    (typed, errors): (Answers, FieldErrors),
) -> HttpResponse {
    let heading = format!("Draft: {}", name_of(place));
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    let dialects = [DialectName::Cdc2011, DialectName::Cdc2014, DialectName::Mllp];
    visit.page(&Edit {
        layout: Layout { heading, ..layout(visit, staff, title) },
        dialects: dialects
            .map(|one| (one.word(), one.name(), one.word() == typed.get("dialect")))
            .to_vec(),
        keeps_password: base.is_some_and(|one| one.password.is_some()),
        keeps_key: base.is_some_and(|one| one.key.is_some()),
        path: path_of(place),
        errors,
        typed,
    })
}

async fn edit(visit: Visit, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let versions = visit.portal().sites.store().version_list(place).await?;
    let asked = visit.query("from").parse::<i64>().ok();
    let with = |state| versions.iter().find(|one| one.state == state);
    let from = versions
        .iter()
        .find(|one| asked == Some(one.number))
        .or_else(|| with(VersionState::Draft))
        .or_else(|| with(VersionState::Active));
    let typed = match (from, visit.portal().operator.origin(place)) {
        (Some(one), _) => {
            let is_old = one.state != VersionState::Draft;
            typed_of(&one.settings, Some(one.number).filter(|_| is_old).or(one.based_on))
        }
        (None, Some(Origin::File(settings))) if settings.dialect != DialectName::Directory => {
            typed_of(&settings, None)
        }
        (None, _) => typed_of(&RegistrySettings::default(), None),
    };
    let base = base(&versions, &typed);
    Ok(form(&visit, &staff, (place, base), (typed, FieldErrors::default())))
}

async fn save(posted: Posted, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let sites = &visit.portal().sites;
    let versions = sites.store().version_list(place).await?;
    let base = base(&versions, &fields);
    let kept = match base {
        Some(base) => sites.store().version_secrets(base.id).await?,
        None => RegistrySecrets::default(),
    };
    let settings = match settings_of(&fields) {
        Ok(settings) => settings,
        Err(errors) => return Ok(form(&visit, &staff, (place, base), (fields, errors))),
    };
    let secrets = secrets_of(&fields, &settings, kept);
    if let Err(error) = visit.portal().operator.check(place, &settings, &secrets) {
        let errors = at_field(&error);
        return Ok(form(&visit, &staff, (place, base), (fields, errors)));
    }
    let based_on = fields.get("based_on").parse().ok();
    let new = NewVersion { settings, secrets, based_on, author: staff.id() };
    let outcome = sites.registry_draft(&staff, place, new, &visit.browser()).await;
    answer(&visit, &staff, place, ("draft", fields), outcome).await
}

/// What is typed, and what an empty field keeps.
fn secrets_of(
    typed: &Answers,
    settings: &RegistrySettings,
    kept: RegistrySecrets,
) -> RegistrySecrets {
    let given = |name: &str| {
        let text = typed.get(name).trim();
        (!text.is_empty()).then(|| Password::from(text.to_owned()))
    };
    RegistrySecrets {
        password: given("password").or(kept.password).filter(|_| settings.dialect.is_soap()),
        key: given("key").or_else(|| kept.key.filter(|_| !settings.certificate.is_empty())),
    }
}

/// Back to the settings, with a word for what was done; or what went wrong, above the page.
async fn answer(
    visit: &Visit,
    staff: &Staff,
    place: Place,
    (word, typed): (&str, Answers),
    outcome: Result<(), AccountError>,
) -> Result<HttpResponse, Trouble> {
    let path = format!("{}/settings", path_of(place));
    match outcome {
        Ok(()) => Ok(visit.redirect(&format!("{path}?done={word}"))),
        Err(AccountError::StepUp) => Ok(visit.redirect(&format!("/account/confirm?next={path}"))),
        Err(AccountError::Store(StoreError::Refused(refusal))) => {
            let errors = FieldErrors::one("main", sentence(&refusal.0));
            page(visit, staff, place, (typed, errors)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The draft that the one who asks has seen; or the page that says that it is another one.
async fn seen_draft(
    visit: &Visit,
    staff: &Staff,
    (place, fields): (Place, &Answers),
) -> Result<Result<RegistryVersion, HttpResponse>, Trouble> {
    let versions = visit.portal().sites.store().version_list(place).await?;
    let draft = versions.into_iter().find(|one| one.state == VersionState::Draft);
    if let Some(draft) = draft.filter(|one| seen(fields, one)) {
        return Ok(Ok(draft));
    }
    let text = "The draft was changed or decided about meanwhile. Look at it again.";
    let errors = FieldErrors::one("main", text);
    Ok(Err(page(visit, staff, place, (fields.clone(), errors)).await?))
}

async fn test(posted: Posted, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let draft = match seen_draft(&visit, &staff, (place, &fields)).await? {
        Ok(draft) => draft,
        Err(page) => return Ok(page),
    };
    let (sites, operator) = (&visit.portal().sites, &visit.portal().operator);
    let secrets = sites.store().version_secrets(draft.id).await?;
    let problem = operator.try_out(place, &draft.settings, &secrets).await.err();
    let of = (place, draft.changed_at);
    let outcome = sites.registry_tested(&staff, of, problem, &visit.browser()).await;
    answer(&visit, &staff, place, ("test", fields), outcome).await
}

async fn activate(
    posted: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let draft = match seen_draft(&visit, &staff, (place, &fields)).await? {
        Ok(draft) => draft,
        Err(page) => return Ok(page),
    };
    let mut errors = FieldErrors::default();
    let reason = reason_of(fields.get("reason"), "reason", &mut errors);
    let (sites, operator) = (&visit.portal().sites, &visit.portal().operator);
    let secrets = sites.store().version_secrets(draft.id).await?;
    // What holds elsewhere may have changed since it was written.
    if let Err(error) = operator.check(place, &draft.settings, &secrets) {
        errors.add("reason", capital(&error.to_string()));
    }
    if !errors.is_empty() {
        return page(&visit, &staff, place, (fields, errors)).await;
    }
    let of = (place, draft.changed_at);
    let outcome = sites.registry_activate(&staff, of, reason, &visit.browser()).await;
    answer(&visit, &staff, place, ("activate", fields), outcome).await
}

async fn withdraw(
    posted: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let mut errors = FieldErrors::default();
    let reason = reason_of(fields.get("why"), "why", &mut errors);
    if !errors.is_empty() {
        return page(&visit, &staff, place, (fields, errors)).await;
    }
    let sites = &visit.portal().sites;
    let outcome = sites.registry_withdraw(&staff, place, reason, &visit.browser()).await;
    answer(&visit, &staff, place, ("withdraw", fields), outcome).await
}

async fn discard(
    posted: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let outcome = visit.portal().sites.registry_discard(&staff, place, &visit.browser()).await;
    answer(&visit, &staff, place, ("discard", fields), outcome).await
}

#[derive(Template)]
#[template(path = "staff/registry_compare.html")]
struct Compare {
    layout: Layout,
    path: String,
    one: i64,
    other: i64,
    differences: Vec<Difference>,
}

async fn compare(visit: Visit, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, CONFIGURE);
    let place = theirs(&staff, &path)?;
    let versions = visit.portal().sites.store().version_list(place).await?;
    let asked = |name: &str| {
        let number = visit.query(name).parse::<i64>().ok();
        versions.iter().find(|one| Some(one.number) == number)
    };
    let Some((one, other)) = asked("one").zip(asked("other")) else { return Ok(visit.missing()) };
    let heading = format!("What differs: {}", name_of(place));
    Ok(visit.page(&Compare {
        layout: layout(&visit, &staff, heading),
        path: path_of(place),
        one: one.number,
        other: other.number,
        differences: differences(one, other),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_form() {
        let settings = RegistrySettings {
            dialect: DialectName::Cdc2014,
            url: "https://iis.example/".to_owned(),
            username: "u".to_owned(),
            facility_id: "f".to_owned(),
            ca: "-----BEGIN".to_owned(),
            timeout_seconds: Some(5),
            rewrite: BTreeMap::from([("MSH-6".to_owned(), "A^1=2^ISO".to_owned())]),
            ..RegistrySettings::default()
        };

        let typed = typed_of(&settings, Some(3));

        assert_eq!(typed.get("based_on"), "3");
        assert_eq!(settings_of(&typed).unwrap(), settings);
    }

    #[test]
    fn what_cannot_be_read_is_told_at_its_field() {
        for (field, value) in [("timeout_seconds", "soon"), ("rewrite", "MSH-6")] {
            let mut typed = typed_of(&RegistrySettings::default(), None);
            typed.set(field, value);
            assert!(settings_of(&typed).unwrap_err().of(field).is_some(), "{field}");
        }
        let of = |key: &str| at_field(&SettingError::of(key, "is wrong")).0[0].field;
        assert_eq!(["url", "rewrite.MSH-7", ""].map(of), ["url", "rewrite", "certificate"]);
    }

    #[test]
    fn an_empty_secret_is_kept_unless_nothing_needs_it() {
        let kept = || RegistrySecrets {
            password: Some("p".to_owned().into()),
            key: Some("k".to_owned().into()),
        };
        let secrets = |dialect, certificate: &str| {
            let certificate = certificate.to_owned();
            let settings = RegistrySettings { dialect, certificate, ..RegistrySettings::default() };
            let secrets = secrets_of(&Answers::default(), &settings, kept());
            (secrets.password.is_some(), secrets.key.is_some())
        };
        assert_eq!(secrets(DialectName::Cdc2011, "c"), (true, true));
        assert_eq!(secrets(DialectName::Cdc2011, ""), (true, false));
        assert_eq!(secrets(DialectName::Mllp, "c"), (false, true));
    }
}
