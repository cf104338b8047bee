//! How long pages take with a database as it is after years, over HTTPS, as a browser asks for them.
//!
//! `cargo bench --features postgres --bench pages -- --help` tells what it measures and how it is asked. The figure of a
//! page is the time from the request to the last byte: TLS, routing, the session, the reads, the template. Source of the
//! numbers: issue 5, under 20 ms with 20,000 Sites and 100,000 users; issue 6, under 300 ms at p95 with 5 million messages.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may stop"
)]

mod data;

use std::sync::Arc;
use std::time::Instant;

use izportal::app::{App, Base, Role as Part};
use izportal::config::Config;
use izportal::domain::{By, OrganizationId, Password, Role, StaffGrant, StaffRole, Timestamp};
use izportal::endpoint::{SummaryFormat, SummaryLog};
use izportal::sites::{Browser, NewUser, SignIn, Sites};

use crate::data::{Database, Size};

const HELP: &str = "\
Measures pages of the portal on a database that a seeded generator fills.

cargo bench --features postgres --bench pages -- [--messages N] [--sites N] [--accounts N] [--rounds N] [--limit MS] [--postgres URL]

  --messages N   rows of messages (default 100000; issue 6 asks for 5000000)
  --sites N      Sites (default 20000)
  --accounts N   accounts (default 100000)
  --rounds N     requests for each page (default 60)
  --limit MS     exit code 1 when a page's p95 is above (default: none)
  --postgres URL measure there, in a schema of its own, instead of on SQLite";

const PASSWORD: &str = "walnut-lantern-orbit-quilt";

struct Options {
    size: Size,
    rounds: usize,
    limit: Option<f64>,
    postgres: Option<String>,
}

fn options() -> Options {
    let size = Size { sites: 20_000, accounts: 100_000, messages: 100_000 };
    let mut options = Options { size, rounds: 60, limit: None, postgres: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--messages" => options.size.messages = value().parse().unwrap(),
            "--sites" => options.size.sites = value().parse().unwrap(),
            "--accounts" => options.size.accounts = value().parse().unwrap(),
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--limit" => options.limit = Some(value().parse().unwrap()),
            "--postgres" => options.postgres = Some(value()),
            "--bench" => {}
            _ => {
                println!("{HELP}");
                std::process::exit(if argument == "--help" { 0 } else { 2 });
            }
        }
    }
    options
}

fn browser() -> Browser {
    Browser { address: "127.0.0.1".to_owned(), agent: "bench".to_owned(), now: Timestamp::now() }
}

/// Sets the password of an account and gives the cookie of a session of it.
async fn cookie(sites: &Sites, email: &str, url: String, second_factor: bool) -> String {
    let link =
        sites.password_link(url.rsplit('/').next().unwrap(), &browser()).await.unwrap().unwrap();
    sites.password_set(&link, Password::from(PASSWORD.to_owned()), &browser()).await.unwrap();
    let password = Password::from(PASSWORD.to_owned());
    let SignIn::Done { mut token, .. } =
        sites.sign_in(email, password, None, &browser()).await.unwrap()
    else {
        panic!("not signed in")
    };
    if second_factor {
        let who = sites.signed_in(token.reveal(), Timestamp::now()).await.unwrap().unwrap();
        sites.totp_begin(&who, Timestamp::now()).await.unwrap();
        let shown = sites.totp_set_up(&who, Timestamp::now()).await.unwrap().unwrap();
        let secret: String = shown.secret.split_whitespace().collect();
        let totp = totp_rs::Builder::new()
            .with_secret(totp_rs::Secret::try_from_base32(&secret).unwrap())
            .build()
            .unwrap();
        let now = u64::try_from(Timestamp::now().utc().timestamp()).unwrap();
        let set_up =
            sites.totp_confirm(&who, &totp.generate(now).to_string(), &browser()).await.unwrap();
        token = set_up.unwrap().token;
    }
    format!("__Host-session={}", token.reveal())
}

/// Who asks.
#[derive(Clone, Copy)]
enum Who {
    Nobody,
    Representative,
    Exchange,
    Staff(StaffRole),
}

struct Pages {
    http: reqwest::Client,
    base: String,
    cookies: Vec<(&'static str, String)>,
    _app: App,
    _dir: tempfile::TempDir,
}

impl Who {
    const fn word(self) -> &'static str {
        match self {
            Self::Nobody => "",
            Self::Representative => "representative",
            Self::Exchange => "exchange",
            Self::Staff(role) => role.word(),
        }
    }
}

async fn pages(options: &Options) -> Pages {
    let dir = tempfile::TempDir::new_in("target").unwrap();
    let database = options.postgres.as_deref().map(|url| (url, new_schema(url)));
    let text = database.as_ref().map_or_else(String::new, |(url, schema)| {
        format!("[database]\nurl = \"{url}\"\nschema = \"{schema}\"\n")
    });
    let mut config = Config::read(&text).unwrap();
    dir.path().clone_into(&mut config.data_dir);
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.server.ops_listen.clear();
    let base = Base::open(&config, true).await.unwrap();
    base.store.close();
    drop(base);
    let started = Instant::now();
    match database {
        #[cfg(feature = "postgres")]
        Some((url, schema)) => Database::postgres(url, &schema).fill(&options.size),
        _ => Database::sqlite(&dir.path().join("izportal.db")).fill(&options.size),
    }
    eprintln!("filled in {:.0} s", started.elapsed().as_secs_f64());

    let base = Base::open(&config, true).await.unwrap();
    let sites = izportal::app::sites(
        &config,
        Arc::clone(&base.store),
        base.key.clone(),
        "https://localhost",
    );
    let cookies = sign_everybody_in(&sites).await;
    let metrics = izportal::telemetry::metrics().unwrap();
    let log = SummaryLog::new(SummaryFormat::Json, Box::new(std::io::sink()));
    let app = App::start(&config, base, log, metrics, Part::All).await.unwrap();
    let tls = izportal::client::client_config(app.ca.as_deref(), None).unwrap();
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let base = app.public_url.clone();
    Pages { http, base, cookies, _app: app, _dir: dir }
}

async fn sign_everybody_in(sites: &Sites) -> Vec<(&'static str, String)> {
    let by = || By::cli("bench", Timestamp::now());
    let new = |email: &str, roles| NewUser {
        email: email.parse().unwrap(),
        first_name: "Bench".to_owned(),
        last_name: "Person".to_owned(),
        phone: None,
        roles,
    };
    let mut cookies = vec![("", String::new())];
    for role in StaffRole::ALL {
        let email = format!("{role}@bench.example");
        let grant = StaffGrant { role: *role, region: None };
        let (_, url) = sites.staff_add(new(&email, vec![]), grant, by()).await.unwrap();
        cookies.push((role.word(), cookie(sites, &email, url.unwrap(), true).await));
    }
    for (name, organization) in [("representative", 10_000), ("exchange", 900_000)] {
        let email = format!("{name}@bench.example");
        let user = new(&email, vec![Role::Representative]);
        let (account, _) =
            sites.user_add_as(OrganizationId(organization), user, by()).await.unwrap();
        let url = sites.account_link(account.id, by()).await.unwrap();
        cookies.push((name, cookie(sites, &email, url, false).await));
    }
    cookies
}

#[cfg(feature = "postgres")]
fn new_schema(url: &str) -> String {
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, PgConnection};

    let schema = format!("pages_{}", uuid::Uuid::now_v7().simple());
    PgConnection::establish(url)
        .unwrap()
        .batch_execute(&format!("CREATE SCHEMA {schema}"))
        .unwrap();
    schema
}

#[cfg(not(feature = "postgres"))]
fn new_schema(_url: &str) -> String {
    panic!("--postgres needs --features postgres");
}

/// Every page that reads the database, by who asks for it.
const PAGES: &[(Who, &str)] = &[
    (Who::Nobody, "/"),
    (Who::Nobody, "/where?zip=94501"),
    (Who::Nobody, "/register"),
    (Who::Nobody, "/sign-in"),
    (Who::Nobody, "/codes"),
    (Who::Nobody, "/codes/CVX"),
    (Who::Representative, "/account"),
    (Who::Representative, "/organization/10000"),
    (Who::Representative, "/organization/10000/users"),
    (Who::Representative, "/organization/10000/sites/DE-010000"),
    (Who::Representative, "/organization/10000/history"),
    (Who::Representative, "/organization/10000/messages"),
    (Who::Representative, "/organization/10000/messages?state=rejected"),
    (Who::Representative, "/organization/10000/messages?control_id=M5000"),
    (Who::Representative, "/organization/10000/sites/DE-010000/quality?days=365"),
    (Who::Representative, "/organization/10000/sites/DE-010000/statement"),
    (Who::Representative, "/account/letters"),
    (Who::Exchange, "/organization/900000"),
    (Who::Exchange, "/organization/900000/messages"),
    (Who::Exchange, "/organization/900000/quality?days=365"),
    (Who::Exchange, "/organization/900000/clients"),
    (Who::Exchange, "/organization/900000/sites/SF-000001"),
    (Who::Exchange, "/organization/900000/links"),
    (Who::Staff(StaffRole::Registrar), "/staff"),
    (Who::Staff(StaffRole::Registrar), "/staff/requests"),
    (Who::Staff(StaffRole::Registrar), "/staff/requests/10000"),
    (Who::Staff(StaffRole::Registrar), "/staff/organizations?search=invented+clinic+1999"),
    (Who::Staff(StaffRole::Registrar), "/staff/accounts?search=last99"),
    (Who::Staff(StaffRole::Registrar), "/staff/accounts?search=person9999"),
    (Who::Staff(StaffRole::Onboarding), "/staff/onboarding"),
    (Who::Staff(StaffRole::Onboarding), "/staff/onboarding?stage=testing&order=latest"),
    (Who::Staff(StaffRole::Onboarding), "/staff/sites/DE-010000"),
    (Who::Staff(StaffRole::Onboarding), "/staff/messages"),
    (Who::Staff(StaffRole::Onboarding), "/staff/messages?state=review"),
    (Who::Staff(StaffRole::Onboarding), "/staff/quality"),
    (Who::Nobody, "/status"),
    (Who::Staff(StaffRole::Administrator), "/staff/dashboard"),
    (Who::Staff(StaffRole::Administrator), "/staff/dashboard?span=30d"),
    (Who::Staff(StaffRole::Administrator), "/staff/delivery"),
    (Who::Staff(StaffRole::Administrator), "/staff/delivery/CAIRBA/production"),
    (
        Who::Staff(StaffRole::Administrator),
        "/staff/delivery/CAIRBA/production/messages?state=review",
    ),
    (Who::Staff(StaffRole::Administrator), "/staff/alerts"),
    (Who::Staff(StaffRole::Auditor), "/staff/audit"),
    (Who::Staff(StaffRole::HelpDesk), "/staff/mail"),
];

/// The sample below which so many percent of the samples are.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn main() {
    let options = options();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pages = runtime.block_on(pages(&options));
    println!(
        "{} with {} Sites, {} accounts, {} messages; {} requests for each page, one after the other, in ms",
        if options.postgres.is_some() { "PostgreSQL" } else { "SQLite" },
        options.size.sites,
        options.size.accounts,
        options.size.messages,
        options.rounds
    );
    println!("{:>8} {:>8} {:>8}  page", "p50", "p95", "most");
    let mut slow = 0;
    for (who, path) in PAGES {
        let cookie = pages.cookies.iter().find(|(name, _)| *name == who.word()).unwrap();
        let ask = || async {
            let request =
                pages.http.get(format!("{}{path}", pages.base)).header("Cookie", &cookie.1);
            let response = request.header("Accept", "text/html").send().await.unwrap();
            let status = response.status();
            let text = response.text().await.unwrap();
            assert!(
                status == 200 && text.trim_end().ends_with("</html>"),
                "{path}: {status} {text}"
            );
        };
        runtime.block_on(ask());
        let mut times: Vec<f64> = (0..options.rounds)
            .map(|_| {
                let start = Instant::now();
                runtime.block_on(ask());
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let p95 = percentile(&times, 95);
        let mark = if options.limit.is_some_and(|limit| p95 > limit) { " TOO SLOW" } else { "" };
        slow += usize::from(!mark.is_empty());
        println!(
            "{:>8.1} {p95:>8.1} {:>8.1}  {path} ({}){mark}",
            percentile(&times, 50),
            times[times.len() - 1],
            if who.word().is_empty() { "visitor" } else { who.word() }
        );
    }
    drop(pages);
    if slow > 0 {
        println!("{slow} pages are slower than the limit");
        std::process::exit(1);
    }
}
