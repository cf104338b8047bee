//! Who gets in: rotation, revocation, slowing of guesses, client certificates. The numbers are rows of the contract's
//! section 6.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use izportal::app::Base;
use izportal::client::client_config;
use izportal::domain::CREDENTIAL_PURPOSE;
use izportal::domain::{
    ClientKeyPin, Environment, LinkStatus, Password, SiteKind, SiteStatus, StageEvent, Timestamp,
};
use izportal::store::NewCredential;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData as _,
};
use tempfile::TempDir;

use crate::support::{Answer, Sender, TestApp, envelope, errors, msa, tester, vxu};

const REFUSED: (&str, i64, &str) = ("SecurityFault", 2010, "Sender");

const REFUSAL: &str =
    "The credentials were refused. Check username, password and facilityID as they were issued.";

fn outcome(answer: &Answer) -> (String, i64, String) {
    let fault = answer.strict_fault().unwrap();
    (fault.element, fault.code, fault.role)
}

/// A submission whose children are these.
fn submission(children: &str) -> String {
    envelope(&format!("<iis:submitSingleMessage>{children}</iis:submitSingleMessage>"))
}

fn child(name: &str, value: &str) -> String {
    format!("<iis:{name}>{value}</iis:{name}>")
}

fn is_aa(answer: &Answer) -> bool {
    answer.status == 200 && msa(&answer.hl7()).0 == "AA"
}

/// Asserts the one refusal that there is: the same number and words for every cause.
fn assert_refused(answer: &Answer, cause: &str) {
    let fault = answer.strict_fault().unwrap_or_else(|rule| panic!("{cause}: {rule}"));
    assert_eq!(fault.outcome(), REFUSED, "{cause}");
    assert_eq!(fault.detail, format!("{REFUSAL} Reference: {}", fault.reference), "{cause}");
}

impl TestApp {
    /// The same database, opened as `izportal admin` opens it.
    async fn other_process(&self) -> Base {
        Base::open(&self.config, false).await.unwrap()
    }

    async fn issue(&self, base: &Base, sender: &Sender, expires_at: Option<Timestamp>) {
        let new = NewCredential {
            site: sender.facility.parse().unwrap(),
            environment: sender.environment,
            username: sender.username.clone(),
            facility_id: sender.facility.clone(),
            secret: base.key.hash(CREDENTIAL_PURPOSE, &sender.password),
            expires_at,
        };
        base.store.credential_issue(new, tester()).await.unwrap();
    }

    async fn rotate(&self, sender: &Sender, overlap: Duration) -> Sender {
        let password = Password::generate(&ring::rand::SystemRandom::new()).unwrap();
        let secret = self.base_key.hash(CREDENTIAL_PURPOSE, password.reveal());
        let username = sender.username.clone();
        self.store().credential_rotate(username, secret, overlap, tester()).await.unwrap();
        Sender { password: password.reveal().to_owned(), ..sender.clone() }
    }

    /// Submits over a client of its own with this TLS.
    async fn submit_over(
        &self,
        tls: rustls::ClientConfig,
        sender: &Sender,
        hl7: &str,
    ) -> Result<Answer, reqwest::Error> {
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?;
        let Sender { username, password, facility, .. } = sender;
        let version = izportal::soap::SoapVersion::V12;
        let body = izportal::soap::submit_single_message_request(
            version, username, password, facility, hl7,
        );
        let request = client.post(self.endpoint()).header("Content-Type", "application/soap+xml");
        let response = request.body(body).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_nil_or_blank_part_is_named_by_its_number() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let parts = [
        ("username", sender.username.as_str(), 2001),
        ("password", sender.password.as_str(), 2002),
        ("facilityID", sender.facility.as_str(), 2003),
    ];
    let nil = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"";

    for (missing, _, code) in parts {
        let ways = [
            String::new(),
            format!("<iis:{missing}/>"),
            child(missing, ""),
            child(missing, " \t\n "),
            format!("<iis:{missing} {nil}/>"),
        ];
        for way in ways {
            let children: String = parts
                .iter()
                .map(
                    |(name, value, _)| {
                        if *name == missing { way.clone() } else { child(name, value) }
                    },
                )
                .collect();
            let body = submission(&format!("{children}{}", child("hl7Message", "MSH|")));
            let answer = app.post("application/soap+xml", body).await;

            let expected = ("SecurityFault".to_owned(), code, "Sender".to_owned());
            assert_eq!(outcome(&answer), expected, "{missing} as {way:?}"); // rows 41 and 42
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_any_credentials_is_a_security_fault() {
    let app = TestApp::start().await;

    let answer = app.post("application/soap+xml", submission(&child("hl7Message", "MSH|"))).await;

    let (element, code, role) = outcome(&answer);
    assert_eq!((element.as_str(), role.as_str()), ("SecurityFault", "Sender")); // row 41
    assert!([2000, 2001].contains(&code), "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cause_of_refusal_gets_the_same_words() {
    let app = TestApp::start().await;
    let good = app.test_sender().await;
    let suspended = {
        app.site("DE-000002", SiteKind::Direct, true, Some("Alameda"), SiteStatus::Suspended).await;
        app.credential("DE-000002", Environment::Test).await
    };
    let withdrawn = {
        app.site("DE-000003", SiteKind::Direct, true, Some("Alameda"), SiteStatus::Withdrawn).await;
        app.credential("DE-000003", Environment::Test).await
    };
    let expired = Sender { username: "EXPIRED".to_owned(), ..good.clone() };
    let base = app.other_process().await;
    app.issue(&base, &expired, Some(Timestamp::now().minus(Duration::from_secs(1)))).await;
    let revoked = Sender { username: "REVOKED".to_owned(), ..good.clone() };
    app.issue(&base, &revoked, None).await;
    app.store().credential_revoke("REVOKED".to_owned(), tester()).await.unwrap();
    let with = |username: &str, password: &str, facility: &str| Sender {
        username: username.to_owned(),
        password: password.to_owned(),
        facility: facility.to_owned(),
        environment: Environment::Test,
    };
    let cases = [
        ("unknown user", with("NOBODY", &good.password, &good.facility)),
        ("wrong password", with(&good.username, "wrong", &good.facility)),
        ("wrong facility", with(&good.username, &good.password, "DE-000002")),
        ("facility of nobody", with(&good.username, &good.password, "x")),
        ("user in small letters", with("de-000001-t", &good.password, &good.facility)),
        (
            "password in capitals",
            with(&good.username, &good.password.to_uppercase(), &good.facility),
        ),
        ("longer password", with(&good.username, &format!("{}x", good.password), &good.facility)),
        ("suspended Site", suspended),
        ("withdrawn Site", withdrawn),
        ("expired", expired),
        ("revoked", revoked),
    ];

    for (cause, sender) in cases {
        let answer = app.submit(&sender, &vxu("ONE", &[])).await;

        assert_refused(&answer, cause); // rows 43 and 103
    }
    assert!(app.registry("CAIRBA").await.is_empty());
    assert!(is_aa(&app.submit(&good, &vxu("ONE", &[])).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_suspended_while_it_sends_is_refused_and_let_in_again() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let site = "DE-000001".parse::<izportal::domain::SiteId>().unwrap();
    let base = app.other_process().await;

    let before = app.submit(&sender, &vxu("ONE", &[])).await;
    base.store.site_step(site.clone(), StageEvent::Suspended, None, tester()).await.unwrap();
    let suspended = app.submit(&sender, &vxu("TWO", &[])).await;
    base.store.site_step(site, StageEvent::Reinstated, None, tester()).await.unwrap();
    let after = app.submit(&sender, &vxu("THREE", &[])).await;

    assert!(is_aa(&before));
    assert_refused(&suspended, "suspended");
    assert!(is_aa(&after), "{}", after.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_judged_after_the_operation_and_before_the_message() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let stranger = Sender { password: "wrong".to_owned(), ..sender };
    let unknown =
        "<iis:submitSingleMessageX><iis:username>x</iis:username></iis:submitSingleMessageX>";

    let bad_hl7 = app.submit(&stranger, "this is not HL7").await;
    let no_hl7 = app.submit(&stranger, "").await;
    let two = app.submit(&stranger, &vxu("ONE", &[]).repeat(2)).await;
    let too_large = app.submit(&stranger, &format!("MSH|{}", "x".repeat(1_100_000))).await;
    let operation = app.post_body(unknown).await;

    assert_refused(&bad_hl7, "row 44, not HL7");
    assert_refused(&no_hl7, "row 44, no message");
    assert_refused(&two, "row 44, two messages");
    assert_refused(&too_large, "row 44, too large");
    assert_eq!(outcome(&operation).1, 3000); // row 45
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_facility_are_trimmed_and_the_password_never() {
    let app = TestApp::start().await;
    let good = app.test_sender().await;
    let padded = |text: &str| format!("\n  {text}\t ");
    let blank_password = Sender {
        username: "BLANKS".to_owned(),
        password: " with blanks ".to_owned(),
        ..good.clone()
    };
    app.issue(&app.other_process().await, &blank_password, None).await;

    let trimmed = Sender {
        username: padded(&good.username),
        facility: padded(&good.facility),
        ..good.clone()
    };
    let untrimmed = Sender { password: format!("{} ", good.password), ..good.clone() };
    let led = Sender { password: format!(" {}", good.password), ..good.clone() };
    let shortened = Sender { password: "with blanks".to_owned(), ..blank_password.clone() };

    assert!(is_aa(&app.submit(&trimmed, &vxu("ONE", &[])).await)); // row 46
    assert_refused(&app.submit(&untrimmed, &vxu("TWO", &[])).await, "a blank behind");
    assert_refused(&app.submit(&led, &vxu("TWO", &[])).await, "a blank before");
    assert_refused(&app.submit(&shortened, &vxu("TWO", &[])).await, "without its blanks");
    assert!(is_aa(&app.submit(&blank_password, &vxu("TWO", &[])).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_hold_whatever_xml_can_carry() {
    let app = TestApp::start().await;
    let good = app.test_sender().await;
    let odd = Sender {
        username: "ODD".to_owned(),
        password: "<&>\"' ]]> ünï 漢字 😀 %00 \\ \t x\u{A0}".to_owned(),
        ..good
    };
    app.issue(&app.other_process().await, &odd, None).await;

    let answer = app.submit(&odd, &vxu("ONE", &[])).await;

    assert!(is_aa(&answer), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_in_msh_4_is_refused_by_an_ack_because_the_credentials_were_good() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.direct_site("DE-000002").await;
    let text = crate::support::replace_field(&vxu("ONE", &[]), "MSH", 4, "DE-000002");

    let answer = app.submit(&sender, &text).await;

    assert_eq!(answer.status, 200); // row 104
    let reply = answer.hl7();
    assert!(["AE", "AR"].contains(&msa(&reply).0.as_str()), "{reply}");
    let found = errors(&reply);
    assert!(found.iter().any(|error| error[0] == "MSH^1^4" && error[2] == "E"), "{reply}");
    assert!(app.registry("CAIRBA").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_both_secrets_open_until_the_overlap_ends() {
    let app = TestApp::start().await;
    let first = app.test_sender().await;

    let second = app.rotate(&first, Duration::from_hours(1)).await;
    let with_first = app.submit(&first, &vxu("ONE", &[])).await;
    let with_second = app.submit(&second, &vxu("TWO", &[])).await;
    let third = app.rotate(&second, Duration::ZERO).await;
    let old = app.submit(&first, &vxu("THREE", &[])).await;
    let present = app.submit(&second, &vxu("FOUR", &[])).await;
    let newest = app.submit(&third, &vxu("FIVE", &[])).await;

    assert!(is_aa(&with_first), "{}", with_first.text);
    assert!(is_aa(&with_second), "{}", with_second.text);
    assert_refused(&old, "the secret before the last");
    assert_refused(&present, "the last secret, overlap 0");
    assert!(is_aa(&newest), "{}", newest.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overlap_of_a_rotation_ends_by_the_clock() {
    let app = TestApp::start().await;
    let first = app.test_sender().await;

    let second = app.rotate(&first, Duration::from_secs(3)).await;
    let during = app.submit(&first, &vxu("ONE", &[])).await;
    app.until("the old secret ends", async || {
        app.submit(&first, &vxu("ONE", &[])).await.status == 500
    })
    .await;

    assert!(is_aa(&during), "{}", during.text);
    assert!(is_aa(&app.submit(&second, &vxu("TWO", &[])).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_revokes_or_issues_holds_for_the_next_message() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let base = app.other_process().await;
    let new = Sender { username: "NEW".to_owned(), ..sender.clone() };

    let before = app.submit(&sender, &vxu("ONE", &[])).await;
    base.store.credential_revoke(sender.username.clone(), tester()).await.unwrap();
    let revoked = app.submit(&sender, &vxu("TWO", &[])).await;
    let unknown = app.submit(&new, &vxu("THREE", &[])).await;
    app.issue(&base, &new, None).await;
    let issued = app.submit(&new, &vxu("THREE", &[])).await;

    assert!(is_aa(&before), "{}", before.text);
    assert_refused(&revoked, "revoked elsewhere");
    assert_refused(&unknown, "not issued yet");
    assert!(is_aa(&issued), "{}", issued.text);
    assert_eq!(app.registry("CAIRBA").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_revokes_gets_no_verdict_on_its_message_either() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let base = app.other_process().await;
    let texts = [String::new(), "this is not HL7".to_owned(), vxu("TWO", &[]).repeat(2)];

    let before = app.submit(&sender, &vxu("ONE", &[])).await;
    base.store.credential_revoke(sender.username.clone(), tester()).await.unwrap();
    let answers = join_all(texts.iter().map(|text| app.submit(&sender, text))).await;

    assert!(is_aa(&before), "{}", before.text);
    for answer in answers {
        assert_refused(&answer, "revoked elsewhere, row 44");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_after_revocation_does_not_get_the_stored_reply() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let base = app.other_process().await;

    let first = app.submit(&sender, &vxu("ONE", &[])).await;
    base.store.credential_revoke(sender.username.clone(), tester()).await.unwrap();
    let again = app.submit(&sender, &vxu("ONE", &[])).await;

    assert!(is_aa(&first));
    assert_refused(&again, "revoked elsewhere, same message");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_answered_late_and_the_right_password_still_opens() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let guesser = Sender { password: "guess".to_owned(), ..sender.clone() };
    let text = vxu("ONE", &[]);
    let guess = async || {
        let start = Instant::now();
        let answer = app.submit(&guesser, &text).await;
        assert_refused(&answer, "a guess");
        start.elapsed()
    };

    let guesses = join_all((0..40).map(|_| guess()));
    let (waits, right) = futures_util::join!(guesses, app.submit(&sender, &text));
    let afterwards = app.submit(&sender, &vxu("TWO", &[])).await;

    let late = waits.iter().filter(|wait| **wait >= Duration::from_secs(1)).count();
    assert!(late >= 20, "{late} of 40 were late: {waits:?}"); // allowance for one username: 10
    assert!(is_aa(&right), "{}", right.text);
    assert!(is_aa(&afterwards), "{}", afterwards.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn spraying_over_many_names_is_answered_late_by_address() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let text = vxu("ONE", &[]);
    let guess = async |number: usize| {
        let guesser = Sender { username: format!("DE-{number:06}"), ..sender.clone() };
        let start = Instant::now();
        assert_refused(&app.submit(&guesser, &text).await, "a guess");
        start.elapsed()
    };

    let waits = join_all((100..160).map(guess)).await;
    let right = app.submit(&sender, &text).await;

    let late = waits.iter().filter(|wait| **wait >= Duration::from_secs(1)).count();
    assert!(late >= 15, "{late} of 60 were late: {waits:?}"); // abuse case 29; allowance: 30
    assert!(is_aa(&right), "{}", right.text);
}

/// An authority and what it signs, as PEM files.
struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    pin: ClientKeyPin,
}

impl Authority {
    fn new(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    fn certificate(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// An authority below this one, and its certificate.
    fn intermediate(&self, name: &str) -> (Self, String) {
        let dir = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        (Self { dir, issuer: Issuer::new(params, key) }, pem)
    }

    fn sign(&self, name: &str, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: self.dir.path().join(format!("{name}.pem")),
            key: self.dir.path().join(format!("{name}.key")),
            pin: ClientKeyPin::of(&key.subject_public_key_info()),
        };
        std::fs::write(&identity.certificate, certificate.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    fn client(&self, name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, &params)
    }

    fn expired_client(&self, name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.sign(name, &params)
    }

    fn config(&self) -> String {
        format!("[server.tls]\nclient_ca = \"{}\"", self.certificate().display())
    }
}

impl Identity {
    fn tls(&self, app: &TestApp) -> rustls::ClientConfig {
        client_config(app.app.ca.as_deref(), Some((&self.certificate, &self.key))).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_credential_needs_the_certificate_with_its_key() {
    let authority = Authority::new("Client authority");
    let app = TestApp::with(&authority.config()).await;
    let sender = app.test_sender().await;
    let (right, other) = (authority.client("right"), authority.client("other"));
    app.pin(&sender.username, Some(right.pin)).await;

    let without = app.submit(&sender, &vxu("ONE", &[])).await;
    let with_other = app.submit_over(other.tls(&app), &sender, &vxu("ONE", &[])).await.unwrap();
    let with_right = app.submit_over(right.tls(&app), &sender, &vxu("ONE", &[])).await.unwrap();
    app.pin(&sender.username, None).await;
    let unpinned = app.submit(&sender, &vxu("TWO", &[])).await;

    assert_refused(&without, "without certificate"); // rows 91 and 92
    assert_refused(&with_other, "with another certificate");
    assert!(is_aa(&with_right), "{}", with_right.text);
    assert!(is_aa(&unpinned), "{}", unpinned.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_certificate_does_not_replace_the_password() {
    let authority = Authority::new("Client authority");
    let app = TestApp::with(&authority.config()).await;
    let sender = app.test_sender().await;
    let right = authority.client("right");
    app.pin(&sender.username, Some(right.pin)).await;
    let stranger = Sender { password: "wrong".to_owned(), ..sender };

    let answer = app.submit_over(right.tls(&app), &stranger, &vxu("ONE", &[])).await.unwrap();

    assert_refused(&answer, "wrong password behind the right certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_pinned_needs_no_certificate_and_may_show_one() {
    let authority = Authority::new("Client authority");
    let app = TestApp::with(&authority.config()).await;
    let sender = app.test_sender().await;
    let any = authority.client("any");

    let without = app.submit(&sender, &vxu("ONE", &[])).await;
    let with = app.submit_over(any.tls(&app), &sender, &vxu("TWO", &[])).await.unwrap();

    assert!(is_aa(&without), "{}", without.text);
    assert!(is_aa(&with), "{}", with.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_issuer_or_past_its_time_is_refused_in_the_handshake() {
    let authority = Authority::new("Client authority");
    let app = TestApp::with(&authority.config()).await;
    let sender = app.test_sender().await;
    let forger = Authority::new("Client authority");
    let forged = forger.client("right");
    let expired = authority.expired_client("expired");
    app.pin(&sender.username, Some(forged.pin)).await;

    let with_forged = app.submit_over(forged.tls(&app), &sender, &vxu("ONE", &[])).await;
    let with_expired = app.submit_over(expired.tls(&app), &sender, &vxu("ONE", &[])).await;

    assert!(with_forged.is_err(), "{with_forged:?}"); // abuse case 61
    assert!(with_expired.is_err(), "{with_expired:?}");
    assert!(app.registry("CAIRBA").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_without_a_client_authority_lets_nobody_in() {
    let authority = Authority::new("Client authority");
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let right = authority.client("right");
    app.pin(&sender.username, Some(right.pin)).await;

    let answer = app.submit_over(right.tls(&app), &sender, &vxu("ONE", &[])).await.unwrap();

    assert_refused(&answer, "a certificate that nobody asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_both_work_with_and_without_a_certificate() {
    let authority = Authority::new("Client authority");
    let app = TestApp::with(&authority.config()).await;
    let sender = app.test_sender().await;
    let pinned = Sender { username: "PINNED".to_owned(), ..sender.clone() };
    app.issue(&app.other_process().await, &pinned, None).await;
    let right = authority.client("right");
    app.pin(&pinned.username, Some(right.pin)).await;
    let versions = [("2", &rustls::version::TLS12), ("3", &rustls::version::TLS13)];

    for (id, version) in versions {
        let plain = only(version, app.app.ca.as_deref().unwrap());
        let without = app.submit_over(plain, &sender, &vxu(id, &[])).await.unwrap();
        let mut shown = only(version, app.app.ca.as_deref().unwrap());
        shown.client_auth_cert_resolver = right.tls(&app).client_auth_cert_resolver;
        let id = format!("{id}-PINNED");
        let with = app.submit_over(shown, &pinned, &vxu(&id, &[])).await.unwrap();

        assert!(is_aa(&without), "{version:?}: {}", without.text); // row 91
        assert!(is_aa(&with), "{version:?}: {}", with.text);
    }
}

/// A client of one version of TLS.
fn only(version: &'static rustls::SupportedProtocolVersion, ca: &Path) -> rustls::ClientConfig {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_certificate_is_shown_with_its_whole_chain() {
    let root = Authority::new("Root");
    let (intermediate, intermediate_pem) = root.intermediate("Intermediate");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let server = intermediate.sign("server", &params);
    let leaf = std::fs::read_to_string(&server.certificate).unwrap();
    std::fs::write(&server.certificate, format!("{leaf}{intermediate_pem}")).unwrap();
    let app = TestApp::with(&format!(
        "[server.tls]\ncertificate = \"{}\"\nkey = \"{}\"",
        server.certificate.display(),
        server.key.display()
    ))
    .await;
    let sender = app.test_sender().await;

    let tls = client_config(Some(&root.certificate()), None).unwrap();
    let answer = app.submit_over(tls, &sender, &vxu("ONE", &[])).await.unwrap();
    let mistrusting = client_config(Some(&Authority::new("Root").certificate()), None).unwrap();
    let refused = app.submit_over(mistrusting, &sender, &vxu("TWO", &[])).await;

    assert!(is_aa(&answer), "{}", answer.text); // row 91
    assert!(refused.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_with_an_ended_link_keeps_its_credential_and_loses_the_site() {
    let app = TestApp::start().await;
    app.site(
        "SF-000001",
        SiteKind::SendingFacility,
        false,
        Some("Alameda"),
        SiteStatus::Production,
    )
    .await;
    app.site("DE-000007", SiteKind::ThroughFacility, true, Some("Alameda"), SiteStatus::Production)
        .await;
    app.link("SF-000001", "DE-000007", LinkStatus::Active).await;
    let facility = app.credential("SF-000001", Environment::Test).await;
    let text = |id: &str| {
        let text = vxu(id, &[("DE-000001", "DE-000007")]);
        crate::support::replace_field(&text, "MSH", 4, "SF-000001")
    };

    let linked = app.submit(&facility, &text("ONE")).await;
    app.link("SF-000001", "DE-000007", LinkStatus::Ended).await;
    let ended = app.submit(&facility, &text("TWO")).await;

    assert!(is_aa(&linked), "{}", linked.text);
    assert_eq!(ended.status, 200); // good credentials: an ACK, never a SecurityFault
    assert_ne!(msa(&ended.hl7()).0, "AA", "{}", ended.text);
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}
