//! A message is checked without an account: what is said of it, what is refused, and that nothing of it is left anywhere.

use izportal::store::MessageFilter;

use crate::support::browser::{Browser, Page};
use crate::support::program::files_under;
use crate::support::{TestApp, everything_logged, replace_field, vxu};

/// Posts the form of the page, as a browser does.
async fn check(browser: &Browser, message: &str, fields: &[(&str, &str)]) -> Page {
    browser.visit("/validate").await;
    let mut all = vec![("message", message)];
    all.extend(fields);
    browser.upload_with("/validate", &all, "", b"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_judged_as_the_gateway_would_judge_it() {
    let app = TestApp::start().await;
    let visitor = app.browser();

    let good = check(&visitor, &vxu("A1", &[]), &[("region", "CAIRBA")]).await;
    let bad = check(&visitor, &replace_field(&vxu("A2", &[]), "PID", 7, ""), &[]).await;
    let other = check(&visitor, &vxu("A3", &[]), &[("environment", "production")]).await;

    good.is_at("/validate").says(&[
        "(AA)",
        "no errors",
        "Nothing was sent or kept",
        "queued for CAIRBA",
    ]);
    assert!(good.html.contains("<title>The Gateway would accept"), "{}", good.html);
    bad.is_at("/validate").says(&[
        "would not accept this message (AE)",
        "PID-7",
        "To fix it:",
        "(missing)",
        "Wrong",
        "Right",
    ]);
    assert!(bad.html.contains("href=\"#finding-1\"") && bad.html.contains("id=\"finding-1\""));
    other.is_at("/validate").says(&["would not process this message (AR)", "MSH-11"]);
    let filter = MessageFilter { limit: 1, ..MessageFilter::default() };
    assert_eq!(app.store().message_list(filter).await.unwrap(), [], "nothing is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_passed_on_or_answered_with_what_is_wrong() {
    let app = TestApp::start().await;
    let visitor = app.browser();
    let query = visitor.visit("/validate?sample=query").await;
    let text = textarea(&query);

    let good = check(&visitor, &text, &[]).await;
    let warned = check(&visitor, &text.replace("|TAG-34|", "||"), &[]).await;
    let bad = check(&visitor, &text, &[("environment", "production")]).await;

    good.says(&["would pass this query on to the registry"]);
    warned.says(&["would pass this query on to the registry", "1 warning", "QPD-2"]);
    bad.says(&["would not process this message (AR)", "What the Gateway would answer", "MSA|AR"]);
}

/// The text in the form of a page.
fn textarea(page: &Page) -> String {
    let (_, rest) = page.html.split_once("<textarea").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let text = rest.split_once("</textarea>").unwrap().0.trim_start();
    text.replace("&#38;", "&").replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_single_message_is_told_how_to_mend() {
    let app = TestApp::start().await;
    let visitor = app.browser();
    let one = vxu("B1", &[]);
    let cases = [
        (String::new(), "Paste a message, or choose a file with one"),
        (format!("FHS|^~\\&|\rBHS|^~\\&|\r{one}BTS|1\rFTS|1"), "check one message at a time"),
        (format!("{one}\r{one}"), "There is more than one message"),
        ("Dear colleague".to_owned(), "There is no HL7 message in it"),
        ("X".repeat(256 * 1024 + 1), "This is more than 256 KiB"),
    ];

    for (text, said) in cases {
        let page = check(&visitor, &text, &[]).await;

        assert_eq!(page.status, 200);
        assert!(page.errors()[0].1.contains(said), "{said}: {:?}", page.errors());
    }
    let file = visitor.upload("/validate", "big.hl7", &vec![b'X'; 256 * 1024 + 1]).await;
    assert_eq!(file.status, 413);
    let file = visitor.upload("/validate", "one.hl7", one.as_bytes()).await;
    file.says(&["(AA)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits() {
    let app = TestApp::start().await;
    let visitor = app.browser();
    let text = vxu("C1", &[]);
    let mut last = check(&visitor, &text, &[]).await;

    for _ in 0..60 {
        if last.status != 200 {
            break;
        }
        last = check(&visitor, &text, &[]).await;
    }

    assert_eq!(last.status, 429);
    let wait: u64 = last.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_patient_is_told_nowhere() {
    let app = TestApp::start().await;
    let visitor = app.browser();
    let canary = vxu("D1", &[("Sampleperson^Penelope", "Zzyzxcanary^Quuxcanary")]);

    let page = check(&visitor, &canary, &[]).await;
    check(&visitor, &format!("{canary}{canary}"), &[]).await;
    check(&visitor, &canary[4..], &[]).await;

    assert!(page.html.contains("Zzyzxcanary"), "it is shown to who pasted it");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(!everything_logged().contains("Zzyzxcanary"));
    assert!(!app.metrics.render().contains("Zzyzxcanary"));
    for file in files_under(app.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(11).any(|window| window == b"Zzyzxcanary");
        assert!(!found, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_has_a_page_and_is_found() {
    let app = TestApp::start().await;
    let visitor = app.browser();

    let all = visitor.visit("/rules").await;
    let births = visitor.visit("/rules?q=birth+future").await;
    let overlay = visitor.visit("/rules?overlay=completeness&severity=off").await;
    let none = visitor.visit("/rules?q=no-such-thing").await;

    births.is_at("/rules").says(&["DQ-BIRTH-FUTURE"]);
    assert!(!births.html.contains("DQ-LOT"), "{}", births.text());
    overlay.says(&["DQ-MIDDLE-INITIAL"]);
    none.says(&["No rule was found"]);
    let names: Vec<_> = all
        .html
        .split("href=\"/rules/")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0.to_owned())
        .collect();
    assert!(names.len() > 150, "{names:?}");
    for name in names.iter().step_by(7) {
        let page = visitor.visit(&format!("/rules/{name}")).await;
        page.says(&["What a breach costs", "By the guide", "Here, in the test environment"]);
        assert!(page.html.contains(name.as_str()));
    }
    let rule = visitor.visit("/rules/dq-birth-old").await;
    rule.says(&["Nobody is older than 120 years", "PID-7 (", "Check the wrong example"]);
    assert!(visitor.visit("/validate?rule=DQ-BIRTH-OLD").await.html.contains("18950115"));
    assert_eq!(visitor.visit("/rules/IZ-NOTHING").await.status, 404);
}
