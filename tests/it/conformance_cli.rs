//! `izportal conformance` as a tester runs it: the binary, its reports, presets and exit codes.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::program::{
    Installation, Served, error_text, exit_code, output_text, program, run,
};
use crate::support::{Sender, free_address};

/// A service with a sender, and a folder with the sender's password in a file.
struct Bench {
    installation: Installation,
    served: Served,
    sender: Sender,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let installation = Installation::new("");
        let sender = installation.test_sender();
        let served = installation.serve();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("password.txt"), format!("{}\n", sender.password))
            .unwrap();
        Self { installation, served, sender, folder }
    }

    fn ca(&self) -> PathBuf {
        self.installation.data_dir().join("tls/ca.pem")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs cases with credentials; gives the exit code, what was printed and what went to standard error.
    fn run(&self, more: &[&str]) -> (i32, String, String) {
        let (ca, password) = (self.ca(), self.path("password.txt"));
        let known = [
            "conformance",
            "run",
            "--url",
            &self.served.endpoint,
            "--ca",
            ca.to_str().unwrap(),
            "--username",
            &self.sender.username,
            "--password-file",
            &password,
            "--facility",
            &self.sender.facility,
        ];
        let output = run(&[&known[..], more].concat());
        (exit_code(&output), output_text(&output), error_text(&output))
    }
}

fn usage_error(arguments: &[&str]) -> String {
    let output = run(&[&["conformance"], arguments].concat());
    assert_eq!(exit_code(&output), 2, "{arguments:?}: {}", output_text(&output));
    error_text(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reports_in_every_format_and_says_by_its_exit_code_what_came_out() {
    let bench = Bench::new();
    let (json, junit, html) = (bench.path("a.json"), bench.path("a.xml"), bench.path("a.html"));
    let files = ["--json", &json, "--junit", &junit, "--html", &html];
    let cases = ["--case", "soapcon-1,SOAPCON-3", "--case", "TLS-MODERN"];

    let (code, text, error) = bench.run(&[&cases[..], &files[..]].concat());
    let (quiet_code, quiet, _) = bench.run(&["--case", "SOAPCON-1", "--soap", "1.1", "--quiet"]);

    assert_eq!(code, 0, "{text}{error}");
    assert!(text.contains("5 of 5 required cases passed"), "{text}");
    assert!(text.contains("SOAPCON-3") && text.contains("1.1"), "{text}");
    assert!(!text.contains(&bench.sender.password));
    for path in [&json, &junit, &html] {
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written.contains("SOAPCON-1"), "{path}");
        assert!(!written.contains(&bench.sender.password), "{path}");
    }
    assert_eq!((quiet_code, quiet.as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_before_what_follows_from_it() {
    let bench = Bench::new();
    let html = bench.path("a.html");
    let cases = ["--case", "SOAPCON-2", "--soap", "1.2", "--html", &html];
    let advice = "Look first whether username, password and facility";

    let (_, good, _) = bench.run(&cases);
    std::fs::write(bench.path("password.txt"), "not-the-password").unwrap();
    let (code, bad, _) = bench.run(&cases);

    assert_eq!(code, 1, "{bad}");
    assert!(bad.contains(advice) && !good.contains(advice), "{bad}");
    assert!(std::fs::read_to_string(&html).unwrap().contains(advice));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_case_that_fails_is_exit_code_1_with_what_to_do() {
    let bench = Bench::new();

    let (code, text, _) = bench.run(&[
        "--case",
        "VXU-CHILD",
        "--soap",
        "1.2",
        "--set",
        "MSH-4=NOBODY",
        "--exchanges",
    ]);

    assert_eq!(code, 1, "{text}");
    for part in
        ["FAILED", "HL7-MSA-1", "Expected: MSA-1 is AA", "Fix:", "> POST /IISService", "[password]"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_holds_what_the_command_line_does_not_say() {
    let bench = Bench::new();
    let text = format!(
        "[preset.ours]\nurl = '{}'\nca = '{}'\nusername = '{}'\npassword_file = 'password.txt'\n\
         facility = 'DE-000001'\nsoap = '1.2'\ncase = ['SOAPCON-2']\nset = ['MSH-6=CAIRBA']\n",
        bench.served.endpoint,
        bench.ca().display(),
        bench.sender.username
    );
    let presets = bench.path("presets.toml");
    std::fs::write(&presets, text).unwrap();
    let with = |name: &str, more: &[&str]| {
        let known = ["conformance", "run", "--preset", name, "--presets", &presets];
        run(&[&known[..], more].concat())
    };

    let output = with("ours", &[]);
    let other = with("ours", &["--case", "SOAPCON-1"]);
    let none = with("theirs", &[]);

    assert_eq!(exit_code(&output), 0, "{}", error_text(&output));
    assert!(output_text(&output).contains("1 of 1 required cases passed"));
    assert!(output_text(&other).contains("SOAPCON-1"), "the command line goes before");
    assert_eq!(exit_code(&none), 2);
    assert!(error_text(&none).contains("there are ours"), "{}", error_text(&none));
    std::fs::write(&presets, "[preset.ours]\npasswort = 'password.txt'\n").unwrap();
    let misspelt = with("ours", &[]);
    assert_eq!(exit_code(&misspelt), 2);
    assert!(error_text(&misspelt).contains("`passwort`"), "{}", error_text(&misspelt));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_are_compared() {
    let bench = Bench::new();
    let (good, bad) = (bench.path("good.json"), bench.path("bad.json"));
    let cases = ["--case", "SOAPCON-1,VXU-CHILD", "--soap", "1.2"];
    bench.run(&[&cases[..], &["--json", &good]].concat());
    bench.run(&[&cases[..], &["--json", &bad, "--set", "MSH-4=NOBODY"]].concat());

    let worse = run(&["conformance", "compare", &good, &bad]);
    let better = run(&["conformance", "compare", &bad, &good]);
    let same = run(&["conformance", "compare", "--format", "json", &good, &good]);
    std::fs::write(bench.path("none.json"), "{}").unwrap();
    let none = run(&["conformance", "compare", &good, &bench.path("none.json")]);

    assert_eq!(exit_code(&worse), 1, "{}", output_text(&worse));
    assert!(
        output_text(&worse).contains("VXU-CHILD 1.2: passed -> failed"),
        "{}",
        output_text(&worse)
    );
    assert_eq!(exit_code(&better), 0);
    assert_eq!(exit_code(&same), 0);
    assert!(output_text(&same).contains("\"same\": 2"), "{}", output_text(&same));
    assert_eq!(exit_code(&none), 2);
}

#[test]
fn an_endpoint_that_is_not_there_is_exit_code_3_told_once_with_what_to_check() {
    let url = format!("https://localhost:{}/IISService", free_address().port());

    let refused = run(&["conformance", "run", "--url", &url]);
    let unknown = run(&["conformance", "run", "--url", "https://no-such-host.invalid/IISService"]);

    assert_eq!(exit_code(&refused), 3);
    assert!(error_text(&refused).contains("Check the port"), "{}", error_text(&refused));
    assert_eq!(error_text(&refused).lines().count(), 1);
    assert_eq!(exit_code(&unknown), 3);
    assert!(error_text(&unknown).contains("Check the host name"), "{}", error_text(&unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_exit_code_3_and_names_the_option() {
    let bench = Bench::new();

    let output = run(&["conformance", "run", "--url", &bench.served.endpoint]);

    assert_eq!(exit_code(&output), 3);
    assert!(error_text(&output).contains("--ca FILE"), "{}", error_text(&output));
}

#[test]
fn a_wrong_command_line_says_what_and_how() {
    let folder = TempDir::new().unwrap();
    let password = folder.path().join("password.txt");
    std::fs::write(&password, "\n").unwrap();
    let url = ["run", "--url", "https://localhost:1/IISService"];
    let with = |more: &[&str]| usage_error(&[&url[..], more].concat());

    assert!(usage_error(&["run"]).contains("--url is missing"));
    assert!(usage_error(&["run", "--url", "http://localhost/"]).contains("only https"));
    assert!(with(&["--username", "A"]).contains("--facility"));
    assert!(with(&["--username", "A", "--facility", "F"]).contains("IZPORTAL_PASSWORD"));
    let blank =
        ["--username", "A", "--facility", "F", "--password-file", password.to_str().unwrap()];
    assert!(with(&blank).contains("the password is empty"));
    assert!(with(&["--case", "SOAPCON-9"]).contains("near to it are SOAPCON-"));
    assert!(with(&["--ca", "none.pem"]).contains("none.pem"));
    assert!(usage_error(&["show", "SOAPCOM-1"]).contains("SOAPCON-1"));
}

#[test]
fn the_password_of_the_environment_is_taken_and_a_change_that_does_not_fit_is_told() {
    let mut command = program();
    command.args([
        "conformance",
        "run",
        "--url",
        "https://localhost:1/IISService",
        "--username",
        "A",
    ]);
    command
        .args(["--facility", "F", "--set", "PID=7"])
        .env("IZPORTAL_PASSWORD", "secret-of-the-test");

    let output = command.output().unwrap();

    assert_eq!(exit_code(&output), 2);
    assert!(error_text(&output).contains("--set"), "{}", error_text(&output));
    assert!(!error_text(&output).contains("secret-of-the-test"));
}

#[test]
fn cases_are_listed_and_each_is_shown_with_its_story_its_request_and_its_rules() {
    let list = output_text(&run(&["conformance", "list"]));
    let json = output_text(&run(&["conformance", "list", "--format", "json"]));
    let cases: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();

    assert!(list.contains("SOAPCON-1") && list.contains("(probe)"), "{list}");
    assert!(cases.len() > 60, "{}", cases.len());
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let output = run(&["conformance", "show", name]);
        let text = output_text(&output);
        assert_eq!(exit_code(&output), 0, "{name}: {}", error_text(&output));
        assert!(text.contains("Expected:") && text.contains("Source:"), "{text}");
        for rule in case["rules"].as_array().unwrap() {
            assert!(text.contains(rule.as_str().unwrap()), "{rule} in {text}");
        }
    }
}

#[test]
fn the_examples_of_the_help_can_be_parsed() {
    for command in ["run", "list", "show", "compare"] {
        let help = output_text(&run(&["conformance", command, "--help"]));
        let (_, examples) = help.split_once("Examples:").unwrap_or_else(|| panic!("{help}"));
        let joined = examples.replace("\\\n", " ");
        let examples: Vec<&str> =
            joined.lines().map(str::trim).filter(|line| line.starts_with("izportal ")).collect();
        assert!(examples.len() >= 2, "{help}");
        for example in examples {
            let words: Vec<&str> = example.split_whitespace().skip(1).collect();
            let text = error_text(&run(&words));
            // What an example names is not there; but the command line itself is understood.
            assert!(
                !text.contains("Usage:") && !text.contains("unexpected argument"),
                "{example}: {text}"
            );
        }
    }
}
