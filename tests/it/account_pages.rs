//! The pages of accounts, by a browser without script: every form with bad input, and what a stranger gets.

use std::time::Duration;

use izportal::domain::{Role, StaffRole, Timestamp};

use crate::support::TestApp;
use crate::support::authenticator::Authenticator;
use crate::support::browser::{Browser, Page};
use crate::support::people::{App, Office, PASSWORD};

const ROSA: &str = "rosa@example.org";

/// A service with one user, and the office behind it.
async fn clinic() -> (TestApp, Office) {
    let app = TestApp::start().await;
    let office = Office::of(&app);
    let clinic = office.organization("Harbor Street Pediatrics").await;
    office.member(clinic, ROSA, Role::Representative).await;
    (app, office)
}

async fn sign_in(browser: &Browser) -> Page {
    browser.visit("/sign-in").await;
    browser.submit("/sign-in", &[("email", ROSA), ("password", PASSWORD)]).await
}

/// The fields and messages of the error summary.
fn errors(page: &Page) -> Vec<(String, String)> {
    let errors = page.errors();
    if !errors.is_empty() {
        assert!(page.html.contains("<title>Error: "), "the title says so");
        for (field, _) in &errors {
            let at = format!("id=\"{field}\"");
            assert!(page.html.contains(&at), "the summary leads to {field}");
        }
    }
    errors
}

#[track_caller]
fn fails(page: &Page, expected: &[(&str, &str)]) {
    let found = errors(page);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((field, message), (expected_field, part)) in found.iter().zip(expected) {
        assert!(field == expected_field && message.contains(part), "{field}: {message}");
    }
}

/// The code that an app shows for the next step: the one of this step was used to set it up.
fn next_code(app: &App) -> String {
    app.code(Timestamp::now().plus(Duration::from_secs(30)))
}

/// Sets an app up by its pages; the app and the recovery codes.
async fn set_up_app(browser: &Browser) -> (App, Vec<String>) {
    browser.visit("/account/second-factor").await;
    let page = browser.submit("/account/second-factor", &[]).await;
    page.is_at("/account/authenticator");
    let secret = page.html.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap();
    let app = App::with(secret);
    let code = app.code(Timestamp::now());
    let done = browser.submit("/account/authenticator", &[("code", &code)]).await;
    done.says(&["Your authenticator app is set up", "Keep these recovery codes"]);
    let codes = done.html.split("<li><code>").skip(1);
    (app, codes.map(|rest| rest.split('<').next().unwrap().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_to_the_account_and_signing_out_back() {
    let (app, _office) = clinic().await;
    let browser = app.browser();

    let first = browser.visit("/account").await;
    let account = browser
        .submit("/sign-in?next=/account/profile", &[("email", ROSA), ("password", PASSWORD)])
        .await;
    let again = browser.visit("/sign-in").await;
    let cookie = browser.cookie("__Host-session").unwrap();
    let out = browser.submit("/sign-out", &[]).await;
    let after = browser.ask("/account").await;
    browser.set_cookie("__Host-session", &cookie);
    let replayed = browser.ask("/account").await;

    first.is_at("/sign-in").says(&["Sign in", "Forgot your password?"]);
    account.is_at("/account/profile");
    again.is_at("/account").says(&[
        "Rosa Inventa",
        "U-000001",
        "Harbor Street Pediatrics",
        "Authorized representative",
    ]);
    out.is_at("/sign-in");
    assert_eq!((after.status, replayed.status), (303, 303), "the session is over on the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_of_a_session_is_for_this_host_over_https_and_for_no_script() {
    let (app, _office) = clinic().await;
    let browser = app.browser();
    browser.visit("/sign-in").await;

    let page = browser.post("/sign-in", &[("email", ROSA), ("password", PASSWORD)]).await;

    let set = page.headers.get_all("set-cookie").iter();
    let set: Vec<_> = set.map(|value| value.to_str().unwrap()).collect();
    let session = set.iter().find(|text| text.starts_with("__Host-session=")).unwrap();
    for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(session.contains(part), "{session}");
    }
    assert!(!session.contains("Domain") && !session.contains("Max-Age"), "{session}");
    assert_eq!(page.headers["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_sign_in_says_what_to_mend_and_never_who_has_an_account() {
    let (app, _office) = clinic().await;
    let browser = app.browser();
    browser.visit("/sign-in").await;
    let submit = |email: &'static str, password: &'static str| {
        let browser = &browser;
        async move { browser.submit("/sign-in", &[("email", email), ("password", password)]).await }
    };

    let empty = submit("", "").await;
    let no_address = submit("rosa", "x").await;
    let wrong = submit(ROSA, "wrong lemon fence").await;
    let unknown = submit("unknown@example.org", PASSWORD).await;

    fails(&empty, &[("email", "Enter your email address"), ("password", "Enter your password")]);
    fails(&no_address, &[("email", "name@example.org")]);
    fails(&wrong, &[("email", "is not right")]);
    assert_eq!(errors(&wrong), errors(&unknown));
    assert!(wrong.html.contains("value=\"rosa@example.org\""), "the address is kept");
    assert!(!wrong.html.contains("wrong lemon fence"), "the password is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_place_after_signing_in() {
    let (app, _office) = clinic().await;
    for next in ["//evil.example.org", "https://evil.example.org", "/%5Cevil.example.org", ""] {
        let browser = app.browser();
        browser.visit("/sign-in").await;
        let path = format!("/sign-in?next={next}");
        let page = browser.post(&path, &[("email", ROSA), ("password", PASSWORD)]).await;
        assert_eq!(page.headers["location"], "/account", "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_an_account_asks_a_stranger_to_sign_in_and_every_form_must_be_ours() {
    let (app, _office) = clinic().await;
    let (stranger, rosa) = (app.browser(), app.browser());
    sign_in(&rosa).await;
    let pages = [
        "/account",
        "/account/profile",
        "/account/password",
        "/account/email",
        "/account/sessions",
        "/account/confirm",
        "/account/second-factor",
        "/account/authenticator",
        "/account/authenticator/remove",
        "/account/passkeys",
        "/account/passkeys/1/remove",
        "/account/recovery-codes",
        "/sign-in/second-factor",
        "/sign-in/recovery-code",
        "/sign-in/passkey",
    ];

    for path in pages {
        let asked = stranger.ask(path).await;
        assert_eq!(asked.status, 303, "{path}");
        assert!(
            asked.headers["location"].to_str().unwrap().starts_with("/sign-in?next="),
            "{path}"
        );
    }
    stranger.visit("/sign-in").await;
    for path in
        pages.into_iter().skip(1).chain(["/account/passkeys/options", "/sign-in/passkey/options"])
    {
        let posted = stranger.post(path, &[]).await;
        assert_eq!(posted.status, 303, "{path}");
        let foreign = rosa.post_body(path, "csrf=00".to_owned()).await;
        // Rosa is in already, so the second factor is not hers to show: one refusal or the other.
        let elsewhere = path.starts_with("/sign-in/") && foreign.status == 303;
        assert!(foreign.status == 403 || elsewhere, "{path}: {}", foreign.status);
    }
    assert_eq!(rosa.ask("/sign-out").await.status, 404, "nothing changes by looking");
    rosa.visit("/account").await.is_at("/account");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_set_up_and_asked_for() {
    let (app, _office) = clinic().await;
    let browser = app.browser();
    sign_in(&browser).await.is_at("/account").says(&["Set up a second factor"]);
    browser.visit("/account/second-factor").await;
    browser.submit("/account/second-factor", &[]).await.says(&["Scan this picture"]);
    for (code, message) in [("", "six digits"), ("12345", "six digits"), ("000000", "not right")] {
        let page = browser.submit("/account/authenticator", &[("code", code)]).await;
        fails(&page, &[("code", message)]);
        assert!(page.html.contains("<svg"), "the picture is still there");
    }
    let before = browser.cookie("__Host-session").unwrap();
    let (authenticator, codes) = set_up_app(&browser).await;
    assert_ne!(browser.cookie("__Host-session").unwrap(), before, "another token");
    assert_eq!(codes.len(), 10);

    let other = app.browser();
    let asked = sign_in(&other).await;
    asked.is_at("/sign-in/second-factor").says(&["Enter your code"]);
    other.visit("/account").await.is_at("/sign-in/second-factor");
    other.visit("/sign-in").await.is_at("/sign-in");
    for (code, message) in [("", "six digits"), ("1234567", "six digits"), ("000000", "not right")]
    {
        fails(
            &other.submit("/sign-in/second-factor", &[("code", code)]).await,
            &[("code", message)],
        );
    }
    let code = next_code(&authenticator);
    let before = other.cookie("__Host-session").unwrap();
    other.submit("/sign-in/second-factor", &[("code", &code)]).await.is_at("/account");
    assert_ne!(other.cookie("__Host-session").unwrap(), before, "another token");

    let third = app.browser();
    sign_in(&third).await;
    fails(
        &third.submit("/sign-in/second-factor", &[("code", &code)]).await,
        &[("code", "used already")],
    );
    third.visit("/sign-in/recovery-code").await.says(&["Use a recovery code"]);
    for (code, message) in
        [("", "Enter one"), ("nonsense", "not right"), ("aaaaa-aaaaa", "not right")]
    {
        fails(
            &third.submit("/sign-in/recovery-code", &[("code", code)]).await,
            &[("code", message)],
        );
    }
    third.submit("/sign-in/recovery-code", &[("code", &codes[0])]).await.is_at("/account");
    third.visit("/account/second-factor").await.says(&["9 of your codes are left"]);
    third.visit("/account/recovery-codes").await.says(&["Get new recovery codes?"]);
    third
        .submit("/account/recovery-codes", &[])
        .await
        .says(&["The codes before do not work any more"]);
    third.visit("/account/authenticator/remove").await.says(&["Remove the authenticator app?"]);
    third.submit("/account/authenticator/remove", &[]).await.is_at("/account/second-factor");
    sign_in(&app.browser()).await.is_at("/account");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_nothing_before_they_have_a_second_factor_and_keep_one() {
    let (app, office) = clinic().await;
    office.staff("anna@example.org", StaffRole::HelpDesk, Some("CAIRBA")).await;
    let browser = app.browser();
    browser.visit("/sign-in").await;

    let page =
        browser.submit("/sign-in", &[("email", "anna@example.org"), ("password", PASSWORD)]).await;
    let account = browser.visit("/account").await;
    let sessions = browser.visit("/account/sessions").await;
    set_up_app(&browser).await;
    let after = browser.visit("/account").await;
    browser.visit("/account/authenticator/remove").await;
    let last = browser.submit("/account/authenticator/remove", &[]).await;

    page.is_at("/account/second-factor").says(&["Your role needs a second factor"]);
    account.is_at("/account/second-factor");
    sessions.is_at("/account/second-factor");
    after.is_at("/account").says(&["Help desk, Bay Area"]);
    assert_eq!(last.status, 409);
    last.says(&["Your role needs a second factor: set up another one first."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_added_and_used_by_its_pages() {
    let (app, _office) = clinic().await;
    let (browser, mut key) = (app.browser(), Authenticator::at(&app.app.public_url));
    sign_in(&browser).await;

    let page = browser.visit("/account/passkeys").await;
    let nothing = browser.submit("/account/passkeys", &[("name", "x"), ("answer", "")]).await;
    let options = browser.post("/account/passkeys/options", &[]).await.html;
    let answer = key.create(&options);
    let long = "n".repeat(61);
    let long = browser.submit("/account/passkeys", &[("name", &long), ("answer", &answer)]).await;
    let fields = [("name", "<b>telephone</b>"), ("answer", answer.as_str())];
    let added = browser.submit("/account/passkeys", &fields).await;
    let listed = browser.visit("/account/second-factor").await;

    assert!(page.html.contains("passkey.js") && page.html.contains("data-passkey=\"create\""));
    let script = page.html.split("src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let script = browser.ask(&script).await;
    assert_eq!(
        (script.status, script.headers["content-type"].to_str().unwrap()),
        (200, "text/javascript; charset=utf-8")
    );
    fails(&nothing, &[("name", "was not taken")]);
    fails(&long, &[("name", "60 characters")]);
    added.says(&["Your passkey is added", "Keep these recovery codes"]);
    assert!(listed.html.contains("&#60;b&#62;telephone"), "escaped: {}", listed.html);

    let other = app.browser();
    let asked = sign_in(&other).await;
    asked.is_at("/sign-in/passkey").says(&["Use your passkey"]);
    let nonsense = other.submit("/sign-in/passkey", &[("answer", "{}")]).await;
    assert_eq!(nonsense.errors().len(), 1);
    let options = other.post("/sign-in/passkey/options", &[]).await.html;
    let answer = key.get(&options);
    other.submit("/sign-in/passkey", &[("answer", &answer)]).await.is_at("/account");

    let listed = other.visit("/account/second-factor").await;
    let remove = listed.html.split("href=\"").find(|rest| rest.contains("/remove\"")).unwrap();
    let remove = remove.split('"').next().unwrap().to_owned();
    other.visit(&remove).await.says(&["Remove this passkey?"]);
    other.submit(&remove, &[]).await.is_at("/account/second-factor");
    assert_eq!(other.ask(&remove).await.status, 404, "it is gone");
    assert_eq!(other.ask("/account/passkeys/x/remove").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_its_pages() {
    let (app, office) = clinic().await;
    let browser = app.browser();
    browser.visit("/forgot-password").await.says(&["Forgot your password?"]);

    for (email, message) in [("", "Enter your email address"), ("rosa", "name@example.org")] {
        fails(
            &browser.submit("/forgot-password", &[("email", email)]).await,
            &[("email", message)],
        );
    }
    let unknown = browser.submit("/forgot-password", &[("email", "unknown@example.org")]).await;
    let known = browser.submit("/forgot-password", &[("email", ROSA)]).await;
    let link = format!("/set-password/{}", office.link(ROSA).await);

    unknown.is_at("/forgot-password/sent");
    assert_eq!(unknown.text(), known.text(), "the same for both");
    browser.visit(&link).await.says(&["Set a new password", ROSA, "At least 15 characters"]);
    for (password, again, expected) in [
        ("", "", vec![("password", "Enter a password"), ("again", "once more")]),
        ("loud lemon fence", "loud lemon fences", vec![("again", "differ")]),
        ("loud lemon", "loud lemon", vec![("password", "at least 15")]),
        ("Harbor Street Pediatrics", "Harbor Street Pediatrics", vec![("password", "more in it")]),
        ("123456789012345", "123456789012345", vec![("password", "again and again")]),
    ] {
        let page = browser.submit(&link, &[("password", password), ("again", again)]).await;
        fails(&page, &expected);
        assert!(password.is_empty() || !page.html.contains(password), "it is not shown again");
    }
    let fields = [("password", "loud lemon fence"), ("again", "loud lemon fence")];
    browser.submit(&link, &fields).await.says(&["Your password is set"]);
    browser.visit(&link).await.says(&["This link does not work any more"]);
    browser.submit(&link, &fields).await.says(&["This link does not work any more"]);
    browser.visit("/set-password/nonsense").await.says(&["This link does not work any more"]);
    browser.visit("/sign-in").await;
    let fields = [("email", ROSA), ("password", "loud lemon fence")];
    browser.submit("/sign-in", &fields).await.is_at("/account");
}

#[tokio::test(flavor = "multi_thread")]
async fn name_and_telephone_number_are_changed_and_bad_ones_are_not() {
    let (app, _office) = clinic().await;
    let browser = app.browser();
    sign_in(&browser).await;
    let page = browser.visit("/account/profile").await;
    assert!(page.html.contains("value=\"Rosa\"") && page.html.contains("value=\"Inventa\""));
    let long = "x".repeat(61);

    for (first, last, phone, expected) in [
        (
            "",
            "",
            "",
            vec![("first_name", "Enter your first name"), ("last_name", "Enter your last name")],
        ),
        (&long, "B", "", vec![("first_name", "60 characters")]),
        ("A", &long, "", vec![("last_name", "60 characters")]),
        ("A", "B", "12", vec![("phone", "area code")]),
    ] {
        let fields = [("first_name", first), ("last_name", last), ("phone", phone)];
        fails(&browser.submit("/account/profile", &fields).await, &expected);
    }
    let fields = [
        ("first_name", "<script>alert(1)</script>"),
        ("last_name", "O'Inventa"),
        ("phone", "(510) 555 0100"),
        ("user_id", "U-999999"),
        ("state", "deactivated"),
    ];
    let saved = browser.submit("/account/profile", &fields).await;

    saved.is_at("/account").says(&[
        "<script>alert(1)</script> O'Inventa",
        "510-555-0100",
        "U-000001",
    ]);
    assert!(!saved.html.contains("<script"), "escaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_changed_by_its_page() {
    let (app, _office) = clinic().await;
    let (browser, elsewhere) = (app.browser(), app.browser());
    sign_in(&browser).await;
    sign_in(&elsewhere).await;
    browser.visit("/account/password").await.says(&["At least 15 characters"]);
    let change = |present: &'static str, password: &'static str, again: &'static str| {
        let browser = &browser;
        let fields = [("present", present), ("password", password), ("again", again)];
        async move { browser.submit("/account/password", &fields).await }
    };

    let empty = change("", "", "").await;
    let differ = change(PASSWORD, "loud lemon fence", "loud lemon fences").await;
    let weak = change(PASSWORD, "loud", "loud").await;
    let wrong = change("wrong lemon fence", "loud lemon fence", "loud lemon fence").await;
    let done = change(PASSWORD, "loud lemon fence", "loud lemon fence").await;

    fails(
        &empty,
        &[("present", "present password"), ("password", "Enter a new"), ("again", "once more")],
    );
    fails(&differ, &[("again", "differ")]);
    fails(&weak, &[("password", "at least 15")]);
    fails(&wrong, &[("present", "not your password")]);
    done.says(&["Your password is changed"]);
    browser.visit("/account").await.is_at("/account");
    elsewhere.visit("/account").await.is_at("/sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_changed_by_the_link_in_the_letter_to_the_new_one() {
    let (app, office) = clinic().await;
    let browser = app.browser();
    sign_in(&browser).await;
    browser.visit("/account/email").await.says(&["Change your email address"]);
    for (email, message) in [
        ("", "Enter your new"),
        ("rosa", "name@example.org"),
        ("a@b.example\r\nBcc: c@d.example", "name@example.org"),
        (ROSA, "your address already"),
    ] {
        fails(&browser.submit("/account/email", &[("email", email)]).await, &[("email", message)]);
    }
    let sent = browser.submit("/account/email", &[("email", "new@example.org")]).await;
    sent.says(&["Look into your new mailbox"]);
    let link = format!("/confirm-email/{}", office.link("new@example.org").await);

    let other = app.browser();
    other.visit(&link).await.says(&["Confirm your new email address", "new@example.org"]);
    browser.visit("/account").await.says(&[ROSA]);
    other.submit(&link, &[]).await.says(&["Your email address is changed"]);
    other.visit(&link).await.says(&["This link does not work any more"]);
    browser.visit("/account").await.says(&["new@example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_protected_asks_again_after_five_minutes() {
    let (app, _office) = clinic().await;
    let browser = app.browser();
    sign_in(&browser).await;
    let past = "UPDATE session SET stepped_up_at = '2020-01-01 00:00:00'";
    app.database.change(&app.config.data_dir, past);

    let asked = browser.visit("/account/email").await;
    let begin = browser.submit("/account/second-factor", &[]).await;
    let empty = browser.submit("/account/confirm?next=/account/email", &[("password", "")]).await;
    let wrong =
        browser.submit("/account/confirm?next=/account/email", &[("password", "wrong")]).await;
    let before = browser.cookie("__Host-session").unwrap();
    let right =
        browser.submit("/account/confirm?next=/account/email", &[("password", PASSWORD)]).await;

    asked.is_at("/account/confirm").says(&["Confirm that it is you"]);
    begin.is_at("/account/confirm");
    fails(&empty, &[("password", "Enter your password")]);
    fails(&wrong, &[("password", "not your password")]);
    right.is_at("/account/email");
    assert_ne!(browser.cookie("__Host-session").unwrap(), before, "another token");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended() {
    let (app, _office) = clinic().await;
    let (here, one, two) = (app.browser(), app.browser(), app.browser());
    for browser in [&one, &two, &here] {
        sign_in(browser).await;
    }
    let page = here.visit("/account/sessions").await;
    assert_eq!(page.html.matches("End this session").count(), 2);
    assert_eq!(page.html.matches("This one").count(), 1);
    let name = page.html.split("name=\"session\" value=\"").nth(1).unwrap();
    let name = name.split('"').next().unwrap();

    let ended = here.submit("/account/sessions", &[("session", name)]).await;
    let nonsense = here.submit("/account/sessions", &[("session", "nonsense")]).await;
    let others = here.submit("/account/sessions", &[]).await;

    assert_eq!(ended.html.matches("End this session").count(), 1);
    assert_eq!(nonsense.html.matches("End this session").count(), 1);
    assert_eq!(others.html.matches("End this session").count(), 0);
    for browser in [&one, &two] {
        browser.visit("/account").await.is_at("/sign-in");
    }
    here.visit("/account").await.is_at("/account");
}
