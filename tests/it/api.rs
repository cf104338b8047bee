//! What programs ask with a key of their Site, and that the description of the API is true.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use izportal::domain::{LinkStatus, Role, SiteId, SiteKind, SiteStatus, Timestamp};
use izportal::store::AuditFilter;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::browser::{Browser, Page};
use crate::support::clinic::{Clinic, shown_secret};
use crate::support::program::files_under;
use crate::support::{TestApp, everything_logged, vxu};

/// Every scope.
const ALL: &str = "bodies-read,messages-read,sites-read,statements-read,validate";

/// Makes a key on the page, as a representative does.
async fn make(browser: &Browser, path: &str, scopes: &str) -> (Page, String) {
    browser.visit(path).await;
    let fields = [("name", "Nightly report"), ("scopes", scopes), ("days", "30")];
    let page = browser.post(path, &fields).await;
    let key = shown_secret(&page.html);
    (page, key)
}

/// A Site with a key, and its browser.
async fn keyed(clinic: &Clinic, id: &str, scopes: &str) -> (Browser, String, String) {
    let (_, site, _) = clinic.direct(id).await;
    of_site(clinic, site, scopes).await
}

/// The same of a Site that there is already.
async fn of_site(clinic: &Clinic, site: SiteId, scopes: &str) -> (Browser, String, String) {
    let organization = clinic.owner(&site).await;
    let person = clinic.representative(organization).await;
    let path = format!("/organization/{organization}/sites/{site}/keys");
    let (_, key) = make(&person.browser, &path, scopes).await;
    (person.browser, path, key)
}

/// One question with a key: status, headers that matter, and what came back.
async fn ask(app: &TestApp, key: &str, path: &str) -> (u16, Value) {
    let url = format!("{}/api/v1{path}", app.app.public_url);
    let response = app.http.get(url).bearer_auth(key).send().await.unwrap();
    let status = response.status().as_u16();
    let media = response.headers()["content-type"].to_str().unwrap().to_owned();
    let expected = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(media, expected, "{path}");
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn validate(app: &TestApp, key: &str, media: &str, body: String) -> (u16, Value) {
    let url = format!("{}/api/v1/validate?region=CAIRBA", app.app.public_url);
    let request = app.http.post(url).bearer_auth(key).header("Content-Type", media).body(body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

pub(crate) async fn document(app: &TestApp) -> Value {
    let page = app.fetch(Method::GET, "/api/v1/openapi.json").await;
    assert_eq!((page.status, page.header("content-type")), (200, "application/json"));
    serde_json::from_str(&page.text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_listed_without_its_secret_and_revoked() {
    let clinic = Clinic::open().await;
    let (browser, path, key) = keyed(&clinic, "DE-000001", "messages-read").await;

    assert!(key.starts_with("izp_") && key.len() == 56, "{key}");
    assert_eq!(ask(&clinic.app, &key, "/messages").await.0, 200);
    let list = browser.visit(&path).await;
    list.says(&["Nightly report", "See what became of messages", "Live"]);
    assert!(!list.html.contains(&key));
    let number = list.html.split("/keys/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    browser.visit(&format!("{path}/{number}/revoke")).await.says(&["Revoke this key?"]);
    browser.submit(&format!("{path}/{number}/revoke"), &[]).await.says(&["Revoked"]);

    let (status, told) = ask(&clinic.app, &key, "/messages").await;
    assert_eq!((status, &told["status"]), (401, &json!(401)));
    let object = format!("api-key DE-000001 {number}");
    assert_eq!(clinic.told(&object).await, ["api-key.create", "api-key.revoke"]);
    assert!(!everything_logged().contains(&key[4..]));
    for file in files_under(clinic.app.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(52).any(|window| window == &key.as_bytes()[4..]);
        assert!(!found, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_only_after_showing_that_one_is_there_and_with_all_that_it_needs() {
    let clinic = Clinic::open().await;
    let (browser, path, _) = keyed(&clinic, "DE-000001", ALL).await;

    browser.visit(&path).await;
    let nameless = browser.post(&path, &[("name", " "), ("scopes", ALL), ("days", "30")]).await;
    let idle = browser.post(&path, &[("name", "Idle"), ("days", "30")]).await;
    clinic.time_passes();
    let late = browser.post(&path, &[("name", "Late"), ("scopes", ALL), ("days", "30")]).await;

    assert_eq!(nameless.errors()[0].0, "name");
    assert_eq!(idle.errors()[0].0, "scopes");
    assert_eq!(late.status, 303);
    let to = late.headers["location"].to_str().unwrap();
    assert_eq!(to, format!("/account/confirm?next={path}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_the_messages_of_its_site_and_of_no_other() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let sender = app.test_sender().await;
    let (_, _, key) = of_site(&clinic, "DE-000001".parse().unwrap(), ALL).await;
    let (_, _, other) = keyed(&clinic, "DE-000002", ALL).await;
    for name in ["A1", "A2", "A3"] {
        app.submit(&sender, &vxu(name, &[])).await.hl7();
    }
    let id = app.message("A2").await.id;

    let (_, all) = ask(app, &key, "/messages?limit=2").await;
    let next = all["next"].as_str().unwrap();
    let (_, rest) = ask(app, &key, &format!("/messages?limit=2&after={next}")).await;
    let names = |page: &Value| -> Vec<String> {
        let messages = page["messages"].as_array().unwrap().iter();
        messages.map(|one| one["control_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names(&all), names(&rest)), (vec!["A3".into(), "A2".into()], vec!["A1".into()]));
    assert_eq!((&rest["next"], &all["looked_until"]), (&Value::Null, &Value::Null));
    assert_eq!(names(&ask(app, &key, "/messages?control_id=A1").await.1), ["A1"]);
    assert_eq!(names(&ask(app, &key, "/messages?state=refused").await.1), [""; 0]);
    assert_eq!(names(&ask(app, &key, "/messages?from=2100-01-01T00:00:00Z").await.1), [""; 0]);
    assert_eq!(names(&ask(app, &key, "/messages?to=2100-01-01T00:00:00Z").await.1).len(), 3);
    for wrong in ["limit=0", "limit=201", "state=lost", "from=yesterday", "after=%25"] {
        assert_eq!(ask(app, &key, &format!("/messages?{wrong}")).await.0, 400, "{wrong}");
    }
    assert_eq!(names(&ask(app, &other, "/messages").await.1), [""; 0]);
    assert_eq!(ask(app, &other, &format!("/messages/{id}")).await.0, 404);

    let (_, one) = ask(app, &key, &format!("/messages/{id}")).await;
    assert_eq!((&one["control_id"], &one["acknowledgement"]), (&json!("A2"), &Value::Null));
    assert!(one.get("body").is_none());
    let (_, whole) = ask(app, &key, &format!("/messages/{id}?body=true")).await;
    assert!(whole["body"].as_str().unwrap().starts_with("MSH|"), "{whole}");
    let filter = AuditFilter { object: Some(format!("message {id}")), ..AuditFilter::default() };
    let told = app.store().audit_list(filter, 10).await.unwrap();
    assert!(told.len() == 1 && told[0].actor.starts_with("api-key "), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_it_was_made_for_and_nothing_else() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let sender = app.test_sender().await;
    let site = "DE-000001".parse().unwrap();
    let (browser, path, reads) = of_site(&clinic, site, "messages-read").await;
    let (_, checks) = make(&browser, &path, "validate").await;
    app.submit(&sender, &vxu("A1", &[])).await.hl7();
    let id = app.message("A1").await.id;

    assert_eq!(ask(app, &reads, "/status").await.0, 200);
    assert_eq!(ask(app, &reads, "/sites").await.0, 403);
    assert_eq!(ask(app, &reads, &format!("/messages/{id}?body=true")).await.0, 403);
    assert_eq!(validate(app, &reads, "text/plain", vxu("B", &[])).await.0, 403);
    assert_eq!(ask(app, &checks, "/messages").await.0, 403);
    assert_eq!(validate(app, &checks, "text/plain", vxu("B", &[])).await.0, 200);
    for wrong in ["", "izp_", "nonsense", &reads.replace("izp_", ""), &format!("{}0", &reads[..55])]
    {
        let (status, told) = ask(app, wrong, "/status").await;
        assert_eq!((status, &told["title"]), (401, &json!("Unauthorized")), "{wrong}");
    }
    assert_eq!(ask(app, &reads, "/nothing").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_facility_sees_its_clients_and_how_far_they_are() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (kind, stage) = (SiteKind::SendingFacility, SiteStatus::Testing);
    let facility = app.site("SF-000001", kind, false, Some("Alameda"), stage).await;
    let (_, _, key) = of_site(&clinic, facility, ALL).await;
    app.site("DE-000007", SiteKind::ThroughFacility, true, Some("Alameda"), SiteStatus::Testing)
        .await;
    app.site("DE-000008", SiteKind::ThroughFacility, true, Some("Alameda"), SiteStatus::Testing)
        .await;
    app.link("SF-000001", "DE-000007", LinkStatus::Active).await;

    let (_, sites) = ask(app, &key, "/sites").await;
    let (_, one) = ask(app, &key, "/sites/DE-000007").await;

    let ids: Vec<_> = sites["sites"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["SF-000001", "DE-000007"]);
    assert_eq!(
        (&one["site"]["stage"], &one["site"]["link"]),
        (&json!("testing"), &json!("active"))
    );
    assert!(one["checklist"].as_array().unwrap().len() > 3, "{one}");
    assert_eq!(ask(app, &key, "/sites/DE-000008").await.0, 404);
    assert_eq!(ask(app, &key, "/sites/no").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_read_and_issued_for_the_site_of_the_key_alone() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (browser, path, key) = keyed(&clinic, "DE-000001", "statements-read").await;
    let (_, other) = make(&browser, &path, "sites-read").await;
    clinic.direct("DE-000002").await;

    let (status, told) = ask(app, &key, "/sites/DE-000001/statement").await;
    assert_eq!((status, &told["facts"]["site"]), (200, &json!("DE-000001")), "{told}");
    let year = told["facts"]["year"].as_i64().unwrap();
    assert_eq!(told["years"], json!([year]));
    assert_eq!(told["facts"]["engagement"], "production");
    for (question, expected) in [
        (format!("DE-000001/statement?year={year}"), 200),
        ("DE-000001/statement?year=1999".to_owned(), 404),
        ("DE-000001/statement?year=last".to_owned(), 400),
        ("DE-000002/statement".to_owned(), 404),
        ("no/statement".to_owned(), 404),
    ] {
        assert_eq!(ask(app, &key, &format!("/sites/{question}")).await.0, expected, "{question}");
    }
    assert_eq!(ask(app, &other, "/sites/DE-000001/statement").await.0, 403);
    let site: SiteId = "DE-000001".parse().unwrap();
    assert!(app.store().statement_list(site.clone()).await.unwrap().is_empty());

    let url = format!("{}/api/v1/sites/DE-000001/statement", app.app.public_url);
    let asked = app.http.get(url).bearer_auth(&key).header("Accept", "application/pdf");
    let pdf = asked.send().await.unwrap();
    assert_eq!(
        (pdf.status().as_u16(), &pdf.headers()["content-type"]),
        (200, &"application/pdf".parse().unwrap())
    );
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-"));
    assert_eq!(app.store().statement_list(site).await.unwrap().len(), 1);
    let filter =
        AuditFilter { object: Some("site DE-000001".to_owned()), ..AuditFilter::default() };
    let trail = app.store().audit_list(filter, 10).await.unwrap();
    let issued = trail.iter().find(|one| one.action == "statement.issue").unwrap();
    assert!(issued.actor.starts_with("api-key "), "{issued:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_key_is_told_to_those_who_answer_for_the_site() {
    let clinic = Clinic::open().await;
    let (organization, site, _) = clinic.direct("DE-000001").await;
    clinic.person(organization, "de@example.org", Role::DataExchange).await;
    clinic.person(organization, "qa@example.org", Role::DxQa).await;
    let (browser, path, _) = of_site(&clinic, site, "messages-read").await;
    let now = Timestamp::now();
    let day = Duration::from_hours(24);

    let mut told = vec![];
    for days in 0..31 {
        let number = clinic.sites.tell_key_expiries(now.plus(day * days)).await.unwrap();
        told.extend((number > 0).then_some(30 - days));
    }
    let list = browser.visit(&path).await;
    let number = list.html.split("/keys/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    browser.submit(&format!("{path}/{number}/revoke"), &[]).await.says(&["Revoked"]);

    assert_eq!(told, [14, 3]);
    let expected = ["api-key-made", "api-key-ending", "api-key-ending", "api-key-revoked"];
    for email in [format!("rep{organization}@example.org"), "de@example.org".to_owned()] {
        let mut letters = clinic.letters(&email).await;
        letters.retain(|kind| kind.starts_with("api-key"));
        assert_eq!(letters, expected, "{email}");
    }
    let of_others = clinic.letters("qa@example.org").await;
    assert!(!of_others.iter().any(|kind| kind.starts_with("api-key")), "{of_others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_judged_for_a_program_and_forgotten() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (_, _, key) = keyed(&clinic, "DE-000001", "validate").await;
    let canary = vxu("V1", &[("Sampleperson^Penelope", "Zzyzxcanary^Quuxcanary")]);

    let (status, plain) = validate(app, &key, "text/plain; charset=utf-8", canary.clone()).await;
    let body = json!({ "message": canary, "environment": "production" }).to_string();
    let (_, refused) = validate(app, &key, "application/json", body).await;
    let (nothing, told) = validate(app, &key, "text/plain", "Dear colleague".to_owned()).await;

    assert_eq!((status, &plain["acknowledgment"]), (200, &json!("AA")), "{plain}");
    assert!(plain["answer"].as_str().unwrap().contains("MSA|AA|V1"));
    assert_eq!(refused["verdict"], "not-processed");
    assert_eq!((nothing, &told["status"]), (422, &json!(422)));
    assert_eq!(validate(app, &key, "text/plain", "X".repeat(600_000)).await.0, 413);
    assert_eq!(validate(app, &key, "image/png", String::new()).await.0, 415);
    assert!(!everything_logged().contains("Zzyzxcanary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_how_long_to_wait() {
    let clinic = Clinic::open().await;
    let (_, _, key) = keyed(&clinic, "DE-000001", "messages-read").await;
    let url = format!("{}/api/v1/status", clinic.app.app.public_url);

    for _ in 0..400 {
        let response = clinic.app.http.get(&url).bearer_auth(&key).send().await.unwrap();
        if response.status() == 429 {
            let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=5).contains(&wait), "{wait}");
            return;
        }
        assert_eq!(response.status(), 200);
    }
    panic!("it may ask for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_and_no_other() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/endpoint/api/mod.rs");
    let source = std::fs::read_to_string(source).unwrap();

    let mut served = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, rest) = route.split_once('"').unwrap();
        let method = rest.trim_start_matches(", web::").split('(').next().unwrap();
        if !path.contains("{tail") && path != "/api/v1/openapi.json" {
            served.insert((path.to_owned(), method.to_owned()));
        }
    }
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert((path.clone(), method.clone()));
        }
    }

    assert_eq!(described, served);
    assert_eq!(served.len(), 7);
    for (path, method) in served {
        let url = format!("{}{}", app.app.public_url, path.replace("{id}", "DE-000001"));
        let method: Method = method.to_uppercase().parse().unwrap();
        let response = app.http.request(method, url).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}: it asks who is there");
        let problem = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        fits(&document, &json!({ "$ref": "#/components/schemas/Problem" }), &problem, &path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_described() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let sender = app.test_sender().await;
    let (_, _, key) = of_site(&clinic, "DE-000001".parse().unwrap(), ALL).await;
    app.submit(&sender, &vxu("A1", &[("|20250115|", "||")])).await.hl7();
    app.submit(&sender, &vxu("A2", &[])).await.hl7();
    let id = app.message("A1").await.id.to_string();
    let document = document(app).await;

    for (path, question) in [
        ("/messages", "/messages".to_owned()),
        ("/messages/{id}", format!("/messages/{id}?body=true")),
        ("/sites", "/sites".to_owned()),
        ("/sites/{id}", "/sites/DE-000001".to_owned()),
        ("/sites/{id}/statement", "/sites/DE-000001/statement".to_owned()),
        ("/status", "/status".to_owned()),
    ] {
        let (status, answer) = ask(app, &key, &question).await;
        assert_eq!(status, 200, "{question}: {answer}");
        let schema = &document["paths"][format!("/api/v1{path}")]["get"]["responses"]["200"]["content"]
            ["application/json"]["schema"];
        fits(&document, schema, &answer, path);
    }
    let (_, judged) = validate(app, &key, "text/plain", vxu("V", &[("|20250115|", "||")])).await;
    let schema = &document["paths"]["/api/v1/validate"]["post"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    fits(&document, schema, &judged, "/validate");
}

/// Fails unless a value is as a schema says: types, words, and no field that is not described.
#[track_caller]
pub(crate) fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Err(problem) = check(document, schema, value, place) {
        panic!("{problem}");
    }
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = document.pointer(name.trim_start_matches('#'));
        return check(document, found.ok_or_else(|| format!("{place}: no {name}"))?, value, place);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return check(document, &together(document, parts), value, place);
    }
    if let Some(several) = schema["oneOf"].as_array() {
        let fit = several.iter().filter(|one| check(document, one, value, place).is_ok()).count();
        return if fit == 1 {
            Ok(())
        } else {
            Err(format!("{place}: {fit} of {several:?} fit {value}"))
        };
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return Err(format!("{place}: nothing is said of {value}: {schema}")),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        return Err(format!("{place}: {value} is no {kinds:?}"));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        return Err(format!("{place}: {value} is not one of {words:?}"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}[{at}]"))?;
    }
    let Some(object) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            return Err(format!("{place}.{name} is missing"));
        }
    }
    for (name, value) in object {
        let inner = &schema["properties"][name];
        if inner.is_null() {
            return Err(format!("{place}.{name} is not described"));
        }
        check(document, inner, value, &format!("{place}.{name}"))?;
    }
    Ok(())
}

/// The fields of several objects as one.
fn together(document: &Value, parts: &[Value]) -> Value {
    let (mut properties, mut required) = (serde_json::Map::new(), vec![]);
    for part in parts {
        let named = part["$ref"].as_str().map(|name| name.trim_start_matches('#'));
        let part = named.map_or(part, |name| document.pointer(name).unwrap());
        properties.extend(part["properties"].as_object().unwrap().clone());
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
    }
    json!({"type": "object", "properties": properties, "required": required})
}
