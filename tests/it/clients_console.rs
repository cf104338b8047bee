//! The console of a Sending Facility: its clients with the numbers of what it sent, and links changed by the dozen.

use izportal::domain::{
    Environment, LinkStatus, OrganizationId, Role, SiteKind, SiteStatus, TallyScope,
};

use crate::quality::{counted, file};
use crate::support::clinic::Clinic;
use crate::support::{Sender, replace_field, vxu};

/// The fixture as a Sending Facility sends it for a client.
fn message_for(control_id: &str, site: &str, changes: &[(&str, &str)]) -> String {
    let text = vxu(control_id, changes).replace("DE-000001", site);
    replace_field(&replace_field(&text, "MSH", 4, "SF-000001"), "MSH", 6, "")
}

/// A Sending Facility with four clients in Alameda: two active ones, one that asks, one whose link ended.
async fn facility(clinic: &Clinic) -> (OrganizationId, Sender) {
    let app = &clinic.app;
    let id =
        app.site("SF-000001", SiteKind::SendingFacility, false, None, SiteStatus::Testing).await;
    let links = [
        ("DE-000001", LinkStatus::Active),
        ("DE-000002", LinkStatus::Active),
        ("DE-000003", LinkStatus::Requested),
        ("DE-000004", LinkStatus::Ended),
    ];
    for (client, link) in links {
        let kind = SiteKind::ThroughFacility;
        app.site(client, kind, true, Some("Alameda"), SiteStatus::Testing).await;
        app.link("SF-000001", client, link).await;
    }
    let sender = app.credential("SF-000001", Environment::Test).await;
    (clinic.owner(&id).await, sender)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_sees_what_it_sent_for_each_client_and_no_more() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (organization, sender) = facility(&clinic).await;
    app.site("SF-000002", SiteKind::SendingFacility, false, None, SiteStatus::Testing).await;
    app.link("SF-000002", "DE-000001", LinkStatus::Active).await;
    let other = app.credential("SF-000002", Environment::Test).await;
    for number in 0..2 {
        let good = message_for(&format!("GOOD-{number}"), "DE-000001", &[]);
        assert!(app.submit(&sender, &good).await.hl7().contains("MSA|AA"));
    }
    let bad = [("|20250115|F|", "||F|")];
    app.submit(&sender, &message_for("BAD", "DE-000001", &bad)).await.hl7();
    let of_other = replace_field(&message_for("ELSE", "DE-000001", &[]), "MSH", 4, "SF-000002");
    app.submit(&other, &of_other).await.hl7();
    counted(app, TallyScope::Client, "SF-000001 DE-000001", (3, 2)).await;
    counted(app, TallyScope::Site, "DE-000001", (4, 3)).await;
    let operator = clinic.representative(organization).await;
    let base = format!("/organization/{organization}/clients");

    let page = operator.browser.visit(&base).await;
    page.is_at(&base).says(&[
        "4 of 4 clients",
        "1 Site asks you to send",
        "Site DE-000001",
        "66 %",
    ]);
    let lines = file(&operator.browser, &format!("{base}?csv=clients")).await;
    let line = lines.iter().find(|line| line.contains("DE-000001")).unwrap();
    assert!(line.contains("You send for it,") && line.contains(",3,2,66,2,0,"), "{line}");
    assert_eq!(lines.len(), 5);

    let found = async |query: &str| {
        let lines = file(&operator.browser, &format!("{base}?csv=clients&{query}")).await;
        let ids = lines.iter().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned());
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("trouble=refused").await, "DE-000001");
    assert_eq!(found("trouble=asks").await, "DE-000003");
    assert_eq!(found("trouble=silent").await, "DE-000002");
    assert_eq!(found("search=de-000004").await, "DE-000004");
    assert_eq!(found("stage=production").await, "");
    assert_eq!(found("sort=messages").await, "DE-000001 DE-000002 DE-000003 DE-000004");

    let client = format!("{base}/SF-000001/DE-000001");
    operator.browser.visit(&client).await.is_at(&client).says(&["Client DE-000001 of SF-000001"]);
    let figures = file(&operator.browser, &format!("{client}?csv=figures")).await;
    assert!(figures.contains(&"Accepted,2,66,75,90".to_owned()), "{figures:?}");
    let facility = format!("/organization/{organization}/sites/SF-000001/quality?csv=figures");
    let figures = file(&operator.browser, &facility).await;
    assert!(figures[1].starts_with("Accepted,2,66,"), "{figures:?}");

    for path in ["SF-000002/DE-000001", "SF-000001/DE-000009", "DE-000001/DE-000001"] {
        let path = format!("{base}/{path}");
        assert_eq!(operator.browser.visit(&path).await.status, 404, "{path}");
    }
    let named = operator.browser.visit(&format!("{base}?facility=SF-000002")).await;
    assert_eq!(named.status, 404);
    clinic.app.app.stop().await;
}

/// The three clients whose links are not ended, as ticked.
const CHOSEN: [(&str, &str); 4] = [
    ("facility", "SF-000001"),
    ("site", "DE-000001"),
    ("site", "DE-000002"),
    ("site", "DE-000003"),
];

/// The last thing that the trail tells of each link.
async fn last_told(clinic: &Clinic, sites: &[&str]) -> Vec<String> {
    let mut told = vec![];
    for site in sites {
        told.extend(clinic.told(&format!("link SF-000001 {site}")).await.pop());
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn several_links_are_looked_at_then_accepted_and_each_is_recorded() {
    let clinic = Clinic::open().await;
    let (organization, _) = facility(&clinic).await;
    clinic.app.link("SF-000001", "DE-000002", LinkStatus::Requested).await;
    let operator = clinic.representative(organization).await;
    let client = clinic.owner(&"DE-000003".parse().unwrap()).await;
    clinic.representative(client).await;
    let base = format!("/organization/{organization}/clients");
    let browser = &operator.browser;
    browser.visit(&base).await;

    let review = format!("{base}/review");
    let none = browser.submit(&review, &[("what", "accept"), ("site", "DE-000004")]).await;
    none.says(&["Choose at least one client"]);
    let fields = [&CHOSEN[..], &[("what", "accept")]].concat();
    let page = browser.submit(&review, &fields).await;
    page.says(&["Send for these Sites?", "DE-000002", "DE-000003", "Send for all 2"]);
    assert!(!page.text().contains("DE-000001"), "its link is active already");
    let both = ["DE-000002", "DE-000003"];
    assert!(!last_told(&clinic, &both).await.contains(&"link.accept".to_owned()));

    let asked = [("facility", "SF-000001"), ("site", "DE-000002,DE-000003")];
    let page = browser.submit(&format!("{base}/accept"), &asked).await;
    page.says(&["You send for these Sites from now on."]);
    assert_eq!(last_told(&clinic, &both).await, ["link.accept"; 2]);
    let ours = clinic.letters(&format!("rep{organization}@example.org")).await;
    assert_eq!(ours.iter().filter(|kind| *kind == "link-accepted").count(), 1, "one about both");
    let theirs = clinic.letters(&format!("rep{client}@example.org")).await;
    assert!(theirs.contains(&"link-accepted".to_owned()), "{theirs:?}");
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_links_are_ended_for_a_reason_by_those_who_may() {
    let clinic = Clinic::open().await;
    let (organization, _) = facility(&clinic).await;
    let operator = clinic.representative(organization).await;
    let reader = clinic.person(organization, "qa@example.org", Role::DxQa).await;
    let base = format!("/organization/{organization}/clients");

    let page = reader.browser.visit(&base).await;
    assert!(page.status == 200 && !page.html.contains("type=\"checkbox\""), "{}", page.html);
    let refused = reader.browser.submit(&format!("{base}/end"), &CHOSEN).await;
    assert_eq!(refused.status, 404);

    let browser = &operator.browser;
    browser.visit(&base).await;
    let fields = [&CHOSEN[..], &[("what", "end")]].concat();
    let page = browser.submit(&format!("{base}/review"), &fields).await;
    page.says(&["End or decline all 3"]);
    let asked = [("facility", "SF-000001"), ("site", "DE-000001,DE-000002,DE-000003")];
    let wrong = browser.submit(&format!("{base}/end"), &asked).await;
    assert_eq!(wrong.errors().len(), 1, "a reason is asked for");
    let asked = [&asked[..], &[("reason", "The contract ended.")]].concat();
    let page = browser.submit(&format!("{base}/end"), &asked).await;
    page.says(&["You do not send for these Sites any more."]);
    let all = ["DE-000001", "DE-000002", "DE-000003"];
    assert_eq!(last_told(&clinic, &all).await, ["link.end"; 3]);
    clinic.app.app.stop().await;
}
