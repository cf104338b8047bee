//! The way of a Site to production, as one machine: what may happen to it, and where that leads.
//!
//! Source: domain notes 5.2. Every path that is not declared in [`SiteStatus::after`] is refused.

use serde::Serialize;

use crate::domain::{AccountId, Refusal, SiteId, SiteStatus, Timestamp, words};

words! {
    /// What happens to a Site on its way.
    StageEvent {
        /// It was registered and its e-mail address verified.
        Registered = "registered",
        /// Its first authenticated message came.
        FirstMessage = "first-message",
        /// Its test messages meet the criteria.
        CriteriaMet = "criteria-met",
        /// Staff began the review with real data.
        Invited = "invited",
        /// Staff ended the review without success: it goes on testing.
        SentBack = "sent-back",
        /// Two of the staff agreed: it may send to production.
        Approved = "approved",
        /// Staff stopped it.
        Suspended = "suspended",
        /// Staff let it go on where it was stopped.
        Reinstated = "reinstated",
        /// It is closed for now, at its own wish or by staff; its credentials are revoked.
        Closed = "closed",
        /// It begins anew after it was closed.
        Reopened = "reopened",
        /// It is closed for good; its credentials are revoked.
        Withdrawn = "withdrawn",
    }
}

impl StageEvent {
    /// Whether the Site's credentials end with it.
    pub const fn ends_credentials(self) -> bool {
        matches!(self, Self::Closed | Self::Withdrawn)
    }

    /// Whether only the service itself brings it about.
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::Registered | Self::FirstMessage | Self::CriteriaMet)
    }

    /// What staff do, as a sentence begins.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Registered => "Registered",
            Self::FirstMessage => "First test message received",
            Self::CriteriaMet => "Test messages meet the criteria",
            Self::Invited => "Review with real data begun",
            Self::SentBack => "Sent back to testing",
            Self::Approved => "Approved for production",
            Self::Suspended => "Suspended",
            Self::Reinstated => "Reinstated",
            Self::Closed => "Closed for now",
            Self::Reopened => "Opened again",
            Self::Withdrawn => "Closed for good",
        }
    }
}

impl SiteStatus {
    /// Whether the Site is on its way or has arrived: neither stopped nor closed.
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Registered
                | Self::Testing
                | Self::Validated
                | Self::Onboarding
                | Self::Production
        )
    }

    /// The status after an event. `stopped_in` is where a suspended Site stood before.
    ///
    /// # Errors
    /// When the event cannot happen to a Site in this status.
    pub fn after(self, event: StageEvent, stopped_in: Option<Self>) -> Result<Self, Refusal> {
        use StageEvent as Event;
        Ok(match (self, event) {
            (Self::Registered, Event::FirstMessage)
            | (Self::Validated | Self::Onboarding, Event::SentBack) => Self::Testing,
            (Self::Testing, Event::CriteriaMet) => Self::Validated,
            (Self::Validated, Event::Invited) => Self::Onboarding,
            (Self::Onboarding, Event::Approved) => Self::Production,
            (now, Event::Suspended) if now.is_active() => Self::Suspended,
            (Self::Suspended, Event::Reinstated) => {
                stopped_in.filter(|before| before.is_active()).unwrap_or(Self::Registered)
            }
            (Self::Inactive, Event::Reopened) => Self::Registered,
            (now, Event::Closed) if now.is_active() || now == Self::Suspended => Self::Inactive,
            (now, Event::Withdrawn) if now != Self::Withdrawn => Self::Withdrawn,
            (Self::Withdrawn, _) => {
                return Err(Refusal(
                    "a withdrawn Site stays withdrawn; register it anew".to_owned(),
                ));
            }
            (now, event) => {
                return Err(Refusal(format!(
                    "\"{}\" is not possible: the Site is {now}",
                    event.told()
                )));
            }
        })
    }

    /// The events that staff may bring about in this status.
    pub fn staff_events(self) -> impl Iterator<Item = StageEvent> {
        StageEvent::ALL
            .iter()
            .copied()
            .filter(move |event| !event.is_automatic() && self.after(*event, None).is_ok())
    }
}

/// A step of a Site's way, as it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageChange {
    /// The Site.
    pub site: SiteId,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: StageEvent,
    /// Where it stood; none at its registration.
    pub from: Option<SiteStatus>,
    /// Where it stands since.
    pub to: SiteStatus,
    /// Who, as in the audit trail.
    pub actor: String,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
}

words! {
    /// What staff look at before they propose a Site for production. Source: domain notes 5.2, "signed checklist".
    ReviewItem {
        /// PD1-12 says what each patient decided, and is never a constant.
        Sharing = "pd1-12",
        /// The vaccines are those that such a practice gives.
        Vaccines = "vaccine-mix",
        /// Eligibility is told for each dose, and as the funding of the vaccine wants it.
        Eligibility = "eligibility",
        /// The doses of a sample are those of the Site's own records.
        Sample = "sample",
    }
}

impl ReviewItem {
    /// What is confirmed, for the checklist.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Sharing => {
                "PD1-12 carries what each patient decided about sharing: the Site confirmed it, and the window shows it"
            }
            Self::Vaccines => "The mix of vaccines (CVX) fits the practice",
            Self::Eligibility => {
                "Eligibility codes are sent for each new dose and fit the vaccine's funding"
            }
            Self::Sample => "A sample of doses was compared with the Site's own records",
        }
    }
}

/// An item of the checklist that somebody confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ReviewMark {
    /// Which.
    pub item: ReviewItem,
    /// Whose account.
    pub by: i64,
    /// When.
    pub at: Timestamp,
    /// What they saw.
    pub note: String,
}

/// The review of a Site with real data: its window, its checklist, and who agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteReview {
    /// The Site.
    pub site: SiteId,
    /// When the window began.
    pub opened_at: Timestamp,
    /// Who began it.
    pub opened_by: AccountId,
    /// What was confirmed.
    pub marks: Vec<ReviewMark>,
    /// Who proposed it for production, and when.
    pub proposed: Option<(AccountId, Timestamp)>,
    /// Why it was proposed, with criteria that are not met.
    pub proposal: Option<String>,
}

impl SiteReview {
    /// The items that nobody confirmed yet.
    pub fn open_items(&self) -> impl Iterator<Item = ReviewItem> + '_ {
        let is_open = |item: &ReviewItem| !self.marks.iter().any(|mark| mark.item == *item);
        ReviewItem::ALL.iter().copied().filter(is_open)
    }

    /// Whether `approver` may be the second who agrees: it is proposed, and by somebody else.
    ///
    /// # Errors
    /// Why not, in words for the person.
    pub fn may_be_approved_by(&self, approver: AccountId) -> Result<(), Refusal> {
        match &self.proposed {
            None => Err(Refusal("nobody has proposed this Site for production yet".to_owned())),
            Some((first, _)) if *first == approver => {
                Err(Refusal("you proposed this Site; somebody else has to approve it".to_owned()))
            }
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_event() -> impl Strategy<Value = StageEvent> {
        proptest::sample::select(StageEvent::ALL)
    }

    /// The table of domain notes 5.2, written down a second time: from, event, to.
    const DECLARED: &[(SiteStatus, StageEvent, SiteStatus)] = {
        use SiteStatus::{
            Inactive, Onboarding, Production, Registered, Suspended, Testing, Validated, Withdrawn,
        };
        use StageEvent as Event;
        &[
            (Registered, Event::FirstMessage, Testing),
            (Testing, Event::CriteriaMet, Validated),
            (Validated, Event::Invited, Onboarding),
            (Validated, Event::SentBack, Testing),
            (Onboarding, Event::SentBack, Testing),
            (Onboarding, Event::Approved, Production),
            (Registered, Event::Suspended, Suspended),
            (Testing, Event::Suspended, Suspended),
            (Validated, Event::Suspended, Suspended),
            (Onboarding, Event::Suspended, Suspended),
            (Production, Event::Suspended, Suspended),
            (Registered, Event::Closed, Inactive),
            (Testing, Event::Closed, Inactive),
            (Validated, Event::Closed, Inactive),
            (Onboarding, Event::Closed, Inactive),
            (Production, Event::Closed, Inactive),
            (Suspended, Event::Closed, Inactive),
            (Inactive, Event::Reopened, Registered),
            (Registered, Event::Withdrawn, Withdrawn),
            (Testing, Event::Withdrawn, Withdrawn),
            (Validated, Event::Withdrawn, Withdrawn),
            (Onboarding, Event::Withdrawn, Withdrawn),
            (Production, Event::Withdrawn, Withdrawn),
            (Suspended, Event::Withdrawn, Withdrawn),
            (Inactive, Event::Withdrawn, Withdrawn),
        ]
    };

    #[test]
    fn the_machine_is_the_declared_table_and_nothing_else() {
        for from in SiteStatus::ALL {
            for event in StageEvent::ALL {
                if *event == StageEvent::Reinstated {
                    continue; // below: it leads back
                }
                let declared = DECLARED.iter().find(|(f, e, _)| (f, e) == (from, event));
                let to = declared.map(|(_, _, to)| *to);
                assert_eq!(from.after(*event, None).ok(), to, "{from} {event}");
            }
        }
    }

    proptest! {
        /// However a Site is driven, it comes into production only out of a review, stays withdrawn, and is reinstated
        /// to where it was stopped.
        #[test]
        fn no_path_is_undeclared(events in proptest::collection::vec(any_event(), 0..60)) {
            let mut status = SiteStatus::Registered;
            let mut stopped_in = None;
            for event in events {
                let before = status;
                let Ok(next) = status.after(event, stopped_in) else { continue };
                prop_assert_ne!(before, SiteStatus::Withdrawn);
                prop_assert_ne!(before, next);
                if next == SiteStatus::Production {
                    let reviewed = before == SiteStatus::Onboarding && event == StageEvent::Approved;
                    let back = event == StageEvent::Reinstated && stopped_in == Some(SiteStatus::Production);
                    prop_assert!(reviewed || back);
                }
                if event == StageEvent::Reinstated {
                    prop_assert_eq!(before, SiteStatus::Suspended);
                    prop_assert_eq!(Some(next), stopped_in);
                }
                if next == SiteStatus::Suspended {
                    stopped_in = Some(before);
                }
                status = next;
            }
        }
    }

    #[test]
    fn nobody_approves_what_they_proposed() {
        let at = Timestamp::now();
        let mut review = SiteReview {
            site: "DE-000001".parse().unwrap(),
            opened_at: at,
            opened_by: AccountId(1),
            marks: vec![],
            proposed: None,
            proposal: None,
        };
        assert!(review.may_be_approved_by(AccountId(2)).is_err());
        review.proposed = Some((AccountId(2), at));
        assert!(review.may_be_approved_by(AccountId(2)).is_err());
        assert!(review.may_be_approved_by(AccountId(1)).is_ok());
        assert_eq!(review.open_items().count(), ReviewItem::ALL.len());
    }
}
