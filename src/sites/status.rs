//! Letters about single events of a Site: test messages, rejections after the fact, steps that it takes by itself.
//!
//! Nothing of a message's text comes into a letter: of a finding the rule and the place, in the catalogue's words.

use std::time::Duration;

use chrono::NaiveTime;

use crate::domain::{
    DiagnosticRecord, Letter, LetterWish, MessageRecord, MessageState, Site, SiteEvent,
    SiteEventKind, StageEvent, TestLetters, Timestamp, finding_place,
};
use crate::hl7::{ErrorCode, Message, Severity};
use crate::mail::{Composition, compose};
use crate::sites::Sites;
use crate::store::{Part, StoreError};
use crate::validation::Catalogue;

/// Events that are told in one go.
const BATCH: i64 = 100;

/// Of what is older nobody is told any more: it came while nothing was written, as when a version that writes letters is new.
const STALE: Duration = Duration::from_hours(24 * 7);

/// Findings of a message that a letter lists.
const FINDINGS: usize = 10;

impl Sites {
    /// Writes the letters of the events that nobody was told of yet, each once; gives how many events there were.
    pub async fn tell_events(&self, now: Timestamp) -> Result<usize, StoreError> {
        let events = self.store.site_events_open(BATCH).await?;
        for event in &events {
            let letters = match self.letters_of(event, now).await {
                Err(StoreError::NotFound(_)) => vec![], // past its retention
                letters => letters?,
            };
            self.store.site_event_tell(event.id, letters, now).await?;
        }
        Ok(events.len())
    }

    async fn letters_of(
        &self,
        event: &SiteEvent,
        now: Timestamp,
    ) -> Result<Vec<Letter>, StoreError> {
        if event.at < now.minus(STALE) {
            return Ok(vec![]);
        }
        let site = self.store.site_by_id(event.site.clone()).await?;
        match event.kind {
            SiteEventKind::FirstTest => self.test_letters(event, &site).await,
            // What swings to and fro is told once a day; the digest tells the rest.
            SiteEventKind::TestFailed | SiteEventKind::TestGoodAgain => {
                if self.store.site_event_was_told(event, day_of(event.at)).await? {
                    return Ok(vec![]);
                }
                self.test_letters(event, &site).await
            }
            SiteEventKind::RejectedLater => {
                if self.store.site_event_was_told(event, day_of(event.at)).await? {
                    return Ok(vec![]);
                }
                self.rejection_letters(event, &site).await
            }
            SiteEventKind::Stage => self.step_letters(event, &site).await,
            // Written together with its letters.
            SiteEventKind::Silent => Ok(vec![]),
        }
    }

    /// The letters about an event, to those who want them.
    async fn letters_to(
        &self,
        site: &Site,
        wants: impl Fn(&LetterWish) -> bool,
        words: impl Fn(&str) -> Composition,
    ) -> Result<Vec<Letter>, StoreError> {
        let readers = self.readers(site).await?.into_iter().filter(|(_, wish)| wants(wish));
        let letter = |(reader, _): (crate::sites::readers::Reader, LetterWish)| {
            self.addressed(words(&reader.account.first_name), &reader.account)
        };
        Ok(readers.map(letter).collect())
    }

    async fn test_letters(
        &self,
        event: &SiteEvent,
        site: &Site,
    ) -> Result<Vec<Letter>, StoreError> {
        let Some(id) = event.message else { return Ok(vec![]) };
        let (record, found, _) = self.store.message_by_id(id).await?;
        let (kind, subject, lead) = test_words(event.kind, &record, site);
        let wants = |wish: &LetterWish| wish.tests == TestLetters::AtOnce;
        self.letters_to(site, wants, |name| {
            let letter = compose(kind, &subject).greeting(name).paragraph(&lead);
            let letter = letter.facts(facts(&record, site));
            self.with_findings(letter, &found)
                .link("See the message with its findings", self.message_url(site, &record))
                .paragraph(
                    "The other test messages of the day are told once a day, in a digest. No email \
                     holds anything of a patient.",
                )
        })
        .await
    }

    /// Where a message is shown.
    fn message_url(&self, site: &Site, record: &MessageRecord) -> String {
        self.url(&format!("/organization/{}/messages/{}", site.organization, record.id))
    }

    /// Where a Site is shown.
    pub(super) fn site_url(&self, site: &Site) -> String {
        self.url(&format!("/organization/{}/sites/{}", site.organization, site.id))
    }

    /// Adds what was found, errors first.
    fn with_findings(&self, letter: Composition, found: &[DiagnosticRecord]) -> Composition {
        let mut told: Vec<(&DiagnosticRecord, String, usize)> = vec![];
        for severity in ["E", "W"] {
            for one in found.iter().filter(|one| one.severity == severity) {
                let place = finding_place(&one.location);
                match told.iter_mut().find(|(known, at, _)| known.rule == one.rule && *at == place)
                {
                    Some((_, _, times)) => *times += 1,
                    None => told.push((one, place, 1)),
                }
            }
        }
        let number = told.len();
        let letter = told.into_iter().take(FINDINGS).fold(letter, |letter, (one, place, times)| {
            let words = finding_words(one, &place);
            let times = if times == 1 { String::new() } else { format!(", {times} times") };
            let weight = if one.severity == "E" { "error" } else { "warning" };
            let at = if place.is_empty() { "The message as a whole" } else { &place };
            let heading = format!("{at}: {weight} {}{times}", code_told(&one.code));
            let is_listed = Catalogue::built_in().rule(&one.rule).is_some();
            let url = self.url(&format!("/rules/{}", one.rule));
            let label = format!("Rule {}", one.rule);
            letter.entry(heading, words, is_listed.then_some((label.as_str(), url)))
        });
        match number.checked_sub(FINDINGS) {
            Some(more @ 1..) => {
                letter.paragraph(format!("{more} more are listed with the message."))
            }
            _ => letter,
        }
    }

    async fn rejection_letters(
        &self,
        event: &SiteEvent,
        site: &Site,
    ) -> Result<Vec<Letter>, StoreError> {
        let Some(id) = event.message else { return Ok(vec![]) };
        let (record, _, _) = self.store.message_by_id(id).await?;
        let reply = self.store.message_payload(id, Part::Reply).await.unwrap_or_default();
        let said = reply.map(|bytes| codes_of(&bytes)).unwrap_or_default();
        let subject = format!("A message of {} was rejected by the registry", site.name);
        let registry = record.region.map_or("The regional registry", |one| one.facts().name);
        self.letters_to(
            site,
            |wish| wish.outcomes,
            |name| {
                let letter = compose("rejected-later", &subject)
                    .greeting(name)
                    .paragraph(
                        "The Gateway took this message and passed it on. The regional registry then rejected it, so \
                         what it says is not in the registry. Correct it and send it again.",
                    )
                    .facts(facts(&record, site))
                    .facts([("Registry", registry)]);
                let letter = if said.is_empty() { letter } else { letter.list(&said) };
                letter
                    .link("See the message and the whole answer", self.message_url(site, &record))
                    .paragraph("Further rejections of the day are counted in the digest.")
            },
        )
        .await
    }

    async fn step_letters(
        &self,
        event: &SiteEvent,
        site: &Site,
    ) -> Result<Vec<Letter>, StoreError> {
        let history = self.store.stage_history(site.id.clone()).await?;
        let place = self.store.site_event_place(event).await?;
        let mut then = history.iter().enumerate().filter(|(_, one)| one.at == event.at);
        let Some((number, change)) = then.nth(place) else { return Ok(vec![]) };
        // What staff do is told with what they do.
        let (subject, text) = match change.event {
            StageEvent::FirstMessage => (
                format!("{} is in testing now", site.name),
                "Its first test message arrived. The page of the Site shows what is still missing before the review \
                 with real data.",
            ),
            StageEvent::CriteriaMet => (
                format!("The test messages of {} meet the criteria", site.name),
                "Staff of CDPH look at the Site next and begin the review with real data. There is nothing to do \
                 until they write. You may go on sending test messages.",
            ),
            _ => return Ok(vec![]),
        };
        let before = number.checked_sub(1).and_then(|number| history.get(number));
        let first = self.store.progress_of(site.id.clone()).await?.first_test;
        // The letter about its first test message says as much, to those who get it.
        let is_told = change.event == StageEvent::FirstMessage
            && first.zip(before).is_some_and(|((at, ..), before)| at >= before.at);
        let readers = self.readers(site).await?.into_iter();
        let readers = readers.filter(|(reader, wish)| {
            reader.answers_for(site) && !(is_told && wish.tests == TestLetters::AtOnce)
        });
        let letter = |(reader, _): (crate::sites::readers::Reader, LetterWish)| {
            let letter = compose("stage", &subject)
                .greeting(&reader.account.first_name)
                .paragraph(text)
                .facts([("Site", site.name.as_str()), ("Site ID", site.id.as_str())])
                .link("See the Site", self.site_url(site));
            self.addressed(letter, &reader.account)
        };
        Ok(readers.map(letter).collect())
    }
}

/// Kind, subject and first paragraph of a letter about a test message.
fn test_words(
    kind: SiteEventKind,
    record: &MessageRecord,
    site: &Site,
) -> (&'static str, String, String) {
    let refused = record.state == MessageState::Refused;
    let name = &site.name;
    match kind {
        SiteEventKind::FirstTest if refused => (
            "test-first",
            format!("The first test message of {name} was refused"),
            format!(
                "The first test message of {name} arrived, and the Site is in testing now. The message was not taken: \
                 correct what is said below and send it again."
            ),
        ),
        SiteEventKind::FirstTest => (
            "test-first",
            format!("The first test message of {name} was taken"),
            format!(
                "The first test message of {name} arrived and was taken. The Site is in testing now; its page shows \
                 what is still missing before the review with real data."
            ),
        ),
        SiteEventKind::TestGoodAgain => (
            "test-good-again",
            format!("Test messages of {name} are good again"),
            format!(
                "A test message of {name} was taken without a finding, after one that had some."
            ),
        ),
        _ if refused => (
            "test-failed",
            format!("A test message of {name} was refused"),
            format!(
                "A test message of {name} was not taken, after others that were good. Correct what is said below and \
                 send it again."
            ),
        ),
        _ => (
            "test-failed",
            format!("A test message of {name} has findings"),
            format!(
                "A test message of {name} was taken, but not all was well with it, after others that were good."
            ),
        ),
    }
}

/// What is known of a message besides its text.
fn facts(record: &MessageRecord, site: &Site) -> Vec<(&'static str, String)> {
    let answer = match (record.ack_code.as_str(), record.state) {
        (code, MessageState::Refused) => format!("{code}: not taken"),
        ("AA", _) => "AA: taken, nothing was found".to_owned(),
        (code, MessageState::Rejected) => format!("{code}: rejected by the registry"),
        (code, _) => format!("{code}: taken, with findings"),
    };
    vec![
        ("Site", format!("{} ({})", site.name, site.id)),
        ("Environment", record.environment.to_string()),
        ("Message", record.id.to_string()),
        ("MSH-10", record.control_id.clone()),
        ("Received", record.received_at.pacific_text()),
        ("Answer", answer),
    ]
}

fn day_of(moment: Timestamp) -> Timestamp {
    Timestamp::from_naive(moment.as_naive().date().and_time(NaiveTime::MIN))
}

/// ERR-3 with its standard text.
fn code_told(code: &str) -> String {
    match ErrorCode::of(code.as_bytes()) {
        Some(known) => format!("{code} ({})", known.text()),
        None => code.to_owned(),
    }
}

/// Rules of routing: their words are made of registered Sites, regions and places, of nothing that a message says
/// (`gateway::route`; the privacy tests send canaries through them).
const ROUTING: &str = "GW-ROUTE-";

/// What is wrong and how to mend it, without any value of the message.
fn finding_words(found: &DiagnosticRecord, place: &str) -> Vec<String> {
    if found.rule.starts_with(ROUTING) {
        return vec![found.text.clone()];
    }
    rule_words(&found.rule, place)
}

/// What is wrong and how to mend it, by the catalogue alone: what a template would take from the message is left out.
fn rule_words(rule: &str, place: &str) -> Vec<String> {
    let Some(rule) = Catalogue::built_in().rule(rule) else {
        return vec!["The message's page says what is wrong and how to mend it.".to_owned()];
    };
    let what = filled(&rule.text, place).unwrap_or_else(|| format!("The rule: {}", rule.says));
    let fix = Some(&rule.fix).filter(|fix| !fix.is_empty());
    let fix = fix.and_then(|fix| filled(fix, place));
    let fix = fix.map(|fix| format!("How to fix it: {fix}"));
    let guide = "How to fix it: the page of the rule shows good and bad examples.".to_owned();
    vec![what, fix.unwrap_or(guide)]
}

/// A template of the catalogue with the place filled in; none when it needs more than that.
fn filled(template: &str, place: &str) -> Option<String> {
    let segment = place.split('-').next().unwrap_or_default();
    let text = template
        .replace("{element}", place)
        .replace("{at}", place)
        .replace("{segment}", segment)
        .replace(" {more}", "");
    (!text.contains('{') && !place.is_empty() || !template.contains('{')).then_some(text)
}

/// Segments that an answer may point at.
const SEGMENTS: [&str; 12] =
    ["MSH", "PID", "PD1", "NK1", "PV1", "ORC", "RXA", "RXR", "OBX", "NTE", "QPD", "RCP"];

/// The errors of a registry's answer, as codes only: known codes and places. Its words may repeat what it was sent.
fn codes_of(reply: &[u8]) -> Vec<String> {
    let Ok(message) = Message::parse(reply) else { return vec![] };
    let mut told: Vec<String> = vec![];
    for error in message.segments_named("ERR") {
        let Some(code) = ErrorCode::of(error.field(3).component(1).bytes().trim_ascii()) else {
            continue;
        };
        let number = |component: usize| {
            let text = String::from_utf8_lossy(error.field(2).component(component).bytes());
            text.trim().parse::<u8>().ok()
        };
        let segment = String::from_utf8_lossy(error.field(2).component(1).bytes()).into_owned();
        let place = SEGMENTS.contains(&segment.as_str()).then(|| match (number(3), number(5)) {
            (Some(field), Some(component)) => format!(" at {segment}-{field}.{component}"),
            (Some(field), None) => format!(" at {segment}-{field}"),
            (None, _) => format!(" at {segment}"),
        });
        let severity = Severity::of(error.field(4).component(1).bytes().trim_ascii());
        let severity = severity.map(|one| format!(", severity {}", one.code()));
        told.push(format!(
            "ERR-3 {}{}{}",
            code_told(code.code()),
            place.unwrap_or_default(),
            severity.unwrap_or_default()
        ));
    }
    told.dedup();
    told.truncate(FINDINGS);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_rule_only_what_the_catalogue_says_is_told() {
        for (_, rule) in Catalogue::built_in().rules() {
            for place in ["PID-5.1", ""] {
                let words = rule_words(&rule.id, place);
                assert_eq!(words.len(), 2, "{}", rule.id);
                assert!(words.iter().all(|one| !one.contains('{')), "{}: {words:?}", rule.id);
            }
        }
        assert_eq!(rule_words("no-such-rule", "PID-5").len(), 1);
    }

    #[test]
    fn of_an_answer_only_known_codes_are_told() {
        let reply = "MSH|^~\\&|R|R|G|G|20260301||ACK^V04^ACK|1|T|2.5.1\rMSA|AE|A-1\r\
                     ERR||PID^1^5^1^2|101^Canary^HL70357|E|||Canary|Canary is missing\r\
                     ERR||ZZZ^Canary^Canary|Canary^x|W\rERR||Canary^1^x|102|Canary\r";
        assert_eq!(
            codes_of(reply.as_bytes()),
            [
                "ERR-3 101 (Required field missing) at PID-5.2, severity E",
                "ERR-3 102 (Data type error)"
            ]
        );
        assert!(codes_of(b"Canary").is_empty());
    }
}
