//! Judging the messages of a file without sending them, and reporting what was found: as text for people ([`text()`]), as
//! JSON and JUnit for programs ([`record`], [`document`]). The messages are judged as the Gateway judges them, but for
//! three things: no Site and no route is asked for, replies and queries are judged by their profiles, and what follows a
//! header that the Gateway would not process is judged too, so that one run finds everything.

mod excerpt;
mod junit;
mod machine;
mod marked;
mod text;
mod totals;

use crate::domain::{Diagnostic, Environment, Timestamp, words};
use crate::hl7::{AckCode, Header, Message, MessageKind, ParseError, Part, Severity};
use crate::validation::{Policy, ProcessingRules, Validator, check_any_header};

pub use excerpt::{Excerpt, excerpt, plain, wrapped};
pub use junit::{Suite, case, document, xml};
pub use machine::{Record, record};
pub use marked::{MarkedPiece, MarkedSegment, marked};
pub use text::{TextStyle, closing, text};
pub use totals::{RuleCount, Totals};

/// How the messages of a run are judged.
pub struct Judge<'v> {
    /// The profiles and code tables.
    pub validator: &'v Validator,
    /// What findings weigh.
    pub policy: &'v Policy,
    /// The environment that the messages are meant for.
    pub environment: Environment,
    /// Which MSH-11 goes with it.
    pub processing: ProcessingRules,
    /// The moment by which dates are judged.
    pub now: Timestamp,
}

/// One message of a file with what was found.
///
/// Not `Debug`: it holds the message.
pub struct Judgement<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// The how-manieth message of the file, from 1.
    pub number: usize,
    /// Its bytes and its place in the file.
    pub part: Part<'a>,
    /// The message.
    pub message: Result<Message<'a>, ParseError>,
    /// What it is.
    pub kind: Option<MessageKind>,
    /// The profile that it was judged by.
    pub profile: Option<String>,
    /// The findings about the header, then those about the content in the order of the bytes.
    pub found: Vec<Diagnostic>,
    /// How many of them are about the header.
    pub of_header: usize,
    /// What would become of it.
    pub verdict: Verdict,
    /// What PD1-12 says, of an immunization update with a patient.
    pub sharing: Option<Sharing>,
}

impl Judge<'_> {
    /// Judges one message of a file.
    pub fn judge<'a>(&self, file: &'a str, number: usize, part: Part<'a>) -> Judgement<'a> {
        let mut judgement = Judgement {
            file,
            number,
            part,
            message: Message::parse(part.bytes),
            kind: None,
            profile: None,
            found: vec![],
            of_header: 0,
            verdict: Verdict::Unreadable,
            sharing: None,
        };
        let Ok(message) = &judgement.message else { return judgement };
        let header = Header::of(message);
        let mut found = check_any_header(message, &header, self.environment, &self.processing);
        judgement.of_header = found.len();
        found.extend(self.validator.check(message, &header, self.policy, self.now));
        Diagnostic::settle(&mut found);
        judgement.kind = header.kind();
        judgement.profile =
            self.validator.profile(message, &header).map(|profile| profile.name.to_string());
        judgement.verdict = Verdict::of(judgement.kind, &found);
        judgement.sharing = Sharing::of(judgement.kind, message);
        judgement.found = found;
        judgement
    }
}

impl<'a> Judgement<'a> {
    /// MSH-10 if it looks like an identifier and not like a name or a text.
    pub fn control_id(&self) -> Option<&'a str> {
        let message = self.message.as_ref().ok()?;
        let id = std::str::from_utf8(Header::of(message).control_id.text()?).ok()?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/+-".contains(&b);
        let looks_like_one = id.len() <= LONGEST_ID
            && id.bytes().all(plain)
            && id.bytes().any(|b| b.is_ascii_digit());
        looks_like_one.then_some(id)
    }

    /// The findings that the Gateway would tell: when it does not process a message, those about the header alone.
    pub fn told(&self) -> &[Diagnostic] {
        let all = self.found.as_slice();
        if self.verdict == Verdict::NotProcessed {
            all.get(..self.of_header).unwrap_or(all)
        } else {
            all
        }
    }

    /// How many findings are of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.found.iter().filter(|one| one.severity == severity).count()
    }

    /// Whether something is wrong that has to be mended.
    pub fn has_errors(&self) -> bool {
        self.verdict == Verdict::Unreadable || self.count(Severity::E) > 0
    }
}

/// The longest MSH-10 that is shown, in characters.
const LONGEST_ID: usize = 64;

words! {
    /// What would become of a message.
    Verdict {
        /// Accepted, and nothing was found but remarks: AA.
        Accepted = "accepted",
        /// Accepted, with warnings: AE.
        AcceptedWithWarnings = "accepted-with-warnings",
        /// Accepted, though errors were found or something of it is not stored: AE.
        AcceptedWithErrors = "accepted-with-errors",
        /// Not accepted because of its content: AE.
        NotAccepted = "not-accepted",
        /// Not processed: AR.
        NotProcessed = "not-processed",
        /// Too many segments to be read.
        Unreadable = "unreadable",
        /// A query or reply in which nothing was found but remarks.
        Good = "good",
        /// A query or reply with warnings.
        GoodWithWarnings = "good-with-warnings",
        /// A query or reply with errors.
        Faulty = "faulty",
    }
}

impl Verdict {
    fn of(kind: Option<MessageKind>, found: &[Diagnostic]) -> Self {
        let worst = found.iter().map(|one| one.severity).max().unwrap_or(Severity::I);
        if found.iter().any(Diagnostic::refuses) {
            return Self::NotProcessed;
        }
        let is_submission = matches!(kind, Some(MessageKind::VxuV04) | None);
        match (is_submission, worst) {
            (true, _) if found.iter().any(Diagnostic::stops) => Self::NotAccepted,
            (true, Severity::E) => Self::AcceptedWithErrors,
            (true, Severity::W) => Self::AcceptedWithWarnings,
            (true, Severity::I) => Self::Accepted,
            (false, Severity::E) => Self::Faulty,
            (false, Severity::W) => Self::GoodWithWarnings,
            (false, Severity::I) => Self::Good,
        }
    }

    /// MSA-1 of the Gateway's answer; none when it would be no ACK, or when there is nothing to answer.
    pub const fn acknowledgment(self) -> Option<AckCode> {
        match self {
            Self::Accepted => Some(AckCode::AA),
            Self::AcceptedWithWarnings | Self::AcceptedWithErrors | Self::NotAccepted => {
                Some(AckCode::AE)
            }
            Self::NotProcessed => Some(AckCode::AR),
            Self::Unreadable | Self::Good | Self::GoodWithWarnings | Self::Faulty => None,
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Accepted => "would be accepted (AA)",
            Self::AcceptedWithWarnings => "accepted with warnings (AE)",
            Self::AcceptedWithErrors => "accepted with errors (AE)",
            Self::NotAccepted => "not accepted (AE)",
            Self::NotProcessed => "not processed (AR)",
            Self::Unreadable => "cannot be read",
            Self::Good => "good; it holds nothing to store",
            Self::GoodWithWarnings => "has warnings; it holds nothing to store",
            Self::Faulty => "has errors; it holds nothing to store",
        }
    }
}

words! {
    /// What PD1-12 says of sharing a patient's record. Source: guide 1.5, PD1-12 (HL7 table 0136); CAIR practice.
    Sharing {
        /// Y: protect.
        Protected = "Y",
        /// N: sharing is allowed.
        Shared = "N",
        /// Nothing, or HL7 null.
        Unsaid = "empty",
        /// Another value.
        Unclear = "other",
    }
}

impl Sharing {
    fn of(kind: Option<MessageKind>, message: &Message<'_>) -> Option<Self> {
        if kind != Some(MessageKind::VxuV04) {
            return None;
        }
        message.segment("PID")?;
        let value = message.segment("PD1").and_then(|pd1| pd1.field(12).value().text());
        Some(match value {
            None => Self::Unsaid,
            Some(b"Y") => Self::Protected,
            Some(b"N") => Self::Shared,
            Some(_) => Self::Unclear,
        })
    }

    /// What it means, in plain words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Protected => {
                "PD1-12 is Y: this message says that other providers may NOT see the record; it is protected."
            }
            Self::Shared => {
                "PD1-12 is N: this message says that other providers MAY see the record; it is not protected."
            }
            Self::Unsaid => {
                "PD1-12 is empty: this message does not say whether the record is protected, and CAIR reads that as: \
                 other providers MAY see the record."
            }
            Self::Unclear => {
                "PD1-12 is neither Y nor N: nobody can tell whether other providers may see the record."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharing(hl7: &str) -> Option<Sharing> {
        let message = Message::parse(hl7.as_bytes()).unwrap();
        Sharing::of(Header::of(&message).kind(), &message)
    }

    #[test]
    fn pd1_12_is_put_in_words_for_every_update_with_a_patient() {
        let vxu = |rest: &str| format!("MSH|^~\\&|||||||VXU^V04|1|T|2.5.1\r{rest}");
        assert_eq!(sharing(&vxu("PID|1\rPD1||||||||||||N")), Some(Sharing::Shared));
        assert_eq!(sharing(&vxu("PID|1\rPD1||||||||||||Y")), Some(Sharing::Protected));
        assert_eq!(sharing(&vxu("PID|1\rPD1||||||||||||")), Some(Sharing::Unsaid));
        assert_eq!(sharing(&vxu("PID|1\rPD1||||||||||||\"\"")), Some(Sharing::Unsaid));
        assert_eq!(sharing(&vxu("PID|1")), Some(Sharing::Unsaid));
        assert_eq!(sharing(&vxu("PID|1\rPD1||||||||||||yes")), Some(Sharing::Unclear));
        assert_eq!(sharing(&vxu("PD1||||||||||||N")), None);
        assert_eq!(sharing("MSH|^~\\&|||||||QBP^Q11|1|T|2.5.1\rPID|1"), None);
    }

    #[test]
    fn msh_10_is_shown_when_it_looks_like_an_identifier() {
        let id = |id: &str| {
            let hl7 = format!("MSH|^~\\&|||||||VXU^V04|{id}|T|2.5.1");
            let part = Part { bytes: hl7.as_bytes(), offset: 0, line: 1 };
            let judgement = Judgement {
                file: "",
                number: 1,
                part,
                message: Message::parse(part.bytes),
                kind: None,
                profile: None,
                found: vec![],
                of_header: 0,
                verdict: Verdict::Accepted,
                sharing: None,
            };
            judgement.control_id().map(str::to_owned)
        };
        assert_eq!(id("cTA-K.01.02").as_deref(), Some("cTA-K.01.02"));
        assert_eq!(id("SAMPLEPERSON"), None);
        assert_eq!(id("1 Sampleperson"), None);
        assert_eq!(id(&"1".repeat(65)), None);
        assert_eq!(id(""), None);
    }
}
