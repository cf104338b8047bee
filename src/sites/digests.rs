//! Digests: what came of the messages of a day or a week, one letter for each person and organization.

use std::collections::HashMap;

use crate::domain::{
    AccountId, DigestKind, Element, Environment, Letter, LetterWish, OrganizationId,
    ProductionLetters, Site, SiteId, SiteKind, Tally, TallyScope, TestLetters, Timestamp,
};
use crate::mail::compose;
use crate::sites::Sites;
use crate::sites::readers::Reader;
use crate::store::{FindingCount, StoreError, TallyFilter};
use crate::validation::Catalogue;

/// Sites that a digest tells of in full; of the others it gives the sum.
const SITES: usize = 20;

/// Findings that are named for each Site.
const FINDINGS: i64 = 5;

/// From a midnight until another one, UTC.
type Period = (Timestamp, Timestamp);

/// What came of the messages of a Site.
struct SiteDigest {
    site: Site,
    tally: Tally,
    findings: Vec<FindingCount>,
}

impl Sites {
    /// Writes the digests that are due, each once; gives how many organizations had one written.
    pub async fn write_digests(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.store.directory_refresh().await?;
        let mut written = 0;
        for kind in DigestKind::ALL {
            let period = kind.period(self.settings.digest_hour, now);
            for (organization, sites) in self.store.digest_list(*kind, period).await? {
                let letters = self.digests_of(organization, sites, *kind, period).await?;
                let key = (*kind, period.1);
                let new = self.store.digest_write(organization, key, letters, now).await?;
                written += usize::from(new);
            }
        }
        Ok(written)
    }

    /// The digests of an organization: one for each of its people who wants any of its Sites' messages told.
    async fn digests_of(
        &self,
        organization: OrganizationId,
        sites: Vec<SiteId>,
        kind: DigestKind,
        period: Period,
    ) -> Result<Vec<Letter>, StoreError> {
        let readers = self.readers_of(organization).await?;
        if readers.is_empty() {
            return Ok(vec![]);
        }
        let chosen = self.store.letter_wishes(sites.clone()).await?;
        let directory = self.store.directory();
        let mut digests = vec![];
        for site in sites.iter().filter_map(|id| directory.site(id.as_str())) {
            let wanted = |reader: &Reader| wants(reader, site, &chosen, kind);
            if readers.iter().any(wanted) {
                digests.extend(self.digest_of(site, kind, period).await?);
            }
        }
        digests.sort_by_key(|one| {
            let bad = one.tally.refused + one.tally.rejected;
            (std::cmp::Reverse((bad, one.tally.messages)), one.site.id.clone())
        });
        let name = self.store.organization_name(organization).await?;
        let letter = |reader: &Reader| {
            let theirs = digests.iter().filter(|one| wants(reader, &one.site, &chosen, kind));
            let theirs: Vec<&SiteDigest> = theirs.collect();
            (!theirs.is_empty()).then(|| self.digest(reader, &name, &theirs, kind, period))
        };
        Ok(readers.iter().filter_map(letter).collect())
    }

    /// What came of the messages of a Site; nothing when none came.
    async fn digest_of(
        &self,
        site: &Site,
        kind: DigestKind,
        (from, until): Period,
    ) -> Result<Option<SiteDigest>, StoreError> {
        let filter = TallyFilter {
            scope: match site.kind {
                SiteKind::SendingFacility => TallyScope::Facility,
                SiteKind::Direct | SiteKind::ThroughFacility => TallyScope::Site,
            },
            subject: Some(site.id.to_string()),
            environment: match kind {
                DigestKind::Tests => Environment::Test,
                DigestKind::Daily | DigestKind::Weekly => Environment::Production,
            },
            from,
            until,
        };
        let rows = self.store.tally_list(filter.clone()).await?;
        let tally: Tally = rows.iter().map(|row| &row.tally).sum();
        if tally.messages == 0 && tally.rejected == 0 {
            return Ok(None);
        }
        let findings = self.store.finding_counts(filter, FINDINGS).await?;
        Ok(Some(SiteDigest { site: site.clone(), tally, findings }))
    }

    fn digest(
        &self,
        reader: &Reader,
        organization: &str,
        digests: &[&SiteDigest],
        kind: DigestKind,
        period: Period,
    ) -> Letter {
        let (letter_kind, what) = match kind {
            DigestKind::Tests => ("digest-tests", "test messages"),
            DigestKind::Daily => ("digest-daily", "production messages"),
            DigestKind::Weekly => ("digest-weekly", "production messages"),
        };
        let days = days(period);
        let subject = match digests {
            [one] => format!("{}: {what} of {days}", one.site.name),
            _ => format!("{organization}: {what} of {days} at {} Sites", digests.len()),
        };
        let mut letter = compose(letter_kind, subject)
            .greeting(&reader.account.first_name)
            .paragraph(format!("What came of the {what}, and what was found most often."))
            .facts([("Days, by UTC", &days)]);
        for one in digests.iter().take(SITES) {
            let heading = format!("{} ({})", one.site.name, one.site.id);
            letter = letter.entry(
                heading,
                self.lines(one),
                Some(("See the Site", self.site_url(&one.site))),
            );
        }
        let others = digests.get(SITES..).unwrap_or_default();
        if !others.is_empty() {
            let sum: Tally = others.iter().map(|one| &one.tally).sum();
            let text = format!("{} more Sites: {}", others.len(), counts(&sum));
            letter = letter.paragraph(text);
        }
        self.addressed(letter, &reader.account)
    }

    /// What is told of a Site.
    fn lines(&self, one: &SiteDigest) -> Vec<String> {
        let tally = &one.tally;
        let mut lines = vec![counts(tally)];
        if tally.delivered + tally.rejected > 0 {
            lines.push(format!(
                "The regional registry took {} and rejected {}.",
                tally.delivered, tally.rejected
            ));
        }
        let criteria = &self.settings.criteria;
        let short = Element::ALL.iter().filter_map(|element| {
            let (share, goal) = (tally.element(*element).percent()?, criteria.asked_of(*element));
            (share < goal)
                .then(|| format!("{} ({}) {share} % of {goal} %", element.told(), element.place()))
        });
        let short: Vec<String> = short.collect();
        if !short.is_empty() {
            lines.push(format!("Completeness below the goal: {}.", short.join("; ")));
        }
        lines.extend(one.findings.iter().map(|found| {
            let title = Catalogue::built_in().rule(&found.rule).map(|rule| rule.title.as_str());
            let title = title.map_or_else(String::new, |title| format!(": {title}"));
            let weight = if found.severity == "E" { "error" } else { "warning" };
            let at = if found.place.is_empty() { "the whole message" } else { &found.place };
            format!("{} at {at} ({weight}, {}){title}", found.rule, times(found.number))
        }));
        lines
    }
}

/// Whether somebody wants a digest of this kind about a Site.
fn wants(
    reader: &Reader,
    site: &Site,
    chosen: &HashMap<(AccountId, SiteId), LetterWish>,
    kind: DigestKind,
) -> bool {
    let usual = reader.usual(site);
    if usual == LetterWish::NOTHING {
        return false;
    }
    let wish = chosen.get(&(reader.account.id, site.id.clone())).copied().unwrap_or(usual);
    match kind {
        DigestKind::Tests => wish.tests != TestLetters::None,
        DigestKind::Daily => wish.production == ProductionLetters::Daily,
        DigestKind::Weekly => wish.production == ProductionLetters::Weekly,
    }
}

/// Messages as a sentence.
fn counts(tally: &Tally) -> String {
    let messages = if tally.messages == 1 { "message" } else { "messages" };
    format!(
        "{} {messages}: {} taken, of these {} without a finding; {} refused.",
        tally.messages, tally.accepted, tally.clean, tally.refused
    )
}

fn times(number: i64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// The days of a period for people.
fn days((from, until): Period) -> String {
    let last = until.minus(std::time::Duration::from_hours(24));
    let day = |one: Timestamp| one.utc().format("%B %-d").to_string();
    if last <= from {
        return from.utc().format("%B %-d, %Y").to_string();
    }
    format!("{} to {}", day(from), last.utc().format("%B %-d, %Y"))
}
