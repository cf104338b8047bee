//! Where the Gateway calls, and whom it believes there.

use izportal::backends::Backends;
use izportal::config::Config;
use izportal::domain::{Environment, Failure, FailureClass, RegionCode};
use tempfile::TempDir;

use crate::support::peer::{Act, Peer, framed, http};
use crate::support::program::{error_text, exit_code, run};
use crate::support::registry::ack;
use crate::support::{TestApp, msa, vxu};

const ALLOW: &str = "[egress]\nallow = [\"127.0.0.1/32\"]\n";

fn region() -> RegionCode {
    "CAIRBA".parse().unwrap()
}

async fn send(egress: &str, keys: &str) -> Result<String, Failure> {
    let config = Config::read(&format!("{egress}[regions.CAIRBA.test]\n{keys}")).unwrap();
    let mut backends = Backends::default();
    for (region, environment, to) in config.destinations().unwrap() {
        backends.add(region, environment, to).unwrap();
    }
    let reply = backends.send(region(), Environment::Test, &vxu("ONE", &[])).await?;
    Ok(reply.text)
}

/// What each peer answers when it is called, and its keys at this host.
async fn both(host: &str) -> [(Peer, String); 2] {
    let (https, mllp) = (Peer::https().await, Peer::mllp().await);
    let body = format!(
        "<Envelope><Body><submitSingleMessageResponse><return>{}</return></submitSingleMessageResponse></Body></Envelope>",
        ack("AA", "ONE", "").replace('&', "&amp;").replace('\r', "&#xD;")
    );
    https.then(http("200 OK", &[], &body));
    mllp.then(Act::Say(framed(&ack("AA", "ONE", ""))));
    let keys = (https.keys(host, "cdc2011"), mllp.keys(host, "mllp"));
    [(https, keys.0), (mllp, keys.1)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_inside_is_refused_when_the_connection_is_made() {
    for (peer, keys) in both("localhost").await {
        for egress in ["", "[egress]\nallow = [\"10.0.0.0/8\", \"127.0.0.2/32\"]\n"] {
            let failed = send(egress, &keys).await.unwrap_err();
            assert_eq!(failed.class, FailureClass::Ours, "{failed}");
            assert!(failed.text.contains("egress.allow"), "{failed}");
        }
        assert_eq!(peer.connections(), 0, "nobody was called");

        assert_eq!(send(ALLOW, &keys).await.unwrap(), ack("AA", "ONE", ""));
    }
}

#[test]
fn an_address_inside_is_refused_before_the_start_with_its_key() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("izportal.toml");
    let data = dir.path().join("data");
    for host in
        ["127.0.0.1", "2130706433", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254", "10.1.2.3"]
    {
        let soap = format!(
            "url = \"https://{host}/\"\nusername = \"u\"\nfacility_id = \"f\"\npassword_env = \"X\"\n"
        );
        let mllp = format!("dialect = \"mllp\"\nurl = \"mllps://{host}:2575\"\n");
        // MLLP's addresses have one spelling; another one is a name, which is looked up.
        let keys = if host == "2130706433" { vec![soap] } else { vec![soap, mllp] };
        for keys in keys {
            std::fs::write(&file, format!("[regions.CAIRBA.test]\n{keys}")).unwrap();
            for command in ["check-config", "serve"] {
                let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
                let output = run(&[command, "--config", file, "--data-dir", data]);
                let told = error_text(&output);
                assert_eq!(exit_code(&output), 2, "{command} {keys}: {told}");
                assert!(
                    told.contains("regions.CAIRBA.test.url") && told.contains("egress.allow"),
                    "{told}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_registry_is_called_whatever_is_allowed() {
    let app = TestApp::with("[egress]\nallow = []").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &vxu("ONE", &[])).await.hl7();

    assert_eq!(msa(&reply), ("AA".to_owned(), "ONE".to_owned()));
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pinned_key_is_asked_for_beside_the_chain() {
    let other = Peer::https().await.pin();
    for (peer, keys) in both("localhost").await {
        let wrong = send(ALLOW, &format!("{keys}pin = \"{other}\"\n")).await.unwrap_err();
        assert_eq!(wrong.class, FailureClass::Ours, "{wrong}");
        assert_eq!(wrong.text, "TLS: its public key is not the pinned one");
        // The right key does not make up for a chain that nobody trusts.
        let roots = keys.lines().filter(|line| !line.starts_with("ca =")).collect::<Vec<_>>();
        let chain = format!("{}\npin = \"{}\"\n", roots.join("\n"), peer.pin());
        let chain = send(ALLOW, &chain).await.unwrap_err();
        assert_eq!(chain.text, "TLS: its certificate is not of an authority that we trust");
        assert!(peer.heard().is_empty(), "nothing was sent");

        let right = format!("{keys}pin = \"{}\"\n", peer.pin().to_uppercase());
        assert_eq!(send(ALLOW, &right).await.unwrap(), ack("AA", "ONE", ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_somebody_else_is_ours_to_mend() {
    let stranger = Peer::https().await;
    for (peer, keys) in both("127.0.0.1").await {
        let keys = keys.replace(peer.ca().to_str().unwrap(), stranger.ca().to_str().unwrap());

        let failed = send(ALLOW, &keys).await.unwrap_err();

        assert_eq!(failed.class, FailureClass::Ours, "{failed}");
        assert!(failed.text.starts_with("TLS: "), "{failed}");
        assert!(peer.heard().is_empty(), "nothing was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_asks_for_our_certificate_is_ours_to_mend() {
    let (https, mllp) = (Peer::https_for_members().await, Peer::mllp_for_members().await);

    for keys in [https.keys("localhost", "cdc2011"), mllp.keys("localhost", "mllp")] {
        let failed = send(ALLOW, &keys).await.unwrap_err();
        assert_eq!(failed.class, FailureClass::Ours, "{failed}");
        assert!(failed.text.starts_with("TLS: it does not take our certificate"), "{failed}");
    }
}
