//! Words that staff begin a note with: data, so that they can be reviewed and changed in one place.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::{RequestKind, RequestStep};

/// Words to begin with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteTemplate {
    /// Its name in addresses.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// What is done with it; `note` for a note that only staff see.
    pub step: String,
    /// The kinds of requests that it fits.
    #[serde(rename = "for")]
    pub kinds: Vec<RequestKind>,
    /// The words.
    pub text: String,
}

#[derive(Deserialize)]
struct File {
    note: Vec<NoteTemplate>,
}

/// Every template of the data file; a test reads it, so that it is never empty.
pub static NOTE_TEMPLATES: LazyLock<Vec<NoteTemplate>> = LazyLock::new(|| {
    let read = toml::from_str::<File>(include_str!("../../schemas/notes.toml"));
    read.map_or_else(|_tested| vec![], |file| file.note)
});

impl NoteTemplate {
    /// The step that it is for; none: a note for staff.
    pub fn request_step(&self) -> Option<RequestStep> {
        self.step.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_read_and_fits_a_step() {
        assert!(NOTE_TEMPLATES.len() >= 8);
        for one in NOTE_TEMPLATES.iter() {
            let fits = one.step == "note" || one.request_step().is_some();
            assert!(fits && !one.kinds.is_empty() && !one.text.trim().is_empty(), "{}", one.name);
        }
    }
}
