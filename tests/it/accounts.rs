//! Accounts below their pages: signing in, second factors, links, who may do what, and what the trail tells of it.

use std::time::Duration;

use izportal::domain::{
    AccountState, Course, MembershipState, Permission, Role, Scope, StaffGrant, StaffRole,
    Standing, Weakness,
};
use izportal::sites::{AccountError, Invited, PasswordChange, Proof, SignIn};
use izportal::store::{AccountFilter, Removed, RetentionLimits, StoreError};

use crate::support::authenticator::Authenticator;
use crate::support::people::{App, Office, PASSWORD, PORTAL, secret, user};

const MINUTE: Duration = Duration::from_mins(1);
const ROSA: &str = "rosa@example.org";
const ANNA: &str = "anna@example.org";

fn is_refused(answer: &SignIn) -> bool {
    matches!(answer, SignIn::Refused)
}

/// The text of a refusal.
fn refusal<T: std::fmt::Debug>(result: Result<T, AccountError>) -> String {
    match result {
        Err(AccountError::Store(StoreError::Refused(refusal))) => refusal.0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_user_sets_a_password_once_and_signs_in() {
    let office = Office::open().await;
    let clinic = office.organization("Harbor Street Pediatrics").await;
    let account = office.invite(clinic, ROSA, &[Role::Representative]).await;
    let link = office.link(ROSA).await;
    let browser = office.browser();

    let looked_at = office.sites.password_link(&link, &browser).await.unwrap().unwrap();
    let before = office.try_sign_in(ROSA, PASSWORD).await;
    let weak = office.sites.password_set(&looked_at, secret("Harbor Street 1"), &browser).await;
    office.set_password(&link).await;
    let again = office.sites.password_link(&link, &browser).await.unwrap();
    let replayed = office.sites.password_set(&looked_at, secret(PASSWORD), &browser).await.unwrap();
    let who = office.sign_in("Rosa@Example.org").await;

    assert!(looked_at.is_first && looked_at.least == 15);
    assert!(is_refused(&before), "there is no password yet");
    assert!(matches!(weak, Err(AccountError::Weak(Weakness::Guessable))), "{weak:?}");
    assert!(again.is_none() && replayed.is_none(), "once");
    assert_eq!((who.id(), who.standing()), (account.id, Standing::SignedIn));
    assert_eq!(who.principal.account.state, AccountState::Active);
    assert_eq!(who.principal.account.user_id.as_str(), format!("U-{:06}", account.id.0));
    assert!(who.principal.may(Permission::ManageUsers, clinic));
    let told = office.told(&format!("account {}", account.id)).await;
    let actions: Vec<_> = told.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "account.create",
            "account.sign-in-refused",
            "account.password-by-link",
            "account.sign-in"
        ]
    );
    assert!(!format!("{told:?}").contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_one_answer_and_costs_the_same_work() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    office.invite(clinic, "invited@example.org", &[Role::DxQa]).await;
    let closed = office.member(clinic, "closed@example.org", Role::DxQa).await;
    office.sites.account_deactivate(closed.id, office.by()).await.unwrap();
    let idle = office.member(clinic, "idle@example.org", Role::DxQa).await;
    office.store.membership_deactivate(idle.id, clinic, office.by().into()).await.unwrap();

    for (email, password) in [
        (ROSA, "another lemon fence"),
        ("unknown@example.org", PASSWORD),
        ("invited@example.org", PASSWORD),
        ("closed@example.org", PASSWORD),
        ("idle@example.org", PASSWORD),
        ("not an address", PASSWORD),
        ("", ""),
    ] {
        let hashes = office.sites.hashes_computed();
        let noted = office.count("account.sign-in-refused").await;

        let answer = office.try_sign_in(email, password).await;

        assert!(is_refused(&answer), "{email}: {answer:?}");
        assert_eq!(office.sites.hashes_computed() - hashes, 1, "{email}");
        assert_eq!(office.count("account.sign-in-refused").await - noted, 1, "{email}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_idle_when_old_and_when_signed_out() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (idle, old) = (office.token(ROSA).await, office.token(ROSA).await);

    for _ in 0..24 {
        office.pass(29 * MINUTE);
        assert!(office.session(&old).await.is_some(), "used each half hour");
    }
    office.pass(24 * MINUTE);
    assert!(office.session(&idle).await.is_none(), "idle");
    assert!(office.session(&old).await.is_none(), "12 hours");

    let token = office.token(ROSA).await;
    let who = office.session(&token).await.unwrap();
    office.sites.sign_out(&who, &office.browser()).await.unwrap();
    assert!(office.session(&token).await.is_none(), "signed out");
    let year = Duration::from_hours(24 * 365);
    let limits = RetentionLimits { bodies: year, metadata: year, letters: year };
    let removed = office.store.retention_sweep(limits, office.now.get()).await.unwrap();
    assert_eq!(removed, Removed { visits: 2, ..Removed::default() }, "the two that were over");
    office.pass(Duration::from_hours(24 * 15));
    let removed = office.store.retention_sweep(limits, office.now.get()).await.unwrap();
    assert_eq!(removed.visits, 1, "the link of the invitation");
    for nonsense in ["", "x", &"0".repeat(52), &token.to_uppercase()] {
        assert!(office.session(nonsense).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_again_leaves_no_earlier_session_of_the_browser() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let before = office.token(ROSA).await;

    let (email, browser) = (ROSA, office.browser());
    let answer =
        office.sites.sign_in(email, secret(PASSWORD), Some(&before), &browser).await.unwrap();

    let SignIn::Done { token, second_factor } = answer else { panic!("{answer:?}") };
    assert!(!second_factor);
    assert_ne!(token.reveal(), before);
    assert!(
        office.session(&before).await.is_none() && office.session(token.reveal()).await.is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deactivated_is_out_with_the_next_request() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ANNA, Role::Representative).await;
    let rosa = office.member(clinic, ROSA, Role::DxQa).await;
    let boss = office.sign_in(ANNA).await;

    let token = office.token(ROSA).await;
    let user = (clinic, rosa.id);
    office.sites.user_deactivate(&boss, user, &office.browser()).await.unwrap();
    let by_representative = office.session(&token).await;
    let refused = office.try_sign_in(ROSA, PASSWORD).await;
    office.sites.user_reactivate(&boss, user, &office.browser()).await.unwrap();
    let token = office.token(ROSA).await;
    office.sites.account_deactivate(rosa.id, office.by()).await.unwrap();
    let by_help_desk = office.session(&token).await;
    office.sites.account_reactivate(rosa.id, office.by()).await.unwrap();
    let closed_meanwhile = office.session(&token).await;

    assert!(by_representative.is_none() && is_refused(&refused));
    assert!(by_help_desk.is_none());
    assert!(closed_meanwhile.is_none(), "the session is gone, not asleep");
    assert!(office.session(&office.token(ROSA).await).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tries_make_an_account_wait_longer_and_longer_and_never_for_good() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    let rosa = office.member(clinic, ROSA, Role::DxQa).await;
    for _ in 0..8 {
        assert!(is_refused(&office.try_sign_in(ROSA, "wrong lemon fence").await));
    }

    let waiting = office.try_sign_in(ROSA, PASSWORD).await;
    office.pass(Duration::from_secs(29));
    let still_waiting = office.try_sign_in(ROSA, PASSWORD).await;
    office.pass(Duration::from_secs(1));
    let wrong_again = office.try_sign_in(ROSA, "wrong lemon fence").await;
    office.pass(Duration::from_secs(59));
    let waiting_twice_as_long = office.try_sign_in(ROSA, PASSWORD).await;
    office.pass(Duration::from_secs(1));
    let right = office.try_sign_in(ROSA, PASSWORD).await;
    let forgotten = office.try_sign_in(ROSA, "wrong lemon fence").await;
    let at_once = office.try_sign_in(ROSA, PASSWORD).await;

    for answer in [&waiting, &still_waiting, &wrong_again, &waiting_twice_as_long, &forgotten] {
        assert!(is_refused(answer), "{answer:?}");
    }
    assert!(matches!(right, SignIn::Done { .. }), "{right:?}");
    assert!(matches!(at_once, SignIn::Done { .. }), "the tries were forgotten: {at_once:?}");

    for _ in 0..9 {
        office.try_sign_in(ROSA, "wrong lemon fence").await;
    }
    assert!(office.store.account_by_id(rosa.id).await.unwrap().is_locked(office.now.get()));
    office.sites.account_unlock(rosa.id, office.by()).await.unwrap();
    assert!(matches!(office.try_sign_in(ROSA, PASSWORD).await, SignIn::Done { .. }), "unlocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tries_at_one_time_are_many_tries() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    let rosa = office.member(clinic, ROSA, Role::DxQa).await;

    let tries = (0..20).map(|_| office.try_sign_in(ROSA, "wrong lemon fence"));
    let answers = futures_util::future::join_all(tries).await;

    assert!(answers.iter().all(is_refused));
    assert!(office.store.account_by_id(rosa.id).await.unwrap().is_locked(office.now.get()));
    assert!(is_refused(&office.try_sign_in(ROSA, PASSWORD).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_too_often_waits_and_others_do_not() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let sprayed = |n: usize| {
        let (office, email) = (&office, format!("user-{n}@example.org"));
        async move {
            let browser = office.browser_at("198.51.100.1");
            office.sites.sign_in(&email, secret("wrong lemon fence"), None, &browser).await.unwrap()
        }
    };

    let answers = futures_util::future::join_all((0..61).map(sprayed)).await;

    let refused = answers.iter().filter(|one| is_refused(one)).count();
    let too_many = answers.iter().filter(|one| matches!(one, SignIn::TooMany)).count();
    assert!(too_many > 0 && refused >= 60, "{refused} {too_many}");
    assert!(matches!(office.try_sign_in(ROSA, PASSWORD).await, SignIn::Done { .. }), "elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_app_is_a_second_factor_whose_codes_serve_once() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::Representative).await;
    let first = office.token(ROSA).await;
    let who = office.session(&first).await.unwrap();
    office.sites.totp_begin(&who, office.now.get()).await.unwrap();
    let told = office.sites.totp_set_up(&who, office.now.get()).await.unwrap().unwrap();
    let wrong = office.sites.totp_confirm(&who, "000000", &office.browser()).await.unwrap();
    let app = App::with(&told.secret);
    let code = app.code(office.now.get());
    let done = office.sites.totp_confirm(&who, &code, &office.browser()).await.unwrap().unwrap();

    let half_way = office.sign_in(ROSA).await;
    let reused = office.prove(&half_way, Proof::Totp(code.clone())).await;
    office.pass(MINUTE);
    let code = app.code(office.now.get());
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    let whole = office.prove(&half_way, Proof::Totp(spaced)).await.unwrap();
    let other = office.sign_in(ROSA).await;
    let reused_elsewhere = office.prove(&other, Proof::Totp(code)).await;
    let password_instead = office.prove(&other, Proof::Password(secret(PASSWORD))).await;

    assert!(told.picture.starts_with("<svg") && wrong.is_none());
    assert_eq!(done.recovery_codes.len(), 10);
    assert!(office.session(&first).await.is_none(), "the session has another token");
    assert_eq!(half_way.standing(), Standing::SecondFactorDue);
    assert!(!half_way.principal.may(Permission::ViewOrganization, clinic));
    assert!(reused.is_none() && reused_elsewhere.is_none() && password_instead.is_none());
    assert_eq!(whole.standing(), Standing::SignedIn);
    assert!(whole.principal.may(Permission::ManageUsers, clinic));
    assert!(office.letters(ROSA).await.last().unwrap().1.contains("authenticator app was set up"));
    let secret_kept = office.store.account_factors(whole.id()).await.unwrap().totp.unwrap();
    assert!(secret_kept.len() > 20 + 16, "sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_way_in_nothing_can_be_done_but_the_second_factor_and_not_for_long() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    let rosa = office.member(clinic, ROSA, Role::Representative).await;
    office.set_up_app(&office.sign_in(ROSA).await).await;
    let token = office.token(ROSA).await;
    let who = office.session(&token).await.unwrap();
    let (sites, browser) = (&office.sites, office.browser());

    let add = sites.totp_begin(&who, office.now.get()).await;
    let remove = sites.totp_remove(&who, &browser).await;
    let renew = sites.recovery_codes_renew(&who, &browser).await;
    let email = sites.email_change(&who, &"x@example.org".parse().unwrap(), &browser).await;
    let profile =
        sites.profile_change(&who, ("A".to_owned(), "B".to_owned(), None), &browser).await;
    let passwords = (secret(PASSWORD), secret("quiet lemon fences"));
    let password = sites.password_change(&who, passwords, &browser).await;
    let users = sites.user_deactivate(&who, (clinic, rosa.id), &browser).await;
    office.pass(10 * MINUTE);

    assert!(matches!(add, Err(AccountError::StepUp)));
    assert!(matches!(remove, Err(AccountError::StepUp)));
    assert!(matches!(renew, Err(AccountError::StepUp)));
    assert!(matches!(email, Err(AccountError::StepUp)));
    assert!(matches!(profile, Err(AccountError::StepUp)));
    assert!(matches!(password, Err(AccountError::StepUp)));
    assert!(matches!(users, Err(AccountError::Forbidden)));
    assert!(office.session(&token).await.is_none(), "ten minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_stands_in_once_and_its_use_is_told() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (_, codes, who) = office.set_up_app(&office.sign_in(ROSA).await).await;
    let half_way = office.sign_in(ROSA).await;

    let typed = codes[3].to_uppercase().replace('-', " ");
    let whole = office.prove(&half_way, Proof::RecoveryCode(typed)).await.unwrap();
    let half_way = office.sign_in(ROSA).await;
    let again = office.prove(&half_way, Proof::RecoveryCode(codes[3].clone())).await;
    let nonsense = office.prove(&half_way, Proof::RecoveryCode("x".to_owned())).await;
    let letters = office.letters(ROSA).await;
    let renewed = office.sites.recovery_codes_renew(&whole, &office.browser()).await.unwrap();
    let old = office.prove(&half_way, Proof::RecoveryCode(codes[4].clone())).await;
    let new = renewed[0].shown().to_string();
    let new = office.prove(&half_way, Proof::RecoveryCode(new)).await;

    assert_eq!(whole.standing(), Standing::SignedIn);
    assert!(again.is_none() && nonsense.is_none() && old.is_none());
    assert!(letters.last().unwrap().1.contains("9 are left"), "{letters:?}");
    assert!(new.is_some());
    assert_eq!(codes.len(), 10);
    drop(who);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_makes_the_account_wait_and_a_right_password_does_not_help() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (app, _, _) = office.set_up_app(&office.sign_in(ROSA).await).await;

    // Each round shows the right password and guesses once: the password must not forget the guesses.
    let mut rounds = 0;
    while let SignIn::Done { token, .. } = office.try_sign_in(ROSA, PASSWORD).await {
        let who = office.session(token.reveal()).await.unwrap();
        assert!(office.prove(&who, Proof::Totp("000000".to_owned())).await.is_none());
        rounds += 1;
        assert!(rounds < 9, "it waits at last");
    }
    office.pass(MINUTE);
    let who = office.sign_in(ROSA).await;
    office.pass(2 * MINUTE);
    let right = office.prove(&who, Proof::Totp(app.code(office.now.get()))).await;

    assert_eq!(rounds, 4, "eight tries");
    assert!(right.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_added_asked_and_removed() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (sites, who) = (&office.sites, office.sign_in(ROSA).await);
    let mut key = Authenticator::at(PORTAL);

    let options = sites.passkey_add_begin(&who, office.now.get()).await.unwrap();
    let answer = key.create(&options);
    let done =
        sites.passkey_add(&who, ("Telephone", &answer), &office.browser()).await.unwrap().unwrap();
    let who = office.session(done.token.reveal()).await.unwrap();
    let replayed = sites.passkey_add(&who, ("Again", &answer), &office.browser()).await.unwrap();
    let half_way = office.sign_in(ROSA).await;
    let options = sites.passkey_ask(&half_way, office.now.get()).await.unwrap().unwrap();
    let answer = key.get(&options);
    let whole = office.prove(&half_way, Proof::Passkey(answer.clone())).await.unwrap();
    let half_way = office.sign_in(ROSA).await;
    let second_use = office.prove(&half_way, Proof::Passkey(answer)).await;
    let listed = sites.passkey_list(&whole).await.unwrap();

    assert_eq!(done.recovery_codes.len(), 10);
    assert!(replayed.is_none() && second_use.is_none(), "a challenge is answered once");
    assert_eq!(half_way.standing(), Standing::SecondFactorDue);
    assert_eq!(whole.standing(), Standing::SignedIn);
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "Telephone"));
    assert!(listed[0].last_used_at.is_some());

    sites.passkey_remove(&whole, listed[0].id, &office.browser()).await.unwrap();
    assert_eq!(
        office.sign_in(ROSA).await.standing(),
        Standing::SignedIn,
        "no second factor any more"
    );
    let left = office.store.account_factors(whole.id()).await.unwrap();
    assert_eq!((left.passkeys, left.recovery_codes), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_of_another_place_another_key_or_an_old_challenge_does_not_open() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (sites, who) = (&office.sites, office.sign_in(ROSA).await);
    let mut key = Authenticator::at(PORTAL);
    let options = sites.passkey_add_begin(&who, office.now.get()).await.unwrap();
    let answer = key.create(&options);
    sites.passkey_add(&who, ("", &answer), &office.browser()).await.unwrap().unwrap();
    let half_way = office.sign_in(ROSA).await;
    let ask = || async { sites.passkey_ask(&half_way, office.now.get()).await.unwrap().unwrap() };

    key.origin = "https://evil.example.org".to_owned();
    let elsewhere = office.prove(&half_way, Proof::Passkey(key.get(&ask().await))).await;
    PORTAL.clone_into(&mut key.origin);
    let stranger = Authenticator::at(PORTAL).get(&ask().await);
    let stranger = office.prove(&half_way, Proof::Passkey(stranger)).await;
    let options = ask().await;
    office.pass(9 * MINUTE);
    let nonsense = office.prove(&half_way, Proof::Passkey("{}".to_owned())).await;
    let after_nonsense = office.prove(&half_way, Proof::Passkey(key.get(&options))).await;

    assert!(elsewhere.is_none() && stranger.is_none());
    assert!(nonsense.is_none() && after_nonsense.is_none(), "a challenge is answered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_needs_a_proof_of_the_last_five_minutes() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let token = office.token(ROSA).await;
    let who = office.session(&token).await.unwrap();
    let fresh = who.is_fresh(office.now.get());
    office.pass(5 * MINUTE);
    let stale = office.session(&token).await.unwrap();

    let refused = office.sites.totp_begin(&stale, office.now.get()).await;
    let wrong = office.prove(&stale, Proof::Password(secret("wrong lemon fence"))).await;
    let proven = office.prove(&stale, Proof::Password(secret(PASSWORD))).await.unwrap();

    assert!(fresh && !stale.is_fresh(office.now.get()));
    assert!(matches!(refused, Err(AccountError::StepUp)));
    assert!(wrong.is_none());
    assert!(proven.is_fresh(office.now.get()));
    assert!(office.session(&token).await.is_none(), "the session has another token");
    office.sites.totp_begin(&proven, office.now.get()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_a_link_that_serves_once_within_an_hour() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let session = office.token(ROSA).await;
    let rosa = ROSA.parse().unwrap();
    let ask = || async { office.sites.password_forgotten(&rosa, &office.browser()).await.unwrap() };
    let look = |token: String| {
        let (sites, browser) = (&office.sites, office.browser());
        async move { sites.password_link(&token, &browser).await.unwrap() }
    };
    for _ in 0..9 {
        office.try_sign_in(ROSA, "wrong lemon fence").await;
    }

    ask().await;
    let first = office.link(ROSA).await;
    ask().await;
    let second = office.link(ROSA).await;
    let older = look(first).await;
    let held = look(second.clone()).await.unwrap();
    let new = secret("loud lemon fence");
    office.sites.password_set(&held, new.clone(), &office.browser()).await.unwrap().unwrap();
    let used = look(second).await;
    ask().await;
    let third = office.link(ROSA).await;
    office.pass(60 * MINUTE);
    let late = look(third).await;

    assert!(older.is_none() && used.is_none() && late.is_none());
    assert!(office.session(&session).await.is_none(), "every session ended");
    assert!(is_refused(&office.try_sign_in(ROSA, PASSWORD).await));
    let signed_in = office.try_sign_in(ROSA, new.reveal()).await;
    assert!(matches!(signed_in, SignIn::Done { .. }), "and nothing waits: {signed_in:?}");
    let letters = office.letters(ROSA).await;
    assert!(letters.iter().any(|(_, text)| text.contains("was changed")), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_a_link_looks_the_same_for_an_unknown_address() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let closed = office.member(clinic, "closed@example.org", Role::DxQa).await;
    office.sites.account_deactivate(closed.id, office.by()).await.unwrap();
    let trainee = office.invite(clinic, "trainee@example.org", &[Role::Regular]).await;
    office.pass(MINUTE);

    for (email, letters) in [
        (ROSA, 1),
        ("closed@example.org", 0),
        ("trainee@example.org", 0),
        ("unknown@example.org", 0),
    ] {
        let (before, noted) =
            (office.letters(email).await.len(), office.count("account.password-link").await);
        office.sites.password_forgotten(&email.parse().unwrap(), &office.browser()).await.unwrap();
        assert_eq!(office.letters(email).await.len() - before, letters, "{email}");
        assert_eq!(office.count("account.password-link").await - noted, 1, "{email}");
    }
    assert_eq!(office.store.account_by_id(trainee.id).await.unwrap().state, AccountState::Invited);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_a_password_opens_after_training() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    let trainee = office.invite(clinic, ROSA, &[Role::Regular, Role::Power]).await;
    let reader = office.invite(clinic, ANNA, &[Role::ReadOnly]).await;
    office.staff("reg@example.org", StaffRole::Registrar, None).await;
    let registrar = office.sign_in("reg@example.org").await;
    let today = office.now.get().utc().date_naive();

    let waiting = office.letters(ROSA).await;
    let videos = office.letters(ANNA).await;
    let invited = office.sites.invite(trainee.id, office.by()).await.unwrap();
    let by_operator = refusal(office.sites.account_link(trainee.id, office.by()).await);
    let tomorrow = today.succ_opt().unwrap();
    let early = (Course::Webinar, tomorrow);
    let early = refusal(
        office.sites.training_record(&registrar, trainee.id, early, &office.browser()).await,
    );
    let course = (Course::Webinar, today);
    let browser = office.browser();
    let now = office.sites.training_record(&registrar, trainee.id, course, &browser).await.unwrap();
    office.set_password(&office.link(ROSA).await).await;
    let again =
        office.sites.training_record(&registrar, trainee.id, course, &browser).await.unwrap();

    assert_eq!((waiting.len(), waiting[0].0.as_str()), (1, "awaiting-training"));
    assert!(!waiting[0].1.contains(PORTAL), "no link: {}", waiting[0].1);
    assert!(videos[0].1.contains("https://videos.example/"), "{}", videos[0].1);
    assert_eq!(invited, Invited::AwaitingTraining);
    assert_eq!(by_operator, "the account waits for training");
    assert!(early.contains("future"), "{early}");
    assert!(now && !again, "invited once");
    let who = office.sign_in(ROSA).await;
    assert!(who.principal.memberships.iter().all(|one| one.state == MembershipState::Active));
    let trained = office.store.training_list(trainee.id).await.unwrap();
    assert_eq!(
        (trained.len(), trained[0].course, trained[0].recorded_by),
        (1, Course::Webinar, registrar.id())
    );
    assert_eq!(office.sites.invite(reader.id, office.by()).await.unwrap(), Invited::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_the_other_sessions_and_is_told() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (elsewhere, here) = (office.token(ROSA).await, office.token(ROSA).await);
    let who = office.session(&here).await.unwrap();
    let change = |present: &str, new: &str| {
        let (sites, browser, who) = (&office.sites, office.browser(), who.clone());
        let passwords = (secret(present), secret(new));
        async move { sites.password_change(&who, passwords, &browser).await }
    };

    let wrong = change("wrong lemon fence", "loud lemon fence").await.unwrap();
    let weak = change(PASSWORD, "short").await;
    let done = change(PASSWORD, "loud lemon fence").await.unwrap();

    assert!(matches!(wrong, PasswordChange::Wrong));
    assert!(matches!(weak, Err(AccountError::Weak(Weakness::Short(15)))));
    let PasswordChange::Done(token) = done else { panic!("{done:?}") };
    assert!(office.session(&elsewhere).await.is_none() && office.session(&here).await.is_none());
    assert!(office.session(token.reveal()).await.is_some());
    assert!(is_refused(&office.try_sign_in(ROSA, PASSWORD).await));
    assert!(matches!(office.try_sign_in(ROSA, "loud lemon fence").await, SignIn::Done { .. }));
    assert!(office.letters(ROSA).await.last().unwrap().1.contains("was changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_makes_a_shorter_password_enough() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let (_, _, who) = office.set_up_app(&office.sign_in(ROSA).await).await;

    let passwords = (secret(PASSWORD), secret("lemonfen"));
    let done = office.sites.password_change(&who, passwords, &office.browser()).await.unwrap();

    assert!(matches!(done, PasswordChange::Done(_)), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_holds_when_its_owner_confirms_and_the_old_one_is_told() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    let rosa = office.member(clinic, ROSA, Role::DxQa).await;
    office.member(clinic, ANNA, Role::DxQa).await;
    let who = office.sign_in(ROSA).await;
    let change = |email: &str| {
        let (sites, browser, who, email) =
            (&office.sites, office.browser(), &who, email.parse().unwrap());
        async move { sites.email_change(who, &email, &browser).await.unwrap() }
    };

    change("new@example.org").await;
    let (new, browser) = (office.link("new@example.org").await, office.browser());
    let notice = office.letters(ROSA).await.last().unwrap().1.clone();
    let before = office.try_sign_in("new@example.org", PASSWORD).await;
    let done = office.sites.email_confirm(&new, &browser).await.unwrap();
    let again = office.sites.email_confirm(&new, &browser).await.unwrap();
    change(ANNA).await;
    let taken = office.sites.email_confirm(&office.link(ANNA).await, &browser).await.unwrap();
    let as_password = office.sites.password_link(&new, &browser).await.unwrap();

    assert!(notice.contains("holds once the new"), "{notice}");
    assert!(is_refused(&before));
    assert_eq!(done.unwrap().email.as_str(), "new@example.org");
    assert!(again.is_none() && taken.is_none(), "once, and not another's");
    assert!(as_password.is_none(), "a link serves its purpose only");
    let letters = office.letters(ROSA).await;
    assert!(letters.iter().any(|(_, text)| text.contains("now: new@example.org")), "{letters:?}");
    assert!(is_refused(&office.try_sign_in(ROSA, PASSWORD).await));
    assert_eq!(office.sign_in("new@example.org").await.id(), rosa.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_new_address_ends_after_a_day() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    let who = office.sign_in(ROSA).await;
    let email = "new@example.org".parse().unwrap();
    office.sites.email_change(&who, &email, &office.browser()).await.unwrap();
    let link = office.link("new@example.org").await;

    office.pass(Duration::from_hours(24));

    assert!(office.sites.email_confirm(&link, &office.browser()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_and_facility_operators_may_nothing_before_they_have_a_second_factor() {
    let office = Office::open().await;
    let hie = office.organization("Valley HIE").await;
    office.staff(ANNA, StaffRole::Administrator, None).await;
    office.member(hie, ROSA, Role::FacilityOperator).await;

    for email in [ANNA, ROSA] {
        let who = office.sign_in(email).await;
        assert_eq!(who.standing(), Standing::SecondFactorMissing, "{email}");
        assert!(!who.principal.may(Permission::ViewOrganization, hie));
        assert_eq!(who.principal.scope(Permission::ManageStaff), Scope::Nowhere);
        let (_, _, who) = office.set_up_app(&who).await;
        assert_eq!(who.standing(), Standing::SignedIn, "{email}");
        let last = refusal(office.sites.totp_remove(&who, &office.browser()).await);
        assert!(last.contains("set up another one first"), "{last}");
    }
    let (app, _, administrator) = {
        let half_way = office.sign_in(ANNA).await;
        office.sites.second_factor_clear(half_way.id(), office.by()).await.unwrap();
        let who = office.sign_in(ANNA).await;
        assert_eq!(who.standing(), Standing::SecondFactorMissing, "the help desk took it");
        office.set_up_app(&who).await
    };
    assert_eq!(administrator.principal.scope(Permission::ManageStaff), Scope::All);
    assert_eq!(app.code(office.now.get()).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_are_added_listed_and_removed_but_for_the_last_administrator() {
    let office = Office::open().await;
    let anna = office.staff(ANNA, StaffRole::Administrator, None).await;
    let rosa = office.staff(ROSA, StaffRole::Onboarding, Some("CAIRBA")).await;
    let token = office.token(ROSA).await;
    let grant = StaffGrant { role: StaffRole::HelpDesk, region: None };
    let known = office.sites.staff_add(user(ROSA, &[]), grant, office.by()).await.unwrap();

    let listed = office.store.staff_list().await.unwrap();
    let last = office.sites.staff_remove(anna.id, None, office.by()).await;
    let one = office.sites.staff_remove(rosa.id, Some(grant), office.by()).await.unwrap();
    let none = office.sites.staff_remove(rosa.id, None, office.by()).await.unwrap();

    assert!(known.1.is_none(), "she has an account");
    let roles: Vec<_> =
        listed.iter().map(|(who, roles)| (who.email.as_str(), roles.len())).collect();
    assert_eq!(roles.len(), 2);
    assert!(roles.contains(&(ANNA, 1)) && roles.contains(&(ROSA, 2)), "{roles:?}");
    assert!(matches!(last, Err(StoreError::Refused(_))), "{last:?}");
    assert_eq!((one.len(), none.len()), (1, 0));
    assert!(office.session(&token).await.is_none(), "no place any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_representative_manages_the_users_of_the_own_organization_and_no_others() {
    let office = Office::open().await;
    let (clinic, school) =
        (office.organization("Clinic").await, office.organization("School").await);
    office.member(clinic, ANNA, Role::Representative).await;
    office.member(school, "other@example.org", Role::Representative).await;
    let stranger = office.member(school, "stranger@example.org", Role::ReadOnly).await;
    let viewer = office.member(clinic, "viewer@example.org", Role::DxQa).await;
    let (boss, watcher) = (office.sign_in(ANNA).await, office.sign_in("viewer@example.org").await);
    let (sites, browser) = (&office.sites, office.browser());

    let new = sites.user_add(&boss, clinic, user(ROSA, &[Role::DxQa]), &browser).await.unwrap();
    let second = user("stranger@example.org", &[Role::ReadOnly]);
    let second = sites.user_add(&boss, clinic, second, &browser).await.unwrap();
    let there = sites.user_add(&boss, school, user(ROSA, &[Role::DxQa]), &browser).await;
    let by_watcher = sites.user_add(&watcher, clinic, user(ROSA, &[Role::DxQa]), &browser).await;
    let roles = vec![Role::ReadOnly, Role::DxQa];
    let changed = sites.user_roles(&boss, (clinic, viewer.id), roles, &browser).await.unwrap();
    let foreign = sites.user_deactivate(&boss, (school, stranger.id), &browser).await;
    let not_ours = sites
        .user_deactivate(&boss, (clinic, boss_of(&office, "other@example.org").await), &browser)
        .await;
    let last = refusal(sites.user_deactivate(&boss, (clinic, boss.id()), &browser).await);
    let none = refusal(sites.user_roles(&boss, (clinic, viewer.id), vec![], &browser).await);

    assert_eq!(new.1, Invited::Sent);
    let again = user(ROSA, &[Role::ReadOnly]);
    let again = sites.user_add_as(school, again, office.by()).await.unwrap();
    assert_eq!(again.1, Invited::Sent, "who has no password yet is invited again");
    let letters = office.letters(ROSA).await;
    assert!(letters.iter().all(|one| one.1.contains("/set-password/")), "{letters:?}");
    assert_eq!(second.1, Invited::Known);
    assert_eq!(second.0.id, stranger.id);
    let letters = office.letters("stranger@example.org").await;
    assert!(letters.last().unwrap().1.contains("added to Clinic"), "{letters:?}");
    assert!(
        matches!(there, Err(AccountError::Forbidden))
            && matches!(by_watcher, Err(AccountError::Forbidden))
    );
    assert!(matches!(foreign, Err(AccountError::Forbidden)));
    assert!(matches!(not_ours, Err(AccountError::Forbidden)));
    let active = changed.iter().filter(|one| one.state == MembershipState::Active).count();
    assert_eq!(active, 2);
    assert!(last.contains("needs a representative"), "{last}");
    assert!(none.contains("needs a role"), "{none}");
    let users = office.store.membership_list(clinic).await.unwrap();
    assert_eq!(users.len(), 4);
}

async fn boss_of(office: &Office, email: &str) -> izportal::domain::AccountId {
    office.store.account_by_email(email.parse().unwrap()).await.unwrap().unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    office.member(clinic, ROSA, Role::DxQa).await;
    office.member(clinic, ANNA, Role::DxQa).await;
    let (one, two, here) =
        (office.token(ROSA).await, office.token(ROSA).await, office.token(ROSA).await);
    let (who, anna) = (office.session(&here).await.unwrap(), office.sign_in(ANNA).await);
    let browser = office.browser();

    let listed = office.sites.sessions(&who, office.now.get()).await.unwrap();
    let names: Vec<String> =
        listed.iter().filter(|(hash, _)| !who.is(hash)).map(|(hash, _)| hash.to_hex()).collect();
    let by_another = office.sites.session_end(&anna, &names[0], &browser).await.unwrap();
    let ended = office.sites.session_end(&who, &names[0], &browser).await.unwrap();
    let nonsense = office.sites.session_end(&who, "zz", &browser).await.unwrap();
    let others = office.sites.sign_out_elsewhere(&who, &browser).await.unwrap();

    assert_eq!((listed.len(), names.len()), (3, 2));
    assert_eq!(
        (listed[0].1.address.as_str(), listed[0].1.agent.as_str()),
        ("192.0.2.7", "Firefox")
    );
    assert!(!by_another && ended && !nonsense);
    assert_eq!(others, 1);
    assert!(office.session(&one).await.is_none() && office.session(&two).await.is_none());
    assert!(office.session(&here).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found_by_the_beginning_of_address_and_name_and_paged_by_name() {
    let office = Office::open().await;
    let clinic = office.organization("Clinic").await;
    for (first, last, email) in [
        ("Rosa", "Inventa", ROSA),
        ("Íñigo", "Montoya", "im@example.org"),
        ("Anna", "de la Cruz", ANNA),
        ("Inge", "Ångström", "inge@example.org"),
    ] {
        let mut new = user(email, &[Role::DxQa]);
        (new.first_name, new.last_name) = (first.to_owned(), last.to_owned());
        office.sites.user_add_as(clinic, new, office.by()).await.unwrap();
    }
    let find = |search: &str| {
        let filter = AccountFilter {
            search: search.to_owned(),
            state: None,
            scope: Scope::All,
            after: None,
            limit: 2,
        };
        let store = &office.store;
        async move {
            let found = store.account_page(filter).await.unwrap();
            found.iter().map(|one| one.email.as_str().to_owned()).collect::<Vec<_>>()
        }
    };

    for (search, expected) in [
        ("rosa@", vec![ROSA]),
        ("INV", vec![ROSA]),
        ("inventa rosa", vec![ROSA]),
        ("Rosa  Inv", vec![ROSA]),
        ("íñ", vec!["im@example.org"]),
        ("de la", vec![ANNA]),
        ("ång", vec!["inge@example.org"]),
        ("u-000001", vec![ROSA]),
        ("in", vec![ROSA, "inge@example.org"]),
        ("%", vec![]),
        ("_", vec![]),
        ("nobody", vec![]),
    ] {
        assert_eq!(find(search).await, expected, "{search}");
    }
    let page = |after| AccountFilter {
        search: String::new(),
        state: Some(AccountState::Invited),
        scope: Scope::All,
        after,
        limit: 3,
    };
    let first = office.store.account_page(page(None)).await.unwrap();
    let second = office.store.account_page(page(Some(first[2].id))).await.unwrap();
    let names: Vec<_> = first.iter().chain(&second).map(|one| one.last_name.as_str()).collect();
    assert_eq!(names, ["de la Cruz", "Inventa", "Montoya", "Ångström"]);
    let nowhere = AccountFilter { scope: Scope::Nowhere, ..page(None) };
    assert_eq!(office.store.account_page(nowhere).await.unwrap(), []);
}
