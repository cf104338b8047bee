//! Every role on every route that is not for everybody: who is let in, and that all others find nothing there.
//!
//! The expectations stand here by themselves (domain notes 6.2 and 6.5), not taken from the table of the code.

use std::collections::BTreeSet;
use std::path::Path;

use izportal::domain::{
    Course, Environment, OneTimeToken, OrganizationId, Role, SiteKind, StaffGrant, StaffRole,
    Timestamp, TrainingNeed,
};
use izportal::sites::Browser as Agent;
use izportal::store::{LinkSecret, NewSite, NewTraining};

use crate::support::browser::{Browser, Page};
use crate::support::clinic::Clinic;
use crate::support::people::{App, PASSWORD, secret, user};
use crate::support::program::files_under;
use crate::support::{tester, vxu};

/// Who may: letters of roles, in the order of [`WHO`].
///
/// R representative, E data exchange, V vendor, F facility operator, Q DX QA, O read-only, G regular, W power; staff:
/// o onboarding, h help desk, r registrar, a auditor, m administrator.
const WHO: &str = "REVFQOGWohram";

const MEMBERS: &str = "REVFQOGW";

/// Method, path, and who is let in. `{org}` is the organization of the members, `{other}` another one.
const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/organization/{org}", MEMBERS),
    ("GET", "/organization/{org}/sites/{site}", MEMBERS),
    ("GET", "/organization/{org}/sites/{site}/calls", "REVF"),
    ("GET", "/organization/{org}/messages", "REVFQ"),
    ("POST", "/organization/{org}/messages/saved", "REVFQ"),
    ("GET", "/organization/{org}/messages/{message}", "REVFQ"),
    ("POST", "/organization/{org}/messages/{message}/text", "REVF"),
    ("GET", "/organization/{other}/messages", ""),
    ("GET", "/organization/{other}/messages/{message}", ""),
    ("GET", "/organization/{org}/users", "R"),
    ("GET", "/organization/{org}/users/new", "R"),
    ("POST", "/organization/{org}/users/new", "R"),
    ("GET", "/organization/{org}/users/{user}", "R"),
    ("POST", "/organization/{org}/users/{user}", "R"),
    ("POST", "/organization/{org}/users/{user}/roles", "R"),
    ("POST", "/organization/{org}/users/{user}/second", "R"),
    ("POST", "/organization/{org}/users/{user}/invite", "R"),
    ("POST", "/organization/{org}/users/{user}/reactivate", "R"),
    ("POST", "/organization/{org}/users/{user}/deactivate", "R"),
    ("GET", "/organization/{org}/clinicians", "R"),
    ("GET", "/organization/{org}/clinicians/new", "R"),
    ("POST", "/organization/{org}/clinicians/new", "R"),
    ("GET", "/organization/{org}/edit/organization", "R"),
    ("POST", "/organization/{org}/edit/organization", "R"),
    ("GET", "/organization/{org}/sites/{site}/edit/ehr", "R"),
    ("POST", "/organization/{org}/sites/{site}/edit/ehr", "R"),
    ("GET", "/organization/{org}/access-level", "R"),
    ("POST", "/organization/{org}/access-level", "R"),
    ("GET", "/organization/{org}/agreement", "R"),
    ("POST", "/organization/{org}/agreement", "R"),
    ("GET", "/organization/{org}/history", "R"),
    ("GET", "/organization/{org}/links", "RF"),
    ("GET", "/organization/{org}/quality", "REVFQ"),
    ("GET", "/organization/{org}/sites/{site}/quality", "REVFQ"),
    ("GET", "/organization/{org}/clients", "REVFQ"),
    ("POST", "/organization/{org}/clients/review", "RF"),
    ("POST", "/organization/{org}/clients/accept", "RF"),
    ("POST", "/organization/{org}/clients/end", "RF"),
    ("GET", "/organization/{other}/quality", ""),
    ("GET", "/organization/{other}/clients", ""),
    ("GET", "/organization/{org}/sites/{foreign}/quality", ""),
    ("GET", "/organization/{org}/clients/{site}/{foreign}", ""),
    ("GET", "/organization/{org}/requests", "R"),
    ("GET", "/organization/{org}/sites/upload", "R"),
    ("GET", "/organization/{org}/sites/upload/template.csv", "R"),
    ("GET", "/organization/{org}/sites/upload/template.xlsx", "R"),
    ("GET", "/organization/{org}/sites/{site}/credentials/{credential}/password", "REVF"),
    ("POST", "/organization/{org}/sites/{site}/credentials/{credential}/password", "REVF"),
    ("GET", "/organization/{org}/sites/{site}/credentials/{credential}/revoke", "R"),
    ("POST", "/organization/{org}/sites/{site}/credentials/{another}/revoke", "R"),
    ("GET", "/organization/{org}/sites/{site}/statement", MEMBERS),
    ("POST", "/organization/{org}/sites/{site}/statement", MEMBERS),
    ("GET", "/organization/{org}/sites/{site}/close", "R"),
    ("POST", "/organization/{org}/sites/{site}/close", "R"),
    ("GET", "/organization/{other}/sites/{foreign}/statement", ""),
    ("GET", "/organization/{org}/sites/{site}/keys", "R"),
    ("POST", "/organization/{org}/sites/{site}/keys", "R"),
    ("GET", "/organization/{org}/sites/{foreign}/keys", ""),
    ("GET", "/organization/{org}/sites/{site}/webhooks", "R"),
    ("POST", "/organization/{org}/sites/{site}/webhooks", "R"),
    ("GET", "/organization/{org}/sites/{foreign}/webhooks", ""),
    ("GET", "/organization/{other}/sites/{foreign}/webhooks", ""),
    ("GET", "/organization/{other}", ""),
    ("GET", "/organization/{other}/users", ""),
    ("GET", "/organization/{other}/history", ""),
    ("GET", "/organization/{org}/sites/{foreign}", ""),
    ("GET", "/organization/{other}/sites/{foreign}/credentials/{secret}/password", ""),
    ("GET", "/staff", "ohram"),
    ("GET", "/staff/dashboard", "ohm"),
    ("GET", "/staff/alerts", "ohm"),
    ("POST", "/staff/alerts/letters", "m"),
    ("GET", "/staff/notices", "hm"),
    ("GET", "/staff/notices/new", "hm"),
    ("POST", "/staff/notices/new", "hm"),
    ("GET", "/staff/audit", "a"),
    ("POST", "/staff/audit/verify", "a"),
    ("POST", "/staff/audit/export", "a"),
    ("GET", "/staff/mail", "hm"),
    ("GET", "/staff/messages", "ohm"),
    ("POST", "/staff/messages/saved", "ohm"),
    ("GET", "/staff/messages/{message}", "ohm"),
    ("POST", "/staff/messages/{message}/text", "o"),
    ("POST", "/staff/messages/{message}/retry", "m"),
    ("GET", "/staff/messages/{message}/replace", "m"),
    ("POST", "/staff/messages/{message}/replace", "m"),
    ("GET", "/staff/delivery", "ohm"),
    ("GET", "/staff/delivery/{region}/{environment}", "ohm"),
    ("GET", "/staff/delivery/{region}/{environment}/messages", "ohm"),
    ("POST", "/staff/delivery/{region}/{environment}/control", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/probe", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/maintenance", "m"),
    ("GET", "/staff/delivery/{region}/{environment}/replay/{which}", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/replay/{which}", "m"),
    ("GET", "/staff/delivery/{region}/{environment}/sent/{number}", "m"),
    ("GET", "/staff/delivery/{region}/{environment}/settings", "m"),
    ("GET", "/staff/delivery/{region}/{environment}/settings/draft", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/settings/draft", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/settings/test", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/settings/activate", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/settings/withdraw", "m"),
    ("POST", "/staff/delivery/{region}/{environment}/settings/discard", "m"),
    ("POST", "/staff/messages/{message}/give-up", "m"),
    ("GET", "/staff/quality", "ohm"),
    ("GET", "/staff/requests", "or"),
    ("GET", "/staff/onboarding", "ohm"),
    ("GET", "/staff/onboarding.csv", "ohm"),
    ("GET", "/staff/sites/{site}", "ohm"),
    ("POST", "/staff/sites/{site}/note", "ohm"),
    ("POST", "/staff/sites/{site}/invite", "o"),
    ("POST", "/staff/sites/{site}/confirm", "o"),
    ("POST", "/staff/sites/{site}/propose", "o"),
    ("POST", "/staff/sites/{site}/take-back", "o"),
    ("POST", "/staff/sites/{site}/approve", "o"),
    ("POST", "/staff/sites/{site}/step", "o"),
    ("GET", "/staff/accounts", "ohrm"),
    ("GET", "/staff/accounts/new", "m"),
    ("POST", "/staff/accounts/new", "m"),
    ("GET", "/staff/accounts/{user}", "ohrm"),
    ("GET", "/staff/organizations", "ohrm"),
    ("GET", "/staff/organizations/{org}", "ohrm"),
    ("POST", "/staff/accounts/{user}/unlock", "hm"),
    ("POST", "/staff/accounts/{user}/resend", "ohr"),
    ("POST", "/staff/accounts/{user}/training", "r"),
    ("POST", "/staff/accounts/{user}/grant", "m"),
    ("POST", "/staff/accounts/{user}/revoke", "m"),
    ("POST", "/staff/accounts/{user}/clear-factors", "hm"),
    ("POST", "/staff/accounts/{user}/reactivate", "hm"),
    ("POST", "/staff/accounts/{user}/deactivate", "hm"),
];

/// Routes that have tests of their own, because what they need is made by another one.
const ELSEWHERE: &[&str] = &[
    "/organization/{organization}/clients/{facility}/{site}",
    "/organization/{organization}/clinicians/{clinician}",
    "/organization/{organization}/clinicians/{clinician}/{state}",
    "/organization/{organization}/links/{facility}/{site}/accept",
    "/organization/{organization}/links/{facility}/{site}/end",
    "/organization/{organization}/messages/saved/{saved}/delete",
    "/organization/{organization}/requests/{request}/answer",
    "/organization/{organization}/requests/{request}/withdraw",
    "/organization/{organization}/sites/upload/{upload}",
    "/organization/{organization}/sites/{site}/keys/{key}/revoke",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}/calls/{call}/resend",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}/pause",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}/ping",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}/remove",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}/resume",
    "/organization/{organization}/sites/{site}/webhooks/{webhook}/secret",
    "/organization/{organization}/sites/{site}/sending-facility",
    "/staff/alerts/{id}",
    "/staff/alerts/{id}/acknowledge",
    "/staff/alerts/{id}/mute",
    "/staff/notices/{id}",
    "/staff/notices/{id}/end",
    "/staff/delivery/{region}/{environment}/maintenance/{id}/end",
    "/staff/delivery/{region}/{environment}/settings/compare",
    "/staff/mail/{id}",
    "/staff/mail/{id}/give-up",
    "/staff/mail/{id}/retry",
    "/staff/messages/saved/{saved}/delete",
    "/staff/organizations/{id}/see-as",
    "/staff/requests/{id}",
    "/staff/see-as/end",
];

struct Place {
    org: OrganizationId,
    other: OrganizationId,
    user: i64,
    user_id: String,
    message: String,
}

fn path_of(template: &str, place: &Place) -> String {
    template
        .replace("{org}", &place.org.to_string())
        .replace("{other}", &place.other.to_string())
        .replace("{site}", "SF-000001")
        .replace("{foreign}", "DE-000002")
        .replace("{region}/{environment}", "CAIRBA/test")
        .replace("{which}", "review____")
        .replace("{number}", "1")
        .replace("{credential}", "SF-000001-T")
        .replace("{another}", "SF-000001")
        .replace("{secret}", "DE-000002-T")
        .replace("/users/{user}", &format!("/users/{}", place.user_id))
        .replace("{user}", &place.user.to_string())
        .replace("{message}", &place.message)
}

/// Whether a page is what somebody finds who may not: nothing, or the way to sign in.
fn is_refused(page: &Page) -> bool {
    let signs_in =
        page.headers.get("location").is_some_and(|to| to.to_str().unwrap().starts_with("/sign-in"));
    page.status == 404 || (page.status == 303 && signs_in)
}

async fn ask(browser: &Browser, method: &str, path: &str) -> Page {
    if method == "GET" {
        return browser.ask(path).await;
    }
    browser.visit("/").await;
    browser.visit("/register").await; // a page with a form, for its token
    browser.post(path, &[("role", "auditor"), ("region", "all")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_finds_its_own_pages_and_no_others() {
    let clinic = Clinic::open().await;
    let place = place(&clinic).await;
    let mut wrong = vec![];
    for (letter, browser) in everybody(&clinic, &place).await {
        for (method, template, who) in ROUTES {
            let path = path_of(template, &place);
            let page = ask(&browser, method, &path).await;
            let may = who.contains(letter);
            if page.status >= 500 || is_refused(&page) == may {
                wrong.push(format!(
                    "{letter} {method} {template}: {} {:?}",
                    page.status,
                    page.headers.get("location")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_without_signing_in() {
    let clinic = Clinic::open().await;
    let place = place(&clinic).await;
    let browser = clinic.app.browser();

    for (method, template, _) in ROUTES {
        let page = ask(&browser, method, &path_of(template, &place)).await;
        assert!(is_refused(&page), "{method} {template}: {}", page.status);
    }
    for path in [
        "/account",
        "/account/letters",
        "/account/letters/SF-000001",
        "/account/password",
        "/account/sessions",
        "/account/second-factor",
    ] {
        assert!(is_refused(&browser.ask(path).await), "{path}");
    }
}

#[test]
fn every_route_of_organizations_and_staff_stands_in_the_matrix() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portal");
    let mut routes = BTreeSet::new();
    for file in
        files_under(&folder).iter().filter(|file| file.extension().is_some_and(|end| end == "rs"))
    {
        let text = std::fs::read_to_string(file).unwrap();
        for literal in text.split('"').skip(1).step_by(2) {
            let of_us = literal.starts_with("/organization/{organization}")
                || literal.starts_with("/staff");
            if of_us && !literal.ends_with('/') && !literal.contains("{}") && !literal.contains('?')
            {
                routes.insert(literal.to_owned());
            }
        }
    }
    let as_route = |template: &str| {
        template
            .replace("{org}", "{organization}")
            .replace("{credential}", "{username}")
            .replace("{another}", "{username}")
    };
    let known: BTreeSet<String> =
        ROUTES.iter().map(|(_, template, _)| as_route(template)).collect();
    let covers = |route: &str| {
        let route = route.replace("/edit/{slug}", "");
        known.iter().any(|one| {
            let one = one.replace("/edit/organization", "").replace("/edit/ehr", "");
            one == route
                || one.replace("{user}", "{id}") == route
                || one.replace("{org}", "{id}") == route
                || one.replace("{message}", "{id}") == route
                || one.replace("{organization}", "{id}") == route
        }) || ELSEWHERE.contains(&route.as_str())
    };
    let missing: Vec<_> = routes.iter().filter(|route| !covers(route)).collect();

    assert!(routes.len() > 30, "{routes:?}");
    assert!(missing.is_empty(), "in no matrix: {missing:#?}");
}

/// A Sending Facility, whose organization has every role, and a Site of another organization.
async fn place(clinic: &Clinic) -> Place {
    let (other, _, _) = clinic.direct("DE-000002").await;
    let store = clinic.app.store();
    let org =
        store.organization_create("Golden Poppy Exchange".to_owned(), tester()).await.unwrap().id;
    let site = NewSite {
        id: Some("SF-000001".parse().unwrap()),
        organization: org,
        name: "Golden Poppy Exchange".to_owned(),
        kind: SiteKind::SendingFacility,
        clinical: false,
        county: Some("06001".to_owned()),
        region: Some("CAIRBA".parse().unwrap()),
        status: izportal::domain::SiteStatus::Registered,
    };
    store.site_create(site, tester()).await.unwrap();
    clinic.app.credential("SF-000001", Environment::Production).await;
    let sender = clinic.app.credential("SF-000001", Environment::Test).await;
    clinic.app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let message = clinic.app.message("ONE").await.id.to_string();
    let new = user("somebody@example.org", &[Role::DxQa]);
    let (account, _) = clinic.sites.user_add_as(org, new, clinic.by()).await.unwrap();
    Place { org, other, user: account.id.0, user_id: account.user_id.to_string(), message }
}

/// A browser of each role, signed in with what the role needs.
async fn everybody(clinic: &Clinic, place: &Place) -> Vec<(char, Browser)> {
    let mut letters = WHO.chars();
    let mut all = vec![];
    // Staff first: one of them has trained the others.
    let mut staff = vec![];
    for role in StaffRole::ALL {
        let new = user(&format!("{role}@example.org"), &[]);
        let grant = StaffGrant { role: *role, region: None };
        let (account, link) = clinic.sites.staff_add(new, grant, clinic.by()).await.unwrap();
        staff.push((account.id, browser(clinic, role.word(), &link.unwrap(), true).await));
    }
    let trainer = staff[0].0;
    for role in Role::ALL {
        let new = user(&format!("{role}@example.org"), &[*role]);
        let (account, _) = clinic.sites.user_add_as(place.org, new, clinic.by()).await.unwrap();
        if role.training() == TrainingNeed::Course {
            let completed_on = Timestamp::now().utc().date_naive();
            let new = NewTraining {
                account: account.id,
                course: Course::Webinar,
                completed_on,
                recorded_by: trainer,
            };
            let token = OneTimeToken::generate(&ring::rand::SystemRandom::new()).unwrap();
            let life = std::time::Duration::from_mins(1);
            let link = LinkSecret { hash: token.hash(&clinic.app.base_key), life };
            clinic.app.store().training_record(new, link, clinic.by().into()).await.unwrap();
        }
        let link = clinic.sites.account_link(account.id, clinic.by()).await.unwrap();
        let needs = role.needs_second_factor();
        all.push((letters.next().unwrap(), browser(clinic, role.word(), &link, needs).await));
    }
    for (_, browser) in staff {
        all.push((letters.next().unwrap(), browser));
    }
    assert_eq!(letters.next(), None, "an email for each role");
    all
}

/// Sets the password by a link, signs in, and sets up an app when the role needs one.
async fn browser(clinic: &Clinic, word: &str, link: &str, needs_factor: bool) -> Browser {
    let agent =
        Agent { address: "192.0.2.8".to_owned(), agent: "test".to_owned(), now: Timestamp::now() };
    let sites = &clinic.sites;
    let link =
        sites.password_link(link.rsplit('/').next().unwrap(), &agent).await.unwrap().unwrap();
    sites.password_set(&link, secret(PASSWORD), &agent).await.unwrap().unwrap();
    let browser = clinic.sign_in(&format!("{word}@example.org")).await;
    if needs_factor {
        let token = browser.cookie("__Host-session").unwrap();
        let who = sites.signed_in(&token, agent.now).await.unwrap().unwrap();
        sites.totp_begin(&who, agent.now).await.unwrap();
        let told = sites.totp_set_up(&who, agent.now).await.unwrap().unwrap();
        let code = App::with(&told.secret).code(agent.now);
        let done = sites.totp_confirm(&who, &code, &agent).await.unwrap().unwrap();
        browser.set_cookie("__Host-session", done.token.reveal());
    }
    browser
}
