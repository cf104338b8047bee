//! One message as its page shows it: facts, what happened to it, its findings beside its segments.

use crate::domain::{
    Delivery, DeliveryState, DiagnosticRecord, Effect, MessageId, MessageRecord, MessageState,
    SiteEvent, SiteEventKind, SiteId,
};
use crate::portal::codes::tables_named;
use crate::portal::messages::{environment_name, region_name, state_tag};
use crate::portal::moment::{Moment, moment};
use crate::sites::MessageText;
use crate::store::{ActionRecord, MessageDetail, Store, StoreError};
use crate::validation::Catalogue;

/// Events of a Site that are looked through for those of one message.
const EVENTS: i64 = 200;

/// A finding, for people.
pub(super) struct Finding {
    /// Its number on the page, from 1.
    pub(super) number: usize,
    /// Stable name of its rule.
    pub(super) rule: String,
    /// What the rule is about.
    pub(super) title: &'static str,
    /// The rule in words.
    pub(super) says: &'static str,
    pub(super) severity: &'static str,
    pub(super) tag: &'static str,
    /// Where, as ERR-2 says it.
    pub(super) location: String,
    /// What is wrong and how to mend it.
    pub(super) text: String,
    /// The code tables that this names.
    pub(super) tables: Vec<&'static str>,
    /// What it did to the message.
    pub(super) effect: &'static str,
    /// Bytes of the message; an empty range where something is absent.
    span: Option<std::ops::Range<usize>>,
}

impl Finding {
    fn of((index, found): (usize, DiagnosticRecord)) -> Self {
        let rule = Catalogue::built_in().rule(&found.rule);
        let (severity, tag) = match found.severity.as_str() {
            "E" => ("Error", "tag-red"),
            "W" => ("Warning", "tag-amber"),
            _ => ("Note", "tag-blue"),
        };
        let at = |byte: Option<i64>| byte.and_then(|byte| usize::try_from(byte).ok());
        Self {
            number: index + 1,
            title: rule.map_or("", |rule| rule.title.as_str()),
            says: rule.map_or("", |rule| rule.says.as_str()),
            rule: found.rule,
            severity,
            tag,
            location: place(&found.location),
            tables: tables_named(&found.text),
            text: found.text,
            effect: effect(found.effect),
            span: at(found.start).zip(at(found.end)).map(|(start, end)| start..end),
        }
    }
}

/// ERR-2 as people say it: `PID-3.1`, `OBX-5 of OBX 2, repetition 3`.
fn place(location: &str) -> String {
    let mut parts = location.split('^');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let Some(segment) = part() else { return String::new() };
    let (number, field, repetition) = (part(), part(), part());
    let (component, subcomponent) = (part(), part());
    let mut told = segment.to_owned();
    for (mark, part) in [("-", field), (".", component), (".", subcomponent)] {
        if let Some(part) = part {
            told.push_str(mark);
            told.push_str(part);
        }
    }
    let beyond = |part: Option<&str>, before: &str| match part {
        Some(part) if part != "1" => format!("{before} {part}"),
        _ => String::new(),
    };
    told + &beyond(number, &format!(" of {segment}")) + &beyond(repetition, ", repetition")
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::None => "The data was kept.",
        Effect::Ignore => "The element is read as empty.",
        Effect::DropSegment => "The segment is left out.",
        Effect::DropOrder => "This immunization is left out.",
        Effect::Reject => "The message was refused.",
        Effect::Refuse => "The message was not processed.",
    }
}

/// Something that happened to a message.
pub(super) struct Event {
    pub(super) at: Moment,
    pub(super) what: String,
    pub(super) more: Option<String>,
}

/// A part of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Numbers of the findings about it; none: nothing was found.
    pub(super) findings: Vec<usize>,
}

/// A segment of the text, with the numbers of the findings that begin in it.
pub(super) struct Segment {
    /// Its place, from 1.
    pub(super) number: usize,
    pub(super) pieces: Vec<Piece>,
    pub(super) findings: Vec<usize>,
}

/// The texts of a message, for who may see them.
pub(super) struct Texts {
    pub(super) segments: Vec<Segment>,
    /// The acknowledgement, a line for each segment.
    pub(super) reply: Option<String>,
    /// What the registry was sent in place of the text above, when that was different.
    pub(super) sent: Option<String>,
}

/// One message, for people.
pub(super) struct View {
    pub(super) id: MessageId,
    /// Name and value.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) state: &'static str,
    pub(super) tag: &'static str,
    pub(super) findings: Vec<Finding>,
    pub(super) moments: Vec<Event>,
    pub(super) delivery: Vec<(&'static str, String)>,
    pub(super) replaces: Option<MessageId>,
    pub(super) replaced_by: Option<MessageId>,
    /// None: not shown, or past its retention.
    pub(super) texts: Option<Texts>,
}

impl View {
    /// Findings beside the segment with this place.
    pub(super) fn beside(&self, segment: &Segment) -> Vec<&Finding> {
        self.findings.iter().filter(|one| segment.findings.contains(&one.number)).collect()
    }

    /// Findings about the message as a whole, or all of them when its text is not shown.
    pub(super) fn elsewhere(&self) -> Vec<&Finding> {
        let shown: Vec<usize> = self
            .texts
            .iter()
            .flat_map(|texts| &texts.segments)
            .flat_map(|segment| segment.findings.iter().copied())
            .collect();
        self.findings.iter().filter(|one| !shown.contains(&one.number)).collect()
    }
}

/// Puts a message together, with its text when it may be shown.
pub(super) async fn view(
    store: &Store,
    (record, found, delivery): MessageDetail,
    text: Option<MessageText>,
) -> Result<View, StoreError> {
    let findings: Vec<Finding> = found.into_iter().enumerate().map(Finding::of).collect();
    let actions = store.action_list(Some(record.id), 50).await?;
    let about = record.site.clone().unwrap_or_else(|| record.sender.clone());
    let events = store.site_events(about, EVENTS).await?;
    let ended = delivery.as_ref().and_then(|one| one.settled_at);
    let replaced_by = match (record.state, ended) {
        (MessageState::Replaced, Some(at)) => store.message_replacement(record.clone(), at).await?,
        _ => None,
    };
    let id = record.id;
    Ok(View {
        id,
        facts: facts(&record),
        state: record.state.told(),
        tag: state_tag(record.state),
        moments: moments(&record, delivery.as_ref(), actions, events),
        delivery: delivery.as_ref().map(delivery_facts).unwrap_or_default(),
        replaces: record.replaces,
        replaced_by,
        texts: text.map(|text| texts(text, &findings)),
        findings,
    })
}

fn facts(record: &MessageRecord) -> Vec<(&'static str, String)> {
    let or_none = |text: &str| if text.is_empty() { "None".to_owned() } else { text.to_owned() };
    vec![
        ("Received", record.received_at.pacific_text()),
        ("Control ID (MSH-10)", or_none(&record.control_id)),
        ("Our ID", record.id.to_string()),
        ("Sender", record.sender.to_string()),
        (
            "Responsible Site (MSH-22)",
            record.site.as_ref().map_or_else(|| "Not known".to_owned(), SiteId::to_string),
        ),
        ("Environment", environment_name(record.environment).to_owned()),
        ("Region", region_name(record.region)),
        ("Type (MSH-9)", record.message_type.clone()),
        ("Size", format!("{} bytes", record.size)),
        ("Acknowledged with (MSA-1)", or_none(&record.ack_code)),
    ]
}

fn delivery_facts(delivery: &Delivery) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        (
            "Registry",
            format!(
                "{}, {}",
                delivery.region.facts().name,
                environment_name(delivery.environment).to_lowercase()
            ),
        ),
        ("Attempts", delivery.attempts.to_string()),
    ];
    if delivery.state == DeliveryState::Queued {
        facts.push(("Next attempt", delivery.next_attempt_at.pacific_text()));
    }
    if let Some(error) = &delivery.last_error {
        facts.push(("What stopped the last attempt", error.clone()));
    }
    if delivery.doubtful > 0 {
        facts.push((
            "Perhaps delivered more than once",
            format!("{} attempts ended without a word", delivery.doubtful),
        ));
    }
    if let Some(at) = delivery.settled_at {
        facts.push(("Ended", at.pacific_text()));
    }
    facts
}

/// What happened, the first first.
fn moments(
    record: &MessageRecord,
    delivery: Option<&Delivery>,
    actions: Vec<ActionRecord>,
    events: Vec<SiteEvent>,
) -> Vec<Event> {
    let mut all = vec![(
        record.received_at,
        if record.state == MessageState::Refused {
            "Received and refused".to_owned()
        } else {
            "Received".to_owned()
        },
        None,
    )];
    let done = |action: ActionRecord| {
        let reason = Some(action.reason).filter(|reason| !reason.is_empty());
        (action.at, told(&action.action).to_owned(), reason)
    };
    all.extend(actions.into_iter().map(done));
    let of_this = events.into_iter().filter(|event| event.message == Some(record.id));
    all.extend(of_this.map(|event| {
        let told =
            event.told_at.map(|at| format!("Emails about it were written {}", at.pacific_text()));
        (event.at, happened(event.kind).to_owned(), told)
    }));
    if let Some(at) = delivery.and_then(|one| one.settled_at) {
        all.push((at, record.state.told().to_owned(), None));
    }
    all.sort_by_key(|(at, ..)| *at);
    all.into_iter().map(|(at, what, more)| Event { at: moment(at), what, more }).collect()
}

/// What an operator did, in words.
fn told(action: &str) -> &str {
    match action {
        "retry" | "replay" => "Sent again by the help desk",
        "give up" => "Given up by the help desk",
        "replace" => "Replaced by an edited version",
        other => other,
    }
}

const fn happened(kind: SiteEventKind) -> &'static str {
    match kind {
        SiteEventKind::FirstTest => "It was the Site's first test message",
        SiteEventKind::TestFailed => "It had errors, and the test message before had none",
        SiteEventKind::TestGoodAgain => "It was good again",
        SiteEventKind::RejectedLater => "The registry rejected it after it was taken",
        SiteEventKind::Stage => "The Site came to another stage",
        SiteEventKind::Silent => "Nothing came for longer than usual",
    }
}

fn texts(text: MessageText, findings: &[Finding]) -> Texts {
    let lines =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    Texts {
        sent: text.sent.filter(|sent| *sent != text.body).map(|sent| lines(&sent)),
        segments: segments(&text.body, findings),
        reply: text.reply.map(|reply| lines(&reply)),
    }
}

/// The segments of a text, cut where a finding begins or ends.
fn segments(text: &[u8], findings: &[Finding]) -> Vec<Segment> {
    let spans: Vec<_> =
        findings.iter().filter_map(|one| Some((one.number, one.span.clone()?))).collect();
    let mut all: Vec<Segment> = vec![];
    let mut start = 0;
    for line in text.split(|one| matches!(one, b'\r' | b'\n')) {
        let end = start + line.len();
        if !line.is_empty() {
            // What is absent at the end of a segment stands where its terminator is.
            let here = |at: usize| start <= at && at <= end;
            let begins = spans.iter().filter(|(_, span)| here(span.start));
            all.push(Segment {
                number: all.len() + 1,
                pieces: pieces(text, start..end, &spans),
                findings: begins.map(|(number, _)| *number).collect(),
            });
        }
        start = end + 1;
    }
    all
}

fn pieces(
    text: &[u8],
    line: std::ops::Range<usize>,
    spans: &[(usize, std::ops::Range<usize>)],
) -> Vec<Piece> {
    let inside: Vec<_> = spans
        .iter()
        .filter(|(_, span)| span.start <= line.end && span.end >= line.start)
        .map(|(number, span)| (*number, span.start.max(line.start)..span.end.min(line.end)))
        .collect();
    let mut cuts: Vec<usize> = inside.iter().flat_map(|(_, span)| [span.start, span.end]).collect();
    cuts.extend([line.start, line.end]);
    cuts.sort_unstable();
    cuts.dedup();
    let piece = |from: usize, to: usize, findings: Vec<usize>| Piece {
        text: String::from_utf8_lossy(text.get(from..to).unwrap_or_default()).into_owned(),
        findings,
    };
    let mut all = vec![];
    for (place, from) in cuts.iter().enumerate() {
        let absent: Vec<usize> = inside
            .iter()
            .filter(|(_, span)| span.is_empty() && span.start == *from)
            .map(|(number, _)| *number)
            .collect();
        if !absent.is_empty() {
            all.push(piece(*from, *from, absent));
        }
        if let Some(to) = cuts.get(place + 1) {
            let about: Vec<usize> = inside
                .iter()
                .filter(|(_, span)| span.start <= *from && *to <= span.end)
                .map(|(number, _)| *number)
                .collect();
            all.push(piece(*from, *to, about));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(number: usize, span: std::ops::Range<usize>) -> Finding {
        let record = DiagnosticRecord {
            rule: "IZ-1".to_owned(),
            location: "PID^1^7".to_owned(),
            code: "101".to_owned(),
            severity: "E".to_owned(),
            application: String::new(),
            effect: Effect::Reject,
            start: i64::try_from(span.start).ok(),
            end: i64::try_from(span.end).ok(),
            text: "It is missing.".to_owned(),
        };
        Finding::of((number - 1, record))
    }

    fn shown(segments: &[Segment]) -> Vec<String> {
        let piece = |piece: &Piece| match piece.findings.as_slice() {
            [] => piece.text.clone(),
            numbers => format!("[{}{numbers:?}]", piece.text),
        };
        segments.iter().map(|one| one.pieces.iter().map(piece).collect()).collect()
    }

    #[test]
    fn a_location_is_told_as_people_say_it() {
        for (location, told) in [
            ("PID^1^7", "PID-7"),
            ("PID^1^3^1^1", "PID-3.1"),
            ("OBX^2^5^3^1^2", "OBX-5.1.2 of OBX 2, repetition 3"),
            ("RXR^2", "RXR of RXR 2"),
            ("", ""),
        ] {
            assert_eq!(place(location), told);
        }
    }

    #[test]
    fn the_offending_bytes_are_marked_in_their_segment() {
        let found = [finding(1, 4..7), finding(2, 13..13), finding(3, 15..15)];
        let segments = segments(b"MSH|ABC|D\rPID||X\r\n\r\nPV1|\xff|", &found);

        assert_eq!(shown(&segments), ["MSH|[ABC[1]]|D", "PID[[2]]||[[3]]X", "PV1|\u{fffd}|"]);
        let beside: Vec<_> = segments.iter().map(|one| one.findings.clone()).collect();
        assert_eq!(beside, [vec![1], vec![2, 3], vec![]]);
    }

    #[test]
    fn findings_that_overlap_or_reach_past_the_text_are_cut() {
        let found = [finding(1, 0..6), finding(2, 4..400)];
        let segments = segments(b"MSH|ABC", &found);

        assert_eq!(shown(&segments), ["[MSH|[1]][AB[1, 2]][C[2]]"]);
    }
}
