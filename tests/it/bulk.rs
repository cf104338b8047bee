//! Many Sites from one file: read through the fields of registration, all or nothing.

use std::io::{Cursor, Write as _};
use std::time::Duration;

use izportal::domain::{OrganizationId, Role, SiteKind, SiteStatus, Timestamp};
use izportal::sites::bulk::columns;
use izportal::store::RetentionLimits;

use crate::support::browser::Page;
use crate::support::clinic::{Clinic, Person, shown_secret};
use crate::support::{Sender, msa, vxu};

fn at(organization: OrganizationId, path: &str) -> String {
    format!("/organization/{organization}/sites/upload{path}")
}

/// What a row says when nothing else is said.
const HARBOR: &[(&str, &str)] = &[
    ("site_type", "direct"),
    ("county", "Alameda"),
    ("zip", "94501"),
    ("site_name", "Harbor Street"),
    ("address_line1", "1 Harbor Street"),
    ("city", "Alameda"),
    ("clinical", "no"),
    ("mu_stage", "none"),
    ("site_contact_first_name", "Pat"),
    ("site_contact_last_name", "Inventa"),
    ("site_contact_position", "Manager"),
    ("site_contact_phone", "510-555-0100"),
    ("site_contact_email", "pat@example.org"),
    ("exchange_contact_same", "yes"),
    ("ehr_product", "ChartWell 7"),
    ("ehr_vendor", "ChartWell"),
    ("ehr_certified", "yes"),
    ("ehr_hl7", "yes"),
    ("vendor_contact_first_name", "Kim"),
    ("vendor_contact_last_name", "Inventa"),
    ("vendor_contact_company", "ChartWell"),
    ("vendor_contact_phone", "510-555-0101"),
    ("vendor_contact_email", "kim@example.org"),
];

/// A CSV of rows that each differ from [`HARBOR`].
fn csv(rows: &[&[(&str, &str)]]) -> Vec<u8> {
    let names: Vec<_> = columns().iter().map(|field| field.name).collect();
    let mut text = format!("\u{feff}{}\r\n", names.join(","));
    for row in rows {
        let cells: Vec<_> = names
            .iter()
            .map(|name| {
                let own = row.iter().chain(HARBOR).find(|(known, _)| known == name);
                format!("\"{}\"", own.map_or("", |(_, value)| value))
            })
            .collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// An organization without any Site, and its representative.
async fn begin(clinic: &Clinic) -> (OrganizationId, Person) {
    let by = clinic.by();
    let organization = clinic.app.store().organization_create("Harbor Clinics".to_owned(), by);
    let id = organization.await.unwrap().id;
    (id, clinic.representative(id).await)
}

async fn upload(person: &Person, organization: OrganizationId, name: &str, file: &[u8]) -> Page {
    let path = at(organization, "");
    person.browser.visit(&path).await.is_at(&path);
    person.browser.upload(&path, name, file).await
}

async fn sites_of(clinic: &Clinic, organization: OrganizationId) -> usize {
    clinic.app.store().organization_sites(organization).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_templates_are_downloaded_and_taken() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;

    let csv = person.browser.visit(&at(organization, "/template.csv")).await;
    let xlsx = person.browser.visit(&at(organization, "/template.xlsx")).await;

    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.headers["content-disposition"].to_str().unwrap().contains("sites-template.csv"));
    assert!(csv.html.contains("site_type,zip,county"), "{}", csv.html);
    assert_eq!(xlsx.status, 200);
    let page = upload(&person, organization, "sites.csv", csv.html.as_bytes()).await;
    assert_eq!(page.status, 422);
    page.says(&["There is no Site in the file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn good_rows_are_previewed_confirmed_and_send_messages() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let file = csv(&[&[], &[("site_name", "=Hill()"), ("zip", "94502")]]);

    let preview = upload(&person, organization, "sites.csv", &file).await;

    preview.says(&["2 Sites in the file", "Nothing is registered yet", "Harbor Street", "=Hill()"]);
    assert_eq!(sites_of(&clinic, organization).await, 0);
    let path = preview.path.clone();
    let page = person.browser.submit(&path, &[]).await;
    page.is_at(&path).says(&[
        "2 Sites are registered",
        "DE-000001",
        "DE-000002",
        "CAIRBA",
        "DE-000001-T",
    ]);
    assert_eq!(sites_of(&clinic, organization).await, 2);
    let ids = person.browser.visit(&format!("{path}/sites.csv")).await;
    assert!(ids.html.contains("2,DE-000001,Harbor Street,CAIRBA,DE-000001-T\r\n"), "{}", ids.html);
    assert!(ids.html.contains("3,DE-000002,'=Hill(),CAIRBA"), "{}", ids.html);
    let again = person.browser.submit(&path, &[]).await;
    assert_eq!(again.status, 409);
    assert_eq!(sites_of(&clinic, organization).await, 2);

    // The password of a Site that nobody has seen is shown, and opens.
    let password =
        format!("/organization/{organization}/sites/DE-000001/credentials/DE-000001-T/password");
    person.browser.visit(&password).await.says(&["Nobody has seen a password"]);
    let shown = person.browser.submit(&password, &[]).await;
    let sender = Sender {
        username: "DE-000001-T".to_owned(),
        password: shown_secret(&shown.html),
        facility: "DE-000001".to_owned(),
        environment: izportal::domain::Environment::Test,
    };
    let answer = clinic.app.submit(&sender, &vxu("ONE", &[])).await;
    assert_ne!(msa(&answer.hl7()).0, "", "{}", answer.text);
    let site = clinic.app.store().site_by_id("DE-000001".parse().unwrap()).await.unwrap();
    assert_eq!((site.status, site.clinical), (SiteStatus::Registered, false));
    let answers = clinic.app.store().site_answers(site.id).await.unwrap();
    assert_eq!(answers.get("organization_name"), "Harbor Clinics");
    assert_eq!(answers.get("site_contact_email"), "pat@example.org");
    let told = clinic.told(&format!("organization {organization}")).await;
    assert_eq!(told.last().unwrap(), "site.upload");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_told_by_row_and_column_and_nothing_is_kept() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let file = csv(&[
        &[],
        &[("county", "San Diego"), ("zip", "92101")],
        &[("site_contact_email", "pat"), ("clinical", "perhaps")],
        &[("site_type", "through-facility"), ("sending_facility", "")],
    ]);

    let page = upload(&person, organization, "sites.csv", &file).await;

    assert_eq!(page.status, 422);
    page.says(&[
        "3 rows have something to fix. Nothing was registered.",
        "3 county",
        "San Diego",
        "4 clinical Choose one of the answers",
        "4 site_contact_email Enter an email address like name@example.org",
        "5 sending_facility Enter the ID or the name of the Sending Facility",
    ]);
    assert_eq!(sites_of(&clinic, organization).await, 0);
    assert_eq!(person.browser.visit(&at(organization, "/1")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_says_what_is_wrong_with_it() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let clinical = [("clinical", "yes"), ("mu_stage", "stage-1"), ("exchange_contact_same", "")];
    let bad: Vec<(&str, String)> = columns()
        .iter()
        .filter(|field| !matches!(field.name, "site_type" | "clinical" | "mu_stage"))
        .filter(|field| !matches!(field.name, "state" | "sending_facility" | "child_care_license"))
        .filter(|field| field.name != "exchange_contact_same")
        .map(|field| {
            let value = match field.kind {
                izportal::domain::form::Kind::Text(longest) => "x".repeat(longest + 1),
                izportal::domain::form::Kind::Date => "2015-02-30".to_owned(),
                izportal::domain::form::Kind::VfcPin => "A-1".to_owned(),
                _ => "nonsense".to_owned(),
            };
            (field.name, value)
        })
        .collect();
    let row: Vec<_> =
        bad.iter().map(|(name, value)| (*name, value.as_str())).chain(clinical).collect();

    let page = upload(&person, organization, "sites.csv", &csv(&[&row])).await;

    assert_eq!(page.status, 422);
    for (name, _) in &bad {
        assert!(page.text().contains(&format!("2 {name} ")), "{name}: {}", page.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_may_be_there_already_is_pointed_out() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let file = csv(&[&[]]);
    let preview = upload(&person, organization, "sites.csv", &file).await;
    assert!(!preview.text().contains("registered already?"));
    person.browser.submit(&preview.path, &[]).await;

    let preview = upload(&person, organization, "sites.csv", &csv(&[&[], &[]])).await;

    preview.says(&[
        "Are these registered already?",
        "Row 2, Harbor Street: the same name and ZIP code as DE-000001",
        "Row 3, Harbor Street",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_of_a_sending_facility_wait_for_its_consent() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let production = SiteStatus::Production;
    let facility =
        clinic.app.site("SF-000007", SiteKind::SendingFacility, false, None, production).await;
    let owner = clinic.owner(&facility).await;
    let sender = clinic.representative(owner).await;
    let unknown = [("site_type", "through-facility"), ("sending_facility", "Nobody")];
    let known = [("site_type", "through-facility"), ("sending_facility", "Site SF-000007")];

    let page = upload(&person, organization, "sites.csv", &csv(&[&unknown])).await;
    page.says(&["2 sending_facility No Sending Facility has this ID or name"]);
    let preview = upload(&person, organization, "sites.csv", &csv(&[&known])).await;
    preview.says(&["SF-000007"]);
    person.browser.submit(&preview.path, &[]).await.says(&["1 Site is registered"]);

    let links = sender.browser.visit(&format!("/organization/{owner}/links")).await;
    links.says(&["Waiting for you", "Harbor Street"]);
    let letters = clinic.letters(sender.account.email.as_str()).await;
    assert!(letters.contains(&"link-requested".to_owned()), "{letters:?}");
}

/// An archive with these parts.
fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in parts {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_known_by_its_content_and_what_is_no_table_is_refused() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let bomb = packed(&[("xl/workbook.xml", &vec![b' '; 40 * 1024 * 1024])]);
    let polyglot = [b"GIF89a\x00\x01".as_slice(), &packed(&[("a", b"b")])].concat();
    let page_of_html = b"<!doctype html>\n<script>alert(1)</script>\n".to_vec();
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("sites.csv", vec![], "Choose a file"),
        ("sites.csv", b"\xEF\xBB\xBF\n".to_vec(), "The file has no rows"),
        ("sites.xlsx", polyglot, "neither CSV nor XLSX"),
        ("sites.csv", packed(&[("a.html", b"<script>")]), "neither CSV nor XLSX"),
        ("sites.xlsx", bomb, "too large"),
        ("sites.xlsx", page_of_html, "This is not a name of a column"),
        ("sites.csv", b"a,b\nJos\xE9,x\n".to_vec(), "characters that cannot be read"),
        ("sites.csv", "site_name\n".repeat(2_002).into_bytes(), "more than 2,000 rows"),
    ];

    for (name, file, told) in cases {
        let page = upload(&person, organization, name, &file).await;
        assert_eq!(page.status, 422, "{told}");
        page.says(&[told]);
        assert!(!page.html.contains("<script>"), "{told}");
    }
    let csv_named_xlsx = upload(&person, organization, "sites.xlsx", &csv(&[&[]])).await;
    csv_named_xlsx.says(&["1 Site in the file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_and_what_is_no_form_of_ours_is_stopped_at_the_door() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let path = at(organization, "");
    person.browser.visit(&path).await;

    let large = person.browser.upload(&path, "sites.csv", &vec![b'a'; 5 * 1024 * 1024 + 1]).await;
    assert_eq!(large.status, 413);
    let stranger = clinic.app.browser();
    stranger.set_cookie("__Host-session", &person.browser.cookie("__Host-session").unwrap());
    let forged = stranger.upload(&path, "sites.csv", &csv(&[&[]])).await;
    assert_eq!(forged.status, 403);
    person.browser.visit(&path).await;
    assert_eq!(person.browser.post(&path, &[("file", "a,b")]).await.status, 415);
    let reader = clinic.person(organization, "reader@example.org", Role::ReadOnly).await;
    reader.browser.visit(&format!("/organization/{organization}")).await;
    let refused = reader.browser.upload(&path, "sites.csv", &csv(&[&[]])).await;
    assert_eq!(refused.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_its_organizations_own() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let (other, stranger) = begin(&clinic).await;
    let preview = upload(&person, organization, "sites.csv", &csv(&[&[]])).await;
    let number = preview.path.rsplit('/').next().unwrap().to_owned();

    stranger.browser.visit(&at(other, "")).await;
    for path in [at(other, &format!("/{number}")), at(organization, &format!("/{number}"))] {
        assert_eq!(stranger.browser.visit(&path).await.status, 404, "{path}");
    }
    stranger.browser.visit(&at(other, "")).await;
    let stolen = stranger.browser.post(&at(other, &format!("/{number}")), &[]).await;
    assert_eq!(stolen.status, 404);
    assert_eq!(sites_of(&clinic, organization).await + sites_of(&clinic, other).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_rows_are_registered_at_one_time() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let names: Vec<_> = (0..2_000).map(|number| format!("Site number {number}")).collect();
    let rows: Vec<[(&str, &str); 1]> =
        names.iter().map(|name| [("site_name", name.as_str())]).collect();
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(<[_; 1]>::as_slice).collect();

    let preview = upload(&person, organization, "sites.csv", &csv(&rows)).await;
    preview.says(&["2000 Sites in the file", "And 1800 more."]);
    let page = person.browser.submit(&preview.path, &[]).await;

    page.says(&["2000 Sites are registered"]);
    assert_eq!(sites_of(&clinic, organization).await, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_not_confirmed_in_a_day_is_removed() {
    let clinic = Clinic::open().await;
    let (organization, person) = begin(&clinic).await;
    let confirmed = upload(&person, organization, "sites.csv", &csv(&[&[]])).await;
    person.browser.submit(&confirmed.path, &[]).await.says(&["registered"]);
    let other = [("site_name", "Hill"), ("zip", "94502")];
    let waits = upload(&person, organization, "sites.csv", &csv(&[&other])).await;
    let year = Duration::from_hours(24 * 365);
    let limits = RetentionLimits { bodies: year, metadata: year, letters: year };
    let sweep = async |hours| {
        let at = Timestamp::now().plus(Duration::from_hours(hours));
        clinic.app.store().retention_sweep(limits, at).await.unwrap().forms
    };

    assert_eq!((sweep(23).await, sweep(25).await), (0, 1));

    // The session of before is over by then, too.
    let browser = clinic.sign_in(person.account.email.as_str()).await;
    assert_eq!(browser.ask(&waits.path).await.status, 404);
    browser.visit(&confirmed.path).await.is_at(&confirmed.path).says(&["DE-000001"]);
}
