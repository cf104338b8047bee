//! Site, region, environment; refusals with their ERR.

use izportal::domain::{Environment, LinkStatus, MessageState, SiteKind, SiteStatus, StageEvent};

use crate::support::{Sender, TestApp, errors, msa, replace_field, tester, vxu};

const PRODUCTION: SiteStatus = SiteStatus::Production;

/// What is asked of content says nothing about the way of a message.
const HEADER_ONLY: &str = "[validation]\ntest = \"lenient\"\nproduction = \"lenient\"";

/// The holders of a message that was not passed on.
const NOWHERE: [&str; 0] = [];

/// The fixture with these fields of MSH.
fn message(control_id: &str, msh: &[(usize, &str)]) -> String {
    msh.iter().fold(vxu(control_id, &[]), |text, (number, value)| {
        replace_field(&text, "MSH", *number, value)
    })
}

/// The fixture as `facility` sends it for `site`: MSH-4, MSH-22, PD1-3.10 and RXA-11.4, and no region declared.
fn message_for(control_id: &str, facility: &str, site: &str) -> String {
    let text = vxu(control_id, &[("DE-000001", site)]);
    let text = replace_field(&text, "MSH", 4, facility);
    replace_field(&text, "MSH", 6, "")
}

/// The fixture with three places for the responsible Site; MSH-4 is `facility` and no region is declared.
fn naming(control_id: &str, facility: &str, msh_22: &str, pd1_3: &str, rxa_11: &str) -> String {
    let text = message(control_id, &[(4, facility), (6, ""), (22, msh_22)]);
    let text = replace_field(&text, "PD1", 3, &format!("Clinic^^^^^^^^^{pd1_3}"));
    replace_field(&text, "RXA", 11, &format!("^^^{rxa_11}"))
}

/// The registries that hold a message, as `CAIRBA test`.
async fn holders(app: &TestApp, control_id: &str) -> Vec<String> {
    let held = app.store().loopback_list(None, 10_000).await.unwrap();
    held.iter()
        .filter(|one| one.control_id == control_id)
        .map(|one| format!("{} {}", one.region, one.environment))
        .collect()
}

/// The reply has this MSA-1 and these ERR, each ERR-2, ERR-3, ERR-4 and ERR-5, and nothing else.
#[track_caller]
fn assert_told(reply: &str, code: &str, expected: &[[&str; 4]]) {
    let found: Vec<[String; 4]> = errors(reply)
        .into_iter()
        .map(|[at, code, severity, application, _]| [at, code, severity, application])
        .collect();
    assert_eq!(found, expected, "ERR-2, ERR-3, ERR-4, ERR-5 of {reply}");
    assert_eq!(msa(reply).0, code, "MSA-1 of {reply}");
}

/// The first ERR-8 holds these words.
#[track_caller]
fn assert_says(reply: &str, words: &[&str]) {
    let text = &errors(reply)[0][4];
    for word in words {
        assert!(text.contains(word), "ERR-8 does not say {word:?}: {text}");
    }
    assert!(text.chars().count() < 250, "ERR-8 was not cut: {text}");
}

/// A Sending Facility that gives no immunizations, with a test credential.
async fn vendor(app: &TestApp, id: &str) -> Sender {
    app.site(id, SiteKind::SendingFacility, false, None, PRODUCTION).await;
    app.credential(id, Environment::Test).await
}

async fn client_site(app: &TestApp, id: &str, county: &str, status: SiteStatus) {
    app.site(id, SiteKind::ThroughFacility, true, Some(county), status).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_site_is_routed_by_msh_22() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &message("ONE", &[(22, "DE-000001")])).await.hl7();

    assert_told(&reply, "AA", &[]);
    assert_eq!(holders(&app, "ONE").await, ["CAIRBA test"]);
    assert_eq!(app.message("ONE").await.site.unwrap().as_str(), "DE-000001");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_site_of_the_first_era_is_routed_by_pd1_3_or_by_msh_4_alone() {
    let app = TestApp::with(HEADER_ONLY).await;
    let sender = app.test_sender().await;
    let by_pd1 = naming("PD1", "DE-000001", "", "DE-000001", "");
    let by_msh_4 = naming("MSH4", "DE-000001", "", "", "");

    let replies =
        [app.submit(&sender, &by_pd1).await.hl7(), app.submit(&sender, &by_msh_4).await.hl7()];

    for reply in &replies {
        assert_told(reply, "AA", &[]);
    }
    assert_eq!(holders(&app, "PD1").await, ["CAIRBA test"]);
    assert_eq!(holders(&app, "MSH4").await, ["CAIRBA test"]);
    assert_eq!(app.message("MSH4").await.site.unwrap().as_str(), "DE-000001");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_site_is_routed_through_its_sending_facility() {
    let app = TestApp::start().await;
    let sender = vendor(&app, "SF-000001").await;
    client_site(&app, "DE-000002", "Fresno", PRODUCTION).await;
    app.link("SF-000001", "DE-000002", LinkStatus::Active).await;

    let reply = app.submit(&sender, &message_for("ONE", "SF-000001", "DE-000002")).await.hl7();

    assert_told(&reply, "AA", &[]);
    assert_eq!(holders(&app, "ONE").await, ["CAIRCV test"]);
    let record = app.message("ONE").await;
    assert_eq!((record.sender.as_str(), record.site.unwrap().as_str()), ("SF-000001", "DE-000002"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinical_sending_facility_sends_for_a_client_and_for_itself() {
    let app = TestApp::start().await;
    app.site("SF-000002", SiteKind::SendingFacility, true, Some("Sacramento"), PRODUCTION).await;
    let sender = app.credential("SF-000002", Environment::Test).await;
    client_site(&app, "DE-000003", "Los Angeles", PRODUCTION).await;
    app.link("SF-000002", "DE-000003", LinkStatus::Active).await;

    let client = app.submit(&sender, &message_for("CLIENT", "SF-000002", "DE-000003")).await.hl7();
    let own = app.submit(&sender, &message_for("OWN", "SF-000002", "SF-000002")).await.hl7();

    assert_told(&client, "AA", &[]);
    assert_told(&own, "AA", &[]);
    assert_eq!(holders(&app, "CLIENT").await, ["CAIRLO test"]);
    assert_eq!(holders(&app, "OWN").await, ["CAIRGS test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn msh_22_goes_before_pd1_3_before_rxa_11_before_msh_4() {
    let app = TestApp::with(HEADER_ONLY).await;
    app.site("SF-000002", SiteKind::SendingFacility, true, Some("Sacramento"), PRODUCTION).await;
    let sender = app.credential("SF-000002", Environment::Test).await;
    for (id, county) in [("DE-000001", "Alameda"), ("DE-000002", "Fresno"), ("DE-000003", "Orange")]
    {
        client_site(&app, id, county, PRODUCTION).await;
        app.link("SF-000002", id, LinkStatus::Active).await;
    }
    let cases = [
        (
            "MSH22",
            naming("MSH22", "SF-000002", "DE-000001", "DE-000002", "DE-000003"),
            "CAIRBA test",
        ),
        (
            "XON",
            naming("XON", "SF-000002", "Clinic^^^^^CDPH^FI^^^DE-000001", "DE-000002", "DE-000003"),
            "CAIRBA test",
        ),
        (
            "LOWER",
            naming("LOWER", "SF-000002", "de-000001", "DE-000002", "DE-000003"),
            "CAIRBA test",
        ),
        ("PD1", naming("PD1", "SF-000002", "", "DE-000002", "DE-000003"), "CAIRCV test"),
        ("RXA", naming("RXA", "SF-000002", "", "", "DE-000003"), "CAIRLO test"),
        ("MSH4", naming("MSH4", "SF-000002", "", "", ""), "CAIRGS test"),
    ];

    for (control_id, hl7, region) in cases {
        let reply = app.submit(&sender, &hl7).await.hl7();
        assert_told(&reply, "AA", &[]);
        assert_eq!(holders(&app, control_id).await, [region], "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rxa_11_of_a_historical_dose_names_no_responsible_site() {
    let app = TestApp::with(HEADER_ONLY).await;
    app.site("SF-000002", SiteKind::SendingFacility, true, Some("Sacramento"), PRODUCTION).await;
    let sender = app.credential("SF-000002", Environment::Test).await;
    for (id, county) in [("DE-000002", "Fresno"), ("DE-000003", "Orange")] {
        client_site(&app, id, county, PRODUCTION).await;
        app.link("SF-000002", id, LinkStatus::Active).await;
    }
    let historical = "01^Historical information - source unspecified^NIP001";
    let alone = naming("HISTORY", "SF-000002", "", "", "DE-000003");
    let alone = replace_field(&alone, "RXA", 9, historical);
    let beside_a_new_one = two_doses("BOTH", "DE-000003", "DE-000002");
    let beside_a_new_one = replace_field(&beside_a_new_one, "RXA", 9, historical);

    let history = app.submit(&sender, &alone).await.hl7();
    let both = app.submit(&sender, &beside_a_new_one).await.hl7();

    assert_told(&history, "AA", &[]);
    assert_told(&both, "AA", &[]);
    assert_eq!(holders(&app, "HISTORY").await, ["CAIRGS test"]);
    assert_eq!(holders(&app, "BOTH").await, ["CAIRCV test"]);
}

/// Two new doses from SF-000002, one administered at each Site; nothing else names a Site.
fn two_doses(control_id: &str, first: &str, second: &str) -> String {
    let text = include_str!("../fixtures/hl7/vxu_two_orders.hl7");
    let fields = [(4, "SF-000002"), (6, ""), (10, control_id), (22, "")];
    let text = fields
        .iter()
        .fold(text.to_owned(), |text, (number, value)| replace_field(&text, "MSH", *number, value));
    let text = replace_field(&text, "PD1", 3, "");
    let text = replace_field(&text, "RXA", 11, &format!("^^^{first}"));
    let (before, last) = text.rsplit_once("|^^^DE-000001|").unwrap();
    format!("{before}|^^^{second}|{last}")
}

#[tokio::test(flavor = "multi_thread")]
async fn new_doses_at_different_sites_are_refused_until_msh_22_decides() {
    let app = TestApp::with(HEADER_ONLY).await;
    app.site("SF-000002", SiteKind::SendingFacility, true, Some("Sacramento"), PRODUCTION).await;
    let sender = app.credential("SF-000002", Environment::Test).await;
    for (id, county) in [("DE-000002", "Fresno"), ("DE-000003", "Orange")] {
        client_site(&app, id, county, PRODUCTION).await;
        app.link("SF-000002", id, LinkStatus::Active).await;
    }
    let unclear = two_doses("UNCLEAR", "DE-000002", "DE-000003");
    let decided = replace_field(&unclear, "MSH", 22, "DE-000003");
    let repeated = naming("PD1", "SF-000002", "", "DE-000002~Other^^^^^^^^^DE-000003", "");

    let refused = app.submit(&sender, &unclear).await.hl7();
    let taken = app.submit(&sender, &decided).await.hl7();
    let refused_pd1 = app.submit(&sender, &repeated).await.hl7();

    assert_told(&refused, "AE", &[["RXA^2^11^1^4", "204", "E", "4"]]);
    assert_says(
        &refused,
        &[
            "RXA-11.4 and RXA[2]-11.4 name different Sites",
            "not accepted",
            "Put the Site ID of the responsible Site into MSH-22",
        ],
    );
    assert_told(&refused_pd1, "AE", &[["PD1^1^3^2^10", "204", "E", "4"]]);
    assert_told(&taken, "AA", &[]);
    assert_eq!(holders(&app, "UNCLEAR").await, ["CAIRLO test"]);
    assert_eq!(holders(&app, "PD1").await, NOWHERE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_region_comes_from_the_county_of_the_site() {
    let app = TestApp::start().await;
    let sender = vendor(&app, "SF-000001").await;
    let cases = [
        ("DE-000011", "Alameda", "CAIRBA test"),
        ("DE-000012", "Santa Clara", "CAIRBA test"),
        ("DE-000013", "Monterey", "CAIRCC test"),
        ("DE-000014", "Ventura", "CAIRCC test"),
        ("DE-000015", "Kern", "CAIRCV test"),
        ("DE-000016", "El Dorado", "CAIRGS test"),
        ("DE-000017", "Inyo", "CAIRIE test"),
        ("DE-000018", "Los Angeles", "CAIRLO test"),
        ("DE-000019", "Orange", "CAIRLO test"),
        ("DE-000020", "Yuba", "CAIRNC test"),
    ];

    for (site, county, region) in cases {
        client_site(&app, site, county, PRODUCTION).await;
        app.link("SF-000001", site, LinkStatus::Active).await;
        let reply = app.submit(&sender, &message_for(county, "SF-000001", site)).await.hl7();
        assert_told(&reply, "AA", &[]);
        assert_eq!(holders(&app, county).await, [region], "{county}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn msh_6_may_agree_or_say_nothing_and_anything_else_is_refused() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    for (control_id, region) in
        [("SAME", "CAIRBA"), ("LOWER", "cairba"), ("NONE", ""), ("CAIR2", "CAIR2")]
    {
        let reply = app.submit(&sender, &message(control_id, &[(6, region)])).await.hl7();
        assert_told(&reply, "AA", &[]);
        assert_eq!(holders(&app, control_id).await, ["CAIRBA test"], "MSH-6 {region:?}");
    }
    for (control_id, region) in
        [("OTHER", "CAIRLO"), ("UNMANAGED", "SD"), ("WORD", "CAIR"), ("TEXT", "somewhere")]
    {
        let reply = app.submit(&sender, &message(control_id, &[(6, region)])).await.hl7();
        assert_told(&reply, "AE", &[["MSH^1^6", "103", "E", "4"]]);
        assert_says(&reply, &["which is CAIRBA", "not accepted", "Put CAIRBA into MSH-6"]);
        assert_eq!(holders(&app, control_id).await, NOWHERE, "MSH-6 {region:?}");
        assert_eq!(app.message(control_id).await.state, MessageState::Refused, "MSH-6 {region:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_warn_a_disagreeing_msh_6_is_remarked_and_the_registration_decides() {
    let rules = "[gateway]\nreply = \"accept\"\ntest_region_disagreement = \"warn\"";
    let app = TestApp::with(rules).await;
    let sender = app.test_sender().await;
    let production = app.credential("DE-000001", Environment::Production).await;

    let told = app.submit(&sender, &message("TEST", &[(6, "CAIRLO")])).await.hl7();
    let live = message("LIVE", &[(6, "CAIRLO"), (11, "P")]);
    let refused = app.submit(&production, &live).await.hl7();

    assert_told(&told, "AE", &[["MSH^1^6", "103", "W", "4"], ["", "0", "I", ""]]);
    assert_says(&told, &["was kept and goes to CAIRBA", "Put CAIRBA into MSH-6"]);
    assert!(errors(&told)[1][4].contains("queued for CAIRBA"), "{told}");
    app.until("delivered", async || holders(&app, "TEST").await == ["CAIRBA test"]).await;
    assert_told(&refused, "AE", &[["MSH^1^6", "103", "E", "4"]]);
    assert_eq!(holders(&app, "LIVE").await, NOWHERE);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_warn_and_relay_the_remark_is_kept_beside_the_acknowledgement_of_the_registry() {
    let app = TestApp::with("[gateway]\ntest_region_disagreement = \"warn\"").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &message("TEST", &[(6, "CAIRLO")])).await.hl7();

    assert_told(&reply, "AA", &[]);
    assert_eq!(holders(&app, "TEST").await, ["CAIRBA test"]);
    let record = app.message("TEST").await;
    let (_, diagnostics, _) = app.store().message_by_id(record.id).await.unwrap();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(
        (diagnostics[0].rule.as_str(), diagnostics[0].severity.as_str()),
        ("GW-ROUTE-MSH-6", "W")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn msh_4_must_be_the_site_of_the_credential() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.direct_site("DE-000002").await;

    for (control_id, facility) in
        [("OTHER", "DE-000002"), ("UNKNOWN", "DE-999999"), ("TEXT", "Main Clinic"), ("NONE", "")]
    {
        let reply = app.submit(&sender, &message(control_id, &[(4, facility)])).await.hl7();
        assert_told(&reply, "AE", &[["MSH^1^4", "204", "E", "4"]]);
        assert_says(&reply, &["not accepted", "Put DE-000001 into MSH-4"]);
        assert_eq!(holders(&app, control_id).await, NOWHERE, "MSH-4 {facility:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_not_registered_is_refused_where_it_is_named() {
    let app = TestApp::with(HEADER_ONLY).await;
    let sender = app.test_sender().await;
    let cases = [
        ("MSH22", naming("MSH22", "DE-000001", "DE-999999", "", ""), "MSH^1^22^1^1", "MSH-22.1"),
        (
            "XON",
            naming("XON", "DE-000001", "Clinic^^^^^CDPH^FI^^^DE-999999", "", ""),
            "MSH^1^22^1^10",
            "MSH-22.10",
        ),
        ("TEXT", naming("TEXT", "DE-000001", "Main Clinic", "", ""), "MSH^1^22^1^1", "MSH-22.1"),
        ("PD1", naming("PD1", "DE-000001", "", "DE-999999", ""), "PD1^1^3^1^10", "PD1-3.10"),
        ("RXA", naming("RXA", "DE-000001", "", "", "DE-999999"), "RXA^1^11^1^4", "RXA-11.4"),
    ];

    for (control_id, hl7, at, place) in cases {
        let reply = app.submit(&sender, &hl7).await.hl7();
        assert_told(&reply, "AE", &[[at, "204", "E", "4"]]);
        let fix =
            "Put the Site ID of the responsible Site, as its registration gives it, into MSH-22";
        assert_says(&reply, &[place, "does not name a registered Site", "not accepted", fix]);
        assert_eq!(holders(&app, control_id).await, NOWHERE, "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_names_no_site_at_all_is_refused_twice() {
    let app = TestApp::with(HEADER_ONLY).await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &naming("NONE", "", "", "", "")).await.hl7();

    assert_told(&reply, "AE", &[["MSH^1^4", "204", "E", "4"], ["MSH^1^22", "101", "E", "7"]]);
    assert!(errors(&reply)[1][4].contains("Put its Site ID into MSH-22"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_never_the_responsible_site() {
    let app = TestApp::with(HEADER_ONLY).await;
    let sender = vendor(&app, "SF-000001").await;
    vendor(&app, "SF-000009").await;
    app.link("SF-000001", "SF-000009", LinkStatus::Active).await;

    let itself = app.submit(&sender, &message_for("SELF", "SF-000001", "SF-000001")).await.hl7();
    let by_msh_4 = app.submit(&sender, &naming("MSH4", "SF-000001", "", "", "")).await.hl7();
    let other = app.submit(&sender, &message_for("OTHER", "SF-000001", "SF-000009")).await.hl7();

    assert_told(&itself, "AE", &[["MSH^1^22^1^1", "204", "E", "4"]]);
    let fix = "Put the Site ID of the client Site into MSH-22";
    assert_says(
        &itself,
        &["gives no immunizations", "The sender is a Sending Facility only", "not accepted", fix],
    );
    assert_told(&by_msh_4, "AE", &[["MSH^1^4^1^1", "204", "E", "4"]]);
    assert_says(&by_msh_4, &["MSH-4.1", fix]);
    assert_told(&other, "AE", &[["MSH^1^22^1^1", "204", "E", "4"]]);
    assert_says(&other, &["It is a Sending Facility only", fix]);
    assert!(app.store().loopback_list(None, 10).await.unwrap().is_empty(), "nothing was passed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_active_link_lets_a_facility_submit_for_a_site() {
    let app = TestApp::start().await;
    let sender = vendor(&app, "SF-000001").await;
    client_site(&app, "DE-000002", "Fresno", PRODUCTION).await;
    let cases = [
        ("NONE", None),
        ("REQUESTED", Some(LinkStatus::Requested)),
        ("ENDED", Some(LinkStatus::Ended)),
    ];

    for (control_id, status) in cases {
        if let Some(status) = status {
            app.link("SF-000001", "DE-000002", status).await;
        }
        let reply =
            app.submit(&sender, &message_for(control_id, "SF-000001", "DE-000002")).await.hl7();
        assert_told(&reply, "AE", &[["MSH^1^22^1^1", "204", "E", "4"]]);
        let what = "DE-000002 has not named SF-000001 as its Sending Facility";
        assert_says(
            &reply,
            &[what, "not accepted", "Ask the Site to confirm the link, or correct MSH-22.1"],
        );
        assert_eq!(holders(&app, control_id).await, NOWHERE, "{control_id}");
    }
    app.link("SF-000001", "DE-000002", LinkStatus::Active).await;
    let taken = app.submit(&sender, &message_for("ACTIVE", "SF-000001", "DE-000002")).await.hl7();
    app.link("SF-000001", "DE-000002", LinkStatus::Ended).await;
    let ended = app.submit(&sender, &message_for("AGAIN", "SF-000001", "DE-000002")).await.hl7();

    assert_told(&taken, "AA", &[]);
    assert_told(&ended, "AE", &[["MSH^1^22^1^1", "204", "E", "4"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_site_may_not_send_for_another() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.direct_site("DE-000002").await;

    let reply = app.submit(&sender, &message_for("ONE", "DE-000001", "DE-000002")).await.hl7();

    assert_told(&reply, "AE", &[["MSH^1^22^1^1", "204", "E", "4"]]);
    assert_says(&reply, &["DE-000002 has not named DE-000001 as its Sending Facility"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_sends_tests_from_the_day_of_registration_and_production_data_in_production_only() {
    let app = TestApp::start().await;
    let cases = [
        ("DE-000011", SiteStatus::Registered, "registered"),
        ("DE-000012", SiteStatus::Testing, "testing"),
        ("DE-000013", SiteStatus::Validated, "validated"),
        ("DE-000014", SiteStatus::Onboarding, "onboarding"),
    ];

    for (site, status, word) in cases {
        app.site(site, SiteKind::Direct, true, Some("Alameda"), status).await;
        let test = app.credential(site, Environment::Test).await;
        let production = app.credential(site, Environment::Production).await;
        let trial = app.submit(&test, &message_for("TRIAL", site, site)).await.hl7();
        let live = replace_field(&message_for(word, site, site), "MSH", 11, "P");
        let live = app.submit(&production, &live).await.hl7();
        assert_told(&trial, "AA", &[]);
        assert_told(&live, "AE", &[["MSH^1^22^1^1", "206", "E", "4"]]);
        let what =
            format!("The status of {site} is {word}, which does not permit sending to production");
        let fix =
            "Send test messages with the test credential until the Site is moved to production";
        assert_says(&live, &[&what, "not accepted", fix]);
        assert_eq!(holders(&app, word).await, NOWHERE, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_client_site_is_refused_in_both_environments() {
    let app = TestApp::start().await;
    let test = vendor(&app, "SF-000001").await;
    let production = app.credential("SF-000001", Environment::Production).await;
    let cases = [
        ("DE-000011", SiteStatus::Suspended, "suspended"),
        ("DE-000012", SiteStatus::Inactive, "inactive"),
        ("DE-000013", SiteStatus::Withdrawn, "withdrawn"),
    ];

    for (site, status, word) in cases {
        client_site(&app, site, "Fresno", status).await;
        app.link("SF-000001", site, LinkStatus::Active).await;
        let trial = app.submit(&test, &message_for(word, "SF-000001", site)).await.hl7();
        let live = replace_field(&message_for(word, "SF-000001", site), "MSH", 11, "P");
        let live = app.submit(&production, &live).await.hl7();
        assert_told(&trial, "AE", &[["MSH^1^22^1^1", "206", "E", "4"]]);
        assert_told(&live, "AE", &[["MSH^1^22^1^1", "206", "E", "4"]]);
        let what = format!("The status of {site} is {word}, which does not permit sending to test");
        assert_says(&trial, &[&what, "Ask the onboarding staff about the Site"]);
        assert_eq!(holders(&app, word).await, NOWHERE, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_sender_is_not_let_in_at_all() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("BEFORE", &[])).await.hl7();
    let id = "DE-000001".parse().unwrap();
    app.store().site_step(id, StageEvent::Suspended, None, tester()).await.unwrap();

    let (name, _, _, detail) = app.submit(&sender, &vxu("AFTER", &[])).await.fault();

    assert_eq!(name, "SecurityFault");
    assert!(!detail.contains("suspended"), "the fault tells nobody why: {detail}");
    assert_eq!(holders(&app, "BEFORE").await, ["CAIRBA test"]);
    assert_eq!(holders(&app, "AFTER").await, NOWHERE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_of_an_independent_registry_is_refused() {
    let app = TestApp::start().await;
    let sender = vendor(&app, "SF-000001").await;
    let cases = [
        ("DE-000011", "San Diego", "SD"),
        ("DE-000012", "Imperial", "IMP"),
        ("DE-000013", "Merced", "SJ"),
    ];

    for (site, county, region) in cases {
        client_site(&app, site, county, PRODUCTION).await;
        app.link("SF-000001", site, LinkStatus::Active).await;
        let hl7 = replace_field(&message_for(county, "SF-000001", site), "MSH", 6, region);
        let reply = app.submit(&sender, &hl7).await.hl7();
        assert_told(&reply, "AE", &[["MSH^1^22^1^1", "204", "E", "4"]]);
        let what = format!("{site} is in no region that this Gateway routes to");
        assert_says(
            &reply,
            &[&what, "not accepted", "Send it to the registry of the Site's county"],
        );
        assert_eq!(holders(&app, county).await, NOWHERE, "{county}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn test_messages_reach_the_test_registry_and_production_messages_the_production_registry() {
    let app = TestApp::start().await;
    let test = app.test_sender().await;
    let production = app.credential("DE-000001", Environment::Production).await;

    let trial = app.submit(&test, &message("TRIAL", &[(11, "T")])).await.hl7();
    let live = app.submit(&production, &message("LIVE", &[(11, "P")])).await.hl7();

    assert_told(&trial, "AA", &[]);
    assert_told(&live, "AA", &[]);
    assert_eq!(holders(&app, "TRIAL").await, ["CAIRBA test"]);
    assert_eq!(holders(&app, "LIVE").await, ["CAIRBA production"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn msh_11_must_say_what_the_credential_says() {
    let app = TestApp::start().await;
    let test = app.test_sender().await;
    let production = app.credential("DE-000001", Environment::Production).await;
    let must_be_t = "The credential is a test credential, so MSH-11 must be T";
    let must_be_p = "The credential is a production credential, so MSH-11 must be P";
    let cases = [
        ("TP", &test, "P", must_be_t),
        ("TD", &test, "D", must_be_t),
        ("TX", &test, "X", must_be_t),
        ("TN", &test, "", must_be_t),
        ("PT", &production, "T", must_be_p),
        ("PD", &production, "D", must_be_p),
        ("PN", &production, "", must_be_p),
    ];

    for (control_id, sender, processing, text) in cases {
        let reply = app.submit(sender, &message(control_id, &[(11, processing)])).await.hl7();
        assert_told(&reply, "AR", &[["MSH^1^11", "202", "E", "4"]]);
        assert_says(&reply, &[text, "credential of the Site"]);
        assert_eq!(holders(&app, control_id).await, NOWHERE, "{control_id}");
        assert_eq!(app.message(control_id).await.state, MessageState::Refused, "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_let_test_senders_say_p_and_they_still_reach_the_test_registry() {
    let app = TestApp::with("[gateway]\ntest_processing_ids = [\"T\", \"P\"]").await;
    let test = app.test_sender().await;
    let production = app.credential("DE-000001", Environment::Production).await;

    let trial = app.submit(&test, &message("TRIAL", &[(11, "P")])).await.hl7();
    let live = app.submit(&production, &message("LIVE", &[(11, "T")])).await.hl7();

    assert_told(&trial, "AA", &[]);
    assert_eq!(holders(&app, "TRIAL").await, ["CAIRBA test"]);
    assert_told(&live, "AR", &[["MSH^1^11", "202", "E", "4"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_version_2_5_1_of_vxu_and_qbp_is_taken() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let fix = "Send immunizations as VXU^V04^VXU_V04";
    let cases = [
        ("ADT", 9, "ADT^A08", ["MSH^1^9^1^1", "200", "E", ""], fix),
        ("REPLY", 9, "ACK^V04^ACK", ["MSH^1^9^1^1", "200", "E", ""], fix),
        ("NONE", 9, "", ["MSH^1^9", "200", "E", ""], fix),
        ("EVENT", 9, "VXU^V03^VXU_V03", ["MSH^1^9^1^2", "201", "E", ""], fix),
        ("OLD", 12, "2.3.1", ["MSH^1^12", "203", "E", ""], "HL7 version 2.5.1 only"),
        ("NEWER", 12, "2.5.1.1", ["MSH^1^12", "203", "E", ""], "HL7 version 2.5.1 only"),
        ("UNSAID", 12, "", ["MSH^1^12", "203", "E", ""], "HL7 version 2.5.1 only"),
    ];

    for (control_id, field, value, expected, fix) in cases {
        let reply = app.submit(&sender, &message(control_id, &[(field, value)])).await.hl7();
        assert_told(&reply, "AR", &[expected]);
        assert!(errors(&reply)[0][4].replace("\\S\\", "^").contains(fix), "{reply}");
        assert_eq!(app.message(control_id).await.state, MessageState::Refused, "{control_id}");
    }
    let short = app.submit(&sender, &message("SHORT", &[(9, "VXU^V04")])).await.hl7();
    assert_told(&short, "AE", &[["MSH^1^9^1^3", "101", "W", "7"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_needs_a_control_id_of_its_own() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let longest = "x".repeat(199);

    let none = app.submit(&sender, &message("", &[])).await.hl7();
    let long = app.submit(&sender, &message(&format!("{longest}x"), &[])).await.hl7();
    let fits = app.submit(&sender, &message(&longest, &[])).await.hl7();

    assert_told(&none, "AE", &[["MSH^1^10", "101", "E", "7"]]);
    assert_says(
        &none,
        &[
            "MSH-10 (message control ID) is empty",
            "not accepted",
            "Give each message an ID of its own",
        ],
    );
    assert_told(&long, "AE", &[["MSH^1^10", "102", "E", "4"]]);
    assert_says(&long, &["longer than 199 characters", "Use a shorter ID"]);
    assert_told(&fits, "AA", &[]);
    assert_eq!(msa(&fits).1, longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_findings_the_first_hundred_are_told_and_kept() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let hl7 = format!("{}{}", vxu("MANY", &[("\rRXA|", "\rRXX|")]), "ORC|RE\r".repeat(150));

    let reply = app.submit(&sender, &hl7).await.hl7();

    let told = errors(&reply);
    assert_eq!((msa(&reply).0.as_str(), told.len()), ("AE", 101));
    assert!(told[100][4].ends_with("more findings are not listed."), "{}", told[100][4]);
    let id = app.message("MANY").await.id;
    let (record, kept, _) = app.store().message_by_id(id).await.unwrap();
    assert_eq!((record.diagnostics, kept.len(), kept[100].rule.as_str()), (101, 101, "GW-MORE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_needs_its_patient_and_whole_order_groups() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let without = |control_id: &str, name: &str| -> String {
        vxu(control_id, &[])
            .split('\r')
            .filter(|line| !line.starts_with(name))
            .collect::<Vec<_>>()
            .join("\r")
    };
    let twice = vxu("TWICE", &[("\rPD1|", "\rPID|2||X^^^Y^MR||Sampleperson^Second\rPD1|")]);
    let cases = [
        (
            "PATIENT",
            without("PATIENT", "PID|"),
            vec![["PID^1", "100", "E", ""]],
            "Send PID where the grammar has it: MSH SFT PID",
        ),
        ("TWICE", twice, vec![["PID^2", "100", "E", ""]], "Send one PID"),
        (
            "ORDER",
            without("ORDER", "ORC|"),
            vec![["RXA^1", "100", "E", ""], ["", "100", "E", ""]],
            "RXA has no ORC before it in immunization 1",
        ),
        (
            "DOSE",
            without("DOSE", "RXA|"),
            vec![["RXA^1", "100", "E", ""], ["", "100", "E", ""]],
            "The required segment RXA is missing in immunization 1",
        ),
    ];

    for (control_id, hl7, expected, fix) in cases {
        let reply = app.submit(&sender, &hl7).await.hl7();
        assert_told(&reply, "AE", &expected);
        assert_says(&reply, &[fix]);
        assert!(reply.contains("The message was not accepted."), "{reply}");
        assert_eq!(holders(&app, control_id).await, NOWHERE, "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_usable_delimiters_is_refused() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let same_twice = vxu("SAME", &[("MSH|^~\\&|", "MSH|^^\\&|")]);

    let reply = app.submit(&sender, &same_twice).await.hl7();

    assert_eq!(msa(&reply), ("AR".to_owned(), "SAME".to_owned()));
    assert_eq!(errors(&reply)[0][..4], ["MSH^1^2", "102", "E", ""]);
    assert!(errors(&reply)[0][4].contains("Begin it with MSH"), "{reply}");
    assert_eq!(holders(&app, "SAME").await, NOWHERE);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_usable_delimiters_are_read_and_remarked() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"").await;
    let sender = app.test_sender().await;
    let odd = vxu("ODD", &[("&", "%"), ("^", "!")]);

    let reply = app.submit(&sender, &odd).await.hl7();

    assert_told(&reply, "AA", &[["MSH^1^2", "0", "I", ""], ["", "0", "I", ""]]);
    app.until("delivered", async || holders(&app, "ODD").await == ["CAIRBA test"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_the_header_is_told_at_once() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let hl7 = message("", &[(4, "DE-999999"), (9, "ADT^A08"), (11, "P"), (12, "2.3")]);

    let reply = app.submit(&sender, &hl7).await.hl7();

    assert_told(
        &reply,
        "AR",
        &[
            ["MSH^1^9^1^1", "200", "E", ""],
            ["MSH^1^12", "203", "E", ""],
            ["MSH^1^11", "202", "E", "4"],
            ["MSH^1^10", "101", "E", "7"],
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_content_and_way_is_told_at_once() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let hl7 = message("MANY", &[(4, "DE-999999"), (22, "DE-888888")]);
    let hl7: Vec<&str> = hl7
        .split('\r')
        .filter(|line| !line.starts_with("PID|") && !line.starts_with("ORC|"))
        .collect();

    let reply = app.submit(&sender, &hl7.join("\r")).await.hl7();

    assert_told(
        &reply,
        "AE",
        &[
            ["MSH^1^4", "204", "E", "4"],
            ["MSH^1^22^1^1", "204", "E", "4"],
            ["PID^1", "100", "E", ""],
            ["RXA^1", "100", "E", ""],
            ["", "100", "E", ""],
        ],
    );
    let record = app.message("MANY").await;
    assert_eq!((record.diagnostics, record.ack_code.as_str()), (5, "AE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_acknowledgement_has_the_shape_of_z23() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &message("SHAPE", &[(6, "CAIRLO")])).await.hl7();

    let lines: Vec<&str> = reply.split('\r').collect();
    let names: Vec<&str> = lines.iter().map(|line| line.get(..3).unwrap_or_default()).collect();
    assert_eq!(names, ["MSH", "MSA", "ERR", ""], "each segment ends with CR: {reply}");
    let header: Vec<&str> = lines[0].split('|').collect();
    assert_eq!(header[1..6], ["^~\\&", "IZGATEWAY", "CDPH", "SAMPLE EHR", "DE-000001"]);
    let (time, zone) = header[6].split_at(14);
    assert!(time.bytes().all(|one| one.is_ascii_digit()), "MSH-7 {}", header[6]);
    assert_eq!(zone, "+0000");
    assert_eq!(header[8], "ACK^V04^ACK");
    assert_eq!((header[9].len(), header[10], header[11]), (13, "T", "2.5.1"));
    assert_eq!((header[14], header[15], header[20]), ("NE", "NE", "Z23^CDCPHINVS"));
    assert_eq!(lines[1], "MSA|AE|SHAPE");
    let error: Vec<&str> = lines[2].split('|').collect();
    assert_eq!(
        error[1..6],
        ["", "MSH^1^6", "103^Table value not found^HL70357", "E", "4^Invalid value^HL70533"]
    );
    assert_eq!(error[7], "GW-ROUTE-MSH-6");
    assert!(error[8].len() <= 250, "ERR-8 {}", error[8]);
    assert_eq!(reply.matches("MSH|").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_acknowledgement_echoes_the_processing_id_of_production() {
    let app = TestApp::start().await;
    app.direct_site("DE-000001").await;
    let sender = app.credential("DE-000001", Environment::Production).await;

    let reply = app.submit(&sender, &message("LIVE", &[(6, "CAIRLO"), (11, "P")])).await.hl7();

    assert_eq!(reply.split('|').nth(10), Some("P"), "{reply}");
}
