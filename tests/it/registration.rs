//! Registration for data exchange, page by page, over HTTPS.

use std::time::Duration;

use izportal::domain::form::{Field, Kind, When};
use izportal::domain::questions::REGISTRATION;
use izportal::domain::{Environment, Timestamp};
use izportal::store::{AuditFilter, RetentionLimits};

use crate::support::browser::{Browser, Page};
use crate::support::{Sender, TestApp, msa, vxu};

/// Good answers to every page, for the three types of Sites.
#[expect(clippy::too_many_lines, reason = "a table")]
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
pub(crate) async fn fill_in(browser: &Browser, site_type: &str) -> Page {
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
    place.says(&["San Diego County uses another registry", "Where to go instead"]);

    browser.visit("/register").await;
    browser.submit("/register", &[]).await;
    browser.submit("/register/type", &[("site_type", "direct")]).await;
    let again = browser.submit("/register/county", &[("zip", "92101"), ("county", "06073")]).await;

    let errors = again.is_at("/register/county").errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("San Diego"), "{errors:?}");
}

/// A bad answer to a field, by its kind; none where every text is good.
pub(crate) fn bad(field: &Field) -> Option<&'static str> {
    Some(match field.kind {
        Kind::Agree | Kind::Tick => "perhaps",
        Kind::Choice(_) | Kind::Select(_) | Kind::YesNo => "none of these",
        Kind::Code => "12345",
        Kind::County => "Atlantis",
        Kind::Date => "2015-02-30",
        Kind::Email | Kind::EmailAgain(_) => "not an address",
        Kind::License => "no digits",
        Kind::LongText(_) | Kind::Password => return None,
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

/// The one Site that is registered.
async fn the_site(app: &TestApp) -> izportal::domain::Site {
    let sites = app.store().site_list().await.unwrap();
    assert_eq!(sites.len(), 1, "{sites:?}");
    sites.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_the_letter_registers_the_site_once() {
    let app = TestApp::start().await;
    let browser = app.browser();
    fill_in(&browser, "direct").await;
    browser.submit("/register/review", &[]).await;
    let mail = app.mail_to("ana@larkspur.example", "Confirm your email address").await;
    let link = mail.link("/verify/");

    let other = app.browser();
    other.visit(&link).await.says(&["Confirm the registration of Larkspur Pediatrics, Alameda"]);
    assert!(app.store().site_list().await.unwrap().is_empty(), "looking changes nothing");
    let done = other.submit(&link, &[]).await;

    done.says(&["Larkspur Pediatrics is registered", "DE-000001", "CAIRBA", "DE-000001-T"]);
    let site = the_site(&app).await;
    assert_eq!((site.id.as_str(), site.county.as_deref()), ("DE-000001", Some("06001")));
    for to in ["ana@larkspur.example", "ben@larkspur.example"] {
        let told = app.mail_to(to, "DE-000001").await;
        assert!(told.text.contains("CAIRBA") && told.text.contains("DE-000001-T"), "{}", told.text);
        told.link("/set-password/");
    }
    other.visit(&link).await.says(&["This link does not work any more"]);
    other.submit(&link, &[]).await.says(&["This link does not work any more"]);
    the_site(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_letter_ends_the_link_of_the_first() {
    let app = TestApp::start().await;
    let browser = app.browser();
    fill_in(&browser, "direct").await;
    browser.submit("/register/review", &[]).await;
    let first = app.mail_to("ana@larkspur.example", "Confirm").await.link("/verify/");

    browser.submit("/register/sent", &[]).await.says(&["We have sent another email"]);
    app.until("there are two emails", || async {
        app.mails_to("ana@larkspur.example").await.len() == 2
    })
    .await;
    let second = app.mail_to("ana@larkspur.example", "Confirm").await.link("/verify/");

    assert_ne!(first, second);
    browser.visit(&first).await.says(&["This link does not work any more"]);
    browser.visit(&second).await.says(&["Confirm the registration"]);
    for _ in 0..20 {
        browser.submit("/register/sent", &[]).await;
    }
    browser.submit("/register/sent", &[]).await.says(&["too many emails to this address"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_registration_goes_on_in_another_browser_and_ends_in_the_first() {
    let app = TestApp::start().await;
    let (browser, other) = (app.browser(), app.browser());
    browser.visit("/register").await;
    browser.submit("/register", &[]).await;
    browser.submit("/register/type", &[("site_type", "direct")]).await;
    browser.submit("/register/county", good("county")).await;

    let bad = browser.submit("/register/save", &[("email", "nobody")]).await;
    assert_eq!(bad.errors().len(), 1, "{:?}", bad.errors());
    browser
        .submit("/register/save", &[("email", "ana@larkspur.example")])
        .await
        .says(&["We have sent the link"]);
    let link = app.mail_to("ana@larkspur.example", "saved").await.link("/resume/");
    other.visit(&link).await.says(&["Go on where you stopped"]);
    let overview = other.submit(&link, &[]).await;

    overview.is_at("/register").says(&["Go on where you stopped", "Answered"]);
    other.visit("/register/county").await.is_at("/register/county");
    assert_eq!(
        browser.visit("/register/county").await.path,
        "/register",
        "the old key opens nothing"
    );
    other.submit(&link, &[]).await.says(&["This link does not work any more"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_answers_the_ehr_questions_and_sees_nothing_else() {
    let app = TestApp::start().await;
    let (browser, vendor) = (app.browser(), app.browser());
    browser.visit("/register").await;
    browser.submit("/register", &[]).await;
    browser.submit("/register/type", &[("site_type", "direct")]).await;
    browser.submit("/register/county", good("county")).await;
    browser.submit("/register/site", good("site")).await;
    let asked = [("your_name", "Ana Muster"), ("email", "cleo@chartwell.example")];
    browser.submit("/register/invite", &asked).await.says(&["We have sent the link"]);

    let link = app.mail_to("cleo@chartwell.example", "EHR").await.link("/help-with/");
    vendor.visit(&link).await;
    let page = vendor.submit(&link, &[]).await;
    page.is_at("/help-with").says(&["Larkspur Pediatrics", "Product and version"]);
    assert!(!page.html.contains("12 Invented Street"));
    let answers = [good("ehr"), good("vendor-contact"), &[("site_name", "Mine")]].concat();
    let missing = vendor.submit("/help-with", &answers[1..]).await;
    assert_eq!(missing.errors()[0].0, "ehr_product");
    vendor.submit("/help-with", &answers).await.says(&["Thank you"]);

    assert_eq!(vendor.visit("/register/site").await.path, "/register");
    let ehr = browser.visit("/register/ehr").await;
    assert!(ehr.html.contains("ChartWell 7.2"), "{}", ehr.html);
    assert!(browser.visit("/register/site").await.html.contains("value=\"Larkspur Pediatrics\""));
    vendor.set_cookie("__Host-help", "1.site.9999999999.00");
    vendor.visit("/help-with").await.says(&["This link does not work any more"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_facility_is_found_by_its_name_and_asked_for_its_consent() {
    let app = TestApp::start().await;
    let browser = app.browser();
    for place in 1..=2 {
        let facility = app.browser();
        fill_in(&facility, "sending-facility").await;
        facility.submit("/register/review", &[]).await;
        let confirmations = || async {
            let mails = app.mails_to("ana@larkspur.example").await;
            mails.iter().filter(|mail| mail.subject.contains("Confirm")).count()
        };
        app.until("the email is there", || async { confirmations().await == place }).await;
        let link = app.mail_to("ana@larkspur.example", "Confirm").await.link("/verify/");
        facility.visit(&link).await;
        facility.submit(&link, &[]).await.says(&["Quill Exchange is registered"]);
    }
    browser.visit("/register").await;
    browser.submit("/register", &[]).await;
    browser.submit("/register/type", &[("site_type", "through-facility")]).await;
    browser.submit("/register/county", good("county")).await;

    let none =
        browser.submit("/register/sending-facility", &[("sending_facility", "Nobody")]).await;
    assert!(none.errors()[0].1.contains("No Sending Facility"), "{:?}", none.errors());
    let several =
        browser.submit("/register/sending-facility", &[("sending_facility", "quill")]).await;
    several.says(&["Which Sending Facility do you mean?", "SF-000001", "SF-000002"]);
    let chosen =
        browser.submit("/register/sending-facility", &[("sending_facility", "SF-000002")]).await;
    assert_eq!(chosen.path, "/register/site");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_letter_holds_the_password_of_a_credential_unless_the_operator_wants_it() {
    for (toml, is_mailed) in [("", false), ("[mail]\nmail_secrets = true\n", true)] {
        let app = TestApp::with(toml).await;
        let browser = app.browser();
        fill_in(&browser, "direct").await;
        browser.submit("/register/review", &[]).await;
        let link = app.mail_to("ana@larkspur.example", "Confirm").await.link("/verify/");
        browser.visit(&link).await;
        let done = browser.submit(&link, &[]).await;
        let (ana, ben) = ("ana@larkspur.example", "ben@larkspur.example");
        let (to_ana, to_ben) =
            (app.mail_to(ana, "is registered").await, app.mail_to(ben, "is registered").await);
        let held = app.store().credential_list().await.unwrap();
        let told = app.store().audit_list(AuditFilter::default(), 100).await.unwrap();
        let told = told.into_iter().find(|one| one.action == "registration.verify").unwrap();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let secret = |text: &str| {
            let (_, rest) = text.split_once("Password of the test credential:")?;
            rest.split_whitespace().next().map(str::to_owned)
        };

        assert_eq!(secret(&to_ana.text), None, "{}", to_ana.text);
        assert_eq!((held.len(), held[0].shown_at.is_some()), (1, is_mailed));
        assert_eq!(told.after.unwrap().contains("the test password is mailed"), is_mailed);
        if !is_mailed {
            assert_eq!(secret(&to_ben.text), None, "{}", to_ben.text);
            assert!(words(&to_ben.text).contains("shown once and never mailed"));
            done.says(&["its password is shown to you once you have signed in"]);
            continue;
        }
        let password = secret(&to_ben.text).unwrap_or_else(|| panic!("{}", to_ben.text));
        assert!(words(&to_ana.text).contains("in the email to the Data Exchange Contact"));
        done.says(&["its password is in the email to your Data Exchange Contact"]);
        assert!(!done.html.contains(&password), "no page shows it");
        let hex: Vec<_> = password.bytes().map(|one| format!("{one:02x}")).collect();
        let hex = hex.concat();
        let clear = if app.database.is_postgres() {
            format!("letter WHERE position('{hex}' in encode(body, 'hex')) > 0")
        } else {
            format!("letter WHERE instr(lower(hex(body)), '{hex}') > 0")
        };
        assert_eq!(app.database.count(&app.config.data_dir, &clear), 0, "it is sealed");
        assert!(app.database.count(&app.config.data_dir, "letter WHERE body IS NOT NULL") > 1);
        let sender = Sender {
            username: "DE-000001-T".to_owned(),
            password,
            facility: "DE-000001".to_owned(),
            environment: Environment::Test,
        };
        assert_ne!(msa(&app.submit(&sender, &vxu("ONE", &[])).await.hl7()).0, "", "it opens");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_nobody_goes_on_with_is_removed_and_a_saved_one_stays() {
    let app = TestApp::start().await;
    let (dead, saved) = (app.browser(), app.browser());
    for browser in [&dead, &saved] {
        fill_in(browser, "direct").await.is_at("/register/review");
    }
    let now = Timestamp::now();
    let day = |days: u64| now.plus(Duration::from_hours(24 * days));
    let year = Duration::from_hours(24 * 365);
    let limits = RetentionLimits { bodies: year, metadata: year, letters: year };
    let sweep = async |at| app.store().retention_sweep(limits, at).await.unwrap().forms;
    // Both were last touched 20 days ago; the second one is saved for later now.
    let ago = "UPDATE draft SET updated_at = ";
    let ago = if app.database.is_postgres() {
        format!("{ago} now() AT TIME ZONE 'UTC' - INTERVAL '20 days'")
    } else {
        format!("{ago} strftime('%Y-%m-%d %H:%M:%f', 'now', '-20 days')")
    };
    app.database.change(&app.config.data_dir, &ago);
    saved.submit("/register/save", &[("email", "ana@larkspur.example")]).await;
    let link = app.mail_to("ana@larkspur.example", "saved answers").await.link("/resume/");

    assert_eq!(sweep(day(10)).await, 0);
    assert_eq!(sweep(day(12)).await, 1, "31 days after the last answer");
    assert_eq!(sweep(day(30)).await, 0, "its link is good for so long");

    saved.visit(&link).await;
    saved.submit(&link, &[]).await.is_at("/register");
    let begun = dead.visit("/register").await;
    begun.is_at("/register");
    assert!(!begun.html.contains("Larkspur"), "{}", begun.html);
    assert_eq!(sweep(day(32)).await, 1);
}
