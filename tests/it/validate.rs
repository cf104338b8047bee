//! The real binary judges messages without sending them: reports, exit codes, input of all kinds, the list of rules.
//!
//! Reports are kept in `tests/fixtures/validate/reports`, and shown in `docs`. After a change of rules or wording
//! `IZPORTAL_RENEW=1 cargo test --test it validate` writes them anew; look at the difference before you commit it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{error_text, exit_code, output_text, program};

/// The broken messages of the documentation.
const BROKEN: [&str; 3] = ["birth_date", "header", "one_dose_lost"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> PathBuf {
    root().join("tests/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

/// Runs `izportal` in the folder of the broken messages, as on the day of the fixtures.
fn validate(arguments: &[&str]) -> Output {
    program()
        .current_dir(fixtures().join("validate"))
        .args(["validate", "--on", "2026-03-02"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs `izportal validate` with bytes on standard input.
fn piped(arguments: &[&str], bytes: &[u8]) -> Output {
    let mut child = program()
        .args(["validate", "--on", "2026-03-02"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = input.write_all(&bytes); // the program may have seen enough
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("not JSON: {error}: {} {}", output_text(output), error_text(output))
    })
}

fn rules_of(message: &Value) -> Vec<&str> {
    message["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap())
        .collect()
}

/// Holds a text against the file that it is kept in, or keeps it when renewing.
fn kept(path: &Path, text: &str) {
    if std::env::var_os("IZPORTAL_RENEW").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let known = fs::read_to_string(path).unwrap_or_default();
    assert!(
        known == text,
        "{} is not what the program says now; `IZPORTAL_RENEW=1 cargo test --test it validate` renews it.\n\
         --- now\n{text}\n--- kept\n{known}",
        path.display()
    );
}

/// A page with the blocks that it takes from files: after `<!-- from FILE -->` stands the file in a fence.
fn with_files(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- from ") {
        let (name, after) =
            after.split_once(" -->\n```text\n").unwrap_or_else(|| panic!("a fence follows"));
        let (_, after) = after.split_once("```\n").unwrap_or_else(|| panic!("the fence is closed"));
        let text = fs::read_to_string(root().join(name)).unwrap();
        out += &[before, "<!-- from ", name, " -->\n```text\n", &text, "```\n"].concat();
        rest = after;
    }
    out + rest
}

#[test]
fn the_reports_on_the_broken_messages_are_those_that_are_kept_and_documented() {
    for name in BROKEN {
        let output = validate(&["--ack", &format!("{name}.txt")]);

        assert_eq!(exit_code(&output), 1, "{name}: {}", error_text(&output));
        let report = fixtures().join(format!("validate/reports/{name}.txt"));
        kept(&report, &output_text(&output));
    }
    let page = root().join("docs/validation.md");
    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(text.matches("<!-- from ").count(), 2 * BROKEN.len());
    kept(&page, &with_files(&text));
}

#[test]
fn the_page_of_rules_is_what_the_program_lists() {
    let output = program().args(["rules", "--format", "markdown"]).output().unwrap();

    assert_eq!(exit_code(&output), 0);
    // Or: cargo run -- rules --format markdown > docs/rules.md
    kept(&root().join("docs/rules.md"), &output_text(&output));
}

#[test]
fn json_tells_every_finding_with_its_place_and_nothing_of_the_patient() {
    let output = validate(&["--format", "json", "one_dose_lost.txt"]);
    let report = json(&output);
    let message = &report["messages"][0];
    let lost = message["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["place"] == "RXA[2]-5.1")
        .unwrap();

    assert_eq!(exit_code(&output), 1);
    assert_eq!(report["settings"]["strictness"], "production");
    assert_eq!(report["settings"]["overlays"], Value::from(vec!["cair"]));
    for (field, expected) in [
        ("file", Value::from("one_dose_lost.txt")),
        ("number", 1.into()),
        ("line", 1.into()),
        ("offset", 0.into()),
        ("control_id", "DOC-DOSE-1".into()),
        ("kind", "VXU".into()),
        ("profile", "Z22".into()),
        ("verdict", "accepted-with-errors".into()),
        ("acknowledgment", "AE".into()),
    ] {
        assert_eq!(message[field], expected, "{field}");
    }
    assert_eq!(message["sharing"]["pd1_12"], "N");
    assert!(message["sharing"]["meaning"].as_str().unwrap().contains("MAY see the record"));
    assert_eq!(message["counts"]["E"], 1);
    for (field, expected) in [
        ("severity", "E"),
        ("rule", "CODE"),
        ("location", "RXA^2^5^1^1"),
        ("code", "103"),
        ("application", "5"),
        ("effect", "drop-order"),
    ] {
        assert_eq!(lost[field], expected, "{field}");
    }
    let bytes = fixture("validate/one_dose_lost.txt");
    let place = |name: &str| usize::try_from(lost[name].as_u64().unwrap()).unwrap();
    assert_eq!(&bytes[place("start")..place("end")], b"3M");
    assert_eq!(lost["line"], 13);
    assert_eq!((&lost["segment"], &lost["value"]), (&Value::Null, &Value::Null));
    assert_eq!(report["totals"]["messages"], 1);
    assert_eq!(report["totals"]["rules"]["CODE"]["E"], 1);
    assert_eq!(report["totals"]["sharing"]["N"], 1);
    assert_eq!(report["problems"], Value::Array(vec![]));
    for private in ["Sampleperson", "Invented Lane", "INV-1001", "20250115"] {
        assert!(!output_text(&output).contains(private), "{private}");
    }
}

#[test]
fn values_are_shown_to_those_who_ask_for_them() {
    let report = json(&validate(&["--format", "json", "--show-values", "birth_date.txt"]));
    let found = report["messages"][0]["findings"].as_array().unwrap();
    let date = found.iter().find(|one| one["place"] == "PID-7.1").unwrap();

    assert_eq!(date["value"], "20250230");
    assert!(date["segment"].as_str().unwrap().contains("Muñoz"));
}

#[test]
fn a_masked_report_shows_form_and_no_values() {
    let clear = output_text(&validate(&["birth_date.txt"]));
    let masked = output_text(&validate(&["--mask", "birth_date.txt"]));

    assert!(clear.contains("Muñoz") && clear.contains("|20250230|"));
    assert!(!masked.contains("Muñoz") && !masked.contains("20250230"));
    assert!(masked.contains("PID|9||XXX-9999^^^XX-999999||XXXXX^"), "{masked}");
}

/// Reads a JUnit report: names of the elements in order, and the texts in them. Fails where it is not well-formed.
fn junit(output: &Output) -> (Vec<String>, String) {
    let text = output_text(output);
    let mut reader = Reader::from_str(&text);
    let (mut names, mut texts) = (vec![], String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => {
                names.push(start.name().as_ref().to_owned());
                for attribute in start.attributes() {
                    texts += &attribute.unwrap().value;
                    texts.push('\n');
                }
            }
            Event::Text(inner) => texts += &inner,
            Event::Eof => return (names, texts),
            _ => {}
        }
    }
}

#[test]
fn junit_has_a_case_for_each_message_and_fails_those_with_errors() {
    let good = fixtures().join("hl7/vxu_two_orders.hl7");
    let output =
        validate(&["--format", "junit", "one_dose_lost.txt", good.to_str().unwrap(), "absent.hl7"]);
    let (names, texts) = junit(&output);

    let count = |name: &str| names.iter().filter(|one| *one == name).count();
    assert_eq!(exit_code(&output), 2);
    assert_eq!(
        (count("testsuite"), count("testcase"), count("failure"), count("error")),
        (3, 3, 1, 1),
        "{names:?}"
    );
    assert!(texts.contains("E RXA[2]-5.1 CODE"), "{texts}");
    assert!(!texts.contains("Sampleperson"));
    assert!(output_text(&output).contains(
        "<testsuites name=\"izportal validate\" tests=\"3\" failures=\"1\" errors=\"1\">"
    ));
}

#[test]
fn hostile_bytes_make_well_formed_reports() {
    let hl7 = b"MSH|^~\\&|\x1b[2J|<a&b>\"'|||||VXU^V04^VXU_V04|<1>\x00|T|2.5.1\rPID|\xff\xfe]]>\x01<x>|\x1b]0;x\x07\r\x02\x03|\r<!--\r";

    let (names, _) = junit(&piped(&["--format", "junit", "--show-values", "--severity", "I"], hl7));
    let report =
        json(&piped(&["--format", "json", "--show-values", "--severity", "I", "--ack"], hl7));
    let text = output_text(&piped(&["--severity", "I", "--ack"], hl7));

    assert_eq!(names[..2], ["testsuites", "testsuite"]);
    assert_eq!(report["messages"].as_array().unwrap().len(), 1);
    assert_eq!(report["messages"][0]["control_id"], Value::Null);
    assert!(!text.contains(|one: char| one.is_control() && one != '\n'), "{text:?}");
}

#[test]
fn the_exit_code_is_0_without_errors_1_with_and_2_when_something_cannot_be_read() {
    let good = fixtures().join("hl7/vxu_two_orders.hl7");
    let good = good.to_str().unwrap();
    let code = |arguments: &[&str]| exit_code(&validate(arguments));

    assert_eq!(code(&[good]), 0);
    assert_eq!(code(&["--quiet", good]), 0);
    assert_eq!(code(&["one_dose_lost.txt"]), 1);
    assert_eq!(code(&["--quiet", good, "one_dose_lost.txt"]), 1);
    assert_eq!(code(&["--severity", "E", "--strictness", "lenient", "one_dose_lost.txt"]), 0);
    assert_eq!(code(&[good, "absent.hl7"]), 2);
    assert_eq!(code(&["--region", "CAIR9", good]), 2);
    assert_eq!(code(&["--region", "CAIRBA", good]), 0);
    assert_eq!(code(&["--no-overlay", "--region", "CAIRBA", good]), 2);
    assert_eq!(code(&["--strictness", "severe", good]), 2);
    assert!(output_text(&validate(&["--quiet", "one_dose_lost.txt"])).is_empty());
    let help = output_text(&validate(&["--help"]));
    assert!(help.contains("Exit codes:"), "{help}");
}

#[test]
fn what_is_no_message_is_named_and_the_rest_is_judged() {
    let good = fixture("hl7/vxu_two_orders.hl7");
    let behind_text = [b"Please look at this:\n", good.as_slice()].concat();
    let cases: [(&[u8], &str); 5] = [
        (b"", "there is nothing in it"),
        (b"\r\n \r\n", "there is nothing in it"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "this is not text"),
        (b"msh|^~\\&|", "no line begins with MSH (in capitals)"),
        (&behind_text, "line 1 belongs to no message"),
    ];
    for (bytes, told) in cases {
        let output = piped(&[], bytes);

        assert_eq!(exit_code(&output), 2, "{told}");
        assert!(error_text(&output).contains(told), "{}", error_text(&output));
    }
    assert!(output_text(&piped(&[], &behind_text)).contains("message 1 (line 2)"));
    let long = [b"MSH|^~\\&|\r".as_slice(), &b"NTE|\r".repeat(10_000)].concat();
    let output = piped(&[], &long);
    assert_eq!(exit_code(&output), 1);
    assert!(
        output_text(&output)
            .contains("It cannot be read: the message has more than 10000 segments.")
    );
}

#[test]
fn odd_headers_get_clear_answers() {
    let vxu = String::from_utf8(fixture("hl7/vxu_two_orders.hl7")).unwrap();
    let found = |from: &str, to: &str, rule: &str| {
        let report = json(&piped(&["--format", "json"], vxu.replacen(from, to, 1).as_bytes()));
        let message = &report["messages"][0];
        assert!(rules_of(message).contains(&rule), "{rule}: {message}");
        message["verdict"].as_str().unwrap().to_owned()
    };

    assert_eq!(found("Z22^CDCPHINVS", "Z99^CDCPHINVS", "GW-PROFILE"), "accepted-with-warnings");
    assert_eq!(found("|2.5.1|", "|2.3.1|", "GW-MSH-12"), "not-processed");
    assert_eq!(found("VXU^V04^VXU_V04", "ADT^A04^ADT_A01", "GW-MSH-9"), "not-processed");
    assert_eq!(found("|T|2.5.1|", "|P|2.5.1|", "GW-MSH-11-TEST"), "not-processed");
    assert_eq!(found(&vxu, "MSH|^~\\&|\r", "GW-MSH-9"), "not-processed");
    let production = vxu.replacen("|T|2.5.1|", "|P|2.5.1|", 1);
    assert_eq!(exit_code(&piped(&["--environment", "production"], production.as_bytes())), 0);
}

#[test]
fn messages_are_judged_as_a_gateway_is_configured() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("izportal.toml");
    let configuration = "[validation]\noverlays = []\n[[validation.set]]\nrule = 'CODE'\nat = ['RXA-5.1']\nseverity = 'W'\ntreatment = 'keep'\n";
    fs::write(&config, configuration).unwrap();

    let output =
        validate(&["--format", "json", "--config", config.to_str().unwrap(), "one_dose_lost.txt"]);
    let report = json(&output);

    assert_eq!(exit_code(&output), 0);
    assert_eq!(report["messages"][0]["verdict"], "accepted-with-warnings");
    assert_eq!(report["settings"]["overlays"], Value::Array(vec![]));
}

#[test]
fn queries_and_replies_are_judged_by_their_profiles() {
    for (file, kind, profile) in [
        ("qbp_z34.hl7", "QBP", "Z34"),
        ("qbp_z44.hl7", "QBP", "Z44"),
        ("rsp_z32.hl7", "RSP", "Z32"),
        ("rsp_z33.hl7", "RSP", "Z33"),
        ("ack_z23.hl7", "ACK", "Z23"),
    ] {
        let report = json(&piped(&["--format", "json"], &fixture(&format!("hl7/{file}"))));
        let message = &report["messages"][0];

        assert_eq!(
            (&message["kind"], &message["profile"]),
            (&kind.into(), &profile.into()),
            "{file}"
        );
        assert_eq!(message["counts"]["E"], 0, "{file}: {message}");
        assert!(!rules_of(message).iter().any(|rule| rule.starts_with("GW-MSH-9")), "{file}");
        assert_eq!((&message["acknowledgment"], &message["sharing"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn a_batch_a_folder_and_standard_input_are_read_as_their_messages() {
    let folder = TempDir::new().unwrap();
    let one = fixture("hl7/vxu_two_orders.hl7");
    let broken = fixture("validate/one_dose_lost.txt");
    let batch =
        [b"FHS|^~\\&\rBHS|^~\\&\r", one.as_slice(), b"\r\n", &broken, b"BTS|2\rFTS|1\r"].concat();
    fs::create_dir_all(folder.path().join("deep/er")).unwrap();
    fs::write(folder.path().join("deep/er/batch.HL7"), &batch).unwrap();
    fs::write(folder.path().join("b.txt"), &one).unwrap();
    fs::write(folder.path().join("notes.md"), "not a message").unwrap();
    fs::write(folder.path().join(".hidden.hl7"), "not a message").unwrap();

    let report = json(&piped(&["--format", "json", folder.path().to_str().unwrap(), "-"], &batch));
    let messages = report["messages"].as_array().unwrap();
    let places: Vec<_> = messages
        .iter()
        .map(|one| {
            let file = Path::new(one["file"].as_str().unwrap());
            (
                file.file_name().unwrap().to_str().unwrap(),
                one["number"].as_u64(),
                one["line"].as_u64(),
            )
        })
        .collect();

    assert_eq!(
        places,
        [
            ("b.txt", Some(1), Some(1)),
            ("batch.HL7", Some(1), Some(3)),
            ("batch.HL7", Some(2), Some(22)),
            ("(standard input)", Some(1), Some(3)),
            ("(standard input)", Some(2), Some(22)),
        ]
    );
    let lost = messages[2]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["rule"] == "CODE")
        .unwrap();
    assert_eq!(lost["line"], 34, "lines count in the file");
    let start = usize::try_from(lost["start"].as_u64().unwrap()).unwrap();
    assert!(batch[start..].starts_with(b"3M^MMR"), "offsets count in the file");
    assert_eq!((&report["totals"]["files"], &report["totals"]["messages"]), (&3.into(), &5.into()));
    let empty = TempDir::new().unwrap();
    assert_eq!(exit_code(&validate(&[empty.path().to_str().unwrap()])), 2);
}

#[test]
fn a_file_of_thousands_of_messages_is_summed_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("many.hl7");
    let many =
        [fixture("hl7/vxu_two_orders.hl7").repeat(1999), fixture("validate/one_dose_lost.txt")]
            .concat();
    fs::write(&path, many).unwrap();

    let output = validate(&["--summary", path.to_str().unwrap()]);
    let text = output_text(&output);

    assert_eq!(exit_code(&output), 1);
    for line in [
        "2000 messages in 1 file",
        "    1999  would be accepted (AA)",
        "       1  accepted with errors (AE)",
        "PD1-12 (protection): N 2000",
    ] {
        assert!(text.lines().any(|one| one == line), "{line:?} is not in {text}");
    }
    assert!(text.contains("CODE: A code is in its table"), "{text}");
    assert!(error_text(&output).is_empty(), "no progress where nobody looks");
}

#[test]
fn every_rule_is_listed_and_explained() {
    let list = program().args(["rules", "--format", "json"]).output().unwrap();
    let rules = json(&list);
    let rules = rules.as_array().unwrap();
    let chapter = program().args(["rules", "--chapter", "header"]).output().unwrap();

    assert!(rules.len() > 40, "{}", rules.len());
    assert!(
        output_text(&chapter).contains("GW-MSH-12") && !output_text(&chapter).contains("IZ-46")
    );
    let explained = program().args(["explain", "iz-46"]).output().unwrap();
    let text = output_text(&explained);
    assert_eq!(exit_code(&explained), 0);
    for part in [
        "IZ-46: PID-1 counts from 1",
        "ERR-3       102",
        "Kept by\n  PID|1|",
        "Broken by\n  PID|2|",
        "      ^",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn an_unknown_rule_or_chapter_is_answered_with_known_ones() {
    let near = program().args(["explain", "GW-MSH-90"]).output().unwrap();
    let far = program().args(["explain", "nonsense"]).output().unwrap();
    let chapter = program().args(["rules", "--chapter", "poetry"]).output().unwrap();

    assert_eq!((exit_code(&near), exit_code(&far), exit_code(&chapter)), (2, 2, 2));
    assert!(error_text(&near).contains("did you mean GW-MSH-9"), "{}", error_text(&near));
    assert!(error_text(&far).contains("`izportal rules` lists them"), "{}", error_text(&far));
    assert!(error_text(&chapter).contains("header, structure"), "{}", error_text(&chapter));
}
