//! Pages with 20,000 Sites and 100,000 users in the database, over HTTPS, as a browser asks for them.
//!
//! The figure of a page is the time from the request to the last byte, so it holds TLS, routing, the session, the reads and
//! the template. Source of the numbers: issue 5, under 20 ms on the server.
#![expect(clippy::unwrap_used, reason = "a bench may stop")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use izportal::app::{App, Base, Role as Part};
use izportal::config::Config;
use izportal::domain::{By, OrganizationId, Password, Role, StaffGrant, StaffRole, Timestamp};
use izportal::endpoint::{SummaryFormat, SummaryLog};
use izportal::sites::{Browser, NewUser, SignIn, Sites};
use tokio::runtime::Runtime;

/// Organizations and Sites; each organization has one Site.
const SITES: u32 = 20_000;
/// Accounts; five in each organization.
const ACCOUNTS: u32 = 100_000;

const PASSWORD: &str = "walnut-lantern-orbit-quilt";

/// Rows that `admin` and the portal would have written one by one.
fn fill(database: &std::path::Path) {
    let mut conn = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    let numbers = |most: u32| {
        format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})")
    };
    let (sites, accounts) = (numbers(SITES), numbers(ACCOUNTS));
    let region = "CASE i % 7 WHEN 0 THEN 'CAIRBA' WHEN 1 THEN 'CAIRLO' WHEN 2 THEN 'CAIRCC' WHEN 3 THEN 'CAIRCV' WHEN 4 \
                  THEN 'CAIRGS' WHEN 5 THEN 'CAIRIE' ELSE 'CAIRNC' END";
    let at = "'2026-11-22 00:00:00'";
    conn.batch_execute(&format!(
        "BEGIN;
         {sites} INSERT INTO organization (id, name, created_at) SELECT i, 'Invented Clinic ' || i, {at} FROM n;
         {sites} INSERT INTO organization_profile (organization_id, access_level, state, county, region, zip, name_key, answers, updated_at)
           SELECT i, 'data-exchange', 'active', '06001', {region}, '94501', 'inventedclinic' || i, '{{}}', {at} FROM n;
         {sites} INSERT INTO site (id, organization_id, name, kind, clinical, county, region, status, created_at, updated_at)
           SELECT printf('DE-%06d', i), i, 'Invented Clinic ' || i, 'direct', 1, '06001', {region}, 'registered', {at}, {at} FROM n;
         {sites} INSERT INTO site_profile (site_id, zip, name_key, ehr_vendor, answers, updated_at)
           SELECT printf('DE-%06d', i), '94501', 'inventedclinic' || i, 'ChartWell', '{{}}', {at} FROM n;
         {accounts} INSERT INTO account (id, user_id, email, first_name, last_name, name_key, given_key, state, failures, created_at)
           SELECT i, printf('U-%06d', i), 'person' || i || '@clinic.example', 'First' || i, 'Last' || (i % 9973),
             'last' || (i % 9973) || ' first' || i, 'first' || i || ' last' || (i % 9973), 'active', 0, {at} FROM n;
         {accounts} INSERT INTO membership (account_id, organization_id, role, state, changed_at)
           SELECT i, 1 + (i - 1) / 5, CASE i % 5 WHEN 1 THEN 'representative' ELSE 'dx-qa' END, 'active', {at} FROM n;
         {sites} INSERT INTO request (kind, state, title, region, organization_id, email, answers, flags, submitted_at)
           SELECT 'update', CASE WHEN i % 10 = 0 THEN 'pending' ELSE 'approved' END, 'Invented Clinic ' || i, {region}, i,
             'person' || i || '@clinic.example', '{{}}', '', {at} FROM n;
         COMMIT;
         ANALYZE;"
    ))
    .unwrap();
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

struct Pages {
    http: reqwest::Client,
    base: String,
    representative: String,
    registrar: String,
    _app: App,
    _dir: tempfile::TempDir,
}

async fn pages() -> Pages {
    let dir = tempfile::TempDir::new_in("target").unwrap();
    let mut config = Config::defaults().unwrap();
    dir.path().clone_into(&mut config.data_dir);
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.server.ops_listen.clear();
    drop(Base::open(&config, true).await.unwrap());
    fill(&dir.path().join("izportal.db"));

    let base = Base::open(&config, true).await.unwrap();
    let sites = izportal::app::sites(
        &config,
        Arc::clone(&base.store),
        base.key.clone(),
        "https://localhost",
    );
    let by = || By::cli("bench", Timestamp::now());
    let new = |email: &str, roles| NewUser {
        email: email.parse().unwrap(),
        first_name: "Bench".to_owned(),
        last_name: "Person".to_owned(),
        phone: None,
        roles,
    };
    let grant = StaffGrant { role: StaffRole::Registrar, region: None };
    let (_, url) =
        sites.staff_add(new("registrar@bench.example", vec![]), grant, by()).await.unwrap();
    let registrar = cookie(&sites, "registrar@bench.example", url.unwrap(), true).await;
    let user = new("representative@bench.example", vec![Role::Representative]);
    let (account, _) = sites.user_add_as(OrganizationId(10_000), user, by()).await.unwrap();
    let url = sites.account_link(account.id, by()).await.unwrap();
    let representative = cookie(&sites, "representative@bench.example", url, false).await;

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
    Pages { http, base, representative, registrar, _app: app, _dir: dir }
}

fn measure(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let pages = runtime.block_on(pages());
    let mut group = criterion.benchmark_group("page");
    let cases = [
        ("home", "/", ""),
        ("where", "/where?zip=94501", ""),
        ("register", "/register", ""),
        ("sign-in", "/sign-in", ""),
        ("account", "/account", &pages.representative),
        ("organization", "/organization/10000", &pages.representative),
        ("users of an organization", "/organization/10000/users", &pages.representative),
        ("a Site", "/organization/10000/sites/DE-010000", &pages.representative),
        ("history", "/organization/10000/history", &pages.representative),
        ("staff", "/staff", &pages.registrar),
        ("staff requests", "/staff/requests", &pages.registrar),
        ("a request", "/staff/requests/10000", &pages.registrar),
        (
            "organizations by name",
            "/staff/organizations?search=invented+clinic+1999",
            &pages.registrar,
        ),
        ("accounts by name", "/staff/accounts?search=last99", &pages.registrar),
        ("accounts by address", "/staff/accounts?search=person9999", &pages.registrar),
    ];
    for (name, path, cookie) in cases {
        let ask = || async {
            let request = pages.http.get(format!("{}{path}", pages.base)).header("Cookie", cookie);
            let response = request.header("Accept", "text/html").send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            let text = response.text().await.unwrap();
            assert!(text.ends_with("</html>\n") || text.ends_with("</html>"), "{path}");
        };
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(ask())));
    }
    group.finish();
}

criterion_group!(benches, measure);
criterion_main!(benches);
