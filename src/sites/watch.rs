//! Looking for what somebody must be told: alerts begin and end, and operators get a letter about each, once.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{Datelike as _, NaiveTime, Timelike as _, Weekday};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::domain::{
    AccountId, AccountState, Alert, AlertKind, AlertLimits, AlertNews, EmailAddress, Environment,
    Letter, Observation, Permission, Reading, RegionCode, Scope, TallyScope, Timestamp,
    certificate_end, lasting,
};
use crate::mail::{Composition, compose};
use crate::sites::{AccountError, Browser, Sites, Staff};
use crate::store::{AlertTimes, Deed, StoreError, TallyFilter};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Hours of a working day, Pacific time: from the first until the second.
const WORK: (u32, u32) = (8, 17);

/// A certificate of ours whose end is watched.
#[derive(Debug, Clone)]
pub struct WatchedCertificate {
    /// What it is, for people, such as `the server's certificate`.
    pub name: String,
    /// Its file, PEM.
    pub path: PathBuf,
}

/// Somebody who is told of alerts.
#[derive(Debug, Clone)]
struct Watcher {
    email: EmailAddress,
    first_name: Option<String>,
    scope: Scope,
}

impl Sites {
    /// Looks at everything that alerts are about; gives how much was news to somebody.
    pub async fn watch(&self, now: Timestamp) -> Result<usize, StoreError> {
        let observed = self.observations(now).await?;
        let watchers = self.watchers().await?;
        let limits = &self.settings.alerts;
        let times = AlertTimes {
            calm: Duration::from_mins(limits.calm_minutes),
            remind: DAY,
            calls: self.settings.alert_calls,
        };
        let (url, footer) = (self.url("/staff/alerts"), self.footer());
        let write = move |news: &[(Alert, AlertNews)]| -> Vec<Letter> {
            let letter = |watcher: &Watcher| {
                let theirs: Vec<_> =
                    news.iter().filter(|(one, _)| watcher.scope.covers(one.region)).collect();
                let written = words(&theirs, watcher, &url, now)?;
                Some(written.to(watcher.email.clone(), &footer))
            };
            watchers.iter().filter_map(letter).collect()
        };
        let news = self.store.alert_look(observed, times, Box::new(write), now).await?;
        for (alert, news) in &news {
            let (title, words) = (alert.title(), &alert.words);
            match news {
                AlertNews::Opened => {
                    tracing::warn!(alert = alert.kind.word(), "alert: {title}: {words}");
                }
                AlertNews::StillOpen => {}
                AlertNews::Over => {
                    tracing::info!(alert = alert.kind.word(), "alert is over: {title}");
                }
            }
        }
        Ok(news.len())
    }

    /// How everything is that alerts are about.
    async fn observations(&self, now: Timestamp) -> Result<Vec<Observation>, StoreError> {
        let limits = &self.settings.alerts;
        self.store.directory_refresh().await?;
        let mut all = vec![];
        for place in self.places(now).await? {
            all.extend(place.observations(limits, now));
        }
        let since = now.minus(Duration::from_mins(limits.window_minutes));
        for outcomes in self.store.recent_outcomes(since).await? {
            all.extend(outcomes.observations(limits));
        }
        all.extend(self.letters_observed(limits, now).await?);
        all.push(self.counting_observed(limits, now).await?);
        all.extend(self.credentials_observed(limits, now).await?);
        all.extend(self.silence_observed(limits, now).await?);
        for certificate in &self.settings.certificates {
            all.push(certificate_observed(certificate, limits, now).await);
        }
        Ok(all)
    }

    async fn letters_observed(
        &self,
        limits: &AlertLimits,
        now: Timestamp,
    ) -> Result<[Observation; 2], StoreError> {
        let (waiting, oldest) = self.store.letter_depth().await?;
        let age = oldest.map_or(0, |oldest| now.seconds_since(oldest));
        let failed = u64::try_from(self.store.letter_failures(now.minus(HOUR)).await?).unwrap_or(0);
        let noun = if waiting == 1 { "email waits" } else { "emails wait" };
        Ok([
            everywhere(
                AlertKind::LettersWait,
                String::new(),
                Reading::of(age, limits.letter_minutes.saturating_mul(60)),
                format!("{waiting} {noun}, the oldest for {}.", lasting(age)),
            ),
            everywhere(
                AlertKind::LettersBounce,
                String::new(),
                Reading::of(failed, limits.letter_count),
                format!("In the last 60 minutes {failed} emails were refused or given up."),
            ),
        ])
    }

    async fn counting_observed(
        &self,
        limits: &AlertLimits,
        now: Timestamp,
    ) -> Result<Observation, StoreError> {
        let waits = self.store.tally_waits_since().await?;
        let age = waits.map_or(0, |since| now.seconds_since(since));
        Ok(everywhere(
            AlertKind::CountingLags,
            String::new(),
            Reading::of(age, limits.counting_minutes.saturating_mul(60)),
            format!("Messages of the last {} are not counted yet.", lasting(age)),
        ))
    }

    async fn credentials_observed(
        &self,
        limits: &AlertLimits,
        now: Timestamp,
    ) -> Result<Vec<Observation>, StoreError> {
        let mut all = vec![];
        let days = limits.credential_days;
        for region in RegionCode::managed().filter(|_| days > 0) {
            let scope = Scope::Regions(vec![region]);
            let time = (now, now.plus(DAY * days));
            let (_, count) = self.store.credential_ending(scope, time, 0).await?;
            let number = u64::try_from(count).unwrap_or(0);
            let noun = if number == 1 { "credential ends" } else { "credentials end" };
            all.push(Observation {
                kind: AlertKind::CredentialsEnd,
                subject: region.facts().name.to_owned(),
                region: Some(region),
                reading: Reading::of(number, 1),
                words: format!("{number} {noun} within {days} days; their Sites are told, too."),
            });
        }
        Ok(all)
    }

    /// Whether nothing comes in working hours from a region from which something came in the last week.
    async fn silence_observed(
        &self,
        limits: &AlertLimits,
        now: Timestamp,
    ) -> Result<Vec<Observation>, StoreError> {
        if limits.silent_hours == 0 {
            return Ok(vec![]);
        }
        let filter = |scope, from| TallyFilter {
            scope,
            subject: None,
            environment: Environment::Production,
            from,
            until: now.plus(DAY),
        };
        let week = filter(TallyScope::Region, now.minus(DAY * 8));
        let busy = self.store.tally_sums(week, None).await?;
        let hours = filter(TallyScope::RegionHour, now.minus(HOUR * (limits.silent_hours + 1)));
        let recent = self.store.tally_sums(hours, None).await?;
        let is_at_work = is_work(now, limits.silent_hours);
        let sent = |sums: &[crate::store::TallySum], region: RegionCode| {
            sums.iter().any(|one| one.subject == region.as_str() && one.messages > 0)
        };
        let regions = RegionCode::managed().filter(|region| sent(&busy, *region));
        let observed = regions.map(|region| Observation {
            kind: AlertKind::NoSubmissions,
            subject: format!("{} production", region.facts().name),
            region: Some(region),
            reading: match (sent(&recent, region), is_at_work) {
                (true, _) => Reading::Good,
                (false, true) => Reading::Bad,
                (false, false) => Reading::Between,
            },
            words: format!(
                "In the last {} working hours nothing was submitted.",
                limits.silent_hours
            ),
        });
        Ok(observed.collect())
    }

    /// Who is told: the addresses of the configuration, and the operators who have not said that they want no letters.
    async fn watchers(&self) -> Result<Vec<Watcher>, StoreError> {
        let named = self.settings.alert_addresses.iter().map(|email| Watcher {
            email: email.clone(),
            first_name: None,
            scope: Scope::All,
        });
        let mut all: Vec<Watcher> = named.collect();
        let wishes = self.store.alert_wishes().await?;
        for (account, grants) in self.store.staff_list().await? {
            let wants = wishes.get(&account.id).copied().unwrap_or(true);
            let scope = Scope::of(&grants, Permission::Operate);
            let is_named = all.iter().any(|one| one.email == account.email);
            if wants
                && !is_named
                && scope != Scope::Nowhere
                && account.state == AccountState::Active
            {
                let first_name = Some(account.first_name);
                all.push(Watcher { email: account.email, first_name, scope });
            }
        }
        Ok(all)
    }

    /// Somebody takes an alert on, with a note.
    pub async fn staff_alert_acknowledge(
        &self,
        staff: &Staff,
        id: i64,
        note: String,
        browser: &Browser,
    ) -> Result<(), StoreError> {
        let who = staff.who().principal.account.id;
        let scope = staff.scope(Permission::Operate);
        self.store.alert_acknowledge(id, scope, (who, note), Deed::from(staff.by(browser))).await
    }

    /// Nobody is told of an alert until a moment; none: people are told again.
    pub async fn staff_alert_mute(
        &self,
        staff: &Staff,
        id: i64,
        until: Option<Timestamp>,
        browser: &Browser,
    ) -> Result<(), StoreError> {
        let scope = staff.scope(Permission::Operate);
        self.store.alert_mute(id, scope, until, Deed::from(staff.by(browser))).await
    }

    /// Keeps whether an operator wants letters about alerts.
    pub async fn staff_alert_letters(
        &self,
        staff: &Staff,
        wants: bool,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let who: AccountId = staff.who().principal.account.id;
        self.store.alert_wish_set(who, wants, Deed::from(staff.by(browser))).await?;
        Ok(())
    }
}

fn everywhere(kind: AlertKind, subject: String, reading: Reading, words: String) -> Observation {
    Observation { kind, subject, region: None, reading, words }
}

/// Whether so many hours up to now lie in one working day.
fn is_work(now: Timestamp, hours: u32) -> bool {
    let local = now.pacific();
    let is_weekday = !matches!(local.weekday(), Weekday::Sat | Weekday::Sun);
    let begins = NaiveTime::from_hms_opt(WORK.0, 0, 0).unwrap_or(NaiveTime::MIN);
    let worked = local.time().signed_duration_since(begins).num_hours();
    is_weekday && local.hour() < WORK.1 && worked >= i64::from(hours)
}

async fn certificate_observed(
    one: &WatchedCertificate,
    limits: &AlertLimits,
    now: Timestamp,
) -> Observation {
    let path = one.path.clone();
    let read = move || Some(certificate_end(CertificateDer::from_pem_file(path).ok()?.as_ref()));
    let end = tokio::task::spawn_blocking(read).await.ok().flatten().flatten();
    let (reading, words) = match end {
        None => (Reading::Bad, "Its file cannot be read.".to_owned()),
        Some(end) => {
            let is_near = end <= now.plus(DAY * limits.certificate_days);
            let reading = if is_near { Reading::Bad } else { Reading::Good };
            let verb = if end <= now { "It ended" } else { "It ends" };
            (reading, format!("{verb} on {}.", end.pacific_text()))
        }
    };
    everywhere(AlertKind::CertificateEnds, one.name.clone(), reading, words)
}

/// The letter about what is news; none when nothing is.
fn words(
    news: &[&(Alert, AlertNews)],
    to: &Watcher,
    url: &str,
    now: Timestamp,
) -> Option<Composition> {
    let count = |kind: AlertNews| news.iter().filter(|(_, one)| *one == kind).count();
    let (opened, still, over) =
        (count(AlertNews::Opened), count(AlertNews::StillOpen), count(AlertNews::Over));
    let subject = match news {
        [] => return None,
        [(alert, AlertNews::Opened)] => format!("Alert: {}", alert.title()),
        [(alert, AlertNews::StillOpen)] => format!("Still open: {}", alert.title()),
        [(alert, AlertNews::Over)] => format!("Over: {}", alert.title()),
        _ => {
            let parts = [(opened, "new"), (still, "still open"), (over, "over")];
            let parts: Vec<_> = parts
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| format!("{number} {what}"))
                .collect();
            format!("Alerts: {}", parts.join(", "))
        }
    };
    let kind = match (opened, still) {
        (0, 0) => "alert-over",
        (0, _) => "alert-reminder",
        _ => "alert",
    };
    let mut letter = compose(kind, subject);
    if let Some(name) = &to.first_name {
        letter = letter.greeting(name);
    }
    for (alert, news) in news {
        let (heading, lines) = told(alert, *news, now);
        let link = Some(("See the alert", format!("{url}/{}", alert.id)));
        letter = letter.entry(heading, lines, link);
    }
    let closing = match opened + still {
        0 => "We write again when it begins anew.",
        _ => {
            "We write once more when it is over, and once a day while it is open and nobody has taken it on. On the page \
             of the alert you can take it on, or mute it for some time."
        }
    };
    Some(letter.paragraph(closing))
}

fn told(alert: &Alert, news: AlertNews, now: Timestamp) -> (String, Vec<String>) {
    let title = alert.title();
    let lasted = lasting(now.seconds_since(alert.since));
    let book = format!("What to do: {} in docs/operations.md", alert.kind);
    match news {
        AlertNews::Opened => (
            format!("New: {title}"),
            vec![alert.words.clone(), format!("Noticed: {}", alert.since.pacific_text()), book],
        ),
        AlertNews::StillOpen => (
            format!("Still open: {title}"),
            vec![alert.words.clone(), format!("Open for {lasted}"), book],
        ),
        AlertNews::Over => (
            format!("Over: {title}"),
            vec![format!("It was open for {lasted}, since {}.", alert.since.pacific_text())],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_hours_are_those_of_california() {
        let at = |text: &str| {
            let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
            Timestamp::from_naive(naive)
        };
        // November 23, 2026, is a Monday; 8 a.m. there is 16:00 UTC.
        assert!(is_work(at("2026-11-23 19:00"), 3));
        assert!(!is_work(at("2026-11-23 18:59"), 3), "only two whole hours");
        assert!(!is_work(at("2026-11-24 01:00"), 3), "5 p.m.");
        assert!(!is_work(at("2026-11-22 20:00"), 3), "a Sunday");
    }
}
