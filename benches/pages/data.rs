//! An installation as it is after some years, made of arithmetic: the same numbers give the same rows on both databases.
//!
//! Rows are written by SQL, as `admin`, the portal and the Gateway would have written them one by one. Nobody of them exists.

use diesel::Connection as _;
#[cfg(feature = "postgres")]
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;

/// How much there is.
pub(crate) struct Size {
    /// Organizations, each with one Site.
    pub(crate) sites: u64,
    /// Accounts, five in each organization.
    pub(crate) accounts: u64,
    /// Messages of a year; a fifth of one Site, a fifth of one Sending Facility for 400 Sites.
    pub(crate) messages: u64,
}

/// Where the rows go.
pub(crate) enum Database {
    Sqlite(diesel::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

/// Rows that are written by one statement.
const CHUNK: u64 = 250_000;

/// Days of roll-ups.
const DAYS: u64 = 30;

const REGION: &str = "CASE {i} % 7 WHEN 0 THEN 'CAIRBA' WHEN 1 THEN 'CAIRLO' WHEN 2 THEN 'CAIRCC' WHEN 3 THEN 'CAIRCV' \
                      WHEN 4 THEN 'CAIRGS' WHEN 5 THEN 'CAIRIE' ELSE 'CAIRNC' END";

const VENDOR: &str = "CASE {i} % 5 WHEN 0 THEN 'ChartWell' WHEN 1 THEN 'Medivine' WHEN 2 THEN 'CareLoom' WHEN 3 THEN \
                      'OpenPractice' ELSE 'Tidewater' END";

impl Database {
    pub(crate) fn sqlite(path: &std::path::Path) -> Self {
        let mut conn = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute(
            "PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000",
        )
        .unwrap();
        Self::Sqlite(conn)
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(url: &str, schema: &str) -> Self {
        let mut conn = PgConnection::establish(url).unwrap();
        conn.batch_execute(&format!("SET search_path TO {schema}; SET synchronous_commit TO off"))
            .unwrap();
        Self::Postgres(conn)
    }

    fn run(&mut self, sql: &str) {
        let done = match self {
            Self::Sqlite(conn) => conn.batch_execute(sql),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => conn.batch_execute(sql),
        };
        done.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// `INSERT INTO … SELECT … FROM n`, for `i` from one number to another.
    fn insert(&mut self, from: u64, to: u64, into: &str, select: &str) {
        let numbers = if self.is_sqlite() {
            format!(
                "WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})"
            )
        } else {
            format!("WITH n (i) AS (SELECT generate_series({from}::bigint, {to}::bigint))")
        };
        let select = self.dialect(select);
        self.run(&format!("{numbers} INSERT INTO {into} SELECT {select} FROM n"));
    }

    /// What the two databases write differently: `ID(prefix, number)`, `AT(seconds ago)`, `DAY(days ago)`.
    fn dialect(&self, sql: &str) -> String {
        let mut sql = sql.to_owned();
        for (name, sqlite, postgres) in [
            ("ID(", "'DE-' || substr('000000' || (", "'DE-' || right('000000' || ("),
            ("USER(", "'U-' || substr('000000' || (", "'U-' || right('000000' || ("),
        ] {
            let (head, tail) =
                if self.is_sqlite() { (sqlite, "), -6)") } else { (postgres, "), 6)") };
            sql = replaced(&sql, name, head, tail);
        }
        let now = "1795300000";
        let (head, tail) = if self.is_sqlite() {
            (format!("strftime('%Y-%m-%d %H:%M:%f', {now} - ("), "), 'unixepoch')")
        } else {
            (format!("(to_timestamp({now} - ("), ")) AT TIME ZONE 'UTC')")
        };
        sql = replaced(&sql, "AT(", &head, tail);
        let (head, tail) = if self.is_sqlite() {
            (format!("strftime('%Y-%m-%d 00:00:00', {now} - 86400 * ("), "), 'unixepoch')")
        } else {
            (format!("date_trunc('day', to_timestamp({now} - 86400 * ("), ")) AT TIME ZONE 'UTC')")
        };
        sql = replaced(&sql, "DAY(", &head, tail);
        if self.is_sqlite() {
            sql
        } else {
            sql.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')").replace("TRUE_", "true")
        }
        .replace("TRUE_", "1")
    }

    /// Everything.
    pub(crate) fn fill(&mut self, size: &Size) {
        self.run("BEGIN");
        self.people(size);
        self.run("COMMIT");
        let mut from = 1;
        while from <= size.messages {
            let to = (from + CHUNK - 1).min(size.messages);
            self.run("BEGIN");
            self.messages(size, from, to);
            self.run("COMMIT");
            eprintln!("{to} of {} messages", size.messages);
            from = to + 1;
        }
        self.run("BEGIN");
        self.counts(size);
        self.run("COMMIT");
        self.run("ANALYZE");
    }

    fn people(&mut self, size: &Size) {
        let (sites, accounts) = (size.sites, size.accounts);
        let region = REGION.replace("{i}", "i");
        let vendor = VENDOR.replace("{i}", "i");
        let stage = "CASE WHEN i % 10 < 5 THEN 'production' WHEN i % 10 = 5 THEN 'registered' WHEN i % 10 = 6 THEN \
                     'validated' WHEN i % 10 = 7 THEN 'onboarding' ELSE 'testing' END";
        self.insert(
            1,
            sites,
            "organization (id, name, created_at)",
            "i, 'Invented Clinic ' || i, AT(40000000 - i)",
        );
        self.insert(
            1,
            sites,
            "organization_profile (organization_id, access_level, state, county, region, zip, name_key, answers, updated_at)",
            &format!("i, 'data-exchange', 'active', '06001', {region}, '94501', 'inventedclinic' || i, '{{}}', AT(0)"),
        );
        self.insert(
            1,
            sites,
            "site (id, organization_id, name, kind, clinical, county, region, status, created_at, updated_at)",
            &format!("ID(i), i, 'Invented Clinic ' || i, 'direct', TRUE_, '06001', {region}, {stage}, AT(40000000 - i), AT(i * 600)"),
        );
        self.insert(
            1,
            sites,
            "site_profile (site_id, zip, name_key, ehr_vendor, answers, updated_at)",
            &format!("ID(i), '94501', 'inventedclinic' || i, {vendor}, '{{\"site_name\":\"Invented Clinic\"}}', AT(0)"),
        );
        self.run(&self.dialect(
            "INSERT INTO organization (id, name, created_at) VALUES (900000, 'Invented Exchange', AT(40000000));
             INSERT INTO organization_profile (organization_id, access_level, state, name_key, answers, updated_at)
               VALUES (900000, 'data-exchange', 'active', 'inventedexchange', '{}', AT(0));
             INSERT INTO site (id, organization_id, name, kind, clinical, status, created_at, updated_at)
               VALUES ('SF-000001', 900000, 'Invented Exchange', 'sending-facility', TRUE_, 'production', AT(40000000), AT(0));
             INSERT INTO site_profile (site_id, name_key, answers, updated_at) VALUES ('SF-000001', 'inventedexchange', '{}', AT(0))",
        ));
        self.insert(
            1,
            400.min(sites),
            "site_link (facility_id, site_id, status, changed_at)",
            "'SF-000001', ID(i), 'active', AT(9000000)",
        );
        self.progress(sites, stage);
        self.accounts(sites, accounts, &region);
    }

    fn progress(&mut self, sites: u64, stage: &str) {
        self.insert(
            1,
            sites,
            "stage_change (site_id, at, event, before, after, actor, reason)",
            &format!("ID(i), AT(40000000 - i), 'registered', NULL, {stage}, 'visitor', NULL"),
        );
        self.insert(
            1,
            sites,
            "site_progress (site_id, first_test_at, first_test_message, first_test_code, last_test_at, tests, tests_accepted, clean_run, scenarios, first_production_at, last_production_at)",
            "ID(i), AT(30000000), 1, 'AE', AT(i * 300), 40 + i % 100, 38 + i % 100, i % 12, 255, AT(20000000), AT(i * 200)",
        );
    }

    fn accounts(&mut self, sites: u64, accounts: u64, region: &str) {
        self.insert(
            1,
            accounts,
            "account (id, user_id, email, first_name, last_name, name_key, given_key, state, failures, created_at)",
            "i, USER(i), 'person' || i || '@clinic.example', 'First' || i, 'Last' || (i % 9973), \
             'last' || (i % 9973) || ' first' || i, 'first' || i || ' last' || (i % 9973), 'active', 0, AT(0)",
        );
        self.insert(
            1,
            accounts,
            "membership (account_id, organization_id, role, state, changed_at)",
            "i, 1 + (i - 1) / 5, CASE i % 5 WHEN 1 THEN 'representative' ELSE 'dx-qa' END, 'active', AT(0)",
        );
        self.insert(
            1,
            sites,
            "request (kind, state, title, region, organization_id, email, answers, flags, submitted_at)",
            &format!(
                "'update', CASE WHEN i % 10 = 0 THEN 'pending' ELSE 'approved' END, 'Invented Clinic ' || i, {region}, i, \
                 'person' || i || '@clinic.example', '{{}}', '', AT(i * 60)"
            ),
        );
        if !self.is_sqlite() {
            for table in ["organization", "account", "request", "stage_change"] {
                self.run(&format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"));
            }
        }
    }

    /// A year of messages, evenly over time; the identifiers are those that the Gateway would have given.
    fn messages(&mut self, size: &Size, from: u64, to: u64) {
        let every = 365 * 86_400 * 1_000 / size.messages.max(1);
        // Milliseconds since 2020, 21 bits up: where identifiers begin.
        let first = 1_795_300_000_000_u64 - 1_577_836_800_000 - 365 * 86_400 * 1_000;
        let id = format!("(({first} + i * {every}) * 2097152)");
        let ago = format!("(31536000 - i * {every} / 1000)");
        let own = format!("(1 + i * 7919 % {})", size.sites);
        let site = format!(
            "CASE i % 5 WHEN 0 THEN ID(10000) WHEN 1 THEN ID(1 + i / 5 % 400) ELSE ID({own}) END"
        );
        let sender =
            format!("CASE i % 5 WHEN 0 THEN ID(10000) WHEN 1 THEN 'SF-000001' ELSE ID({own}) END");
        let environment = "CASE WHEN i % 4 = 0 THEN 'test' ELSE 'production' END";
        let region = REGION.replace("{i}", &own);
        let state = "CASE WHEN i % 50 = 0 THEN 'refused' WHEN i % 1000 = 1 THEN 'rejected' WHEN i % 100000 = 3 THEN 'review' ELSE 'delivered' END";
        // All elements there, one dose, within a day.
        let content = 0x07ff_07ff_i64 | 1 << 48 | 1 << 50;
        self.insert(
            from,
            to,
            "message (id, received_at, sender_id, environment, site_id, region, control_id, message_type, size, state, ack_code, diagnostics, submission_key, body_digest, replaces, content)",
            &format!(
                "{id}, AT({ago}), {sender}, {environment}, {site}, {region}, 'M' || i, 'VXU^V04', 1400, {state}, \
                 CASE WHEN i % 50 = 0 THEN 'AR' WHEN i % 10 = 0 THEN 'AE' ELSE 'AA' END, CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END, \
                 CASE WHEN i % 50 = 0 THEN NULL ELSE 'bench ' || i END, zeroblob(32), NULL, {content}"
            ),
        );
        self.insert(
            from.div_ceil(10),
            to / 10,
            "diagnostic (message_id, position, rule, location, code, severity, application, text, effect, start_byte, end_byte)",
            &format!(
                "{}, 0, 'USE-R', 'PID^1^7', '101', 'E', '', 'PID-7 is missing', 'none', NULL, NULL",
                id.replace("i *", "i * 10 *")
            ),
        );
        let settled = "CASE WHEN i % 100000 = 3 THEN NULL ELSE AT(";
        self.insert(
            from,
            to,
            "delivery (message_id, region, environment, state, attempts, next_attempt_at, settled_at, doubtful, doubtful_before, releases)",
            &format!(
                "{id}, {region}, {environment}, CASE WHEN i % 1000 = 1 THEN 'rejected' WHEN i % 100000 = 3 THEN 'review' ELSE 'delivered' END, \
                 1, AT({ago}), {settled}{ago}) END, 0, 0, 0"
            ),
        );
    }

    fn counts(&mut self, size: &Size) {
        let counts = |messages: &str| {
            let share = format!("[' || {messages} || ',' || ({messages} * 97 / 100) || ']");
            let shares = vec![share; 11].join(",");
            format!(
                "'{{\"messages\":' || {messages} || ',\"accepted\":' || ({messages} * 98 / 100) || ',\"clean\":' || ({messages} * 9 / 10) || \
                 ',\"refused\":' || ({messages} / 50) || ',\"doses\":' || {messages} || ',\"delivered\":' || ({messages} * 97 / 100) || \
                 ',\"timely\":[' || ({messages} * 8 / 10) || ',' || ({messages} / 10) || ',' || ({messages} / 50) || '],\"elements\":[{shares}]}}'"
            )
        };
        let sums =
            |messages: &str| format!("{messages}, {messages} * 98 / 100, {messages} * 9 / 10, 0");
        let sites = size.sites;
        for environment in ["test", "production"] {
            self.insert(
                0,
                sites * DAYS - 1,
                "tally (scope, subject, environment, since, counts, messages, accepted, clean, rejected)",
                &format!(
                    "'site', ID(1 + i / {DAYS}), '{environment}', DAY(i % {DAYS}), {}, {}",
                    counts("(20 + i % 80)"),
                    sums("(20 + i % 80)")
                ),
            );
            for (scope, subject, number, days) in [
                ("region", REGION.replace("{i}", "(i / 365)"), 7, 365),
                ("vendor", VENDOR.replace("{i}", "(i / 365)"), 5, 365),
                ("facility", "'SF-000001'".to_owned(), 1, 365),
            ] {
                self.insert(
                    0,
                    number * days - 1,
                    "tally (scope, subject, environment, since, counts, messages, accepted, clean, rejected)",
                    &format!(
                        "'{scope}', {subject}, '{environment}', DAY(i % {days}), {}, {}",
                        counts("(2000 + i % 800)"),
                        sums("(2000 + i % 800)")
                    ),
                );
                self.insert(
                    0,
                    number * days - 1,
                    "finding_tally (scope, subject, environment, since, rule, location, severity, number)",
                    &format!("'{scope}', {subject}, '{environment}', DAY(i % {days}), 'USE-R', 'PID-7', 'E', 20 + i % 7"),
                );
            }
        }
        self.run("UPDATE tally_mark SET received = (SELECT coalesce(max(id), 0) FROM message), \
                  settled_at = (SELECT max(settled_at) FROM delivery), settled = (SELECT coalesce(max(message_id), 0) FROM delivery)");
    }
}

/// Every call `name…)` with another head and tail; calls of it do not stand in each other.
fn replaced(sql: &str, name: &str, head: &str, tail: &str) -> String {
    let mut out = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find(name) {
        // A longer word that ends like it is another one.
        let before = rest[..at].chars().next_back();
        let (skipped, after) = rest.split_at(at + name.len());
        if before.is_some_and(|one| one.is_ascii_alphanumeric() || one == '_') {
            out.push_str(skipped);
            rest = after;
            continue;
        }
        let mut depth = 1;
        let end = after
            .char_indices()
            .find(|(_, one)| {
                match one {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            })
            .map_or(after.len(), |(end, _)| end);
        out.push_str(&rest[..at]);
        out.push_str(head);
        out.push_str(&after[..end]);
        out.push_str(tail);
        rest = after.get(end + 1..).unwrap_or("");
    }
    out + rest
}
