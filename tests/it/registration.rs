//! Registration for data exchange, page by page, over HTTPS.

use izportal::domain::form::{Field, Kind, When};
use izportal::domain::questions::REGISTRATION;

use crate::support::TestApp;
use crate::support::browser::{Browser, Page};

/// Good answers to every page, for the three types of Sites.
fn good(slug: &str) -> &'static [(&'static str, &'static str)] {
    match slug {
        "county" => &[("zip", "94501"), ("county", "06001")],
        "sending-facility" => &[("sending_facility", "SF-000001")],
        "site" => &[
            ("organization_name", "Larkspur Pediatrics Group"),
            ("organization_type", "private-practice"),
            ("site_name", "Larkspur Pediatrics"),
            ("address_line1", "12 Invented Street"),
            ("city", "Alameda"),
        ],
        "facility-site" => &[
            ("organization_name", "Quill Health Exchange"),
            ("organization_type", "hie"),
            ("site_name", "Quill Exchange"),
            ("address_line1", "1 Invented Plaza"),
            ("city", "Portland"),
            ("state", "OR"),
            ("zip", "97201"),
        ],
        "clinical" => &[("clinical", "yes")],
        "clinician" => &[
            ("clinician_first_name", "Rosa"),
            ("clinician_last_name", "Inventa"),
            ("clinician_license_type", "physician"),
            ("clinician_license", "A12345"),
            ("clinician_npi", "1234567893"),
            ("specialty", "pediatrics"),
        ],
        "site-contact" => &[
            ("site_contact_first_name", "Ana"),
            ("site_contact_last_name", "Muster"),
            ("site_contact_position", "Office manager"),
            ("site_contact_phone", "510-555-0100"),
            ("site_contact_email", "ana@larkspur.example"),
            ("site_contact_email_again", "Ana@Larkspur.example"),
        ],
        "exchange-contact" => &[
            ("exchange_contact_first_name", "Ben"),
            ("exchange_contact_last_name", "Beispiel"),
            ("exchange_contact_position", "IT"),
            ("exchange_contact_phone", "510-555-0101"),
            ("exchange_contact_email", "ben@larkspur.example"),
            ("exchange_contact_email_again", "ben@larkspur.example"),
        ],
        "ehr" => &[
            ("ehr_product", "ChartWell 7.2"),
            ("ehr_vendor", "ChartWell"),
            ("ehr_certified", "yes"),
            ("ehr_hl7", "yes"),
        ],
        "vendor-contact" => &[
            ("vendor_contact_first_name", "Cleo"),
            ("vendor_contact_last_name", "Specimen"),
            ("vendor_contact_company", "ChartWell"),
            ("vendor_contact_phone", "916-555-0102"),
            ("vendor_contact_email", "cleo@chartwell.example"),
            ("vendor_contact_email_again", "cleo@chartwell.example"),
        ],
        "meaningful-use" => &[("mu_stage", "stage-2")],
        "reporting-period" => &[
            ("mu_period_start-month", "1"),
            ("mu_period_start-day", "1"),
            ("mu_period_start-year", "2015"),
            ("mu_period_end", "2015-03-31"),
        ],
        "agreement" => &[
            ("agreement", "yes"),
            ("agreement_name", "Ana Muster"),
            ("agreement_title", "Office manager"),
        ],
        other => panic!("no answers for {other}"),
    }
}

/// Fills a registration in up to its review.
async fn fill_in(browser: &Browser, site_type: &str) -> Page {
    browser.visit("/register").await;
    let mut page = browser.submit("/register", &[]).await;
    page = browser.submit(&page.path, &[("site_type", site_type)]).await;
    for _ in 0..REGISTRATION.pages.len() {
        if page.path == "/register/review" {
            return page;
        }
        let slug = page.path.strip_prefix("/register/").unwrap().to_owned();
        let next = browser.submit(&page.path, good(&slug)).await;
        assert_ne!(next.path, page.path, "{:?}", next.errors());
        page = next;
    }
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_site_is_asked_page_by_page_and_reviews_its_answers() {
    let app = TestApp::start().await;
    let browser = app.browser();

    let review = fill_in(&browser, "direct").await;

    review.is_at("/register/review").says(&[
        "Larkspur Pediatrics",
        "Alameda County",
        "January 1, 2015",
        "510-555-0100",
        "ana@larkspur.example",
        "Pediatrics",
    ]);
    let sent = browser.submit("/register/review", &[]).await;
    sent.is_at("/register/sent").says(&["ana@larkspur.example", "within 24 hours"]);
    assert!(app.store().site_list().await.unwrap().is_empty(), "nothing is registered yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_facility_may_stand_in_another_state() {
    let app = TestApp::start().await;

    let review = fill_in(&app.browser(), "sending-facility").await;

    review.is_at("/register/review").says(&["Quill Exchange", "Oregon"]);
    assert!(!review.text().contains("county"), "{}", review.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_county_is_told_where_to_go() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let place = browser.visit("/where?zip=92101").await;
    place.says(&["San Diego County has its own way", "Where to go instead"]);

    browser.visit("/register").await;
    browser.submit("/register", &[]).await;
    browser.submit("/register/type", &[("site_type", "direct")]).await;
    let again = browser.submit("/register/county", &[("zip", "92101"), ("county", "06073")]).await;

    let errors = again.is_at("/register/county").errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("San Diego"), "{errors:?}");
}

/// A bad answer to a field, by its kind; none where every text is good.
fn bad(field: &Field) -> Option<&'static str> {
    Some(match field.kind {
        Kind::Agree | Kind::Tick => "perhaps",
        Kind::Choice(_) | Kind::Select(_) | Kind::YesNo => "none of these",
        Kind::County => "Atlantis",
        Kind::Date => "2015-02-30",
        Kind::Email | Kind::EmailAgain(_) => "not an address",
        Kind::License => "no digits",
        Kind::LongText(_) => return None,
        Kind::Npi => "1234567890",
        Kind::Phone => "555",
        Kind::SiteId => "?",
        Kind::Text(longest) => return Some("x".repeat(longest + 1).leak()),
        Kind::VfcPin => "???",
        Kind::Zip | Kind::ZipCalifornia => "1",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_tells_what_is_wrong_with_a_bad_answer_and_with_none() {
    let app = TestApp::start().await;
    let mut tried = 0;
    for (site_type, pages) in [
        ("direct", &["sending-facility", "facility-site", "child-care"][..]),
        ("sending-facility", &[]),
    ] {
        let browser = app.browser();
        fill_in(&browser, site_type).await;
        for page in REGISTRATION.pages.iter().filter(|page| page.slug != "type") {
            let path = format!("/register/{}", page.slug);
            if pages.contains(&page.slug) || browser.visit(&path).await.path != path {
                continue;
            }
            for field in page
                .fields
                .iter()
                .filter(|field| matches!(field.when, When::Always) || !field.optional)
            {
                for (typed, is_empty) in [(bad(field), false), (Some(""), true)] {
                    let Some(typed) = typed.filter(|_| !(is_empty && field.optional)) else {
                        continue;
                    };
                    let mut answers: Vec<_> = good(page.slug).to_vec();
                    answers.retain(|(name, _)| {
                        !name.starts_with(field.name) || *name == format!("{}_again", field.name)
                    });
                    answers.push((field.name, typed));
                    let again = browser.submit(&path, &answers).await;

                    let errors = again.errors();
                    let told = errors.iter().find(|(name, _)| name == field.name);
                    let (_, message) =
                        told.unwrap_or_else(|| panic!("{} {typed:?}: {errors:?}", field.name));
                    assert!(message.len() > 10, "{message}");
                    assert!(
                        again.html.contains(&format!("id=\"{}\"", field.name)),
                        "{}",
                        field.name
                    );
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
    }
    assert!(tried > 90, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_ours_changes_nothing() {
    let app = TestApp::start().await;
    let (browser, other) = (app.browser(), app.browser());
    browser.visit("/register").await;
    other.visit("/register").await;

    let without = browser.post_body("/register", "csrf=".to_owned()).await;
    let token = other.visit("/register").await;
    let token =
        token.html.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let of_another = browser.post_body("/register", format!("csrf={token}")).await;

    for refused in [without, of_another] {
        assert_eq!(refused.status, 403);
        refused.says(&["Go back, load the page again"]);
    }
    assert!(browser.cookie("__Host-registration").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_cannot_be_skipped_and_fields_that_are_not_asked_are_not_taken() {
    let app = TestApp::start().await;
    let browser = app.browser();
    assert_eq!(browser.visit("/register/agreement").await.path, "/register");
    browser.submit("/register", &[]).await;
    browser
        .submit(
            "/register/type",
            &[("site_type", "direct"), ("role", "admin"), ("region", "CAIRLO")],
        )
        .await;

    let review = browser.visit("/register/review").await;
    let sent = browser.submit("/register/review", &[]).await;

    assert_eq!(
        (review.path.as_str(), sent.path.as_str()),
        ("/register/county", "/register/county")
    );
    assert_eq!(browser.visit("/register/sent").await.path, "/register");
}
