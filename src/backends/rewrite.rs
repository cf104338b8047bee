//! Fields of the header that a registry wants to be otherwise than the sender wrote them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::client::CallError;
use crate::hl7::{Delimiters, Message};

/// What is put where, by the number of the field of MSH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite(BTreeMap<usize, String>);

/// A rewrite that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// Not one of the fields that may be rewritten.
    #[error("only MSH-3, MSH-4, MSH-5, MSH-6 and MSH-22 can be rewritten")]
    Field,
    /// A text that would be more than the field.
    #[error("must not hold | or control characters")]
    Text,
}

impl Rewrite {
    /// Adds a field by its name, such as `MSH-6`, and its text as HL7 has it with the usual delimiters.
    ///
    /// # Errors
    /// When this field is not rewritten, or the text does not fit into it.
    pub fn put(&mut self, field: &str, text: &str) -> Result<(), RewriteError> {
        let number = match field {
            "MSH-3" => 3,
            "MSH-4" => 4,
            "MSH-5" => 5,
            "MSH-6" => 6,
            "MSH-22" => 22,
            _ => return Err(RewriteError::Field),
        };
        if text.contains(|one: char| one == '|' || one.is_control()) {
            return Err(RewriteError::Text);
        }
        self.0.insert(number, text.to_owned());
        Ok(())
    }

    /// The message with these fields; nothing else in it changes.
    pub(super) fn apply<'a>(&self, hl7: &'a str) -> Result<Cow<'a, str>, CallError> {
        const FOREIGN: CallError =
            CallError::Unsendable("its header cannot be rewritten with the delimiters that it has");
        if self.0.is_empty() {
            return Ok(Cow::Borrowed(hl7));
        }
        let message = Message::parse(hl7.as_bytes()).map_err(|_error| FOREIGN)?;
        let span = message.segment("MSH").ok_or(FOREIGN)?.span();
        let delimiters = message.delimiters();
        let (before, rest) = hl7.split_at_checked(span.start).ok_or(FOREIGN)?;
        let (header, after) = rest.split_at_checked(span.len()).ok_or(FOREIGN)?;
        let mut fields: Vec<Cow<'_, str>> =
            header.split(char::from(delimiters.field)).map(Cow::Borrowed).collect();
        if fields.first().is_none_or(|name| name != "MSH") {
            return Err(FOREIGN);
        }
        for (number, text) in &self.0 {
            // MSH-1 is the first delimiter itself, so MSH-n stands behind n - 1 of them.
            let at = number - 1;
            if fields.len() <= at {
                fields.resize(at + 1, Cow::Borrowed(""));
            }
            let text = in_delimiters(text, delimiters).ok_or(FOREIGN)?;
            if let Some(field) = fields.get_mut(at) {
                *field = text;
            }
        }
        let mut separator = [0; 4];
        let header = fields.join(&*char::from(delimiters.field).encode_utf8(&mut separator));
        Ok(Cow::Owned([before, header.as_str(), after].concat()))
    }
}

/// A text with the usual delimiters, in those of the message; none when it would mean something else there.
fn in_delimiters(text: &str, of: Delimiters) -> Option<Cow<'_, str>> {
    const USUAL: Delimiters = Delimiters::STANDARD;
    if of.is_standard() {
        return Some(Cow::Borrowed(text));
    }
    let pairs = [
        (USUAL.component, of.component),
        (USUAL.repetition, of.repetition),
        (USUAL.escape, of.escape),
        (USUAL.subcomponent, of.subcomponent),
    ];
    let theirs = [of.field, of.component, of.repetition, of.escape, of.subcomponent];
    text.chars()
        .map(|one| {
            let byte = u8::try_from(one).ok();
            match pairs.iter().find(|(usual, _)| byte == Some(*usual)) {
                Some((_, theirs)) => Some(char::from(*theirs)),
                None if byte.is_some_and(|byte| theirs.contains(&byte)) => None,
                None => Some(one),
            }
        })
        .collect::<Option<String>>()
        .map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(fields: &[(&str, &str)]) -> Rewrite {
        let mut rewrite = Rewrite::default();
        for (field, text) in fields {
            rewrite.put(field, text).unwrap();
        }
        rewrite
    }

    #[test]
    fn without_a_rewrite_the_message_is_the_one_that_came() {
        let applied = Rewrite::default().apply("not even a message").unwrap();

        assert!(matches!(applied, Cow::Borrowed("not even a message")));
    }

    #[test]
    fn the_fields_are_put_and_every_other_byte_stays() {
        let message =
            "\r\n MSH|^~\\&|A^1|B|C|D|2026||VXU^V04|42|P|2.5.1   \r\nPID|1||B|MSH|\u{D1} \rMSHX\r";
        let rewrite = rewrite(&[("MSH-4", "GW^1.2.3^ISO"), ("MSH-6", ""), ("MSH-3", "\u{D1}")]);

        let applied = rewrite.apply(message).unwrap();

        assert_eq!(
            applied,
            "\r\n MSH|^~\\&|\u{D1}|GW^1.2.3^ISO|C||2026||VXU^V04|42|P|2.5.1   \r\nPID|1||B|MSH|\u{D1} \rMSHX\r"
        );
    }

    #[test]
    fn a_field_behind_the_last_is_reached() {
        let rewrite = rewrite(&[("MSH-22", "CLINIC")]);

        assert_eq!(
            rewrite.apply("MSH|^~\\&|A|B|C|D|2026||VXU|42|P|2.5.1\rPID|\r").unwrap(),
            "MSH|^~\\&|A|B|C|D|2026||VXU|42|P|2.5.1||||||||||CLINIC\rPID|\r"
        );
        assert_eq!(
            rewrite.apply("MSH|^~\\&||||||||||2.5.1||||||||||old|23\n").unwrap(),
            "MSH|^~\\&||||||||||2.5.1||||||||||CLINIC|23\n"
        );
    }

    #[test]
    fn the_delimiters_are_those_of_the_message() {
        let message = "MSH!@~\\&!A!B!C!D!2026\rPID!\r";

        let applied = rewrite(&[("MSH-4", "GW^1.2.3^ISO")]).apply(message).unwrap();
        let torn = rewrite(&[("MSH-4", "Hello!")]).apply(message);

        assert_eq!(applied, "MSH!@~\\&!A!GW@1.2.3@ISO!C!D!2026\rPID!\r");
        assert!(matches!(torn, Err(CallError::Unsendable(_))), "{torn:?}");
    }

    #[test]
    fn only_some_fields_take_only_text() {
        let mut rewrite = Rewrite::default();

        for field in ["MSH-1", "MSH-2", "MSH-7", "MSH-10", "PID-3", "msh-4", "MSH-04", ""] {
            assert!(matches!(rewrite.put(field, "x"), Err(RewriteError::Field)), "{field}");
        }
        for text in ["a|b", "a\rb", "a\nb", "a\0", "\u{85}"] {
            assert!(matches!(rewrite.put("MSH-3", text), Err(RewriteError::Text)), "{text:?}");
        }
    }
}
