//! The page of a Site and the pages of messages: what is found, whose it is, who sees its text, and that the look is bounded.

use std::time::{Duration, Instant};

use izportal::domain::{
    Environment, LinkStatus, MessageRecord, MessageState, OrganizationId, Role, Scope, SiteKind,
    SiteStatus, StaffRole,
};
use izportal::store::{MessageSearch, MessagesOf};

use crate::staff::staff;
use crate::support::browser::Page;
use crate::support::clinic::Clinic;
use crate::support::{Sender, msa, number_of, vxu};

fn at(organization: OrganizationId, path: &str) -> String {
    format!("/organization/{organization}{path}")
}

/// A message without a date of birth: an error.
fn bad(control_id: &str) -> String {
    vxu(control_id, &[("|20250115|F|", "||F|")])
}

async fn send(clinic: &Clinic, sender: &Sender, text: &str) -> MessageRecord {
    let reply = clinic.app.submit(sender, text).await.hl7();
    let (_, control_id) = msa(&reply);
    clinic.app.message(&control_id).await
}

/// The control IDs of a list, in its order.
fn listed(page: &Page, known: &[&str]) -> Vec<String> {
    let mut found: Vec<_> = known
        .iter()
        .filter_map(|one| Some((page.html.find(&format!("<td>{one}</td>"))?, (*one).to_owned())))
        .collect();
    found.sort();
    found.into_iter().map(|(_, one)| one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_newest_first_and_found_by_each_filter() {
    let clinic = Clinic::open().await;
    let (organization, _, sender) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let empty = person.browser.visit(&at(organization, "/messages")).await;
    empty.says(&["No message yet"]);

    let good = send(&clinic, &sender, &vxu("GOOD-1", &[])).await;
    let refused = send(&clinic, &sender, &bad("BAD-1")).await;
    send(&clinic, &sender, &vxu("GOOD-2", &[])).await;
    let known = ["GOOD-1", "BAD-1", "GOOD-2"];
    let find = async |query: &str| {
        let page = person.browser.visit(&at(organization, &format!("/messages{query}"))).await;
        assert_eq!(page.status, 200, "{query}");
        listed(&page, &known)
    };

    assert_eq!(find("").await, ["GOOD-2", "BAD-1", "GOOD-1"]);
    assert_eq!(refused.state, MessageState::Refused);
    assert_eq!(find("?state=refused").await, ["BAD-1"]);
    assert_eq!(find("?control_id=GOOD-1").await, ["GOOD-1"]);
    assert_eq!(find(&format!("?id={}", good.id)).await, ["GOOD-1"]);
    assert_eq!(find(&format!("?code={}", refused.ack_code)).await, ["BAD-1"]);
    assert_eq!(find("?code=aa").await, ["GOOD-2", "GOOD-1"]);
    let (_, found, _) = clinic.app.store().message_by_id(refused.id).await.unwrap();
    let birth = found.iter().find(|one| one.location.starts_with("PID")).unwrap();
    assert_eq!(find(&format!("?rule={}", birth.rule)).await, ["BAD-1"]);
    assert_eq!(find(&format!("?rule={}", birth.code)).await, ["BAD-1"]);
    assert_eq!(find("?environment=test&site=DE-000001").await.len(), 3);
    assert!(find("?environment=production").await.is_empty());
    assert!(find("?from=2120-01-01").await.is_empty());
    assert!(find("?to=2020-01-01").await.is_empty());
    assert_eq!(find("?from=2026-01-01&to=2120-01-01T10:00").await.len(), 3);
    assert!(find("?site=DE-000009").await.is_empty());
    let wrong = person.browser.visit(&at(organization, "/messages?from=soon&id=1")).await;
    assert_eq!(wrong.errors().len(), 2, "{:?}", wrong.errors());

    let one = person.browser.visit(&at(organization, &format!("/messages/{}", refused.id))).await;
    one.says(&["Message BAD-1 of DE-000001", "Refused", birth.text.as_str(), &birth.rule]);
    assert!(!one.html.contains("MSH|"), "no text before somebody asks for it");
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_where_the_next_begins() {
    let clinic = Clinic::open().await;
    let (organization, site, _) = clinic.direct("DE-000001").await;
    fill(&clinic, "DE-000001", 230, 0);
    let person = clinic.representative(organization).await;

    let mut seen = vec![];
    let mut path = at(organization, "/messages?environment=test");
    loop {
        let page = person.browser.visit(&path).await;
        let ids = page.html.split("/messages/").skip(1).filter_map(|rest| rest.get(..13));
        seen.extend(ids.filter(|id| !id.starts_with("saved")).map(str::to_owned));
        let Some((_, rest)) = page.html.split_once("aria-label=\"Pages\"><a href=\"") else {
            break;
        };
        path = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    }
    let newest_first = seen.is_sorted_by(|one, next| one > next);
    assert!(newest_first && seen.len() == 230, "{}", seen.len());

    let of = MessagesOf::Organization(organization, Some(site));
    let search = MessageSearch { state: Some(MessageState::Review), ..MessageSearch::default() };
    let page =
        clinic.app.store().message_search(of, search, None, (50, Duration::ZERO)).await.unwrap();
    assert!(page.messages.is_empty() && !page.is_cut, "one step looks at all of them");
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rare_search_stops_when_patience_ends_and_goes_on_from_there() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    fill(&clinic, "DE-000001", 12_000, 0);
    let dir = clinic.app.config.data_dir.clone();
    let oldest = "UPDATE message SET state = 'review' WHERE id = (SELECT min(id) FROM message)";
    clinic.app.database.change(&dir, oldest);
    let of = MessagesOf::Organization(organization, None);
    let search = MessageSearch { state: Some(MessageState::Review), ..MessageSearch::default() };

    let (mut before, mut steps) = (None, 0);
    let found = loop {
        let store = clinic.app.store();
        let look = (50, Duration::ZERO);
        let page = store.message_search(of.clone(), search.clone(), before, look).await.unwrap();
        steps += 1;
        if !page.is_cut {
            break page.messages;
        }
        assert!(page.messages.is_empty());
        before = page.before;
    };
    assert_eq!((found.len(), steps), (1, 12));

    let person = clinic.representative(organization).await;
    let page = person.browser.visit(&at(organization, "/messages?state=review")).await;
    page.says(&["Waits for the help desk"]);
    clinic.app.app.stop().await;
}

/// Messages of a Site in the table, one each second up to now, `first` being the number of the first.
fn fill(clinic: &Clinic, site: &str, count: usize, first: usize) {
    let newest = izportal::domain::Timestamp::now().utc().timestamp_millis() - 1_577_836_800_000;
    let oldest = newest - i64::try_from(count).unwrap() * 1_000;
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {last}) \
         INSERT INTO message (id, received_at, sender_id, environment, site_id, region, control_id, message_type, \
         size, state, ack_code, diagnostics, submission_key, body_digest, content) \
         SELECT ({oldest} + (n - {first}) * 1000) * 2097152 + {first}, '2026-11-22 10:00:00', '{site}', 'test', '{site}', \
         'CAIRBA', '{site}-' || n, 'VXU^V04', 2000, 'delivered', 'AA', 0, NULL, {digest}, 0 FROM numbers",
        last = first + count,
        digest = if clinic.app.database.is_postgres() { "'\\x00'" } else { "x'00'" },
    );
    clinic.app.database.change(&clinic.app.config.data_dir, &sql);
}

/// By default a few; the figures of docs/operations.md were measured with `IZPORTAL_MESSAGES=1000000`.
#[tokio::test(flavor = "multi_thread")]
async fn lists_over_many_messages_stay_fast() {
    let clinic = Clinic::open().await;
    let count = number_of("IZPORTAL_MESSAGES", 20_000);
    let (organization, _, _) = clinic.direct("DE-000001").await;
    clinic.direct("DE-000002").await;
    fill(&clinic, "DE-000001", count / 2, 0);
    fill(&clinic, "DE-000002", count / 2, 1_000_000);
    if clinic.app.database.is_postgres() {
        clinic.app.database.change(&clinic.app.config.data_dir, "ANALYZE message");
    }
    let rare = MessageSearch { ack_code: Some("AE".to_owned()), ..MessageSearch::default() };
    let by_rule = MessageSearch { rule: Some("IZ-1".to_owned()), ..MessageSearch::default() };
    let by_control =
        MessageSearch { control_id: Some("DE-000001-7".to_owned()), ..MessageSearch::default() };
    let ours = MessagesOf::Organization(organization, None);
    let all = MessagesOf::Staff(Scope::All, None);
    let region = MessagesOf::Staff(Scope::Regions(vec!["CAIRLO".parse().unwrap()]), None);
    let cases = [
        ("all of ours", ours.clone(), MessageSearch::default()),
        ("ours by code", ours.clone(), rare.clone()),
        ("ours by rule", ours.clone(), by_rule),
        ("ours by MSH-10", ours, by_control),
        ("all of staff", all.clone(), MessageSearch::default()),
        ("staff by code", all, rare),
        ("staff of a region", region, MessageSearch::default()),
    ];
    for (name, of, search) in cases {
        let begun = Instant::now();
        let look = (50, Duration::from_millis(120));
        let page = clinic.app.store().message_search(of, search, None, look).await.unwrap();
        let took = begun.elapsed();
        println!("{name}: {took:?}, {} found, cut {}", page.messages.len(), page.is_cut);
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
    }
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_facility_and_its_client_see_the_message_and_nobody_else() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let facility = app
        .site(
            "SF-000001",
            SiteKind::SendingFacility,
            false,
            Some("Alameda"),
            SiteStatus::Production,
        )
        .await;
    let client = app
        .site("DE-000003", SiteKind::ThroughFacility, true, Some("Alameda"), SiteStatus::Production)
        .await;
    app.link("SF-000001", "DE-000003", LinkStatus::Active).await;
    let sender = app.credential("SF-000001", Environment::Test).await;
    let (other, _, _) = clinic.direct("DE-000001").await;
    let text =
        vxu("VIA-1", &[]).replace("|DE-000001|", "|SF-000001|").replace("DE-000001", "DE-000003");
    let text = crate::support::replace_field(&text, "MSH", 4, "SF-000001");
    let record = send(&clinic, &sender, &text).await;
    assert_eq!(record.site, Some(client.clone()), "{record:?}");

    for (owner, email) in [(&facility, "facility@example.org"), (&client, "client@example.org")] {
        let organization = clinic.owner(owner).await;
        let person = clinic.person(organization, email, Role::Representative).await;
        for query in ["", "?control_id=VIA-1", &format!("?id={}", record.id), "?state=delivered"] {
            let page = person.browser.visit(&at(organization, &format!("/messages{query}"))).await;
            assert_eq!(listed(&page, &["VIA-1"]), ["VIA-1"], "{email} {query}");
            page.says(&["sent by SF-000001"]);
        }
        let one = at(organization, &format!("/messages/{}", record.id));
        person.browser.visit(&one).await.says(&["DE-000003", "SF-000001"]);
    }
    let person = clinic.representative(other).await;
    let page = person.browser.visit(&at(other, "/messages")).await;
    assert!(listed(&page, &["VIA-1"]).is_empty());
    for query in ["?control_id=VIA-1", &format!("?id={}", record.id), "?site=DE-000003"] {
        let page = person.browser.visit(&at(other, &format!("/messages{query}"))).await;
        assert!(listed(&page, &["VIA-1"]).is_empty(), "{query}");
    }
    let one = at(other, &format!("/messages/{}", record.id));
    assert_eq!(person.browser.visit(&one).await.status, 404);
    let text = format!("{one}/text");
    assert_eq!(person.browser.submit(&text, &[]).await.status, 404);
    assert!(clinic.told(&format!("message {}", record.id)).await.is_empty());
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_shown_to_those_who_may_and_each_sight_is_recorded() {
    let clinic = Clinic::open().await;
    let (organization, _, sender) = clinic.direct("DE-000001").await;
    let record = send(&clinic, &sender, &bad("BAD-1")).await;
    let one = at(organization, &format!("/messages/{}", record.id));
    let object = format!("message {}", record.id);
    let qa = clinic.person(organization, "qa@example.org", Role::DxQa).await;
    let vendor = clinic.person(organization, "vendor@example.org", Role::Vendor).await;

    let page = qa.browser.visit(&one).await;
    page.says(&["What was found", "PID"]);
    assert!(!page.html.contains("Show the text"));
    assert_eq!(qa.browser.submit(&format!("{one}/text"), &[]).await.status, 404);
    let page = vendor.browser.visit(&one).await;
    page.says(&["Show the text"]);
    assert!(clinic.told(&object).await.is_empty(), "nothing was shown yet");

    let page = vendor.browser.submit(&format!("{one}/text"), &[]).await;
    page.says(&["MSH|", "PID|", "MSA|", "The acknowledgement"]);
    assert!(page.html.contains("<mark"), "{}", page.html);
    assert_eq!(clinic.told(&object).await, ["message.view"]);
    vendor.browser.submit(&format!("{one}/text"), &[]).await;
    assert_eq!(clinic.told(&object).await.len(), 2, "each sight");

    let dir = clinic.app.config.data_dir.clone();
    clinic.app.database.change(&dir, "DELETE FROM payload");
    let page = vendor.browser.submit(&format!("{one}/text"), &[]).await;
    page.says(&["The text is past the time that texts are kept"]);
    assert_eq!(clinic.told(&object).await.len(), 2, "nothing was shown");
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_find_messages_of_their_regions_and_see_the_texts_of_tests_only() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (_, _, sender) = clinic.direct("DE-000001").await;
    let production = app.credential("DE-000001", Environment::Production).await;
    let test = send(&clinic, &sender, &bad("TEST-1")).await;
    let real = vxu("REAL-1", &[("|REAL-1|T|", "|REAL-1|P|")]);
    let real = send(&clinic, &production, &real).await;
    let here = staff(app, StaffRole::Onboarding, Some("CAIRBA")).await;
    let elsewhere = staff(app, StaffRole::Onboarding, Some("CAIRLO")).await;
    let desk = staff(app, StaffRole::HelpDesk, None).await;
    let path = |record: &MessageRecord| format!("/staff/messages/{}", record.id);
    let text = |record: &MessageRecord| format!("/staff/messages/{}/text", record.id);

    let page = here.visit("/staff/messages").await;
    assert_eq!(listed(&page, &["TEST-1", "REAL-1"]), ["REAL-1", "TEST-1"]);
    let page = here.visit("/staff/messages?site=DE-000001&control_id=TEST-1").await;
    assert_eq!(listed(&page, &["TEST-1", "REAL-1"]), ["TEST-1"]);
    for query in ["", "?site=DE-000001", "?control_id=TEST-1", &format!("?id={}", test.id)] {
        let page = elsewhere.visit(&format!("/staff/messages{query}")).await;
        assert!(listed(&page, &["TEST-1", "REAL-1"]).is_empty(), "{query}");
    }
    assert_eq!(elsewhere.visit(&path(&test)).await.status, 404);
    assert_eq!(elsewhere.submit(&text(&test), &[]).await.status, 404);

    here.visit(&path(&test)).await.says(&["Show the text"]);
    here.submit(&text(&test), &[]).await.says(&["PID|", "TEST-1"]);
    assert_eq!(clinic.told(&format!("message {}", test.id)).await, ["message.view"]);
    let page = here.visit(&path(&real)).await;
    assert!(page.status == 200 && !page.html.contains("Show the text"));
    assert_eq!(here.submit(&text(&real), &[]).await.status, 404);
    let page = desk.visit(&path(&test)).await;
    assert!(page.status == 200 && !page.html.contains("Show the text"));
    assert_eq!(desk.submit(&text(&test), &[]).await.status, 404);
    assert!(clinic.told(&format!("message {}", real.id)).await.is_empty());
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sends_again_and_puts_an_edited_version_in_place_with_a_reason() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (_, _, sender) = clinic.direct("DE-000001").await;
    let record = send(&clinic, &sender, &vxu("STUCK-1", &[])).await;
    let review = "UPDATE delivery SET state = 'review'; UPDATE message SET state = 'review'";
    app.database.change(&app.config.data_dir, review);
    let admin = staff(app, StaffRole::Administrator, None).await;
    let path = format!("/staff/messages/{}", record.id);
    let (retry, replace) = (format!("{path}/retry"), format!("{path}/replace"));

    let page = admin.visit(&path).await;
    page.says(&["Send the message again", "Put an edited version in its place"]);
    assert!(!page.html.contains("Show the text"));
    let page = admin.submit(&replace, &[("text", "PID|1"), ("why", "")]).await;
    assert_eq!(page.errors(), [("why".to_owned(), "Enter why the message is edited".to_owned())]);
    let page = admin.submit(&replace, &[("text", "PID|1"), ("why", "a typo")]).await;
    assert_eq!(page.errors()[0].0, "text");
    let edited = vxu("STUCK-2", &[]).replace('\r', "\r\n");
    let page = admin.submit(&replace, &[("text", &edited), ("why", "a typo in the address")]).await;
    page.says(&["This is the edited version", "STUCK-2", "In the place of"]);
    admin.visit(&path).await.says(&["Replaced by an edited version", "a typo in the address"]);
    let new = app.message("STUCK-2").await;
    assert!(admin.visit(&path).await.html.contains(&format!("/staff/messages/{}", new.id)));
    app.until("delivered", async || app.message("STUCK-2").await.state == MessageState::Delivered)
        .await;

    let page = admin.submit(&retry, &[("reason", "again")]).await;
    page.says(&["was replaced by an edited version"]);
    let path = format!("/staff/messages/{}", new.id);
    let page = admin.submit(&format!("{path}/retry"), &[("reason", " ")]).await;
    assert_eq!(page.errors()[0].1, "Enter why it is sent again");
    let page = admin.submit(&format!("{path}/retry"), &[("reason", "the region asked")]).await;
    page.says(&["on its way to the registry again", "the region asked"]);
    let told = clinic.told(&format!("message {}", new.id)).await;
    assert_eq!(told, ["delivery.retry"]);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_kept_for_its_owner_alone() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let list = at(organization, "/messages");
    let one = clinic.representative(organization).await;
    let other = clinic.person(organization, "qa@example.org", Role::DxQa).await;

    let fields = [("name", "Mine & <b>"), ("query", "state=refused&before=1&evil=%22")];
    one.browser.visit(&list).await;
    let page = one.browser.submit(&format!("{list}/saved"), &fields).await;
    page.says(&["The search is saved.", "Mine &"]);
    assert!(page.html.contains(&format!("href=\"{list}?state=refused\"")), "{}", page.html);
    assert!(!page.html.contains("<b>") && !page.html.contains("evil"));
    assert!(!other.browser.visit(&list).await.html.contains("Mine"));

    let (_, rest) = page.html.split_once(&format!("{list}/saved/")).unwrap();
    let delete = format!("{list}/saved/{}", rest.split('"').next().unwrap());
    assert_eq!(other.browser.submit(&delete, &[]).await.status, 404);
    let page = one.browser.submit(&delete, &[]).await;
    page.says(&["The search is deleted."]);
    assert!(!page.html.contains("Mine"));
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_site_says_where_it_stands_what_is_missing_and_who_acts() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let site = app
        .site("DE-000001", SiteKind::Direct, true, Some("Alameda"), SiteStatus::Registered)
        .await;
    let sender = app.credential("DE-000001", Environment::Test).await;
    let organization = clinic.owner(&site).await;
    let person = clinic.representative(organization).await;
    let path = at(organization, "/sites/DE-000001");

    let page = person.browser.visit(&path).await;
    page.says(&[
        "Send the first test message",
        "Who does it: You, the Site",
        "What test messages must show",
        "nothing to measure yet",
        "No message yet",
        "Calls to copy",
        "Registered",
    ]);
    assert!(page.html.contains("aria-current=\"step\">Registered"));

    send(&clinic, &sender, &bad("BAD-1")).await;
    app.until("counted", async || app.store().progress_of(site.clone()).await.unwrap().tests == 1)
        .await;
    let page = person.browser.visit(&path).await;
    page.says(&["Mend what the answers say", "BAD-1", "Refused", "First test message received"]);
    assert!(page.html.contains("aria-current=\"step\">Testing"));

    let reader = clinic.person(organization, "reader@example.org", Role::ReadOnly).await;
    let page = reader.browser.visit(&path).await;
    assert!(!page.html.contains("BAD-1") && !page.html.contains("DE-000001-T"));
    let calls = format!("{path}/calls");
    assert_eq!(reader.browser.visit(&calls).await.status, 404);
    let page = person.browser.visit(&calls).await;
    page.says(&["DE-000001-T", "CAIRBA", "submitSingleMessage", &app.endpoint(), "password.txt"]);
    assert!(!page.html.contains(&sender.password));
    clinic.app.app.stop().await;
}
