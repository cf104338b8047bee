//! What goes with every change that a person makes: the event in the audit trail and the letters, in its transaction.

use crate::domain::{By, Letter, Timestamp};
use crate::store::audit::Auditor;
use crate::store::connection::DbConnection;
use crate::store::letter::{Postbox, Queued};
use crate::store::{Store, StoreError};

/// Who does something, from where and when, and the letters that go out with it.
#[derive(Debug, Clone)]
pub struct Deed {
    /// Who, from where and when.
    pub by: By,
    /// What is posted when it is done.
    pub letters: Vec<Letter>,
}

impl Deed {
    /// The same with another letter.
    #[must_use]
    pub fn with(mut self, letter: Letter) -> Self {
        self.letters.push(letter);
        self
    }
}

impl From<By> for Deed {
    fn from(by: By) -> Self {
        Self { by, letters: vec![] }
    }
}

/// A deed under way, on the writer's thread.
pub(super) struct Doing {
    auditor: Auditor,
    postbox: Postbox,
    letters: Vec<Letter>,
    pub(super) now: Timestamp,
}

impl Doing {
    /// Posts the letters and records the event: the last thing that a transaction does. Tells whether all letters were
    /// posted; an address may have had too many.
    pub(super) fn end(
        self,
        conn: &mut DbConnection,
        action: &'static str,
        object: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut all = true;
        for letter in &self.letters {
            all &= matches!(self.postbox.queue(conn, letter, self.now)?, Queued::Letter(_));
        }
        self.auditor.record(conn, action, object, before, after)?;
        Ok(all)
    }

    /// Adds letters that could be written only now.
    pub(super) fn add_letters(&mut self, letters: Vec<Letter>) {
        self.letters.extend(letters);
    }

    /// Takes the letters back: nothing is to be posted.
    pub(super) fn keep_letters(&mut self) {
        self.letters.clear();
    }
}

impl Store {
    /// Readies a deed for the writer's thread.
    pub(super) fn doing(&self, deed: Deed) -> Doing {
        let now = deed.by.at;
        Doing {
            auditor: self.auditor(deed.by),
            postbox: self.postbox(),
            letters: deed.letters,
            now,
        }
    }
}
