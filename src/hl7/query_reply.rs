//! Answers to queries that we make ourselves. The Gateway's own, when no registry answered, is by profile Z33: it says that
//! there was an error, never that nobody was found. Source: guide 1.5, profiles Z31 to Z33 and their table of outcomes.

use crate::hl7::ack::{Ack, ErrorLine};
use crate::hl7::message::Message;
use crate::hl7::tables::AckCode;
use crate::hl7::view::Segment;

/// A query that can be answered by an RSP: its QPD, which comes back unchanged.
#[derive(Clone, Copy)]
pub struct Query<'m, 'a>(Segment<'m, 'a>);

impl<'m, 'a> Query<'m, 'a> {
    /// The query of a message; none when it has not one QPD with the standard delimiters, which an RSP must repeat.
    pub fn of(message: &'m Message<'a>) -> Option<Self> {
        let mut found = message.segments_named("QPD");
        let qpd = found.next().filter(|_| message.delimiters().is_standard())?;
        let is_text = std::str::from_utf8(qpd.bytes()).is_ok();
        (found.next().is_none() && is_text).then_some(Self(qpd))
    }

    /// QPD-1.1: what is asked for, such as `Z34`.
    pub fn name(&self) -> &'a [u8] {
        self.0.field(1).component(1).bytes()
    }

    /// QPD.
    pub const fn segment(&self) -> Segment<'m, 'a> {
        self.0
    }

    /// That there was an error: Z33 with one ERR and AE or AR.
    pub fn refusal(&self, ack: &Ack<'_>) -> String {
        self.answer(ack, "Z33", if ack.code == AckCode::AR { "AR" } else { "AE" }, "")
    }

    /// An answer by a profile: MSA, one ERR, QAK with this status, QPD, and these segments, each ended by CR.
    pub fn answer(&self, ack: &Ack<'_>, profile: &str, status: &str, segments: &str) -> String {
        let mut out = String::with_capacity(1_024);
        ack.write_header(&mut out, ["RSP", "K11", "RSP_K11"], profile);
        ack.write_acknowledgement(&mut out);
        if let Some((worst, text)) = worst(ack.lines) {
            ErrorLine { text: &text, ..*worst }.write(&mut out);
        }
        let part = |number| String::from_utf8_lossy(self.0.field(number).bytes()).into_owned();
        let (name, tag) = (part(1), part(2));
        for text in ["QAK|", &tag, "|", status, "|", &name, "\r"] {
            out.push_str(text);
        }
        out.push_str(&String::from_utf8_lossy(self.0.bytes()));
        out.push('\r');
        out.push_str(segments);
        out
    }
}

/// An RSP has room for one ERR: the first of the worst, with the number of the others.
fn worst<'l, 'a>(lines: &'l [ErrorLine<'a>]) -> Option<(&'l ErrorLine<'a>, String)> {
    let severity = lines.iter().map(|line| line.severity).max()?;
    let worst = lines.iter().find(|line| line.severity == severity)?;
    let text = match lines.len() - 1 {
        0 => worst.text.to_owned(),
        more => format!("{} (and {more} more)", worst.text),
    };
    Some((worst, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::ack::Identity;
    use crate::hl7::header::Header;
    use crate::hl7::tables::{ErrorCode, Severity};

    fn line(severity: Severity, text: &str) -> ErrorLine<'_> {
        let code = ErrorCode::ApplicationInternalError;
        ErrorLine { location: None, code, severity, application: None, diagnostic: None, text }
    }

    #[test]
    fn a_refused_query_hears_of_an_error_and_gets_its_own_words_back() {
        let text = include_str!("../../tests/fixtures/hl7/qbp_z34.hl7");
        let message = Message::parse(text.as_bytes()).unwrap();
        let header = Header::of(&message);
        let identity = Identity { application: "GW".to_owned(), facility: "CDPH".to_owned() };
        let ack = Ack {
            request: Some(&header),
            code: AckCode::AE,
            lines: &[line(Severity::W, "a remark"), line(Severity::E, "no answer")],
            control_id: "1",
            now: chrono::DateTime::parse_from_rfc3339("2026-03-01T12:00:05-08:00").unwrap(),
            identity: &identity,
        };

        let reply = Query::of(&message).unwrap().refusal(&ack);

        let lines: Vec<&str> = reply.split('\r').collect();
        assert_eq!(
            lines[0],
            "MSH|^~\\&|GW|CDPH|SAMPLE EHR|DE-000001|20260301120005-0800||RSP^K11^RSP_K11|1|T|2.5.1|||NE|NE|||||Z33^CDCPHINVS"
        );
        assert_eq!(lines[1], "MSA|AE|FIX-Q34-1");
        assert_eq!(
            lines[2],
            "ERR|||207^Application internal error^HL70357|E||||no answer (and 1 more)"
        );
        assert_eq!(lines[3], "QAK|TAG-34|AE|Z34^Request Immunization History^CDCPHINVS");
        assert_eq!(lines[4], text.split('\r').nth(1).unwrap());
        assert_eq!(lines[5..], [""]);
    }

    #[test]
    fn what_cannot_be_repeated_has_no_rsp() {
        let of = |text: &str| Query::of(&Message::parse(text.as_bytes()).unwrap()).is_some();
        assert!(!of("MSH|^~\\&|A\rRCP|I\r"));
        assert!(!of("MSH|^~\\&|A\rQPD|1\rQPD|2\r"));
        assert!(!of("MSH|@~\\&|A\rQPD|1\r"));
        assert!(of("MSH|^~\\&|A\rQPD|1\r"));
    }
}
