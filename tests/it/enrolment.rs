//! Enrolment for access without an EHR, page by page, over HTTPS.

use izportal::domain::form::When;
use izportal::domain::questions::ENROLMENT;
use izportal::domain::{Request, RequestKind, RequestState, RequestViews};
use izportal::store::RequestFilter;

use crate::registration::bad;
use crate::support::TestApp;
use crate::support::browser::{Browser, Page};

type Answers = Vec<(String, String)>;

fn person(who: &str, first: &str, email: &str) -> Answers {
    [
        ("first_name", first),
        ("last_name", "Muster"),
        ("position", "Office manager"),
        ("phone", "510-555-0100"),
        ("email", email),
        ("email_again", email),
    ]
    .map(|(what, value)| (format!("{who}_{what}"), value.to_owned()))
    .to_vec()
}

fn answers(pairs: &[(&str, &str)]) -> Answers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Good answers to a page; the first user has this role.
pub(crate) fn good(slug: &str, role: &str) -> Answers {
    match slug {
        "county" => answers(&[("zip", "94501"), ("county", "06001")]),
        "organization" => answers(&[
            ("organization_name", "Marigold School"),
            ("organization_type", "school"),
            ("address_line1", "3 Invented Road"),
            ("city", "Alameda"),
        ]),
        "primary-contact" => person("primary_contact", "Ana", "ana@marigold.example"),
        "clinician" => answers(&[
            ("clinician_first_name", "Rosa"),
            ("clinician_last_name", "Inventa"),
            ("clinician_license_type", "physician"),
            ("clinician_license", "A12345"),
            ("clinician_npi", "1234567893"),
        ]),
        "vaccines" => answers(&[("state_vaccine", "yes"), ("vfc", "yes"), ("vfc_pin", "123456")]),
        "vaccine-coordinator" => person("vaccine_coordinator", "Vera", "vera@marigold.example"),
        "vfc-contact" => person("vfc_contact", "Vito", "vito@marigold.example"),
        "technical-contact" => person("technical_contact", "Tess", "tess@marigold.example"),
        "other-contact" => {
            let mut other = person("other_contact", "Otto", "otto@marigold.example");
            other.push(("other_contact".to_owned(), "yes".to_owned()));
            other
        }
        "user-1" => {
            let mut user = person("user_1", "Uma", "uma@marigold.example");
            user.push(("user_1_role".to_owned(), role.to_owned()));
            user.push(("user_1_more".to_owned(), "no".to_owned()));
            user
        }
        "agreement" => answers(&[
            ("agreement", "yes"),
            ("agreement_name", "Ana Muster"),
            ("agreement_title", "Principal"),
        ]),
        other => panic!("no answers for {other}"),
    }
}

pub(crate) async fn submit(browser: &Browser, path: &str, answers: &Answers) -> Page {
    let fields: Vec<_> = answers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    browser.submit(path, &fields).await
}

/// Fills an enrolment in up to its review.
pub(crate) async fn fill_in(browser: &Browser, level: &str, role: &str) -> Page {
    browser.visit("/enroll").await;
    let mut page = browser.submit("/enroll", &[]).await;
    page = browser.submit(&page.path, &[("access_level", level)]).await;
    for _ in 0..ENROLMENT.pages.len() {
        if page.path == "/enroll/review" {
            return page;
        }
        let slug = page.path.strip_prefix("/enroll/").unwrap().to_owned();
        let next = submit(browser, &page.path, &good(&slug, role)).await;
        assert_ne!(next.path, page.path, "{:?}", next.errors());
        page = next;
    }
    page
}

/// Everything that waits for staff.
pub(crate) async fn waiting(app: &TestApp) -> Vec<Request> {
    let filter = RequestFilter {
        views: RequestViews::all(),
        kind: None,
        states: vec![],
        region: None,
        organization: None,
        text: String::new(),
        after: None,
        limit: 100,
    };
    app.store().request_list(filter).await.unwrap()
}

/// An enrolment that waits for staff.
pub(crate) async fn enrol(app: &TestApp, level: &str, role: &str) -> Request {
    let browser = app.browser();
    fill_in(&browser, level, role).await;
    browser.submit("/enroll/review", &[]).await;
    let link = app.mail_to("ana@marigold.example", "Confirm").await.link("/verify/");
    browser.visit(&link).await;
    browser.submit(&link, &[]).await.says(&["Your enrollment has arrived"]);
    waiting(app).await.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_is_asked_page_by_page_and_waits_for_the_staff_of_its_region() {
    let app = TestApp::start().await;
    let browser = app.browser();

    let review = fill_in(&browser, "clinical", "power").await;

    review.is_at("/enroll/review").says(&[
        "Clinical",
        "Alameda County",
        "Marigold School",
        "A12345",
        "123456",
        "vera@marigold.example",
        "Uma",
        "Power",
    ]);
    browser.submit("/enroll/review", &[]).await.is_at("/enroll/sent");
    assert!(waiting(&app).await.is_empty(), "nothing waits before the link");

    let link = app.mail_to("ana@marigold.example", "Confirm").await.link("/verify/");
    let other = app.browser();
    other.visit(&link).await.says(&["Confirm the enrollment of Marigold School, Alameda"]);
    assert!(waiting(&app).await.is_empty(), "looking changes nothing");
    other.submit(&link, &[]).await.says(&["10 business days"]);

    let held = waiting(&app).await.pop().unwrap();
    assert_eq!((held.kind, held.state), (RequestKind::Enrolment, RequestState::Pending));
    assert_eq!(held.region, "CAIRBA".parse().ok());
    assert_eq!(held.title, "Marigold School, Alameda: Clinical");
    assert!(held.flags.iter().any(|flag| flag.contains("rarely give vaccines")), "a school");
    assert!(held.answers.iter().all(|(name, _)| !name.ends_with("_again")));
    app.mail_to("ana@marigold.example", "has arrived").await;
    other.visit(&link).await.says(&["This link does not work any more"]);
    other.submit(&link, &[]).await.says(&["This link does not work any more"]);
    assert_eq!(waiting(&app).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_school_is_not_asked_what_only_clinics_know() {
    let app = TestApp::start().await;
    let browser = app.browser();

    let review = fill_in(&browser, "read-only", "power").await;

    let text = review.is_at("/enroll/review").text();
    for absent in ["A12345", "123456", "Power"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    for page in ["clinician", "vaccines", "vaccine-coordinator", "vfc-contact", "user-2"] {
        assert_eq!(browser.visit(&format!("/enroll/{page}")).await.path, "/enroll", "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_county_is_told_where_to_go_and_cannot_be_brought_along() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.visit("/enroll").await;
    let page = browser
        .submit("/enroll", &[("access_level", "read-only"), ("zip", "92101"), ("county", "06073")])
        .await;
    page.is_at("/enroll/level");
    let page = browser.submit("/enroll/level", &[("access_level", "read-only")]).await;

    let again = browser.submit(&page.path, &[("zip", "92101"), ("county", "06073")]).await;

    let errors = again.is_at("/enroll/county").errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("San Diego"), "{errors:?}");
    assert_eq!(browser.visit("/enroll/review").await.path, "/enroll/county");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_has_a_page_and_one_who_is_left_out_is_not_enrolled() {
    let app = TestApp::start().await;
    let browser = app.browser();
    fill_in(&browser, "read-only", "read-only").await;
    let more = |number: u8, more: &str| {
        let mut user = person(&format!("user_{number}"), "Uma", &format!("u{number}@m.example"));
        user.push((format!("user_{number}_more"), more.to_owned()));
        user
    };

    let second = submit(&browser, "/enroll/user-1", &more(1, "yes")).await;
    second.is_at("/enroll/user-2");
    submit(&browser, "/enroll/user-2", &more(2, "yes")).await.is_at("/enroll/user-3");
    let review = submit(&browser, "/enroll/user-3", &more(3, "no")).await;
    review.is_at("/enroll/review").says(&["u1@m.example", "u2@m.example", "u3@m.example"]);

    let review = submit(&browser, "/enroll/user-1", &more(1, "no")).await;
    assert!(!review.is_at("/enroll/review").text().contains("u3@m.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_other_pages_and_unknown_ones_are_not_taken() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.visit("/enroll").await;
    browser.submit("/enroll", &[("organization_name", "Sneaky")]).await;
    browser
        .submit(
            "/enroll/level",
            &[
                ("access_level", "read-only"),
                ("county", "06001"),
                ("user_1_role", "power"),
                ("state", "verified"),
            ],
        )
        .await
        .is_at("/enroll/county");

    for page in ["review", "organization"] {
        let page = browser.visit(&format!("/enroll/{page}")).await;
        assert!(!page.html.contains("Sneaky"), "{}", page.path);
    }
    assert_eq!(browser.visit("/enroll/review").await.path, "/enroll/county");
    assert_eq!(browser.submit("/enroll/review", &[]).await.path, "/enroll/county");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_enrolment_tells_what_is_wrong_with_a_bad_answer_and_with_none() {
    let app = TestApp::start().await;
    let mut tried = 0;
    let browser = app.browser();
    fill_in(&browser, "clinical", "power").await;
    let level = |page: &&izportal::domain::form::Page| page.slug == "level";
    for page in ENROLMENT.pages.iter().filter(|page| !level(page)) {
        let path = format!("/enroll/{}", page.slug);
        let asked = browser.visit(&path).await;
        if asked.path != path || !page.fields.iter().all(|field| asked.html.contains(field.name)) {
            continue;
        }
        for field in
            page.fields.iter().filter(|field| matches!(field.when, When::Always) || !field.optional)
        {
            for (typed, is_empty) in [(bad(field), false), (Some(""), true)] {
                let Some(typed) = typed.filter(|_| !(is_empty && field.optional)) else { continue };
                let mut typed_all = good(page.slug, "power");
                typed_all.retain(|(name, _)| name != field.name);
                typed_all.push((field.name.to_owned(), typed.to_owned()));
                let again = submit(&browser, &path, &typed_all).await;

                let errors = again.errors();
                let told = errors.iter().find(|(name, _)| name == field.name);
                let (_, message) =
                    told.unwrap_or_else(|| panic!("{} {typed:?}: {errors:?}", field.name));
                assert!(message.len() > 10, "{message}");
                assert!(again.html.contains(&format!("id=\"{}\"", field.name)), "{}", field.name);
                assert!(
                    again.html.contains(&format!("id=\"{}-error\"", field.name)),
                    "{}",
                    field.name
                );
                if is_empty {
                    assert_eq!(message, field.missing);
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 70, "{tried}");
}
