//! The way of a Site into production, as staff go it with the Site: review, approval by two, and what stops or ends it.
//!
//! Every step is one transaction with its line in the history, its line in the trail, and the letters to the Site.

use crate::domain::{
    CREDENTIAL_PURPOSE, Criterion, EmailAddress, Letter, Permission, ReviewItem, ReviewMark, Role,
    SecretHash, Site, SiteId, SiteProgress, SiteReview, StageEvent, Tally,
};
use crate::mail::{Composition, compose};
use crate::sites::requests::written;
use crate::sites::{AccountError, Browser, Delegate, NoteError, Sites, Staff};
use crate::store::{Deed, StoreError};

/// The review of a Site with real data, as it stands.
#[derive(Debug, Clone)]
pub struct InReview {
    /// The review.
    pub review: SiteReview,
    /// What came in its window.
    pub window: Tally,
    /// What is asked of the window.
    pub criteria: Vec<Criterion>,
}

/// Where a Site stands on its way, for staff.
#[derive(Debug, Clone)]
pub struct StaffSite {
    /// The Site.
    pub site: Site,
    /// How its messages have gone.
    pub progress: SiteProgress,
    /// What is asked of its test messages.
    pub criteria: Vec<Criterion>,
    /// Its review, while there is one.
    pub review: Option<InReview>,
}

impl Sites {
    /// A Site of the regions where staff see messages, with how far it is.
    pub async fn staff_site(
        &self,
        staff: &Staff,
        id: SiteId,
        browser: &Browser,
    ) -> Result<StaffSite, StoreError> {
        let scope = staff.scope(Permission::ViewMessages);
        let site = self.store.site_in_view(id.clone(), scope).await?;
        let progress = self.store.progress_of(id.clone()).await?;
        let recent = self.store.recent_tests(id.clone()).await?;
        let criteria = self.settings.criteria.testing(&progress, &recent);
        let review = self.in_review(id, browser).await?;
        Ok(StaffSite { site, progress, criteria, review })
    }

    async fn in_review(
        &self,
        id: SiteId,
        browser: &Browser,
    ) -> Result<Option<InReview>, StoreError> {
        let Some(review) = self.store.review_of(id.clone()).await? else { return Ok(None) };
        let window = self.store.window_tally(id, review.opened_at).await?;
        let criteria = self.settings.criteria.review(review.opened_at, browser.now, &window);
        Ok(Some(InReview { review, window, criteria }))
    }

    /// The Site, when staff decide in its region.
    async fn site_to_decide(&self, staff: &Staff, id: SiteId) -> Result<Site, StoreError> {
        self.store.site_in_view(id, staff.scope(Permission::DecideRegistration)).await
    }

    /// Begins the review with real data.
    pub async fn site_invite(
        &self,
        staff: &Staff,
        id: SiteId,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let site = self.site_to_decide(staff, id.clone()).await?;
        let letters = self.stage_letters(&site, StageEvent::Invited, None).await?;
        let deed = Deed { by: staff.by(browser), letters };
        Ok(self.store.review_open(id, staff.id(), deed).await?)
    }

    /// Confirms an item of the checklist, with what was seen.
    pub async fn site_confirm(
        &self,
        staff: &Staff,
        (id, item): (SiteId, ReviewItem),
        note: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        self.site_to_decide(staff, id.clone()).await?;
        let (by, at, note) = (staff.id().0, browser.now, written(note)?);
        let mark = ReviewMark { item, by, at, note };
        Ok(self.store.review_mark(id, mark, staff.by(browser).into()).await?)
    }

    /// Proposes a Site for production. With criteria of the window that are not met it has to be said why.
    pub async fn site_propose(
        &self,
        staff: &Staff,
        id: SiteId,
        why: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        self.site_to_decide(staff, id.clone()).await?;
        let held = self.in_review(id.clone(), browser).await?;
        let is_short = held.is_some_and(|one| one.criteria.iter().any(|criterion| !criterion.met));
        let why = match why.trim() {
            "" if !is_short => None,
            _ => Some(written(why)?),
        };
        Ok(self.store.review_propose(id, staff.id(), why, staff.by(browser).into()).await?)
    }

    /// Takes a proposal back.
    pub async fn site_unpropose(
        &self,
        staff: &Staff,
        id: SiteId,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        self.site_to_decide(staff, id.clone()).await?;
        Ok(self.store.review_unpropose(id, staff.by(browser).into()).await?)
    }

    /// Approves what somebody else proposed: the Site may send to production with a credential of its own, whose secret
    /// nobody has seen.
    pub async fn site_approve(
        &self,
        staff: &Staff,
        id: SiteId,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let site = self.site_to_decide(staff, id.clone()).await?;
        let letters = self.stage_letters(&site, StageEvent::Approved, None).await?;
        let deed = Deed { by: staff.by(browser), letters };
        let credential = (format!("{id}-P"), self.unseen_secret()?);
        Ok(self.store.review_approve(id, staff.id(), credential, deed).await?)
    }

    /// Any other step that staff decide, with its reason: back to testing, suspended, reinstated, closed, opened again,
    /// closed for good.
    pub async fn site_decide(
        &self,
        staff: &Staff,
        (id, event): (SiteId, StageEvent),
        why: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let site = self.site_to_decide(staff, id.clone()).await?;
        let why = written(why)?;
        let letters = self.stage_letters(&site, event, Some(&why)).await?;
        let deed = Deed { by: staff.by(browser), letters };
        match event {
            StageEvent::Reinstated | StageEvent::Reopened => {
                let secret = self.unseen_secret()?;
                self.store.site_restart(id, event, why, secret, deed).await?;
            }
            StageEvent::Closed
            | StageEvent::SentBack
            | StageEvent::Suspended
            | StageEvent::Withdrawn => {
                self.store.site_step(id, event, Some(why), deed).await?;
            }
            // These have functions of their own, or nobody decides them.
            StageEvent::Approved
            | StageEvent::CriteriaMet
            | StageEvent::FirstMessage
            | StageEvent::Invited
            | StageEvent::Registered => {
                return Err(StoreError::NotFound(format!("step {event}")).into());
            }
        }
        Ok(())
    }

    /// Notes something for other staff.
    pub async fn site_note(
        &self,
        staff: &Staff,
        id: SiteId,
        text: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let scope = staff.scope(Permission::ViewMessages);
        self.store.site_in_view(id.clone(), scope).await?;
        let deed = staff.by(browser).into();
        Ok(self.store.site_note_add(id, staff.name(), written(text)?, deed).await?)
    }

    /// The organization's own people close a Site of theirs, for now or for good; its credentials end at once.
    pub async fn site_close_own(
        &self,
        member: &Delegate,
        (id, event): (SiteId, StageEvent),
        why: &str,
        browser: &Browser,
    ) -> Result<Result<(), NoteError>, AccountError> {
        let site = self.store.organization_site(member.organization(), id.clone()).await?;
        if !member.may(Permission::ManageSites) || !event.ends_credentials() {
            return Err(AccountError::Forbidden);
        }
        if !member.is_fresh(browser.now) {
            return Err(AccountError::StepUp);
        }
        let why = match written(why) {
            Ok(why) => why,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let letters = self.stage_letters(&site, event, Some(&why)).await?;
        let deed = Deed { by: member.by(browser), letters };
        self.store.site_step(id, event, Some(why), deed).await?;
        Ok(Ok(()))
    }

    /// The hash of a secret that is thrown away: a credential with it opens nothing until another one is shown.
    fn unseen_secret(&self) -> Result<SecretHash, StoreError> {
        Ok(self.key.hash(CREDENTIAL_PURPOSE, Self::new_secret()?.reveal()))
    }

    /// The letters of a step, to everybody at the Site whom it concerns: once to each address.
    async fn stage_letters(
        &self,
        site: &Site,
        event: StageEvent,
        why: Option<&str>,
    ) -> Result<Vec<Letter>, StoreError> {
        let Some(letter) = stage_letter(site, event, why) else { return Ok(vec![]) };
        let page = format!("/organization/{}/sites/{}", site.organization, site.id);
        let letter = letter.link("See where your Site stands", self.url(&page));
        let mut to: Vec<EmailAddress> = self.site_contacts(&site.id).await?;
        let roles = vec![Role::Representative, Role::DataExchange];
        to.extend(self.store.site_people(site.id.clone(), roles).await?);
        to.sort();
        to.dedup();
        Ok(to.into_iter().map(|to| letter.clone().to(to, &self.footer())).collect())
    }
}

/// Kind, subject and paragraphs of a letter.
type Words = (&'static str, &'static str, &'static [&'static str]);

/// Kind, subject and words of a step; none: it is told otherwise, or is nobody's news.
fn words(event: StageEvent) -> Option<Words> {
    Some(match event {
        StageEvent::Invited => (
            "review-begun",
            "The review with real data has begun",
            &[
                "Your test messages are good. CDPH looks at messages with real data now, before your Site goes into \
                 production.",
                "Send real messages with the test credential, as your EHR writes them every day. They reach the \
                 test registry of your region only. We compare them with what is asked, and tell you what is missing.",
            ],
        ),
        StageEvent::SentBack => (
            "review-ended",
            "Your Site goes on testing",
            &[
                "The review has ended without approval. Mend what is written below and send test messages again; the \
               review begins anew when they are good.",
            ],
        ),
        StageEvent::Approved => (
            "site-approved",
            "Your Site is approved for production",
            &[
                "Two members of our staff agreed: your Site may send to production. It has a credential for production, \
                 beside the one for tests.",
                "No email has its password. A representative of your organization signs in, opens the page of the Site, \
                 and lets it be shown there, once.",
                "Messages that are sent with the production credential go to the registry of your region. Use MSH-11 P \
                 with it. The test credential goes on working for tests.",
            ],
        ),
        StageEvent::Reinstated => (
            "site-reinstated",
            "Your Site may go on",
            &[
                "Your Site goes on where it was stopped. If its credentials were revoked it has a new one, whose password \
               is shown on the page of the Site.",
            ],
        ),
        StageEvent::Reopened => (
            "site-reopened",
            "Your Site is open again",
            &[
                "It begins anew with test messages. Its new test credential and the password are on the page of the Site.",
            ],
        ),
        StageEvent::Closed | StageEvent::Suspended | StageEvent::Withdrawn => stopped(event),
        StageEvent::CriteriaMet | StageEvent::FirstMessage | StageEvent::Registered => return None,
    })
}

/// The same of the steps that stop a Site.
const fn stopped(event: StageEvent) -> Words {
    match event {
        StageEvent::Suspended => (
            "site-suspended",
            "Your Site is suspended",
            &[
                "Messages of your Site are refused until CDPH lets it go on. Answer to what is written below.",
            ],
        ),
        StageEvent::Closed => (
            "site-closed",
            "Your Site is closed for now",
            &[
                "Its credentials are revoked: messages that are sent with them are refused. It can be opened again; ask \
               the help desk.",
            ],
        ),
        _ => (
            "site-withdrawn",
            "Your Site is closed for good",
            &[
                "Its credentials are revoked: messages that are sent with them are refused. To exchange data again, \
               register anew.",
            ],
        ),
    }
}

fn stage_letter(site: &Site, event: StageEvent, why: Option<&str>) -> Option<Composition> {
    let (kind, subject, paragraphs) = words(event)?;
    let mut letter = compose(kind, format!("{subject}: {}", site.id))
        .facts([("Site", site.name.as_str()), ("Site ID", site.id.as_str())]);
    for paragraph in paragraphs {
        letter = letter.paragraph(paragraph);
    }
    if let Some(why) = why {
        letter = letter.paragraph("The reason:").list(why.lines());
    }
    Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OrganizationId, SiteKind, SiteStatus, Timestamp};
    use crate::mail::Footer;

    fn site() -> Site {
        Site {
            id: "DE-000001".parse().unwrap(),
            organization: OrganizationId(1),
            name: "Harbor Street Pediatrics".to_owned(),
            kind: SiteKind::Direct,
            clinical: true,
            county: None,
            region: None,
            status: SiteStatus::Onboarding,
            created_at: Timestamp::now(),
            updated_at: Timestamp::now(),
        }
    }

    #[test]
    fn every_step_that_somebody_takes_has_its_letter() {
        for event in StageEvent::ALL {
            let letter = stage_letter(&site(), *event, None);
            assert_eq!(letter.is_some(), !event.is_automatic(), "{event}");
        }
    }

    /// The words of every step lie in `tests/it/snapshots/letters`; a file that is missing is written, and the test fails.
    #[test]
    fn the_letters_of_all_steps_are_as_somebody_read_them() {
        let footer =
            Footer { service: "IZ Portal".to_owned(), help_desk: "help@example.org".to_owned() };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/snapshots/letters");
        let mut new = vec![];
        for event in StageEvent::ALL {
            let Some(letter) = stage_letter(&site(), *event, Some("Call us.")) else { continue };
            let letter = letter
                .link("See where your Site stands", "https://iz/organization/1/sites/DE-000001")
                .to("rosa@example.org".parse().unwrap(), &footer);
            for (end, body) in [("txt", &letter.text), ("html", &letter.html)] {
                let shown = format!("Subject: {}\n\n{body}", letter.subject);
                let path = format!("{folder}/step-{event}.{end}");
                if let Ok(known) = std::fs::read_to_string(&path) {
                    assert_eq!(shown, known, "{path}");
                } else {
                    std::fs::write(&path, shown).unwrap();
                    new.push(path);
                }
            }
        }
        assert!(new.is_empty(), "these were not there, look at them: {new:?}");
    }

    #[test]
    fn the_letter_of_an_approval_says_where_the_password_is() {
        let footer =
            Footer { service: "IZ Portal".to_owned(), help_desk: "help@example.org".to_owned() };
        let letter = stage_letter(&site(), StageEvent::Approved, None)
            .unwrap()
            .link("See where your Site stands", "https://iz.example/organization/1/sites/DE-000001")
            .to("rosa@example.org".parse().unwrap(), &footer);
        assert_eq!(letter.subject, "Your Site is approved for production: DE-000001");
        assert_eq!(
            letter.text,
            "  Site: Harbor Street Pediatrics\n  Site ID: DE-000001\n\n\
             Two members of our staff agreed: your Site may send to production. It\n\
             has a credential for production, beside the one for tests.\n\n\
             No email has its password. A representative of your organization signs\n\
             in, opens the page of the Site, and lets it be shown there, once.\n\n\
             Messages that are sent with the production credential go to the registry\n\
             of your region. Use MSH-11 P with it. The test credential goes on\n\
             working for tests.\n\n\
             See where your Site stands:\nhttps://iz.example/organization/1/sites/DE-000001\n\n\
             -- \nIZ Portal\nQuestions? help@example.org\n"
        );
    }

    #[test]
    fn the_letter_of_a_suspension_has_the_reason_line_by_line() {
        let footer = Footer { service: "IZ Portal".to_owned(), help_desk: String::new() };
        let letter = stage_letter(&site(), StageEvent::Suspended, Some("First.\nSecond."))
            .unwrap()
            .to("rosa@example.org".parse().unwrap(), &footer);
        assert_eq!(
            letter.text,
            "  Site: Harbor Street Pediatrics\n  Site ID: DE-000001\n\n\
             Messages of your Site are refused until CDPH lets it go on. Answer to\n\
             what is written below.\n\n\
             The reason:\n\n- First.\n- Second.\n\n-- \nIZ Portal\n"
        );
    }
}
