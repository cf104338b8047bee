//! What became of a message, and what an answer says of it.

use crate::backends::RegistryReply;
use crate::domain::words;
use crate::hl7::{Message, Segment};

words! {
    /// What became of a message.
    State {
        /// AA: taken, and nothing was found.
        Accepted = "accepted",
        /// AE without an error: taken, and something was found.
        Warned = "accepted-with-warnings",
        /// AE with an error, or AR: its sender must look at it.
        Refused = "refused",
        /// Not sent, because our own check found errors.
        Invalid = "invalid",
        /// It cannot be sent, or is not taken, whatever it says: not text, too long.
        Unsendable = "unsendable",
        /// It was sent, perhaps whole, and no answer to it was read.
        Ambiguous = "ambiguous",
        /// It is known that nobody has it: it is sent by the next run.
        Waiting = "waiting",
    }
}

impl State {
    /// Whether its sender must do something about the message itself.
    pub const fn is_problem(self) -> bool {
        matches!(self, Self::Refused | Self::Invalid | Self::Unsendable)
    }

    /// Whether the message was taken.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Accepted | Self::Warned)
    }
}

/// What an answer says.
pub(super) struct Told {
    pub(super) state: State,
    /// MSA-1.
    pub(super) code: String,
    /// Each error as its code, severity and place: words of tables, never text of the other side.
    pub(super) errors: Vec<String>,
}

impl Told {
    pub(super) fn of(reply: &RegistryReply) -> Self {
        let state = match (reply.taken, reply.ack_code.as_str()) {
            (true, "AA") => State::Accepted,
            (true, _) => State::Warned,
            (false, _) => State::Refused,
        };
        Self { state, code: reply.ack_code.clone(), errors: errors(&reply.text) }
    }
}

/// Most errors of one answer that are kept.
const MOST_ERRORS: usize = 10;

/// The errors and warnings of an acknowledgement; remarks are none.
fn errors(text: &str) -> Vec<String> {
    let Ok(message) = Message::parse(text.as_bytes()) else { return vec![] };
    let is_error =
        |error: &Segment<'_, '_>| error.field(4).component(1).bytes().trim_ascii() != b"I";
    message
        .segments_named("ERR")
        .filter(is_error)
        .take(MOST_ERRORS)
        .map(|error| {
            let word = |field: usize, component: usize| {
                error.field(field).component(component).bytes().trim_ascii()
            };
            let code = if word(3, 1).is_empty() { word(5, 1) } else { word(3, 1) };
            let place = [word(2, 1), word(2, 3), word(2, 5)].map(plain).to_vec();
            let place: Vec<String> = place.into_iter().filter(|part| !part.is_empty()).collect();
            let parts = [plain(code), plain(word(4, 1)), place.join("-")];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            if parts.is_empty() { "without a code".to_owned() } else { parts.join(" ") }
        })
        .collect()
}

/// A word of a table; nothing where it is something else.
fn plain(word: &[u8]) -> String {
    let is_one = word.len() <= 20 && word.iter().all(u8::is_ascii_alphanumeric);
    if is_one { String::from_utf8_lossy(word).into_owned() } else { String::new() }
}

/// A text of somebody else as people may see it: without what terminals and spreadsheets would obey.
pub(super) fn harmless(text: &str) -> String {
    let shown = |one: char| {
        // Marks of direction turn what stands behind them around.
        let turns = matches!(one, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if one.is_control() || turns { ' ' } else { one }
    };
    text.chars().map(shown).collect()
}

/// The texts of the errors of an answer, for the person who may read the message, too.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let Ok(message) = Message::parse(text.as_bytes()) else { return vec![] };
    message
        .segments_named("ERR")
        .map(|error| harmless(&String::from_utf8_lossy(error.bytes())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: &str, taken: bool, errors: &str) -> RegistryReply {
        let text = format!("MSH|^~\\&|IIS\rMSA|{code}|1\r{errors}");
        RegistryReply { text, ack_code: code.to_owned(), taken }
    }

    #[test]
    fn an_answer_is_one_of_three_states() {
        assert_eq!(Told::of(&reply("AA", true, "")).state, State::Accepted);
        assert_eq!(Told::of(&reply("AE", true, "ERR||||W\r")).state, State::Warned);
        assert_eq!(Told::of(&reply("AE", false, "ERR||||E\r")).state, State::Refused);
        assert_eq!(Told::of(&reply("AR", false, "")).state, State::Refused);
    }

    #[test]
    fn errors_are_told_by_words_of_tables_alone() {
        let errors = "ERR||PID^1^5^1^1|101^Required field missing^HL70357|E||||Sampleperson\r\
                      ERR||RXA^1^5|Sample Person^x|W\rERR||||I||||remark\rERR|PID\r";
        let told = Told::of(&reply("AE", false, errors));
        assert_eq!(told.errors, ["101 E PID-5-1", "W RXA-5", "without a code"]);
    }

    #[test]
    fn a_hostile_text_moves_no_cursor() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}c\r\n"), "a [2Jb c  ");
    }
}
