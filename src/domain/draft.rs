//! A registration or an enrolment that is being filled in.

use crate::domain::form::{Answers, Form};
use crate::domain::questions::{ENROLMENT, REGISTRATION};
use crate::domain::{Timestamp, words};

words! {
    /// What is being filled in.
    DraftKind {
        /// An enrolment for access without an EHR. Source: seed 003.
        Enrolment = "enrolment",
        /// A registration for data exchange. Source: seed 000.
        Registration = "registration",
    }
}

words! {
    /// How far it is.
    DraftState {
        /// Being filled in.
        Open = "open",
        /// Sent off; the e-mail address waits to be confirmed.
        Submitted = "submitted",
        /// Confirmed; what it asked for has been made.
        Verified = "verified",
    }
}

impl DraftKind {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enrolment => "enrollment",
            Self::Registration => "registration",
        }
    }
}

/// What somebody has filled in so far.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its number.
    pub id: i64,
    /// What is being filled in.
    pub kind: DraftKind,
    /// How far it is.
    pub state: DraftState,
    /// What was answered.
    pub answers: Answers,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Draft {
    /// The page of the person whose address is to be confirmed.
    pub const fn contact_page(&self) -> &'static str {
        match self.kind {
            DraftKind::Enrolment => "primary-contact",
            DraftKind::Registration => "site-contact",
        }
    }

    /// An answer about the person whose address is to be confirmed, such as `email`.
    pub fn contact(&self, what: &str) -> &str {
        self.answers.get(&format!("{}_{what}", self.contact_page().replace('-', "_")))
    }

    /// The name of what it is about.
    pub fn name(&self) -> &str {
        match self.kind {
            DraftKind::Enrolment => self.answers.get("organization_name"),
            DraftKind::Registration => self.answers.get("site_name"),
        }
    }

    /// The questions of it.
    pub const fn form(&self) -> &'static Form {
        match self.kind {
            DraftKind::Enrolment => &ENROLMENT,
            DraftKind::Registration => &REGISTRATION,
        }
    }
}
