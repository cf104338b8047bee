//! Moments on pages: as clocks in California show them, with the exact moment for machines beside it.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::domain::Timestamp;

/// A moment for people, or what is said when there was none.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    at: Option<Timestamp>,
    never: &'static str,
}

/// A moment for people.
pub(super) const fn moment(at: Timestamp) -> Moment {
    Moment { at: Some(at), never: "" }
}

/// A moment for people, or that there was none.
pub(super) const fn moment_or(at: Option<Timestamp>, never: &'static str) -> Moment {
    Moment { at, never }
}

/// An HTML element; its text holds nothing that would have to be escaped.
impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "<time datetime=\"{at}\">{}</time>", at.pacific_text()),
            None => f.write_str(self.never),
        }
    }
}
