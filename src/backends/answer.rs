//! Reading what a registry answered: as tolerantly as the field demands, and nothing is passed on that is no answer to
//! this message.

use crate::backends::RegistryReply;
use crate::client::{CallError, Unreadable};
use crate::hl7::{Message, ParseError, Reply, ReplyError, Verdict, split};

/// An old system may cut MSH-10; so much of it must come back.
const LEAST_PREFIX: usize = 20;

/// The acknowledgement of the message `sent`.
pub(super) fn acknowledgement(answer: String, sent: &str) -> Result<RegistryReply, CallError> {
    let (text, reply) = one_message(answer)?;
    let reply = reply?;
    is_for(&reply, sent)?;
    let taken = !matches!(reply.verdict(), Verdict::Rejected);
    Ok(RegistryReply { ack_code: reply.code().code().to_owned(), taken, text })
}

/// The answer to the query `sent`; whoever asked judges it, unless it is for another message.
pub(super) fn response(answer: String, sent: &str) -> Result<String, CallError> {
    let (text, reply) = one_message(answer)?;
    if let Ok(reply) = reply {
        is_for(&reply, sent)?;
    }
    Ok(text)
}

/// An answer as far as it acknowledges something.
type Read = Result<Reply, CallError>;

fn read(message: &Message<'_>) -> Read {
    Reply::of(message).map_err(|error| {
        CallError::Unreadable(match error {
            ReplyError::NotHl7(_) => Unreadable::NotHl7,
            ReplyError::NoAcknowledgement | ReplyError::UnknownCode => {
                Unreadable::NotAcknowledgement
            }
        })
    })
}

/// An answer of exactly one message is passed on, without the batch around it that some registries put there; more than
/// one, or none, would break the sender's reader.
fn one_message(text: String) -> Result<(String, Read), CallError> {
    let no_text = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    if text.bytes().any(no_text) {
        return Err(CallError::Unreadable(Unreadable::ControlCharacters));
    }
    let parsed = Message::parse(text.as_bytes()).map(|message| read(&message));
    match parsed {
        Ok(reply) => Ok((text, reply)),
        Err(ParseError::SeveralMessages) => Err(CallError::Unreadable(Unreadable::SeveralMessages)),
        Err(ParseError::Batch) => alone_in_batch(&text),
        Err(_) if is_html(&text) => Err(CallError::Unreadable(Unreadable::Html)),
        Err(_) => Err(CallError::Unreadable(Unreadable::NotHl7)),
    }
}

fn alone_in_batch(text: &str) -> Result<(String, Read), CallError> {
    let mut parts = split(text.as_bytes()).flatten();
    let several = CallError::Unreadable(Unreadable::SeveralMessages);
    match (parts.next(), parts.next()) {
        (Some(part), None) => {
            let not_hl7 = || CallError::Unreadable(Unreadable::NotHl7);
            let alone = std::str::from_utf8(part.bytes).map_err(|_split| not_hl7())?;
            let message = Message::parse(alone.as_bytes()).map_err(|_error| not_hl7())?;
            Ok((alone.to_owned(), read(&message)))
        }
        (Some(_), Some(_)) => Err(several),
        _ => Err(CallError::Unreadable(Unreadable::NotHl7)),
    }
}

fn is_html(text: &str) -> bool {
    let start = text.trim_start_matches('\u{FEFF}').trim_start();
    let begins =
        |with: &str| start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    begins("<html") || begins("<!doctype html")
}

/// MSA-2 is our MSH-10, or nothing, or its beginning.
fn is_for(reply: &Reply, sent: &str) -> Result<(), CallError> {
    let said = reply.control_id().unwrap_or_default().trim();
    let ours = control_id(sent).unwrap_or_default();
    let is_cut = said.len() >= LEAST_PREFIX && ours.starts_with(said);
    if said.is_empty() || said == ours || is_cut {
        Ok(())
    } else {
        Err(CallError::Unreadable(Unreadable::OtherMessage))
    }
}

/// MSH-10 of a message; what stands behind its first segment is not looked at.
fn control_id(hl7: &str) -> Option<String> {
    let header = hl7.trim_start().split(['\r', '\n']).next()?;
    let message = Message::parse(header.as_bytes()).ok()?;
    let id = message.segment("MSH")?.field(10).value().text()?;
    Some(String::from_utf8_lossy(id).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str =
        "MSH|^~\\&|||||||VXU^V04^VXU_V04|CONTROL-ID-OF-THIRTY-LETTERS-1|P|2.5.1\rPID|1\r";
    const ID: &str = "CONTROL-ID-OF-THIRTY-LETTERS-1";

    fn answer(code: &str, id: &str) -> String {
        format!("MSH|^~\\&|IIS||||||ACK^V04^ACK|9|P|2.5.1\rMSA|{code}|{id}\r")
    }

    #[track_caller]
    fn is_unreadable(text: &str, as_what: Unreadable) {
        let error = acknowledgement(text.to_owned(), SENT).unwrap_err();
        assert_eq!(error, CallError::Unreadable(as_what), "{text:?}");
    }

    #[test]
    fn acknowledgement_codes_of_both_levels_and_of_any_case_are_read() {
        let cases = [
            ("AA", "AA", true),
            ("CA", "AA", true),
            ("aa", "AA", true),
            (" AA ", "AA", true),
            ("AE", "AE", false),
            ("CE", "AE", false),
            ("ar", "AR", false),
            ("CR", "AR", false),
        ];
        for (code, read, taken) in cases {
            let text = answer(code, ID);
            let reply = acknowledgement(text.clone(), SENT).unwrap();
            assert_eq!((reply.ack_code.as_str(), reply.taken), (read, taken), "{code}");
            assert_eq!(reply.text, text, "unchanged");
        }
        for code in ["", "OK", "AAA", "A"] {
            is_unreadable(&answer(code, ID), Unreadable::NotAcknowledgement);
        }
    }

    #[test]
    fn an_answer_for_another_message_is_none() {
        for id in [
            "",
            ID,
            " CONTROL-ID-OF-THIRTY-LETTERS-1 ",
            "CONTROL-ID-OF-THIRTY",
            "CONTROL-ID-OF-THIRTY-LETTERS-",
        ] {
            assert!(acknowledgement(answer("AA", id), SENT).is_ok(), "{id}");
            assert!(response(answer("AA", id), SENT).is_ok(), "{id}");
        }
        for id in ["OTHER", "CONTROL-ID-OF-THIRT", &format!("{ID}2"), &ID.to_lowercase()] {
            is_unreadable(&answer("AA", id), Unreadable::OtherMessage);
            let error = response(answer("AA", id), SENT).unwrap_err();
            assert_eq!(error, CallError::Unreadable(Unreadable::OtherMessage), "{id}");
        }
    }

    #[test]
    fn ugly_answers_are_answers() {
        for text in [
            answer("AA", ID).replace('\r', "\n"),
            answer("AA", ID).replace('\r', "\r\n"),
            format!("MSH|^~\\&|||||||ACK\rERR|PID^1^5\rMSA|AE|{ID}|\rMSA|AA|2\r"),
            format!("\u{FEFF}\r\n{}", answer("AA", ID)),
            format!("MSH|^~\\&|||||||RSP^K22\rMSA|AA|{ID}|\u{D1}and\u{FA}\r"),
        ] {
            let reply = acknowledgement(text.clone(), SENT).unwrap();
            assert_eq!(reply.text, text);
        }
        let alone = answer("AA", ID);
        let wrapped = format!("FHS|^~\\&|\rBHS|^~\\&|\r{alone}BTS|1\rFTS|1\r");
        assert_eq!(acknowledgement(wrapped, SENT).unwrap().text, alone, "without its batch");
    }

    #[test]
    fn what_is_not_one_message_is_no_answer() {
        let one = answer("AA", ID);
        is_unreadable(&format!("{one}{one}"), Unreadable::SeveralMessages);
        is_unreadable(&format!("BHS|^~\\&|\r{one}{one}BTS|2\r"), Unreadable::SeveralMessages);
        is_unreadable("BHS|^~\\&|\rBTS|0\r", Unreadable::NotHl7);
        is_unreadable("", Unreadable::NotHl7);
        is_unreadable("Message received. Thank you.", Unreadable::NotHl7);
        is_unreadable(" <!DOCTYPE html><html>MSA|AA", Unreadable::Html);
        is_unreadable("<HTML>", Unreadable::Html);
        is_unreadable("MSH|^~\\&|\rPID|1\r", Unreadable::NotAcknowledgement);
        for control in ["\0", "\u{1}", "\u{7}", "\u{8}", "\u{B}", "\u{1B}[2J", "\u{1C}"] {
            is_unreadable(&format!("{one}ZZZ|{control}\r"), Unreadable::ControlCharacters);
        }
    }
}
