//! What waits for staff: a registration to be looked at, an enrolment or a change to be decided.

use serde::Serialize;

use crate::domain::form::Answers;
use crate::domain::{
    AccountId, EmailAddress, OrganizationId, Permission, Refusal, RegionCode, RequestId, Scope,
    SiteId, Timestamp, words,
};

words! {
    /// What is asked of staff.
    RequestKind {
        /// To look at a Site that registered itself.
        Registration = "registration",
        /// To let an organization enroll. Source: seed 003.
        Enrolment = "enrolment",
        /// To change what an organization or a Site cannot change alone.
        Update = "update",
    }
}

impl RequestKind {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registration => "Registration",
            Self::Enrolment => "Enrollment",
            Self::Update => "Update",
        }
    }

    /// What lets staff see and decide it.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Registration => Permission::DecideRegistration,
            Self::Enrolment => Permission::DecideEnrolment,
            Self::Update => Permission::DecideUpdate,
        }
    }
}

words! {
    /// Where a request stands.
    RequestState {
        /// Staff have not decided yet.
        Pending = "pending",
        /// Staff asked something and wait for the answer.
        Asked = "asked",
        /// Staff agreed; what was asked for is done.
        Approved = "approved",
        /// Staff did not agree.
        Declined = "declined",
        /// Whoever asked took it back.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// What can be done with a request.
    RequestStep {
        /// The applicant answers a question.
        Answer = "answer",
        /// Staff agree.
        Approve = "approve",
        /// Staff ask something.
        Ask = "ask",
        /// Staff do not agree.
        Decline = "decline",
        /// The applicant takes it back.
        Withdraw = "withdraw",
    }
}

impl RequestState {
    /// The states in which something is still to be decided.
    pub const OPEN: [Self; 2] = [Self::Pending, Self::Asked];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Waiting",
            Self::Asked => "Question asked",
            Self::Approved => "Approved",
            Self::Declined => "Declined",
            Self::Withdrawn => "Withdrawn",
        }
    }

    /// Whether it is still to be decided.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Asked)
    }

    /// The state after a step.
    ///
    /// # Errors
    /// When this state does not permit the step: what is decided stays decided.
    pub fn after(self, step: RequestStep) -> Result<Self, Refusal> {
        match (self, step) {
            (Self::Pending | Self::Asked, RequestStep::Approve) => Ok(Self::Approved),
            (Self::Pending | Self::Asked, RequestStep::Decline) => Ok(Self::Declined),
            (Self::Pending | Self::Asked, RequestStep::Withdraw) => Ok(Self::Withdrawn),
            (Self::Pending | Self::Asked, RequestStep::Ask) => Ok(Self::Asked),
            (Self::Asked, RequestStep::Answer) => Ok(Self::Pending),
            (state, step) => Err(Refusal(format!("the request is {state}; no {step} is open"))),
        }
    }
}

words! {
    /// What a line of the history of a request is.
    RequestNoteKind {
        /// For staff only.
        Note = "note",
        /// What staff asked the applicant.
        Question = "question",
        /// What the applicant answered.
        Answer = "answer",
        /// What staff decided, with the words for the applicant.
        Decision = "decision",
    }
}

impl RequestNoteKind {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "Note for staff",
            Self::Question => "Question",
            Self::Answer => "Answer",
            Self::Decision => "Decision",
        }
    }
}

/// A line of the history of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestNote {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: RequestNoteKind,
    /// Who wrote it, by name.
    pub author: String,
    /// What was written.
    pub text: String,
}

/// A request as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
    /// What it is about in one line, such as the name of the organization.
    pub title: String,
    /// The region whose staff decide; none: those of all regions.
    pub region: Option<RegionCode>,
    /// The organization it is about; an enrolment has none before it is approved.
    pub organization: Option<OrganizationId>,
    /// The Site it is about.
    pub site: Option<SiteId>,
    /// Who asked, when signed in.
    pub requested_by: Option<AccountId>,
    /// Where news of it goes.
    pub email: EmailAddress,
    /// What was asked for: the answers of a form, or the values that are to hold.
    pub answers: Answers,
    /// What held when it was asked for, of the same names.
    pub before: Option<Answers>,
    /// What staff should look at, a sentence each.
    pub flags: Vec<String>,
    /// When it was asked for.
    pub submitted_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Who decided.
    pub decided_by: Option<AccountId>,
}

/// Names the Site in the answers of a claim; no update has an answer of this name.
pub const CLAIMED_SITE: &str = "claimed_site";

impl Request {
    /// Whether somebody says that a Site is theirs: an update of who represents it, and of nothing else.
    pub fn is_claim(&self) -> bool {
        self.kind == RequestKind::Update && self.answers.has(CLAIMED_SITE)
    }
}

/// Which requests somebody may see: of each kind those of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestViews(pub Vec<(RequestKind, Scope)>);

impl RequestViews {
    /// Those of all kinds everywhere.
    pub fn all() -> Self {
        Self(RequestKind::ALL.iter().map(|kind| (*kind, Scope::All)).collect())
    }

    /// The scope of one kind.
    pub fn of(&self, kind: RequestKind) -> &Scope {
        self.0.iter().find(|(one, _)| *one == kind).map_or(&Scope::Nowhere, |(_, scope)| scope)
    }

    /// Whether a request of this kind and region is among them.
    pub fn cover(&self, kind: RequestKind, region: Option<RegionCode>) -> bool {
        self.of(kind).covers(region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_stays_decided() {
        for state in [RequestState::Approved, RequestState::Declined, RequestState::Withdrawn] {
            for step in RequestStep::ALL {
                assert!(state.after(*step).is_err(), "{state} {step}");
            }
        }
        assert_eq!(RequestState::Pending.after(RequestStep::Ask), Ok(RequestState::Asked));
        assert_eq!(RequestState::Asked.after(RequestStep::Answer), Ok(RequestState::Pending));
        assert!(RequestState::Pending.after(RequestStep::Answer).is_err(), "nothing was asked");
        assert_eq!(RequestState::Asked.after(RequestStep::Approve), Ok(RequestState::Approved));
    }

    #[test]
    fn what_is_not_in_view_is_not_there() {
        let here: Option<RegionCode> = "CAIRBA".parse().ok();
        let there: Option<RegionCode> = "CAIRLO".parse().ok();
        let views = RequestViews(vec![(
            RequestKind::Enrolment,
            Scope::Regions(here.into_iter().collect()),
        )]);

        assert!(views.cover(RequestKind::Enrolment, here));
        assert!(!views.cover(RequestKind::Enrolment, there));
        assert!(!views.cover(RequestKind::Enrolment, None));
        assert!(!views.cover(RequestKind::Update, here));
        assert!(RequestViews::all().cover(RequestKind::Update, None));
    }
}
