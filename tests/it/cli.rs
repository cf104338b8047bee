//! The real binary: demo, admin, migrate, check-config, exit codes.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::Receiver;

use izportal::config::Config;
use izportal::domain::Environment;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{
    Installation, error_text, eventually, exit_code, files_under, get, line_with, output_text,
    program, run, start, submit, terminate,
};
use crate::support::{Sender, client, errors, msa, replace_field, vxu};

/// A file with this configuration, and nothing else.
fn config_file(dir: &TempDir, toml: &str) -> String {
    let path = dir.path().join("izportal.toml");
    std::fs::write(&path, toml).unwrap();
    path.to_str().unwrap().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// The sender that an issued credential makes.
fn sender_of(issued: &Value) -> Sender {
    Sender {
        username: text(&issued["username"]),
        password: text(&issued["password"]),
        facility: text(&issued["facility_id"]),
        environment: issued["environment"].as_str().unwrap().parse().unwrap(),
    }
}

/// Records an organization and a direct Site in Alameda; gives the Site.
fn create_site(installation: &Installation, more: &[&str]) -> Value {
    let organization = installation.admin(&["organization", "create", "Harbor Clinics"]);
    let id = organization["id"].to_string();
    let site =
        ["site", "create", "--organization", &id, "--name", "Harbor Street", "--kind", "direct"];
    installation.admin(&[&site[..], more].concat())
}

fn migrated() -> Installation {
    let installation = Installation::new("");
    let output = installation.run(&["migrate", "up"]);
    assert_eq!(exit_code(&output), 0, "{}", error_text(&output));
    installation
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admin_records_opens_the_running_service_from_the_next_message_on() {
    let installation = migrated();
    let mut served = installation.serve();

    let site = create_site(&installation, &["--county", "Alameda", "--status", "production"]);
    let id = text(&site["id"]);
    let issued = installation.admin(&["credential", "issue", &id, "test"]);
    let sender = sender_of(&issued);
    let taken = served.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let rotated =
        installation.admin(&["credential", "rotate", &sender.username, "--overlap-hours", "0"]);
    let old = served.submit(&sender, &vxu("TWO", &[])).await.fault().0;
    let renewed = Sender { password: text(&rotated["password"]), ..sender.clone() };
    let new = served.submit(&renewed, &vxu("TWO", &[])).await.hl7();
    let revoked = installation.admin(&["credential", "revoke", &sender.username]);
    let after = served.submit(&renewed, &vxu("THREE", &[])).await.fault().0;

    assert_eq!((id.as_str(), site["region"].as_str()), ("DE-000001", Some("CAIRBA")));
    assert_eq!(issued["username"], "DE-000001-T");
    assert_eq!(issued["note"], "the password is shown now and never again");
    assert_eq!(msa(&taken), ("AA".to_owned(), "ONE".to_owned()));
    assert_eq!(old, "SecurityFault");
    assert_eq!(msa(&new), ("AA".to_owned(), "TWO".to_owned()));
    assert_eq!(revoked["state"], "revoked");
    assert_eq!(after, "SecurityFault");
    let listed = installation.admin(&["credential", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains(&sender.password), "a password is never listed");
    assert_eq!(served.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_links_a_facility_and_shows_messages_and_the_registry() {
    let installation = migrated();
    let mut served = installation.serve();
    let organization =
        installation.admin(&["organization", "create", "Exchange"])["id"].to_string();
    let facility = [
        "site",
        "create",
        "--organization",
        &organization,
        "--name",
        "Exchange",
        "--kind",
        "sending-facility",
        "--not-clinical",
        "--status",
        "production",
    ];
    let facility = text(&installation.admin(&facility)["id"]);
    let site = create_site(
        &installation,
        &["--county", "06019", "--status", "production", "--id", "CA0000077"],
    );
    let sender = sender_of(&installation.admin(&["credential", "issue", &facility, "test"]));
    let hl7 = vxu("LINKED", &[("DE-000001", "CA0000077"), ("CAIRBA", "CAIRCV")]);
    let hl7 = replace_field(&hl7, "MSH", 4, &facility);

    let before = served.submit(&sender, &hl7).await.hl7();
    installation.admin(&["link", "activate", &facility, "CA0000077"]);
    let linked = served.submit(&sender, &hl7).await.hl7();
    installation.admin(&["link", "end", &facility, "CA0000077"]);
    let ended = served.submit(&sender, &replace_field(&hl7, "MSH", 10, "LATER")).await.hl7();

    assert_eq!((facility.as_str(), site["region"].as_str()), ("SF-000001", Some("CAIRCV")));
    assert_eq!(
        (msa(&before).0, msa(&linked).0, msa(&ended).0),
        ("AE".into(), "AA".into(), "AE".into())
    );
    assert_eq!(errors(&before)[0][1], "204");
    // An attempt that broke off on a busy machine is made again; the sender has been told "queued" then.
    let mut delivered = Value::Null;
    eventually("delivered", || {
        delivered = installation.admin(&["message", "list", "--state", "delivered"]);
        delivered.as_array().unwrap().len() == 1
    })
    .await;
    assert_eq!(delivered[0]["site"], "CA0000077");
    let shown = installation.admin(&["message", "show", &text(&delivered[0]["id"])]);
    assert_eq!(
        (&shown["delivery"]["state"], &shown["body"]),
        (&Value::from("delivered"), &Value::Null)
    );
    let whole = installation.admin(&["message", "show", &text(&delivered[0]["id"]), "--text"]);
    assert_eq!(whole["body"], Value::from(hl7));
    let held = installation.admin(&["registry", "list", "--region", "CAIRCV"]);
    assert_eq!(
        (held.as_array().unwrap().len(), &held[0]["control_id"]),
        (1, &Value::from("LINKED"))
    );
    assert_eq!(served.terminate(), 0);
}

#[test]
fn the_ten_regions_and_the_58_counties_are_listed() {
    let regions = run(&["admin", "region", "list", "--format", "json"]);
    let counties = run(&["admin", "region", "counties", "--format", "json"]);
    let table = run(&["admin", "region", "counties"]);

    let regions: Value = serde_json::from_slice(&regions.stdout).unwrap();
    let counties: Value = serde_json::from_slice(&counties.stdout).unwrap();
    assert_eq!((regions.as_array().unwrap().len(), counties.as_array().unwrap().len()), (10, 58));
    assert_eq!(
        (&regions[0]["code"], &regions[0]["managed"]),
        (&Value::from("CAIRBA"), &Value::from(true))
    );
    assert_eq!(
        (&counties[0]["name"], &counties[0]["region"]),
        (&Value::from("Alameda"), &Value::from("CAIRBA"))
    );
    assert_eq!(output_text(&table).lines().count(), 59, "a heading and 58 rows");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let cases: [&[&str]; 6] = [
        &[],
        &["serv"],
        &["serve", "--colour"],
        &["admin", "site", "show", "no site id"],
        &["admin", "credential", "issue", "DE-000001", "staging"],
        &["demo", "--reply", "maybe"],
    ];

    for arguments in cases {
        let output = run(arguments);
        assert_eq!(exit_code(&output), 2, "{arguments:?}: {}", error_text(&output));
        assert!(!output.stderr.is_empty(), "{arguments:?} says what is wrong");
    }
    assert_eq!(exit_code(&run(&["--help"])), 0);
    assert_eq!(exit_code(&run(&["--version"])), 0);
}

#[test]
fn a_wrong_configuration_is_exit_code_2_with_its_key() {
    let dir = TempDir::new().unwrap();
    let cases = [
        ("colour = 1", "colour"),
        ("[server]\nportt = 1", "portt"),
        ("[regions.CAIR9]", "regions.CAIR9"),
        ("[gateway]\nreply = \"maybe\"", "relay"),
        ("[gateway]\nloopback = false", "regions.CAIRBA.test"),
        ("[database]\nurl = \"mysql://localhost/x\"", "database.url"),
        ("[database]\nurl_env = \"IZPORTAL_TEST_UNSET\"", "IZPORTAL_TEST_UNSET"),
        ("[server\n", "[server"),
    ];

    for (toml, key) in cases {
        let file = config_file(&dir, toml);
        for command in ["check-config", "serve"] {
            let output = run(&[
                command,
                "--config",
                &file,
                "--data-dir",
                dir.path().join("data").to_str().unwrap(),
            ]);
            assert_eq!(exit_code(&output), 2, "{command} {toml}: {}", error_text(&output));
            assert!(error_text(&output).contains(key), "{command} {toml}: {}", error_text(&output));
        }
    }
    let missing = run(&["check-config", "--config", "/nowhere/izportal.toml"]);
    assert_eq!(exit_code(&missing), 2);
    assert!(
        error_text(&missing).contains("/nowhere/izportal.toml cannot be read"),
        "{}",
        error_text(&missing)
    );
}

#[test]
fn check_config_prints_an_example_that_it_takes_itself() {
    let dir = TempDir::new().unwrap();
    let example = run(&["check-config", "--example"]);
    let file = config_file(&dir, &output_text(&example));

    let checked = run(&["check-config", "--config", &file]);

    assert_eq!(exit_code(&checked), 0, "{}", error_text(&checked));
    assert!(
        output_text(&checked).starts_with("The configuration can be used."),
        "{}",
        output_text(&checked)
    );
    assert!(output_text(&checked).contains("0 configured, 14 by the built-in loopback registry"));
    assert!(Config::read(&output_text(&example)).is_ok(), "it is TOML with known keys");
}

#[test]
fn check_config_warns_of_passwords_that_leave_by_mail() {
    let dir = TempDir::new().unwrap();
    for (toml, warns) in [("", false), ("[mail]\nmail_secrets = true\n", true)] {
        let checked = run(&["check-config", "--config", &config_file(&dir, toml)]);
        assert_eq!(exit_code(&checked), 0, "{}", error_text(&checked));
        let said = output_text(&checked);
        assert_eq!(said.contains("warning    mail.mail_secrets is on"), warns, "{said}");
    }
}

#[test]
fn check_config_shows_no_password_of_a_database() {
    let dir = TempDir::new().unwrap();
    let file = config_file(&dir, "[database]\nurl = \"postgres://me:hunter2@localhost/db\"");

    let checked = run(&["check-config", "--config", &file]);

    let said = output_text(&checked) + &error_text(&checked);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn what_cannot_be_done_is_exit_code_1_and_says_why() {
    let installation = migrated();
    let excluded = [
        "site",
        "create",
        "--organization",
        "1",
        "--name",
        "South",
        "--kind",
        "direct",
        "--county",
        "San Diego",
    ];
    create_site(&installation, &["--county", "Alameda", "--id", "DE-000007"]);
    installation.admin(&["credential", "issue", "DE-000007", "test"]);
    installation.admin(&["site", "step", "DE-000007", "withdrawn", "--reason", "closed"]);
    let cases: [(&[&str], &str); 8] = [
        (&["site", "show", "DE-999999"], "no Site DE-999999"),
        (
            &["site", "step", "DE-000007", "reopened", "--reason", "again"],
            "a withdrawn Site stays withdrawn",
        ),
        (&["credential", "issue", "DE-999999", "test"], "no Site DE-999999"),
        (&["credential", "issue", "DE-000007", "test"], "that name or ID is taken"),
        (&["credential", "revoke", "nobody"], "no credential nobody"),
        (&["link", "activate", "DE-000007", "DE-000007"], "DE-000007 is not a Sending Facility"),
        (&excluded, "San Diego Immunization Registry"),
        (&["message", "show", "06N1K8T2V4B0A"], "no message 06N1K8T2V4B0A"),
    ];

    for (arguments, why) in cases {
        let output = installation.run(&[&["admin"], arguments].concat());
        assert_eq!(exit_code(&output), 1, "{arguments:?}: {}", error_text(&output));
        assert!(
            error_text(&output).starts_with("izportal: "),
            "{arguments:?}: {}",
            error_text(&output)
        );
        assert!(error_text(&output).contains(why), "{arguments:?}: {}", error_text(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", output_text(&output));
    }
}

#[test]
fn the_configuration_may_be_named_anywhere_on_the_command_line() {
    let installation = migrated();
    let config = installation.config();
    let config = config.to_str().unwrap();

    let outputs = [
        run(&["admin", "--config", config, "site", "list"]),
        run(&["admin", "site", "--config", config, "list"]),
        run(&["admin", "site", "list", "--config", config]),
        run(&["migrate", "status", "--config", config]),
    ];

    for output in outputs {
        assert_eq!(exit_code(&output), 0, "{}", error_text(&output));
    }
}

#[test]
fn a_site_that_gives_immunizations_needs_a_county() {
    let installation = migrated();
    let site =
        ["admin", "site", "create", "--organization", "1", "--name", "A", "--kind", "direct"];

    let without = installation.run(&site);
    let unknown = installation.run(&[&site[..], &["--county", "Oz"]].concat());

    assert_eq!((exit_code(&without), exit_code(&unknown)), (2, 2));
    assert!(error_text(&without).contains("needs --county"), "{}", error_text(&without));
    assert!(error_text(&unknown).contains("region counties"), "{}", error_text(&unknown));
}

#[test]
fn a_database_out_of_reach_is_exit_code_3() {
    let dir = TempDir::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("[database]\nurl = \"postgres://me:hunter2@127.0.0.1:{free}/db\"");
    let file = config_file(&dir, &url);
    let data_dir = dir.path().join("data");

    let place = ["--config", &file, "--data-dir", data_dir.to_str().unwrap()];
    let output = run(&[&["admin"], &place[..], &["site", "list"]].concat());

    let expected = if cfg!(feature = "postgres") { 3 } else { 2 };
    assert_eq!(exit_code(&output), expected, "{}", error_text(&output));
    assert!(!error_text(&output).contains("hunter2"), "{}", error_text(&output));
}

#[test]
fn migrate_goes_up_and_down_and_shows_where_it_is() {
    let installation = Installation::new("");
    let step = |step: &str| {
        let output = installation.run(&["migrate", step]);
        assert_eq!(exit_code(&output), 0, "{step}: {}", error_text(&output));
        output_text(&output)
    };

    let steps = [
        step("status"),
        step("up"),
        step("status"),
        step("up"),
        step("down"),
        step("status"),
        step("up"),
    ];

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let (last, earlier) = names.split_last().unwrap();
    let lines = |state: &str, names: &[String]| -> String {
        names.iter().flat_map(|name| [state, name, "\n"]).collect()
    };
    assert_eq!(names[0], "2026-11-22-000000_base");
    assert_eq!(steps[0], lines("missing  ", &names));
    assert_eq!(steps[1], format!("{} applied\n{}", names.len(), lines("", &names)));
    assert_eq!(steps[2], lines("applied  ", &names));
    assert_eq!(steps[3], "0 applied\n");
    assert_eq!(steps[4], format!("reverted {last}\n"));
    assert_eq!(steps[5], format!("{}missing  {last}\n", lines("applied  ", earlier)));
    assert_eq!(steps[6], format!("1 applied\n{last}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_one_data_directory_says_so() {
    let installation = Installation::new("");
    let mut served = installation.serve();

    let second = (!installation.database.is_postgres()).then(|| installation.run(&["serve"]));

    if let Some(second) = second {
        assert_eq!(exit_code(&second), 1);
        assert!(
            error_text(&second).contains("another izportal serves from it"),
            "{}",
            error_text(&second)
        );
    }
    let live = get(&served.http, &format!("{}/health/live", served.ops)).await;
    assert_eq!(live.status, 200, "the first goes on");
    assert_eq!(served.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_on_both_listeners_and_metrics_on_the_inner_one_only() {
    let installation = Installation::new("");
    let mut served = installation.serve();
    let public = served.endpoint.trim_end_matches("/IISService").to_owned();

    let live = get(&served.http, &format!("{}/health/live", served.ops)).await;
    let ready = get(&served.http, &format!("{}/health/ready", served.ops)).await;
    let ready_outside = get(&served.http, &format!("{public}/health/ready")).await;
    let metrics = get(&served.http, &format!("{}/metrics", served.ops)).await;
    let metrics_outside = get(&served.http, &format!("{public}/metrics")).await;
    let soap_inside = get(&served.http, &format!("{}/IISService?wsdl", served.ops)).await;

    assert_eq!((live.status, live.text.as_str()), (200, "{\"status\":\"live\"}"));
    let report: Value = serde_json::from_str(&ready.text).unwrap();
    assert_eq!(
        (ready.status, &report["status"], &report["database"]),
        (200, &"ready".into(), &"up".into())
    );
    assert_eq!(ready_outside.status, 200);
    assert_eq!(metrics.status, 200);
    assert!(metrics.text.contains("gateway_build_info"), "{}", metrics.text);
    assert_eq!((metrics_outside.status, soap_inside.status), (404, 404));
    assert_eq!(served.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_makes_a_file_once() {
    let installation = migrated();
    let file = installation.dir.path().join("backup.db");
    let arguments = ["admin", "backup", file.to_str().unwrap()];

    let first = installation.run(&arguments);
    let second = installation.run(&arguments);

    if installation.database.is_postgres() {
        assert_eq!(exit_code(&first), 1);
        assert!(error_text(&first).contains("pg_dump"), "{}", error_text(&first));
    } else {
        assert_eq!((exit_code(&first), exit_code(&second)), (0, 2));
        assert!(error_text(&second).contains("never replaces a file"), "{}", error_text(&second));
        assert!(std::fs::read(&file).unwrap().starts_with(b"SQLite format 3"), "it is a database");
        let mode = mode(&file);
        assert_eq!(mode & 0o077, 0, "a backup is for its owner only, not {mode:o}");
    }
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777
}

/// A demonstration that serves.
struct Demo {
    child: Child,
    ready: Value,
    _lines: Receiver<String>,
}

impl Demo {
    async fn start(data_dir: &Path, ready_file: &Path) -> Self {
        let mut command = program();
        command.arg("demo").args(["--port", "0"]).arg("--data-dir").arg(data_dir);
        command.arg("--ready-file").arg(ready_file);
        let (child, lines) = start(&mut command);
        line_with(&lines, "Credentials, made for this start");
        eventually("the ready file is there", || ready_file.exists()).await;
        let ready = serde_json::from_slice(&std::fs::read(ready_file).unwrap()).unwrap();
        Self { child, ready, _lines: lines }
    }

    fn senders(&self) -> Vec<(Sender, String, String)> {
        let senders = self.ready["senders"].as_array().unwrap();
        senders
            .iter()
            .map(|one| (sender_of(one), text(&one["site_id"]), text(&one["region"])))
            .collect()
    }

    fn passwords(&self) -> Vec<String> {
        self.senders().into_iter().map(|(sender, ..)| sender.password).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sender_of_the_demonstration_can_submit() {
    let dir = TempDir::new().unwrap();
    let (data, ready_file) = (dir.path().join("demo"), dir.path().join("ready.json"));
    let mut demo = Demo::start(&data, &ready_file).await;
    let endpoint = text(&demo.ready["endpoint"]);
    let http = client(Some(&PathBuf::from(text(&demo.ready["ca"]))));

    let senders = demo.senders();
    for (n, (sender, site, region)) in senders.iter().enumerate() {
        let processing = if sender.environment == Environment::Test { "T" } else { "P" };
        let id = format!("DEMO-{n}");
        let hl7 = vxu(&id, &[("DE-000001", site), ("CAIRBA", region)]);
        let hl7 =
            replace_field(&replace_field(&hl7, "MSH", 4, &sender.facility), "MSH", 11, processing);
        let reply = submit(&http, &endpoint, sender, &hl7).await.unwrap().hl7();
        assert_eq!(msa(&reply), ("AA".to_owned(), id), "{}: {reply}", sender.username);
    }
    let wsdl = get(&http, &text(&demo.ready["wsdl"])).await;
    let portal = get(&http, &text(&demo.ready["portal"])).await;
    let metrics = get(&http, &text(&demo.ready["metrics"])).await;

    assert_eq!(senders.len(), 6);
    assert_eq!(demo.ready["pid"], demo.child.id());
    assert!(demo.ready["senders"][0]["name"].is_string(), "a name for people");
    assert_eq!((wsdl.status, portal.status, metrics.status), (200, 200, 200));
    assert!(wsdl.text.contains(&endpoint), "the WSDL names the endpoint");
    assert_eq!(terminate(&mut demo.child), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demonstration_starts_again_on_its_data_with_new_passwords() {
    let dir = TempDir::new().unwrap();
    let (data, ready_file) = (dir.path().join("demo"), dir.path().join("ready.json"));
    let other = TempDir::new().unwrap();
    let mut first = Demo::start(&data, &ready_file).await;
    let before = first.senders().remove(0).0;
    assert_eq!(terminate(&mut first.child), 0);
    std::fs::remove_file(&ready_file).unwrap();

    let mut second = Demo::start(&data, &ready_file).await;
    let mut elsewhere =
        Demo::start(&other.path().join("demo"), &other.path().join("ready.json")).await;

    let http = client(Some(&PathBuf::from(text(&second.ready["ca"]))));
    let endpoint = text(&second.ready["endpoint"]);
    let (now, ..) = second.senders().remove(0);
    let hl7 = replace_field(&vxu("AGAIN", &[]), "MSH", 11, "T");
    let with_the_old = submit(&http, &endpoint, &before, &hl7).await.unwrap();
    let with_the_new = submit(&http, &endpoint, &now, &hl7).await.unwrap();
    assert_eq!(with_the_old.fault().0, "SecurityFault");
    assert_eq!(msa(&with_the_new.hl7()).0, "AA");
    let mut passwords = [first.passwords(), second.passwords(), elsewhere.passwords()].concat();
    passwords.sort();
    passwords.dedup();
    assert_eq!(passwords.len(), 18, "every password is new");
    assert_eq!((terminate(&mut second.child), terminate(&mut elsewhere.child)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_demonstration_in_the_same_folder_leaves_the_first_one_alone() {
    let dir = TempDir::new().unwrap();
    let (data, ready_file) = (dir.path().join("demo"), dir.path().join("ready.json"));
    let mut first = Demo::start(&data, &ready_file).await;
    let http = client(Some(&PathBuf::from(text(&first.ready["ca"]))));
    let endpoint = text(&first.ready["endpoint"]);
    let (sender, ..) = first.senders().remove(0);
    let hl7 = replace_field(&vxu("STILL", &[]), "MSH", 11, "T");

    let second = run(&["demo", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    let reply = submit(&http, &endpoint, &sender, &hl7).await.unwrap();

    assert_eq!(exit_code(&second), 1);
    let told = error_text(&second);
    assert!(told.contains("another izportal serves from it"), "{told}");
    assert_eq!(msa(&reply.hl7()), ("AA".to_owned(), "STILL".to_owned()));
    assert_eq!(terminate(&mut first.child), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_in_the_data_directory_is_for_its_owner_only() {
    let dir = TempDir::new().unwrap();
    let (data, ready_file) = (dir.path().join("demo"), dir.path().join("ready.json"));
    let mut demo = Demo::start(&data, &ready_file).await;

    let mut secret = files_under(&data);
    secret.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
    assert_eq!(secret.len(), 6, "server, body, and two of each authority: {secret:?}");
    secret.push(data.join("request.xml"));
    secret.push(ready_file);
    for path in secret {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&data), 0o700, "the data directory");
    assert_eq!(terminate(&mut demo.child), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_on_the_queue_while_the_service_runs() {
    let installation = Installation::new("[gateway]\nretry_first_seconds = 1\n");
    let sender = installation.test_sender();
    let mut served = installation.serve();
    let delivery = |arguments: &[&str]| {
        installation.admin(&[&["delivery", "--by", "night shift"], arguments].concat())
    };
    let row = |rows: &Value| {
        let rows = rows.as_array().unwrap().clone();
        rows.into_iter().find(|row| row["region"] == "CAIRBA" && row["environment"] == "test")
    };

    let paused = delivery(&["pause", "CAIRBA", "test", "--reason", "disk change"]);
    let taken = served.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let status = row(&delivery(&["status"])).unwrap();
    let queued = delivery(&["list", "--state", "queued", "--since", "1h"]);
    let id = text(&queued[0]["message"]);
    let given_up = delivery(&["give-up", &id, "--reason", "sent by paper"]);
    let counted = delivery(&["replay", "--state", "given-up", "--dry-run", "--reason", "x"]);
    let replayed = delivery(&["replay", "--state", "given-up", "--reason", "after all"]);
    delivery(&["resume", "CAIRBA", "test"]);
    eventually("delivered", || {
        delivery(&["list", "--state", "delivered"]).as_array().unwrap().len() == 1
    })
    .await;
    let window =
        delivery(&["maintenance", "add", "CAIRBA", "test", "--until", "2h", "--reason", "update"]);
    let in_window = row(&delivery(&["status"])).unwrap();
    delivery(&["maintenance", "remove", &window["id"].to_string()]);
    let log = delivery(&["log"]);
    let unknown =
        installation.run(&["admin", "delivery", "retry", "0123456789ABC", "--reason", "x"]);

    assert_eq!((&paused["control"], &paused["reason"]), (&"paused".into(), &"disk change".into()));
    assert_eq!(msa(&taken).0, "AA");
    assert_eq!((&status["sends"], &status["queued"]), (&"paused".into(), &1.into()));
    assert_eq!(given_up["state"], "given-up");
    assert_eq!((&counted["messages"], &counted["sent_again"]), (&1.into(), &0.into()));
    assert_eq!(replayed["sent_again"], 1);
    assert_eq!(in_window["sends"], "maintenance");
    let deeds: Vec<_> = log.as_array().unwrap().iter().map(|one| text(&one["action"])).collect();
    assert_eq!(deeds, ["end maintenance", "maintenance", "running", "replay", "give up", "paused"]);
    assert!(log.as_array().unwrap().iter().all(|one| one["actor"] == "cli night shift"));
    assert_eq!(exit_code(&unknown), 1, "{}", error_text(&unknown));
    assert_eq!(served.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_takes_messages_and_another_delivers_them() {
    let installation = Installation::new("[gateway]\nreply = \"accept\"\n");
    let sender = installation.test_sender();
    if !installation.database.is_postgres() {
        let refused = installation.run(&["serve", "--role", "worker"]);
        assert_eq!(exit_code(&refused), 2);
        assert!(error_text(&refused).contains("PostgreSQL"), "{}", error_text(&refused));
        return;
    }
    let config = installation.config();
    let config = config.to_str().unwrap();
    let mut endpoint =
        installation.serve_as(program().args(["serve", "--role", "endpoint", "--config", config]));

    let taken = endpoint.submit(&sender, &vxu("ONE", &[])).await.hl7();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let waiting = installation.admin(&["delivery", "list", "--state", "queued"]);
    let (mut worker, lines) =
        start(program().args(["serve", "--role", "worker", "--config", config]));
    line_with(&lines, "no senders are served");
    eventually("delivered", || {
        let delivered = installation.admin(&["delivery", "list", "--state", "delivered"]);
        delivered.as_array().unwrap().len() == 1
    })
    .await;

    assert_eq!(msa(&taken).0, "AA");
    assert_eq!(waiting.as_array().unwrap().len(), 1, "the endpoint delivers nothing itself");
    assert_eq!((endpoint.terminate(), terminate(&mut worker)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_with_messages_waiting_is_upgraded_and_all_are_delivered() {
    let installation = Installation::new("[gateway]\nreply = \"accept\"\ndelivery_workers = 0\n");
    let sender = installation.test_sender();
    let mut served = installation.serve();
    for n in 0..5 {
        let reply = served.submit(&sender, &vxu(&format!("OLD-{n}"), &[])).await.hl7();
        assert_eq!(msa(&reply).0, "AA");
    }
    assert_eq!(served.terminate(), 0);
    let versions =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite"));
    for _ in 1..versions.unwrap().count() {
        let down = installation.run(&["migrate", "down"]);
        assert_eq!(exit_code(&down), 0, "{}", error_text(&down));
    }

    installation.configure("[gateway]\nreply = \"accept\"\n");
    let mut served = installation.serve();
    eventually("delivered", || {
        let delivered = installation.admin(&["delivery", "list", "--state", "delivered"]);
        delivered.as_array().unwrap().len() == 5
    })
    .await;

    assert_eq!(served.terminate(), 0);
}

#[test]
fn the_first_administrator_is_made_by_a_command_and_there_is_none_before() {
    let installation = Installation::new("");
    assert!(installation.run(&["migrate", "up"]).status.success(), "migrated");
    let person = ["--email", "Anna@example.gov", "--first", "Anna", "--last", "Muster"];
    let add = |more: &[&str]| installation.admin(&[&["staff", "add"], &person[..], more].concat());

    let before = installation.admin(&["staff", "list"]);
    let added = add(&["--role", "administrator"]);
    let again = add(&["--role", "help-desk", "--region", "CAIRBA"]);
    let listed = installation.admin(&["staff", "list"]);
    let link = installation.admin(&["account", "link", "u-000001"]);
    let remove = ["admin", "staff", "remove", "anna@example.gov"];
    let last = installation.run(&remove);
    let one = [&remove[1..], &["--role", "help-desk", "--region", "CAIRBA"]].concat();
    let one = installation.admin(&one);
    let closed = installation.admin(&["account", "deactivate", "anna@example.gov"]);
    let no_link = installation.run(&["admin", "account", "link", "anna@example.gov"]);
    let open = installation.admin(&["account", "reactivate", "anna@example.gov"]);
    let unlocked = installation.admin(&["account", "unlock", "anna@example.gov"]);
    let unknown = installation.run(&["admin", "account", "show", "U-000009"]);
    let nonsense = installation.run(&["admin", "account", "show", "anna"]);

    assert_eq!(before.as_array().unwrap().len(), 0, "no default account");
    assert_eq!(
        (added["user_id"].as_str(), added["state"].as_str()),
        (Some("U-000001"), Some("invited"))
    );
    let (first, second) = (added["link"].as_str().unwrap(), link["link"].as_str().unwrap());
    for one in [first, second] {
        let (begin, token) = one.rsplit_once('/').unwrap();
        assert!(begin.starts_with("https://") && begin.ends_with("/set-password"), "{one}");
        assert_eq!(token.len(), 32, "{one}");
    }
    assert_ne!(first, second);
    assert!(again["link"].is_null(), "she has an account");
    let roles: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["role"].as_str(), one["region"].as_str()))
        .collect();
    assert_eq!(roles, [(Some("administrator"), Some("all")), (Some("help-desk"), Some("CAIRBA"))]);
    assert_eq!(exit_code(&last), 1);
    assert!(error_text(&last).contains("last administrator"), "{}", error_text(&last));
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(closed["state"], "deactivated");
    assert!(error_text(&no_link).contains("reactivate it first"), "{}", error_text(&no_link));
    assert_eq!(
        (open["state"].as_str(), unlocked["state"].as_str()),
        (Some("invited"), Some("invited"))
    );
    assert_eq!((exit_code(&unknown), exit_code(&nonsense)), (1, 2));
}
