//! A letter as a message of the Internet (RFC 5322), by typed headers only: no text can become another header.

use std::time::SystemTime;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::mail::{NotSent, Outgoing};

/// The message for one letter.
///
/// # Errors
/// When its address is none to the mail library.
pub(super) fn message(
    from: &Mailbox,
    reply_to: Option<&Mailbox>,
    letter: &Outgoing<'_>,
) -> Result<Message, NotSent> {
    let never = |what: &str| NotSent::Never(what.to_owned());
    let to: Address =
        letter.to.as_str().parse().map_err(|_wrong| never("its address cannot be written to"))?;
    // The same in every attempt, so that a mailbox that gets a letter twice can tell.
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    let mut message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(letter.subject)
        .date(SystemTime::from(letter.now.utc()))
        .message_id(Some(id))
        .header(AutoSubmitted);
    if let Some(reply_to) = reply_to {
        message = message.reply_to(reply_to.clone());
    }
    let parts = MultiPart::alternative_plain_html(letter.text.to_owned(), letter.html.to_owned());
    message.multipart(parts).map_err(|_incomplete| never("it could not be written"))
}

/// Asks other machines not to answer. Source: RFC 3834, 5.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MessageId, Timestamp};

    fn formatted(subject: &str) -> String {
        let letter = Outgoing {
            id: MessageId::first_at(Timestamp::now()),
            to: &"rosa@example.org".parse().unwrap(),
            subject,
            text: "Hello María,\n\n.\nhttps://iz.example.gov/verify/x\n",
            html: "<p>Hello María</p>",
            now: Timestamp::now(),
        };
        let from: Mailbox = "IZ Portal <iz@example.gov>".parse().unwrap();
        let reply_to: Mailbox = "help@example.gov".parse().unwrap();
        let message = message(&from, Some(&reply_to), &letter).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn a_letter_has_its_headers_and_both_parts() {
        let text = formatted("Confirm your address");
        for header in [
            "From: \"IZ Portal\" <iz@example.gov>\r\n",
            "To: rosa@example.org\r\n",
            "Reply-To: help@example.gov\r\n",
            "Subject: Confirm your address\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "@example.gov>\r\n",
            "Date: ",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
        ] {
            assert!(text.contains(header), "{header}: {text}");
        }
    }

    #[test]
    fn no_subject_becomes_another_header() {
        for evil in [
            "a\r\nBcc: b@example.org",
            "a\nBcc: b@example.org",
            "a\rBcc: b@example.org",
            "é\r\nBcc: b@example.org",
        ] {
            let text = formatted(evil);
            let (headers, _) = text.split_once("\r\n\r\n").unwrap();
            let names: Vec<_> =
                headers.split(['\r', '\n']).filter(|line| line.starts_with("Bcc")).collect();
            assert!(names.is_empty(), "{headers}");
        }
    }
}
