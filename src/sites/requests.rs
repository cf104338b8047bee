//! Requests: what staff do with them, and what applicants answer.

use std::time::Duration;

use crate::domain::{
    By, OneTimeToken, Request, RequestId, RequestKind, RequestNoteKind, RequestStep, Timestamp,
};
use crate::mail::{Composition, compose};
use crate::sites::{Browser, Sites, Staff};
use crate::store::{Deed, Enrolled, NewNote, StoreError};

/// How long a link to answer a question is good.
const ANSWER_WITHIN: Duration = Duration::from_hours(24 * 30);

/// Characters of a note.
const LONGEST_NOTE: usize = 2_000;

/// Why something was not done with a request.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Nothing was written.
    #[error("the note is empty")]
    Empty,
    /// It could not be done.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much was written.
    #[error("the note is too long")]
    TooLong,
}

impl NoteError {
    /// What whoever wrote it is told.
    pub const fn told(&self) -> &'static str {
        match self {
            Self::Empty => "Write your question or your reason",
            Self::TooLong => "Write 2,000 characters or fewer",
            Self::Store(_) => "It could not be kept",
        }
    }
}

/// What a decision has made.
#[derive(Debug)]
pub enum Decided {
    /// An organization, with its Provider ID and accounts.
    Enrolled(Enrolled),
    /// What the request asked for, or nothing.
    Done,
}

/// What was written, without what does not belong into a text.
pub(super) fn written(text: &str) -> Result<String, NoteError> {
    let text = text.trim().replace("\r\n", "\n");
    match text.chars().count() {
        0 => Err(NoteError::Empty),
        count if count > LONGEST_NOTE => Err(NoteError::TooLong),
        _ => Ok(text.chars().filter(|one| !one.is_control() || *one == '\n').collect()),
    }
}

impl Sites {
    /// Adds a note for staff.
    pub async fn request_note(
        &self,
        staff: &Staff,
        id: RequestId,
        text: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let note = note(staff, RequestNoteKind::Note, written(text)?);
        let deed = staff.by(browser).into();
        Ok(self.store.request_note_add(id, staff.views(), note, deed).await?)
    }

    /// Asks the applicant something; the letter has the link to answer by.
    pub async fn request_ask(
        &self,
        staff: &Staff,
        id: RequestId,
        text: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let text = written(text)?;
        let held = self.store.request_by_id(id, staff.views()).await?;
        let (token, link) = self.new_link_for(ANSWER_WITHIN)?;
        let letter = compose("request-question", "A question about your request to CAIR")
            .paragraph(format!("We have a question about this request: {}.", held.title))
            .list(text.lines())
            .link("Answer the question", self.url(&format!("/requests/{}", token.reveal())))
            .paragraph("The link is good for 30 days. The request waits until you answer.");
        let deed = self.told(letter, &held, staff.by(browser));
        let note = (note(staff, RequestNoteKind::Question, text), staff.id());
        self.store.request_ask(id, staff.views(), note, link, deed).await?;
        Ok(())
    }

    /// Approves a request: what it asks for is done, and the applicant is told.
    pub async fn request_approve(
        &self,
        staff: &Staff,
        id: RequestId,
        text: &str,
        browser: &Browser,
    ) -> Result<Decided, NoteError> {
        let text = if text.trim().is_empty() { "Approved.".to_owned() } else { written(text)? };
        let held = self.store.request_by_id(id, staff.views()).await?;
        let note = note(staff, RequestNoteKind::Decision, text);
        let by = staff.by(browser);
        match held.kind {
            RequestKind::Enrolment => {
                Ok(Decided::Enrolled(self.enrolment_approve(staff, &held, note, by).await?))
            }
            RequestKind::Update if held.is_claim() => {
                self.claim_approve(staff, &held, note, by).await?;
                Ok(Decided::Done)
            }
            RequestKind::Update => {
                let letter = compose("update-approved", "Your update was approved")
                    .paragraph(format!("What you asked for is done: {}.", held.title))
                    .list(note.text.lines());
                let deed = self.told(letter, &held, by);
                let noted = (note, staff.id());
                self.store.update_approve(id, staff.views(), noted, deed).await?;
                Ok(Decided::Done)
            }
            RequestKind::Registration => {
                let noted = (note, Some(staff.id()));
                let step = RequestStep::Approve;
                self.store.request_step(id, staff.views(), step, noted, by.into()).await?;
                Ok(Decided::Done)
            }
        }
    }

    /// Declines a request; the applicant is told why. A Site that registered itself is suspended.
    pub async fn request_decline(
        &self,
        staff: &Staff,
        id: RequestId,
        text: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let text = written(text)?;
        let held = self.store.request_by_id(id, staff.views()).await?;
        let (subject, what) = match held.kind {
            RequestKind::Enrolment => ("Your enrollment in CAIR was declined", "We cannot enroll"),
            RequestKind::Registration => (
                "Your registration was declined",
                "The Site is suspended and its credentials are revoked",
            ),
            RequestKind::Update if held.is_claim() => {
                ("Your claim of a Site was declined", "We cannot agree to what you wrote")
            }
            RequestKind::Update => ("Your update was declined", "We cannot do what you asked for"),
        };
        let letter = compose("request-declined", subject)
            .paragraph(format!("{what}: {}.", held.title))
            .list(text.lines())
            .paragraph("You may ask the help desk, and apply again.");
        let deed = self.told(letter, &held, staff.by(browser));
        let note = note(staff, RequestNoteKind::Decision, text);
        let views = staff.views();
        if held.kind == RequestKind::Registration {
            self.store.registration_decline(id, views, (note, staff.id()), deed).await?;
        } else {
            let noted = (note, Some(staff.id()));
            self.store.request_step(id, views, RequestStep::Decline, noted, deed).await?;
        }
        Ok(())
    }

    /// A letter to whoever asked.
    fn told(&self, letter: Composition, held: &Request, by: By) -> Deed {
        Deed::from(by).with(letter.to(held.email.clone(), &self.footer()))
    }

    /// The request whose question a link answers, with the question; nothing is used up.
    pub async fn request_question(
        &self,
        token: &OneTimeToken,
        now: Timestamp,
    ) -> Result<Option<(Request, String)>, StoreError> {
        let held = self.store.request_by_link(token.hash(&self.key), now).await?;
        let Some(held) = held else { return Ok(None) };
        let notes = self.store.request_notes(held.id).await?;
        let asked = notes.into_iter().rfind(|note| note.kind == RequestNoteKind::Question);
        Ok(asked.map(|note| (held, note.text)))
    }

    /// Whether the question that a link stood for is answered by it.
    pub async fn request_is_answered_by(&self, token: &OneTimeToken) -> Result<bool, StoreError> {
        self.store.request_is_answered_by(token.hash(&self.key)).await
    }

    /// Answers a question of staff; false when the link is used or ended.
    pub async fn request_answer(
        &self,
        token: &OneTimeToken,
        text: &str,
        by: By,
    ) -> Result<bool, NoteError> {
        let text = written(text)?;
        let note = NewNote { kind: RequestNoteKind::Answer, author: "Applicant".to_owned(), text };
        Ok(self.store.request_answer(token.hash(&self.key), note, by.into()).await?)
    }
}

fn note(staff: &Staff, kind: RequestNoteKind, text: String) -> NewNote {
    NewNote { kind, author: staff.name(), text }
}
