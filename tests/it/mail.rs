//! Letters: they leave once, come again when the mail server is not ready, and say nothing of themselves elsewhere.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use izportal::domain::{EmailAddress, Letter, LetterRecord, LetterState, MessageId, Timestamp};
use izportal::mail::{Footer, compose};
use izportal::store::{AuditFilter, LetterEnd, LetterFilter, Queued, RetentionLimits, StoreError};

use crate::support::post::{Manner, PostOffice};
use crate::support::program::{Installation, error_text, exit_code, files_under, output_text};
use crate::support::{TestApp, everything_logged, tester};

const ADDRESS: &str = "rosa.canary-7f3e@example.org";

/// A word that stands in a letter and nowhere else.
const SECRET: &str = "k3y-canary-0d91";

fn address() -> EmailAddress {
    ADDRESS.parse().unwrap()
}

/// A letter with a link that is somebody's alone.
fn letter(to: &EmailAddress) -> Letter {
    let footer = Footer { service: "IZ Portal".to_owned(), help_desk: "800-555-0100".to_owned() };
    compose("verify-address", "Confirm your email address")
        .greeting("Rosa Inventa")
        .paragraph("Please confirm your address.")
        .link("Confirm", format!("https://iz.example.gov/verify/{SECRET}"))
        .to(to.clone(), &footer)
}

/// Queues one; gives its identifier.
async fn queue(app: &TestApp) -> MessageId {
    queue_to(app, &address()).await
}

async fn queue_to(app: &TestApp, to: &EmailAddress) -> MessageId {
    match app.store().letter_queue(letter(to), Timestamp::now()).await.unwrap() {
        Queued::Letter(id) => id,
        Queued::Capped => panic!("capped"),
    }
}

async fn record(app: &TestApp, id: MessageId) -> LetterRecord {
    app.store().letter_by_id(id).await.unwrap().0
}

/// Waits until a letter is in a state, with this many attempts.
async fn until(app: &TestApp, id: MessageId, state: LetterState, attempts: i64) -> LetterRecord {
    app.until(state.word(), async || {
        let known = record(app, id).await;
        known.state == state
            && known.attempts == attempts
            && (state != LetterState::Queued || known.last_error.is_some())
    })
    .await;
    record(app, id).await
}

/// As if the wait was over.
fn make_due(app: &TestApp) {
    let sql = "UPDATE letter SET next_attempt_at = created_at WHERE state = 'queued'";
    app.database.change(&app.config.data_dir, sql);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_sent_once_in_both_forms_and_its_words_are_gone_then() {
    let office = PostOffice::start(&[]);
    let app = TestApp::with(&office.config()).await;

    let id = queue(&app).await;
    let sent = until(&app, id, LetterState::Sent, 1).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    let posted = office.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(
        (posted[0].from.as_str(), posted[0].to.as_slice()),
        ("iz@example.gov", &[ADDRESS.to_owned()][..])
    );
    for part in [
        "From: \"IZ Portal\" <iz@example.gov>",
        &format!("To: {ADDRESS}"),
        "Subject: Confirm your email address",
        &format!("Message-ID: <{id}@example.gov>"),
        "Date: ",
        "Auto-Submitted: auto-generated",
        "multipart/alternative",
        "Hello Rosa Inventa,",
        "<p>Hello Rosa Inventa,</p>",
        SECRET,
    ] {
        assert!(posted[0].data.contains(part), "{part}: {}", posted[0].data);
    }
    assert!(sent.settled_at.is_some() && sent.last_error.is_none());
    let again = app.store().letter_retry(id, tester()).await;
    assert!(
        matches!(again, Err(StoreError::Refused(_))),
        "a letter that was sent is not sent again"
    );
    assert_eq!(words_kept(&app), 0);
}

/// Letters whose words are in the database still.
fn words_kept(app: &TestApp) -> i32 {
    app.database.count(&app.config.data_dir, "letter WHERE body IS NOT NULL")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_letter_bounces_at_once_and_an_operator_may_send_it_again() {
    let office = PostOffice::start(&[Manner::Recipient("550 5.1.1 <{}> has no mailbox here")]);
    let app = TestApp::with(&office.config()).await;

    let id = queue(&app).await;
    let bounced = until(&app, id, LetterState::Bounced, 1).await;
    let again = app.store().letter_retry(id, tester()).await.unwrap();
    let sent = until(&app, id, LetterState::Sent, 2).await;

    assert_eq!(bounced.last_error.as_deref(), Some("the mail server said 550 5.1.1"));
    assert!(bounced.settled_at.is_some());
    assert_eq!((again.state, again.settled_at), (LetterState::Queued, None));
    assert_eq!(sent.last_error, None);
    assert_eq!(office.posted().len(), 1);
    let filter = AuditFilter { object: Some(format!("letter {id}")), ..<_>::default() };
    let told = app.store().audit_list(filter, 10).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].action.as_str(), told[0].before.as_deref(), told[0].after.as_deref()),
        ("letter.retry", Some("bounced"), Some("queued"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_cannot_take_now_is_tried_again_after_a_wait() {
    for (manner, error) in [
        (Manner::Recipient("451 4.7.1 greylisted, come back"), "the mail server said 451 4.7.1"),
        (Manner::Greet("421 too busy"), "the mail server said 421"),
        (Manner::Greet("554 5.7.1 not you"), "the mail server said 554 5.7.1"),
        (Manner::Greet("220"), "the mail server was not understood"),
        (Manner::HangUp, "the mail server was not understood"),
    ] {
        let office = PostOffice::start(&[manner]);
        let app = TestApp::with(&office.config()).await;
        let begin = Timestamp::now();

        let id = queue(&app).await;
        let waits = until(&app, id, LetterState::Queued, 1).await;
        make_due(&app);
        let sent = until(&app, id, LetterState::Sent, 2).await;

        let told = waits.last_error.as_deref().unwrap();
        assert!(told == error || told.starts_with("the mail server was not"), "{manner:?}: {told}");
        assert!(waits.next_attempt_at > begin, "{manner:?}: not at once");
        assert!(waits.next_attempt_at < begin.plus(Duration::from_mins(2)), "{manner:?}");
        assert_eq!(waits.settled_at, None);
        assert_eq!(sent.state, LetterState::Sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_ours_is_no_fault_of_a_letter() {
    let office = PostOffice::start(&[Manner::SignIn("535 5.7.8 wrong password")]);
    let dir = tempfile::TempDir::new().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "pw-canary-55\n").unwrap();
    let account = format!("username = \"iz\"\npassword_file = '{}'\n", password.display());
    let app = TestApp::with(&(office.config() + &account)).await;

    let id = queue(&app).await;
    let waits = until(&app, id, LetterState::Queued, 1).await;
    make_due(&app);
    until(&app, id, LetterState::Sent, 2).await;

    assert_eq!(waits.last_error.as_deref(), Some("the mail server said 535 5.7.8"));
    assert_eq!(office.said().iter().filter(|line| line.starts_with("AUTH PLAIN")).count(), 2);
    assert!(!everything_logged().contains("pw-canary-55"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_starttls_nothing_is_said_to_the_server() {
    let office = PostOffice::start(&[]);
    let toml = office.config().replace("smtp+plain://", "smtp://");
    let app = TestApp::with(&toml).await;

    let id = queue(&app).await;
    let waits = until(&app, id, LetterState::Queued, 1).await;

    assert!(waits.last_error.unwrap().contains("STARTTLS"));
    assert_eq!(office.posted().len(), 0);
    assert!(
        office.said().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{:?}",
        office.said()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_waited_for_until_the_letter_is_too_old() {
    let port = crate::support::free_address().port();
    let toml =
        format!("[mail]\nsmtp = \"smtp+plain://127.0.0.1:{port}\"\nfrom = \"iz@example.gov\"\n");
    let app = TestApp::with(&toml).await;

    let id = queue(&app).await;
    let waits = until(&app, id, LetterState::Queued, 1).await;
    app.database.change(&app.config.data_dir, "UPDATE letter SET give_up_at = created_at");
    make_due(&app);
    let given_up = until(&app, id, LetterState::GivenUp, 2).await;

    assert_eq!(
        waits.last_error.as_deref(),
        Some("the mail server was not reached: connection refused")
    );
    assert!(given_up.settled_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_a_letter_is_held_for_the_operator() {
    let app = TestApp::start().await;

    let id = queue(&app).await;
    until(&app, id, LetterState::Held, 1).await;

    let file = app.config.data_dir.join("mail").join(format!("{id}.eml"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains(SECRET) && text.contains("Subject: Confirm your email address"),
        "{text}"
    );
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    let (_, words) = app.store().letter_by_id(id).await.unwrap();
    let (text, html) = words.unwrap();
    assert!(text.contains(SECRET) && html.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_gets_no_flood_of_letters_and_the_others_get_theirs() {
    let app = TestApp::with("[mail]\naddress_per_hour = 3\naddress_per_day = 5\n").await;
    let now = Timestamp::now();
    let other: EmailAddress = "other@example.org".parse().unwrap();
    let hour = Duration::from_hours(1);
    let at = async |to: &EmailAddress, moment| {
        app.store().letter_queue(letter(to), moment).await.unwrap() == Queued::Capped
    };

    let mut capped = vec![];
    for moment in [now, now, now, now] {
        capped.push(at(&address(), moment).await);
    }
    let of_another = at(&other, now).await;
    let an_hour_later = [
        at(&address(), now.plus(hour)).await,
        at(&address(), now.plus(hour)).await,
        at(&address(), now.plus(hour)).await,
    ];
    let a_day_later = at(&address(), now.plus(24 * hour)).await;

    assert_eq!(capped, [false, false, false, true]);
    assert!(!of_another);
    assert_eq!(an_hour_later, [false, false, true], "five in 24 hours");
    assert!(!a_day_later);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_hold_the_same_letter_and_a_late_one_settles_nothing() {
    // Without a worker of its own: the test is the worker.
    let port = crate::support::free_address().port();
    let toml = format!(
        "[mail]\nsmtp = \"smtp+plain://127.0.0.1:{port}\"\nfrom = \"iz@example.gov\"\naddress_per_hour = 100\naddress_per_day = 100\n"
    );
    let app = TestApp::with(&toml).await;
    let later = Timestamp::now().plus(Duration::from_hours(1));
    let minute = Duration::from_mins(1);
    for _ in 0..10 {
        // Due in an hour, so that the service's own worker leaves them alone.
        let queued = app.store().letter_queue(letter(&address()), later).await.unwrap();
        assert_ne!(queued, Queued::Capped);
    }

    let (one, two) = tokio::join!(
        app.store().letter_claim(later, minute, 6),
        app.store().letter_claim(later, minute, 6)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let rest = app.store().letter_claim(later, minute, 100).await.unwrap();
    let after_the_lease = later.plus(minute);
    let again = app.store().letter_claim(after_the_lease, minute, 100).await.unwrap();
    let first = &one[0];
    let late =
        app.store().letter_settle(first.id, first.attempts, LetterEnd::Sent, after_the_lease);
    let late = late.await.unwrap();
    let holder = again.iter().find(|one| one.id == first.id).unwrap();
    let settled =
        app.store().letter_settle(holder.id, holder.attempts, LetterEnd::Sent, after_the_lease);
    let settled = settled.await.unwrap();

    let ids: std::collections::HashSet<_> =
        one.iter().chain(&two).chain(&rest).map(|letter| letter.id).collect();
    assert_eq!((one.len() + two.len() + rest.len(), ids.len()), (10, 10));
    assert_eq!(again.len(), 10, "a lease ends by itself");
    assert!(again.iter().all(|letter| letter.attempts == 2));
    assert!(again.iter().all(|letter| letter.words.as_ref().unwrap().0.contains(SECRET)));
    assert!(!late && settled);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_hand_when_the_service_ended_is_sent_by_the_next() {
    let office = PostOffice::start(&[Manner::Recipient("451 4.3.0 later")]);
    let app = TestApp::with(&office.config()).await;
    let id = queue(&app).await;
    until(&app, id, LetterState::Queued, 1).await;

    let app = app.restart(&office.config()).await;
    if app.database.is_postgres() {
        make_due(&app); // another node may have it in hand there
    }

    until(&app, id, LetterState::Sent, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_subject_adds_a_header_or_a_recipient() {
    let office = PostOffice::start(&[]);
    let app = TestApp::with(&office.config()).await;
    let evil = "x\r\nBcc: evil@example.org\r\n\r\n.\r\nRCPT TO:<evil@example.org>";
    let footer = Footer { service: evil.to_owned(), help_desk: evil.to_owned() };
    let new = compose("test", evil)
        .greeting(evil)
        .paragraph(evil)
        .facts([(evil, evil)])
        .link(evil, evil)
        .to(address(), &footer);
    let mut raw = letter(&address());
    raw.subject = evil.to_owned();
    raw.text = format!("{evil}\r\n.\r\nMAIL FROM:<a@example.org>\r\n");
    for one in [new, raw] {
        assert_ne!(app.store().letter_queue(one, Timestamp::now()).await.unwrap(), Queued::Capped);
    }

    app.until("both sent", async || office.posted().len() == 2).await;

    for one in office.posted() {
        assert_eq!(one.to, [ADDRESS]);
        let (headers, _) = one.data.split_once("\n\n").unwrap();
        assert!(
            !headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")),
            "{headers}"
        );
    }
    let recipients = office.said().into_iter().filter(|line| line.starts_with("RCPT"));
    assert_eq!(recipients.count(), 2);
    assert!(format!("a@example.org\r\nBcc: {ADDRESS}").parse::<EmailAddress>().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_address_nor_words_stand_in_a_log_a_metric_the_trail_or_a_file() {
    let office = PostOffice::start(&[
        Manner::Recipient("550 5.1.1 <{}> has no mailbox"),
        Manner::Recipient("451 <{}> later"),
        Manner::Greet("554 k3y-canary-0d91"),
    ]);
    let app = TestApp::with(&office.config()).await;
    for _ in 0..3 {
        queue(&app).await;
    }
    app.until("three attempts", async || {
        let all = app.store().letter_list(LetterFilter::default(), 10).await.unwrap();
        all.len() == 3 && all.iter().all(|one| one.last_error.is_some())
    })
    .await;

    let metrics = app.fetch_inside(reqwest::Method::GET, "/metrics").await.text;
    let trail = app.store().audit_list(AuditFilter::default(), 100).await.unwrap();
    let errors: Vec<_> = app.store().letter_list(LetterFilter::default(), 10).await.unwrap();
    let errors: Vec<_> = errors.into_iter().filter_map(|one| one.last_error).collect();
    let texts =
        [everything_logged(), metrics, serde_json::to_string(&trail).unwrap(), errors.concat()];
    for text in &texts {
        for canary in [ADDRESS, SECRET, "rosa.canary"] {
            assert!(!text.contains(canary), "{canary} is told");
        }
    }
    for file in files_under(&app.config.data_dir) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "the words stand in {}", file.display());
    }
    assert!(texts[1].contains("gateway_mail_sent_total{result=\"bounced\"}"), "{}", texts[1]);
    assert!(texts[1].contains("gateway_mail_outbox_depth"));
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_the_words_then_the_letter_and_leaves_what_waits() {
    let port = crate::support::free_address().port();
    let toml =
        format!("[mail]\nsmtp = \"smtp+plain://127.0.0.1:{port}\"\nfrom = \"iz@example.gov\"\n");
    let app = TestApp::with(&toml).await;
    let (given_up, waits) = (queue(&app).await, queue(&app).await);
    app.store().letter_give_up(given_up, tester()).await.unwrap();
    let later = Timestamp::now().plus(Duration::from_hours(1));
    let (year, none) = (Duration::from_hours(24 * 365), Duration::ZERO);

    let words = RetentionLimits { bodies: none, metadata: year, letters: year };
    let words = app.store().retention_sweep(words, later).await.unwrap();
    let known = record(&app, given_up).await;
    let retry = app.store().letter_retry(given_up, tester()).await;
    let all = RetentionLimits { bodies: none, metadata: year, letters: none };
    let all = app.store().retention_sweep(all, later).await.unwrap();

    assert_eq!((words.bodies, words.letters), (1, 0));
    assert_eq!(known.state, LetterState::GivenUp);
    assert!(matches!(retry, Err(StoreError::Refused(_))), "there is nothing left to send");
    assert_eq!((all.bodies, all.letters), (0, 1));
    assert!(matches!(app.store().letter_by_id(given_up).await, Err(StoreError::NotFound(_))));
    assert_eq!(record(&app, waits).await.state, LetterState::Queued);
    assert_eq!(words_kept(&app), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_to_letters_and_to_the_trail_on_the_command_line() {
    let office = PostOffice::start(&[Manner::Take, Manner::Recipient("550 5.1.1 no")]);
    let installation = Installation::new("");
    assert_eq!(exit_code(&installation.run(&["migrate", "up"])), 0);

    let held = installation.run(&["admin", "mail", "test", "--to", ADDRESS]);
    installation.configure(&office.config());
    let sent = installation.run(&["admin", "mail", "test", "--to", ADDRESS]);
    let refused = installation.run(&["admin", "mail", "test", "--to", ADDRESS]);
    let no_address = installation.run(&["admin", "mail", "test", "--to", "a@b\r\nBcc: c@d.org"]);
    let checked = installation.run(&["check-config"]);
    let letters = installation.admin(&["mail", "list"]);
    let unknown = installation.run(&["admin", "mail", "show", "0123456789ABC"]);
    installation.admin(&["--by", "=cmd()", "organization", "create", "=HYPERLINK(\"x\")"]);
    let verdict = installation.admin(&["audit", "verify"]);
    let list = installation.admin(&["audit", "list", "--object", "organization"]);
    let csv = output_text(&installation.run(&["admin", "audit", "export", "--as", "csv"]));
    let jsonl = output_text(&installation.run(&["admin", "audit", "export"]));
    let noted = verdict["head"].as_str().unwrap().to_owned();
    let still = installation.run(&["admin", "audit", "verify", "--noted", &noted]);
    forge(&installation);
    let broken = installation.run(&["admin", "audit", "verify"]);

    assert!(output_text(&held).contains("is held"), "{}", error_text(&held));
    assert_eq!(exit_code(&sent), 0, "{}", error_text(&sent));
    assert_eq!(office.posted().len(), 1);
    assert_eq!(exit_code(&refused), 1);
    assert!(error_text(&refused).contains("550 5.1.1"), "{}", error_text(&refused));
    assert_eq!(exit_code(&no_address), 2);
    assert!(
        output_text(&checked).contains("mail       smtp+plain://127.0.0.1:"),
        "{}",
        output_text(&checked)
    );
    assert_eq!(letters.as_array().unwrap().len(), 0, "a test does not go by way of the outbox");
    assert_eq!(exit_code(&unknown), 1);
    assert_eq!((&verdict["events"], &verdict["broken"]), (&4.into(), &serde_json::Value::Null));
    assert_eq!(
        (&list[0]["actor"], &list[0]["after"]),
        (&"cli =cmd()".into(), &"=HYPERLINK(\"x\")".into())
    );
    assert!(csv.starts_with("id,at,actor,action,object,before,after,source\n1,"), "{csv}");
    assert!(
        csv.contains(",organization.create,organization 1,,\"'=HYPERLINK(\"\"x\"\")\","),
        "{csv}"
    );
    assert_eq!(jsonl.lines().count(), 6, "two exports are events themselves: {jsonl}");
    assert_eq!(exit_code(&still), 0, "{}", error_text(&still));
    assert_eq!(exit_code(&broken), 1);
    assert!(error_text(&broken).contains("broken at event 2"), "{}", error_text(&broken));
}

fn forge(installation: &Installation) {
    let unlock = if installation.database.is_postgres() {
        "DROP TRIGGER audit_event_kept ON audit_event;"
    } else {
        "DROP TRIGGER audit_event_kept_as_written; DROP TRIGGER audit_event_kept;"
    };
    let sql = format!("{unlock} DELETE FROM audit_event WHERE id = 2");
    installation.database.change(&installation.data_dir(), &sql);
}
