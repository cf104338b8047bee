//! A canary patient in no log, metric, fault or file.

use std::net::{IpAddr, Ipv4Addr};

use izportal::backends::RegistryReply;
use izportal::domain::{Environment, MessageState, Password, SiteKind, SiteStatus};
use izportal::gateway::Call;
use izportal::hl7::{Header, Identifiers, Message, Reply};
use izportal::soap::{
    Fault, FaultCode, Limits, MediaType, Operation, SoapVersion, read_envelope,
    submit_single_message_request, write_fault,
};

use crate::support::program::files_under;
use crate::support::registry::{Script, ScriptedRegistry, ack};
use crate::support::{Sender, TestApp, errors, everything_logged, msa, replace_field, vxu};

/// Parts of the canary that stand nowhere else.
const CANARIES: [&str; 7] = [
    "Zzyzxcanary",
    "Quuxcanary",
    "999-00-1234",
    "Canarystreet",
    "0190747",
    "Mothercanary",
    "pw-canary-5f2c9",
];

/// A wrong password that must be told nowhere.
const PASSWORD: &str = "pw-canary-5f2c9";

/// The fixture about the canary.
fn canary(control_id: &str) -> String {
    let text = vxu(
        control_id,
        &[
            ("Sampleperson^Penelope", "Zzyzxcanary^Quuxcanary"),
            ("Inventa^Ada", "Mothercanary^Ada"),
            ("12 Invented Lane", "4711 Canarystreet"),
            ("5550142", "0190747"),
        ],
    );
    replace_field(&text, "PID", 19, "999-00-1234")
}

/// No canary stands in a text.
#[track_caller]
fn assert_silent(what: &str, text: &str) {
    for one in CANARIES {
        if let Some(at) = text.find(one) {
            let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
            let line = text[from..].lines().next().unwrap_or_default();
            panic!("{what} tells {one}: {line}");
        }
    }
}

/// No canary stands in bytes.
#[track_caller]
fn assert_silent_bytes(what: &str, bytes: &[u8]) {
    for one in CANARIES {
        let found = bytes.windows(one.len()).any(|window| window == one.as_bytes());
        assert!(!found, "{what} holds {one}");
    }
}

/// What the calls said besides the echo and the registry's own words.
#[derive(Default)]
struct Heard(Vec<String>);

impl Heard {
    /// A fault or another answer that must be silent as a whole.
    fn silent(&mut self, text: String) {
        self.0.push(text);
    }

    /// An ACK of ours: its ERR must be silent; MSH-3 and MSH-4 of the sender come back by contract.
    fn ack(&mut self, hl7: &str) {
        self.0.extend(errors(hl7).into_iter().flatten());
    }
}

/// Calls that are refused by an ACK: each has the canary where a rule looks.
async fn refused_calls(app: &TestApp, sender: &Sender, heard: &mut Heard) {
    let without_patient: Vec<String> = canary("NO-PID")
        .split('\r')
        .filter(|line| !line.starts_with("PID|"))
        .map(str::to_owned)
        .collect();
    let cases = [
        canary("REGION").replace("CAIRBA", "Zzyzxcanary"),
        replace_field(&canary("FACILITY"), "MSH", 4, "Zzyzxcanary"),
        replace_field(&canary("SITE"), "MSH", 22, "Zzyzxcanary^^^^^^^^^Mothercanary"),
        replace_field(&canary("TYPE"), "MSH", 9, "Zzyzxcanary^Quuxcanary^999-00-1234"),
        replace_field(&canary("VERSION"), "MSH", 12, "999-00-1234"),
        replace_field(&canary("PROCESSING"), "MSH", 11, "Zzyzxcanary"),
        replace_field(
            &replace_field(&canary("PD1"), "MSH", 22, ""),
            "PD1",
            3,
            "^^^^^^^^^Quuxcanary",
        ),
        canary("DELIMITERS").replacen("MSH|^~\\&|", "MSH|^^\\&|", 1),
        without_patient.join("\r"),
    ];
    for hl7 in cases {
        let reply = app.submit(sender, &hl7).await.hl7();
        assert_ne!(msa(&reply).0, "AA", "{reply}");
        heard.ack(&reply);
    }
}

/// Calls that are answered by a fault.
async fn faulting_calls(app: &TestApp, sender: &Sender, heard: &mut Heard) {
    let wrong = Sender { password: PASSWORD.to_owned(), ..sender.clone() };
    let elsewhere = Sender { facility: "Zzyzxcanary".to_owned(), ..sender.clone() };
    let whole = canary("FAULT");
    let escaped = whole.replace('&', "&amp;").replace('\r', "&#13;");
    let password = &sender.password;
    let credentials = format!(
        "<iis:username>{}</iis:username><iis:password>{password}</iis:password><iis:facilityID>{}</iis:facilityID>",
        sender.username, sender.facility
    );
    heard.silent(app.submit(&wrong, &whole).await.text);
    heard.silent(app.submit(&elsewhere, &whole).await.text);
    heard.silent(app.submit(sender, &format!("{whole}{whole}")).await.text);
    heard.silent(app.submit(sender, &format!("FHS|^~\\&|\rBHS|^~\\&|\r{whole}")).await.text);
    heard.silent(app.submit(sender, &whole[4..]).await.text);
    heard.silent(
        app.submit(sender, &format!("{whole}{}", "OBX|1||Zzyzxcanary\r".repeat(60_000))).await.text,
    );
    for body in [
        format!(
            "<iis:submitSingleMessage>{credentials}<iis:hl7Message>{escaped}</iis:submitSingleMessage>"
        ),
        format!(
            "<iis:submitSingleMessage>{credentials}<iis:hl7Message>{escaped}</iis:hl7Message><iis:hl7Message>{escaped}</iis:hl7Message></iis:submitSingleMessage>"
        ),
        format!(
            "<iis:submitSingleMessage>{credentials}<iis:hl7Message>{escaped}&zzz;</iis:hl7Message></iis:submitSingleMessage>"
        ),
        format!(
            "<iis:submitSingleMessage>{credentials}<iis:patient name=\"Zzyzxcanary\">{escaped}</iis:patient></iis:submitSingleMessage>"
        ),
        format!("<iis:somethingElse>{escaped}</iis:somethingElse>"),
        escaped.clone(),
    ] {
        heard.silent(app.post_body(&body).await.text);
    }
    heard.silent(app.post("application/soap+xml", whole.clone()).await.text);
    heard.silent(app.post("text/plain", whole.clone()).await.text);
    heard.silent(app.post("application/soap+xml; charset=utf-16", whole.clone()).await.text);
    let http = app.http.get(format!("{}?wsdl&patient=Zzyzxcanary", app.endpoint()));
    heard.silent(http.send().await.unwrap().text().await.unwrap());
    let lost = format!("{}/Zzyzxcanary?ssn=999-00-1234", app.app.public_url);
    heard.silent(app.http.post(lost).body(whole).send().await.unwrap().text().await.unwrap());
}

/// Calls that are taken, and what a careless registry answers to them.
async fn taken_calls(
    app: &TestApp,
    sender: &Sender,
    registry: &ScriptedRegistry,
    heard: &mut Heard,
) {
    let quoting = Fault::new(FaultCode::Internal, "cannot store Zzyzxcanary 999-00-1234");
    let quoting = String::from_utf8(write_fault(SoapVersion::V12, &quoting, None)).unwrap();
    let error = "ERR||PID^1^5|101^Zzyzxcanary^HL70357|E||||Quuxcanary of Canarystreet\r";
    let soap = "application/soap+xml";
    let scripts = [
        ("TAKEN", Script::Accept),
        ("QUOTED", Script::Ack(ack("AE", "QUOTED", error))),
        ("FAULTED", Script::Raw(500, soap, quoting)),
        ("PAGE", Script::Raw(200, "text/html", "<html>Zzyzxcanary</html>".to_owned())),
        ("BROKEN", Script::Raw(200, soap, "<Zzyzxcanary ssn='999-00-1234'".to_owned())),
        ("NONSENSE", Script::Ack("Zzyzxcanary".to_owned())),
        ("CODE", Script::Ack("MSH|^~\\&|\rMSA|Zzyzxcanary|CODE\r".to_owned())),
        ("STATUS", Script::Raw(503, "text/plain", "Zzyzxcanary".to_owned())),
    ];
    for (control_id, script) in scripts {
        registry.then(script);
        let reply = app.submit(sender, &canary(control_id)).await.hl7();
        if control_id == "QUOTED" {
            assert!(
                reply.contains("Quuxcanary"),
                "the registry's own words reach the sender: {reply}"
            );
        } else {
            heard.ack(&reply);
        }
        let record = app.message(control_id).await;
        let (_, diagnostics, delivery) = app.store().message_by_id(record.id).await.unwrap();
        heard.silent(format!("{record:?} {diagnostics:?} {delivery:?}"));
    }
    assert_eq!(app.message("TAKEN").await.state, MessageState::Delivered);
}

/// The gateway with the canary's registry, and everything that may be asked of it.
async fn tell_everything(heard: &mut Heard) -> TestApp {
    let registry = ScriptedRegistry::start(Script::Accept);
    let config = registry.config("CAIRBA", "test");
    let app = TestApp::with(&config).await;
    let sender = app.test_sender().await;
    app.site("DE-000002", SiteKind::Direct, true, Some("Orange"), SiteStatus::Production).await;
    let looped = app.credential("DE-000002", Environment::Test).await;

    taken_calls(&app, &sender, &registry, heard).await;
    let hl7 = canary("LOOPBACK").replace("DE-000001", "DE-000002").replace("CAIRBA", "CAIRLO");
    let reply = app.submit(&looped, &hl7).await.hl7();
    // The canary's names have digits, which is worth a warning.
    assert_eq!(msa(&reply).0, "AE");
    heard.ack(&reply);
    refused_calls(&app, &sender, heard).await;
    faulting_calls(&app, &sender, heard).await;
    let echo =
        "<iis:connectivityTest><iis:echoBack>Zzyzxcanary</iis:echoBack></iis:connectivityTest>";
    assert!(app.post_body(echo).await.text.contains("Zzyzxcanary"), "an echo is an echo");
    let too_long = "Zzyzxcanary".repeat(10_000);
    let echo = format!(
        "<iis:connectivityTest><iis:echoBack>{too_long}</iis:echoBack></iis:connectivityTest>"
    );
    heard.silent(app.post_body(&echo).await.text);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patient_and_the_password_are_told_nowhere() {
    let mut heard = Heard::default();

    let app = tell_everything(&mut heard).await;

    for text in &heard.0 {
        assert_silent("an answer", text);
    }
    assert_silent("a metric", &app.metrics.render());
    let health = format!("http://{}/metrics", app.app.ops.unwrap());
    assert_silent("the page of metrics", &reqwest_text(&app, &health).await);
    let logged = everything_logged();
    assert_silent("the log", &logged);
    assert!(logged.contains("\"control_id\":\"TAKEN\""), "the log tells of the calls");
    for file in files_under(app.dir.path()) {
        assert_silent_bytes(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
    assert_silent("the database", &database_text(&app));
    let app = app.restart("").await;
    for file in files_under(app.dir.path()) {
        assert_silent_bytes(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
    assert_silent("the log of the stop", &everything_logged());
}

async fn reqwest_text(app: &TestApp, url: &str) -> String {
    app.http.get(url).send().await.unwrap().text().await.unwrap()
}

/// All tables of the test's schema as text, bytes both in hexadecimal and as they are; empty for the embedded database,
/// whose files are read instead.
fn database_text(app: &TestApp) -> String {
    if !app.database.is_postgres() {
        return String::new();
    }
    let text = postgres::dump(&app.config.database.url, &app.config.database.schema);
    assert!(text.contains("TAKEN"), "the tables were read");
    for one in CANARIES {
        let hexadecimal: Vec<String> = one.bytes().map(|byte| format!("{byte:02x}")).collect();
        let hexadecimal = hexadecimal.concat();
        assert!(!text.to_lowercase().contains(&hexadecimal), "a column of bytes holds {one}");
    }
    text
}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::connection::SimpleConnection as _;
    use diesel::sql_types::Text;
    use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _};

    #[derive(QueryableByName)]
    struct Dump {
        #[diesel(sql_type = Text)]
        content: String,
    }

    pub(super) fn dump(url: &str, schema: &str) -> String {
        let mut conn = PgConnection::establish(url).unwrap();
        conn.batch_execute("SET xmlbinary = 'hex'").unwrap();
        let sql = format!("SELECT schema_to_xml('{schema}', true, false, '')::text AS content");
        diesel::sql_query(sql).get_result::<Dump>(&mut conn).unwrap().content
    }
}

#[cfg(not(feature = "postgres"))]
mod postgres {
    pub(super) fn dump(_url: &str, _schema: &str) -> String {
        panic!("TEST_POSTGRES_URL needs --features postgres")
    }
}

#[test]
fn no_value_that_holds_the_patient_or_the_password_shows_them_in_debug() {
    let hl7 = canary("DEBUG");
    let message = Message::parse(hl7.as_bytes()).unwrap();
    let segment = message.segment("PID").unwrap();
    let field = segment.field(5);
    let header = Header::of(&message);
    let identifiers = Identifiers::of(&message);
    let bytes = submit_single_message_request(SoapVersion::V12, "u", PASSWORD, "f", &hl7);
    let media = MediaType::of(Some("application/soap+xml")).unwrap();
    let envelope = read_envelope(&bytes, &media, &Limits::default()).unwrap();
    let Operation::SubmitSingleMessage(submission) = &envelope.operation else {
        panic!("another operation");
    };
    let call = Call {
        username: Some("u"),
        password: Some(PASSWORD),
        facility_id: Some("f"),
        hl7: Some(&hl7),
        client_key: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let reply_text = ack("AE", "ID", "ERR||PID^1^5|101|E||||Zzyzxcanary\r");
    let reply = Reply::read(reply_text.as_bytes()).unwrap();
    let answer = RegistryReply { text: reply_text, ack_code: "AE".to_owned(), taken: false };
    let password = Password::from(PASSWORD.to_owned());

    let shown = [
        format!("{message:?} {message:#?}"),
        format!("{segment:?} {field:?} {:?} {:?}", field.value(), field.component(1)),
        format!("{header:?} {header:#?} {identifiers:?}"),
        format!("{envelope:?} {envelope:#?} {:?}", envelope.operation),
        format!("{submission:?} {submission:#?}"),
        format!("{call:?} {call:#?}"),
        format!("{reply:?} {answer:?} {answer:#?} {password:?}"),
    ];

    for text in shown {
        assert_silent("a Debug", &text);
    }
}
