//! Code tables through the real binary: checked, loaded, listed, and taken by the service at its next start; and as
//! pages for everybody.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{
    Installation, Served, error_text, exit_code, files_under, output_text, run,
};
use crate::support::{Sender, TestApp, errors, msa, vxu};

/// A built-in table with another date; `changes` are applied to its text in order.
fn table(name: &str, date: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/codes").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in [&[("# date: 2025-12-09", &*format!("# date: {date}"))], changes].concat() {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// The vaccines with a code behind the last one, and one where there is a gap.
fn newer_vaccines() -> String {
    let rows = "335,Invented 335,active,,,,,,,,vaccine,\n124,Invented 124,active,,,,,,,,vaccine,\n";
    table("cvx.csv", "2026-11-01", &[]) + rows
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// Runs `codes` on an installation with a folder; gives exit code, output and problem.
fn codes(installation: &Installation, verb: &str, dir: &Path) -> (i32, String, String) {
    let output = installation.run(&["codes", verb, dir.to_str().unwrap()]);
    (exit_code(&output), output_text(&output), error_text(&output))
}

fn load(installation: &Installation, dir: &TempDir) -> String {
    let (code, said, problem) = codes(installation, "load", dir.path());
    assert_eq!((code, problem.as_str()), (0, ""));
    said
}

/// `codes list` for scripts.
fn list(installation: &Installation) -> Vec<Value> {
    let output = installation.run(&["codes", "list", "--format", "json"]);
    assert_eq!(exit_code(&output), 0, "{}", error_text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn check_says_what_a_folder_changes_and_changes_nothing() {
    let installation = Installation::new("");
    let changes = [
        ("\n10,IPV,active,", "\n10,Polio,active,"),
        ("\n11,pertussis,inactive,20100528,,,,,,,vaccine,\n", "\n"),
    ];
    let vaccines = table("cvx.csv", "2026-11-01", &changes);
    let rows = (335..345).map(|code| format!("{code},Invented,active,,,,,,,,vaccine,\n"));
    let text = vaccines + &rows.collect::<String>();
    let dir = folder(&[("cvx.csv", &text), ("README.txt", "not a table")]);

    let (code, said, problem) = codes(&installation, "check", dir.path());

    assert_eq!((code, problem.as_str()), (0, ""));
    assert_eq!(
        said,
        "cvx.csv: 297 rows, 2026-11-01\n  \
         source   CDC IIS code sets (cvx.xml, vac2vg.xml) as of the date below; dates, ages and kinds from the AIRA \
         code base of immregistries/codebase 641f2ea42152, Apache-2.0\n  \
         in use   288 rows, 2025-12-09\n  \
         adds     10: 335, 336, 337, 338, 339, 340, 341, 342, ...\n  \
         changes  1: 10\n  \
         removes  1: 11\n\
         The code tables can be used. Nothing was changed.\n"
    );
    assert!(!installation.data_dir().exists());
}

#[test]
fn a_file_that_is_older_or_holds_new_rows_only_is_pointed_out() {
    let installation = Installation::new("");
    let text = "# source: a test\n# date: 2020-01-31\ncode,name,status\nNEW,New,active\n";

    let (code, said, _) = codes(&installation, "check", folder(&[("mvx.csv", text)]).path());

    assert_eq!(code, 0);
    assert!(said.contains("\n  adds     1: NEW\n  changes  0\n  removes  89: AB, "), "{said}");
    assert!(said.contains("note     it is older than the one in use\n"), "{said}");
    assert!(said.contains("note     most codes go; the file has to hold every row"), "{said}");
}

#[test]
fn a_mistake_is_told_with_its_place_and_nothing_is_loaded() {
    let installation = Installation::new("");
    let vaccines = table("cvx.csv", "2026-11-01", &[("03,MMR,active", "03,MMR,actve")]);
    let tables = "# source: a\n# date: 2026-11-01\ntable,code,system,label\nHL70001,F,HL70001,\n";
    let cases = [
        (
            ("cvx.csv", &*vaccines),
            "cvx.csv, line 18, column status: \"actve\": not one of active, inactive",
        ),
        (("mvx.csv", "code,name,status\n"), "mvx.csv: begin the file with the line `# source: …`"),
        (("vaccines.csv", "code\n"), "vaccines.csv: not one of the code tables; they are aliases"),
        (("tables.csv", tables), "tables.csv: it has no row of table "),
        (("README.txt", "nothing"), "it holds none of aliases.csv, cvx.csv"),
    ];

    for (file, expected) in cases {
        let dir = folder(&[file]);
        for verb in ["check", "load"] {
            let (code, said, problem) = codes(&installation, verb, dir.path());
            assert_eq!((code, said.as_str()), (1, ""), "{verb} {expected}");
            assert!(problem.contains(expected), "{verb} {expected}: {problem}");
        }
    }
    assert!(!installation.data_dir().exists());
}

#[test]
fn what_is_no_folder_is_a_mistake_of_the_command_line() {
    let installation = Installation::new("");
    let dir = folder(&[("cvx.csv", &newer_vaccines())]);

    for verb in ["check", "load"] {
        for name in ["missing", "cvx.csv"] {
            let (code, _, problem) = codes(&installation, verb, &dir.path().join(name));
            assert_eq!(code, 2, "{verb} {name}");
            assert!(
                problem.contains(&format!("{name} is not a folder; give the one")),
                "{problem}"
            );
        }
    }
}

#[test]
fn what_is_loaded_is_listed_with_its_source_and_date() {
    let installation = Installation::new("");
    let dir = folder(&[("cvx.csv", &newer_vaccines())]);

    let before = list(&installation);
    let said = load(&installation, &dir);
    let after = list(&installation);
    let text = output_text(&installation.run(&["codes", "list"]));
    let checked = output_text(&installation.run(&["check-config"]));

    assert!(said.contains("\n  adds     2: 124, 335\n"), "{said}");
    assert!(said.ends_with("Restart the service: it takes them when it starts.\n"), "{said}");
    assert_eq!(before.len(), 10);
    assert!(before.iter().all(|file| file["from"] == "built-in"));
    let loaded = after.iter().find(|file| file["file"] == "cvx.csv").unwrap();
    assert_eq!((&loaded["date"], &loaded["rows"]), (&"2026-11-01".into(), &290.into()));
    assert_eq!(loaded["from"], installation.data_dir().join("codes").to_str().unwrap());
    assert!(loaded["source"].as_str().unwrap().starts_with("CDC IIS code sets (cvx.xml"));
    let others = after.iter().zip(&before).filter(|(file, _)| file["file"] != "cvx.csv");
    assert!(others.into_iter().all(|(after, before)| after == before));
    let line = text.lines().find(|line| line.starts_with("mvx.csv")).unwrap();
    let cells: Vec<_> = line.split_whitespace().take(4).collect();
    assert_eq!(cells, ["mvx.csv", "2025-12-09", "89", "built-in"]);
    assert!(checked.contains("\n  codes      1 of 10 tables loaded, 9 built-in\n"), "{checked}");
}

#[test]
fn loading_a_folder_takes_the_place_of_the_one_before() {
    let installation = Installation::new("");
    let row = "\nNEW,New,active\n";
    let makers = table("mvx.csv", "2026-11-02", &[]) + row.trim_start();
    load(&installation, &folder(&[("cvx.csv", &newer_vaccines())]));

    let said = load(&installation, &folder(&[("mvx.csv", &makers)]));

    let back = "cvx.csv: not in the folder, so the built-in one again, 288 rows, 2025-12-09\n";
    assert!(said.starts_with(back), "{said}");
    assert!(said.contains("\n  removes  2: 124, 335\n"), "{said}");
    assert!(said.contains("\n  adds     1: NEW\n"), "{said}");
    let loaded = list(&installation);
    let loaded: Vec<_> = loaded.iter().filter(|file| file["from"] != "built-in").collect();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0]["file"], "mvx.csv");
    assert_eq!(files_under(&installation.data_dir()).len(), 1);
}

#[test]
fn damaged_tables_stop_the_service_and_loading_others_mends_them() {
    let installation = Installation::new("");
    let dir = folder(&[("cvx.csv", &newer_vaccines())]);
    load(&installation, &dir);
    std::fs::write(installation.data_dir().join("codes/cvx.csv"), "code\n").unwrap();
    let expected = "the code tables of the data directory cannot be used: cvx.csv: begin the file";

    for command in [&["codes", "list"][..], &["check-config"], &["serve", "--migrate"]] {
        let output = installation.run(command);
        assert_eq!(exit_code(&output), 1, "{command:?}");
        assert!(error_text(&output).contains(expected), "{command:?}: {}", error_text(&output));
    }
    let (code, said, problem) = codes(&installation, "load", dir.path());

    assert_eq!(code, 0);
    assert!(said.contains("\n  adds     2: 124, 335\n"), "{said}");
    assert!(problem.trim_end().ends_with("; compared with the built-in ones"), "{problem}");
    assert_eq!(list(&installation)[1]["rows"], 290);
}

#[test]
fn the_help_has_an_example() {
    for command in [&["codes"][..], &["codes", "check"], &["codes", "load"], &["codes", "list"]] {
        let help = output_text(&run(&[command, &["--help"]].concat()));
        let example = help.split_once("Example").map_or("", |(_, example)| example);
        assert!(example.contains("  izportal codes "), "{command:?}: {help}");
    }
}

/// What the reply to a dose of this vaccine says of its code.
async fn told_of(served: &Served, sender: &Sender, id: &str, cvx: &str) -> Vec<[String; 5]> {
    let dose = format!("|{cvx}^Invented^CVX|");
    let reply = served.submit(sender, &vxu(id, &[("|20^DTaP^CVX|", &dose)])).await.hl7();
    assert_eq!(msa(&reply).1, id, "{reply}");
    let concerns = |error: &[String; 5]| error[4].contains("CVX") && error[4].contains(cvx);
    errors(&reply).into_iter().filter(concerns).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_knows_a_loaded_vaccine_from_its_next_start_on() {
    let installation = Installation::new("[gateway]\nreply = \"accept\"");
    let sender = installation.test_sender();

    let mut served = installation.serve();
    let newer = told_of(&served, &sender, "A1", "335").await;
    let unknown = told_of(&served, &sender, "A2", "124").await;
    load(&installation, &folder(&[("cvx.csv", &newer_vaccines())]));
    let before_restart = told_of(&served, &sender, "B1", "335").await;
    assert_eq!(served.terminate(), 0);
    let served = installation.serve();
    let newer_after = told_of(&served, &sender, "C1", "335").await;
    let unknown_after = told_of(&served, &sender, "C2", "124").await;

    assert_eq!(newer.len(), 1, "{newer:?}");
    assert!(newer[0][4].contains("is newer than our CVX table"), "{newer:?}");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0][4].contains("is not in table CVX"), "{unknown:?}");
    assert_eq!(before_restart, newer);
    assert_eq!((newer_after, unknown_after), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_looks_codes_up() {
    let app = TestApp::start().await;
    let visitor = app.browser();

    visitor.visit("/codes").await.is_at("/codes").says(&[
        "HL70001",
        "HL7 table 0001",
        "PID-8",
        "CVX",
    ]);
    let found = visitor.visit("/codes?q=pid-8").await;
    found.says(&["HL70001"]);
    assert!(!found.html.contains("href=\"/codes/HL70163\""));
    visitor.visit("/codes?q=no-such-thing").await.says(&["No table was found"]);
    visitor.visit("/codes/hl70001").await.says(&["HL7 table 0001", "Female", "PID-8"]);

    let first = visitor.visit("/codes/CVX").await;
    first.says(&["Page 1 of 3", "DTaP"]);
    assert!(first.html.contains("href=\"/codes/CVX?page=2\""), "{}", first.html);
    visitor.visit("/codes/CVX?page=2").await.says(&["Page 2 of 3"]);
    visitor.visit("/codes/CVX?page=99").await.says(&["Page 3 of 3"]);
    let searched = visitor.visit("/codes/CVX?q=meningococcal+b").await;
    searched.says(&["meningococcal B"]);
    assert!(!searched.text().contains("DTaP"));
    visitor.visit("/codes/CVX?q=zzz").await.says(&["No code was found"]);

    let file = visitor.ask("/codes/CVX/codes.csv").await;
    assert_eq!(file.headers["cache-control"], "public, max-age=3600");
    assert!(!file.headers.contains_key("set-cookie"));
    assert!(file.html.starts_with("code,label,system,note\n"), "{}", &file.html[..80]);
    assert!(file.html.lines().count() > 250);
    for missing in ["/codes/HL79999", "/codes/HL79999/codes.csv", "/codes/CVX/20"] {
        assert_eq!(visitor.visit(missing).await.status, 404, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_findings_lead_to_the_tables_that_they_name() {
    let app = TestApp::start().await;
    let visitor = app.browser();

    let rule = visitor.visit("/rules/CODE").await;
    assert!(rule.html.contains("href=\"/codes/HL70"), "{}", rule.html);
    visitor.visit("/validate").await;
    let message = vxu("A1", &[("|20250115|F|", "|20250115|Q|")]);
    let fields = [("message", message.as_str())];
    let judged = visitor.upload_with("/validate", &fields, "", b"").await;
    assert!(
        judged.html.contains("<a href=\"/codes/HL70001\">codes of HL70001</a>"),
        "{}",
        judged.text()
    );
}
