//! The way of a Site to production as its page shows it: the steps, what comes next and who does it, what is still missing.

use crate::domain::{
    Criterion, RECENT_TESTS, ReviewItem, Site, SiteKind, SiteReview, SiteStatus, StageChange,
    StageEvent,
};
use crate::portal::Visit;
use crate::portal::moment::{Moment, moment};
use crate::store::StoreError;

/// The steps in their order.
const STEPS: [(SiteStatus, &str); 5] = [
    (SiteStatus::Registered, "Registered"),
    (SiteStatus::Testing, "Testing"),
    (SiteStatus::Validated, "Test messages are good"),
    (SiteStatus::Onboarding, "Review by CDPH"),
    (SiteStatus::Production, "In production"),
];

/// A step: its name, and `done`, `current` or nothing.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
}

/// What comes next.
pub(super) struct Next {
    /// What is to be done, as a heading.
    pub(super) what: &'static str,
    /// More of it.
    pub(super) more: String,
    /// Who does it; none when nothing is to be done.
    pub(super) who: Option<&'static str>,
}

/// What is asked before the Site may go on.
pub(super) struct Checklist {
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) lines: Vec<Criterion>,
    /// What CDPH still looks at.
    pub(super) open: Vec<&'static str>,
}

impl Checklist {
    pub(super) fn met(&self) -> usize {
        self.lines.iter().filter(|line| line.met).count()
    }
}

/// A step that was taken.
pub(super) struct Taken {
    pub(super) at: Moment,
    pub(super) what: &'static str,
    pub(super) who: &'static str,
    pub(super) reason: Option<String>,
}

/// The way of a Site.
pub(super) struct Way {
    /// None are shown of a Site that is stopped or closed.
    pub(super) steps: Vec<Step>,
    pub(super) next: Next,
    pub(super) checklist: Option<Checklist>,
    /// The latest first.
    pub(super) history: Vec<Taken>,
}

const THE_SITE: &str = "You, the Site";
const THE_FACILITY: &str = "Your Sending Facility";
const CDPH: &str = "CDPH";

/// The way of a Site as it stands at this moment; `linked`: a Sending Facility has agreed to send for it.
pub(super) async fn way(visit: &Visit, site: &Site, linked: bool) -> Result<Way, StoreError> {
    let sites = &visit.portal().sites;
    let (store, criteria) = (sites.store(), sites.criteria());
    let id = || site.id.clone();
    let review = match site.status {
        SiteStatus::Onboarding => store.review_of(id()).await?,
        _ => None,
    };
    let checklist = match (site.status, &review) {
        (SiteStatus::Registered | SiteStatus::Testing, _) => {
            let (progress, recent) =
                (store.progress_of(id()).await?, store.recent_tests(id()).await?);
            Some(Checklist {
                title: "What test messages must show",
                text: format!(
                    "The Site moves to the next stage by itself when everything below is met. Shares are of its latest {RECENT_TESTS} test messages ({} so far).",
                    recent.messages
                ),
                lines: criteria.testing(&progress, &recent),
                open: vec![],
            })
        }
        (_, Some(review)) => {
            let window = store.window_tally(id(), review.opened_at).await?;
            Some(Checklist {
                title: "What the review looks at",
                text: format!(
                    "Messages since {}, when CDPH began the review.",
                    review.opened_at.pacific_text()
                ),
                lines: criteria.review(review.opened_at, visit.now, &window),
                open: review.open_items().map(ReviewItem::told).collect(),
            })
        }
        _ => None,
    };
    let history = store.stage_history(id()).await?;
    Ok(Way {
        steps: steps(site.status),
        next: next(site, linked, review.as_ref(), checklist.as_ref(), &history),
        checklist,
        history: history.into_iter().rev().map(taken).collect(),
    })
}

fn steps(status: SiteStatus) -> Vec<Step> {
    let Some(here) = STEPS.iter().position(|(one, _)| *one == status) else { return vec![] };
    let class = |place: usize| match place.cmp(&here) {
        std::cmp::Ordering::Less => "done",
        std::cmp::Ordering::Equal => "current",
        std::cmp::Ordering::Greater => "",
    };
    let step = |(place, (_, name)): (usize, &(SiteStatus, &'static str))| Step {
        name,
        class: class(place),
    };
    STEPS.iter().enumerate().map(step).collect()
}

fn taken(change: StageChange) -> Taken {
    let who = match change.event {
        event if event.is_automatic() => "",
        // By CDPH or at the wish of its own people: the reason says it.
        StageEvent::Closed | StageEvent::Withdrawn => "",
        _ if change.actor == "system" => "by the service",
        _ => "by CDPH",
    };
    Taken {
        at: moment(change.at),
        what: change.event.told(),
        who,
        reason: change.reason.filter(|reason| !reason.is_empty()),
    }
}

/// What comes next and who does it.
fn next(
    site: &Site,
    linked: bool,
    review: Option<&SiteReview>,
    checklist: Option<&Checklist>,
    history: &[StageChange],
) -> Next {
    let through = site.kind == SiteKind::ThroughFacility;
    let sender = if through { THE_FACILITY } else { THE_SITE };
    let told = |what, who, more: &str| Next { what, who, more: more.to_owned() };
    match site.status {
        SiteStatus::Registered | SiteStatus::Testing if through && !linked => told(
            "Your Sending Facility agrees to send for you",
            Some(THE_FACILITY),
            "It has an email with the request. Remind it, or name another Sending Facility.",
        ),
        SiteStatus::Registered => told(
            "Send the first test message",
            Some(sender),
            if through {
                "Your Sending Facility sends it with its own credential and your Site ID."
            } else {
                "Get the password of the test credential below, and send a message of an invented patient. Calls to copy are on a page of their own."
            },
        ),
        SiteStatus::Testing => told(
            "Mend what the answers say, and send again",
            Some(sender),
            "Each message below tells what was found in it, where, and how to mend it. The list says what is still missing.",
        ),
        SiteStatus::Validated => told(
            "CDPH begins the review with real data",
            Some(CDPH),
            "Your test messages are good. An onboarding specialist will write to you; until then nothing is to be done, and you may go on testing.",
        ),
        SiteStatus::Onboarding => in_review(sender, review, checklist),
        SiteStatus::Production => told(
            "Nothing is to be done",
            None,
            "Messages with the production credential go to the region's registry. The test credential goes on working for tests.",
        ),
        SiteStatus::Suspended => Next {
            what: "Talk to the help desk",
            who: Some(THE_SITE),
            more: match why(history, StageEvent::Suspended) {
                Some(reason) => format!("CDPH stopped the Site: {reason}"),
                None => "CDPH stopped the Site. Its messages are refused until CDPH lets it go on."
                    .to_owned(),
            },
        },
        SiteStatus::Inactive => told(
            "Nothing is to be done",
            None,
            "The Site is closed for now. The help desk can open it again.",
        ),
        SiteStatus::Withdrawn => told(
            "Nothing is to be done",
            None,
            "The Site is closed for good. Register it anew to send again.",
        ),
    }
}

fn in_review(
    sender: &'static str,
    review: Option<&SiteReview>,
    checklist: Option<&Checklist>,
) -> Next {
    if review.is_some_and(|review| review.proposed.is_some()) {
        return Next {
            what: "A second person at CDPH approves the Site",
            who: Some(CDPH),
            more:
                "It is proposed for production. The production credential comes with the approval."
                    .to_owned(),
        };
    }
    if checklist.is_some_and(|list| list.met() == list.lines.len()) {
        return Next {
            what: "CDPH ends the review",
            who: Some(CDPH),
            more: "Your messages show all that is asked. CDPH looks at the rest of the list."
                .to_owned(),
        };
    }
    Next {
        what: "Send messages with real data",
        who: Some(sender),
        more: "Send as you will in production, still with the test credential, until the list is complete. Answer what your onboarding specialist asks.".to_owned(),
    }
}

/// The reason of the latest event of a kind.
fn why(history: &[StageChange], event: StageEvent) -> Option<&str> {
    let last = history.iter().rev().find(|one| one.event == event)?;
    last.reason.as_deref().filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_before_are_done_and_a_stopped_site_has_none() {
        let classes: Vec<_> = steps(SiteStatus::Validated).iter().map(|step| step.class).collect();
        assert_eq!(classes, ["done", "done", "current", "", ""]);
        assert!(steps(SiteStatus::Suspended).is_empty());
    }

    #[test]
    fn every_stage_says_what_comes_next_and_who_does_it() {
        for status in SiteStatus::ALL {
            for kind in SiteKind::ALL {
                let site = Site {
                    id: "DE-000001".parse().unwrap(),
                    organization: crate::domain::OrganizationId(1),
                    name: "Larkspur".to_owned(),
                    kind: *kind,
                    clinical: true,
                    county: None,
                    region: None,
                    status: *status,
                    created_at: crate::domain::Timestamp::now(),
                    updated_at: crate::domain::Timestamp::now(),
                };
                let next = next(&site, false, None, None, &[]);
                assert!(!next.what.is_empty() && !next.more.is_empty());
                let waits = matches!(
                    status,
                    SiteStatus::Production | SiteStatus::Inactive | SiteStatus::Withdrawn
                );
                assert_eq!(next.who.is_none(), waits, "{status} {kind}");
            }
        }
    }
}
