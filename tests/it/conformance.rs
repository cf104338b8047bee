//! The whole conformance suite against our own service.

use std::time::Duration;

use izportal::conformance::{
    CaseResult, Catalogue, Endpoint, Plan, Report, Sender, Soap, Suite, Verdict, Weight, run,
};

use crate::support::TestApp;

/// The sender of a gateway as the suite calls it.
pub(crate) fn sender(known: &crate::support::Sender) -> Sender {
    Sender {
        username: known.username.clone(),
        password: known.password.clone(),
        facility: known.facility.clone(),
        edits: vec!["MSH-6=CAIRBA".to_owned()],
    }
}

/// All cases in one version of SOAP.
pub(crate) fn everything(sender: Sender, soap: Soap) -> Plan {
    Plan {
        sender: Some(sender),
        soap: vec![soap],
        suites: Suite::ALL.to_vec(),
        cases: vec![],
        allow_probes: false,
        limit: Some(1_048_576),
    }
}

pub(crate) fn endpoint(app: &TestApp) -> Endpoint {
    let timeout = Duration::from_mins(1);
    Endpoint::new(&app.endpoint(), app.app.ca.as_deref(), None, timeout).unwrap()
}

/// A case that did not pass, for whoever reads the test's output.
fn told(result: &CaseResult) -> String {
    let breaches: Vec<String> = result
        .breaches
        .iter()
        .filter(|one| one.weight > Weight::Note)
        .map(|one| format!("\n    {} {:?}: {}", one.rule, one.weight, one.found))
        .collect();
    format!("{} {:?} {}{}", result.key(), result.verdict, result.reason, breaches.concat())
}

async fn whole_suite_in(soap: Soap) -> Report {
    let app = TestApp::start().await;
    let known = app.test_sender().await;

    let report = run(&endpoint(&app), &everything(sender(&known), soap), |_, _| {}).await;

    let wrong: Vec<String> = report
        .results
        .iter()
        .filter(|one| {
            one.verdict != Verdict::Passed
                || one.breaches.iter().any(|breach| breach.weight > Weight::Note)
        })
        .map(told)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn our_service_passes_the_whole_suite_in_soap_1_2() {
    let report = whole_suite_in(Soap::V12).await;

    assert_eq!(report.results.len(), Catalogue::built_in().cases.len(), "every case was run");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_service_passes_the_whole_suite_in_soap_1_1() {
    let report = whole_suite_in(Soap::V11).await;

    let of_1_1 = |case: &&izportal::conformance::Case| {
        case.soap.is_empty() || case.soap.contains(&Soap::V11)
    };
    let expected = Catalogue::built_in().cases.iter().filter(of_1_1).count();
    assert_eq!(report.results.len(), expected, "every case of SOAP 1.1 was run");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_in_any_report() {
    let app = TestApp::start().await;
    let known = app.test_sender().await;
    let mut plan = everything(sender(&known), Soap::V12);
    plan.suites = vec![Suite::Faults, Suite::Transport];

    let report = run(&endpoint(&app), &plan, |_, _| {}).await;
    let json = izportal::conformance::report::json(&report);

    assert!(json.contains("[password]"), "the exchanges are in it");
    assert!(!json.contains(&known.password), "the password is not");
    assert!(!json.contains(&format!("{}<", known.username)), "nor is the user name");
}

/// Cases by name without credentials.
fn without_credentials(cases: &[&str]) -> Plan {
    Plan {
        sender: None,
        soap: vec![Soap::V12],
        suites: Suite::ALL.to_vec(),
        cases: cases.iter().map(ToString::to_string).collect(),
        allow_probes: false,
        limit: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_or_cannot_be_run_is_skipped_and_says_why() {
    let timeout = Duration::from_secs(5);
    let foreign =
        Endpoint::new("https://no-such-host.invalid/IISService", None, None, timeout).unwrap();
    let plan = without_credentials(&["DTD", "TLS-OUTDATED", "SOAPCON-2", "TOO-LARGE"]);

    let report = run(&foreign, &plan, |_, _| {}).await;

    let reason = |case: &str| {
        let result = report.results.iter().find(|one| one.case == case).unwrap();
        assert_eq!((result.verdict, result.exchanges.len()), (Verdict::Skipped, 0), "{case}");
        result.reason.clone()
    };
    assert!(reason("DTD").contains("--allow-probes"));
    assert!(reason("TLS-OUTDATED").contains("--allow-probes"));
    assert!(reason("SOAPCON-2").contains("--password-file"));
    assert!(reason("TOO-LARGE").contains("--username"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_without_an_answer_is_undecided_and_the_run_has_not_passed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/IISService", listener.local_addr().unwrap().port());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let endpoint = Endpoint::new(&url, None, None, Duration::from_secs(5)).unwrap();

    let report = run(&endpoint, &without_credentials(&["SOAPCON-1"]), |_, _| {}).await;

    assert_eq!(report.results[0].verdict, Verdict::Undecided);
    assert!(report.results[0].reason.contains("no connection"), "{}", report.results[0].reason);
    assert!(!report.has_passed());
}
