//! Who sends for whom, as the two organizations agree: asked for, accepted, declined, ended. Both sides are told.

use crate::domain::{EmailAddress, Letter, LinkStatus, Role, SiteId};
use crate::mail::compose;
use crate::sites::{AccountError, Browser, Delegate, Sites};
use crate::store::{Deed, StoreError};

/// Who of a Sending Facility can consent.
const CONSENT: [Role; 2] = [Role::Representative, Role::FacilityOperator];

/// What is done with several links at one time.
#[derive(Clone, Debug)]
pub enum LinkStep {
    /// Agree to send.
    Accept,
    /// Decline or end them, for this reason.
    End(String),
}

impl Sites {
    /// Asks a Sending Facility to send for a Site of the organization.
    pub async fn link_ask(
        &self,
        member: &Delegate,
        (site, facility): (SiteId, SiteId),
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let held = self.store.organization_site(member.organization(), site.clone()).await?;
        let subject = format!("{} asks you to send for it", held.name);
        let what = format!(
            "The Site {} ({site}) asks {facility} to send its messages. Messages for it are refused until you agree.",
            held.name
        );
        let people = self.store.site_people(facility.clone(), CONSENT.to_vec()).await?;
        let letters = self.link_letters("link-requested", &subject, &what, people);
        let deed = Deed { by: member.by(browser), letters };
        self.store.link_ask(member.organization(), site, facility, deed).await?;
        Ok(())
    }

    /// Agrees to send for a Site.
    pub async fn link_accept(
        &self,
        member: &Delegate,
        (facility, site): (SiteId, SiteId),
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let what = format!(
            "{facility} sends for the Site {site} from now on. Another Sending Facility that sent for it does so no longer."
        );
        let letters =
            self.both_sides("link-accepted", "A link was accepted", &what, &facility, &site);
        let deed = Deed { by: member.by(browser), letters: letters.await? };
        self.store.link_accept(member.organization(), facility, site, deed).await?;
        Ok(())
    }

    /// Declines a link that was asked for, or ends one; either side may.
    pub async fn link_end(
        &self,
        member: &Delegate,
        (facility, site): (SiteId, SiteId),
        reason: String,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let links = self.store.organization_links(member.organization()).await?;
        let held = links.iter().find(|one| one.link.facility == facility && one.link.site == site);
        let Some(held) = held else {
            return Err(StoreError::NotFound("such link".to_owned()).into());
        };
        let name = member.who().principal.account.name();
        let (kind, subject, done) = match held.link.status {
            LinkStatus::Requested => ("link-declined", "A link was declined", "will not send"),
            LinkStatus::Active | LinkStatus::Ended => {
                ("link-ended", "A link was ended", "does not send any more")
            }
        };
        let what = format!("{facility} {done} for the Site {site}. {name} wrote: {reason}");
        let letters = self.both_sides(kind, subject, &what, &facility, &site).await?;
        let deed = Deed { by: member.by(browser), letters };
        self.store.link_end(member.organization(), facility, site, reason, deed).await?;
        Ok(())
    }

    /// Takes a step with the links of several clients of a Sending Facility, each a change and a line of the trail of its own.
    /// Gives with how many: a link that others changed meanwhile stays as it is. The people of the Sending Facility get one
    /// letter about all of them.
    pub async fn links_step(
        &self,
        member: &Delegate,
        facility: &SiteId,
        sites: Vec<SiteId>,
        step: LinkStep,
        browser: &Browser,
    ) -> Result<usize, AccountError> {
        let mut own = self.own_letters(member, facility, &sites, &step).await?;
        let (organization, mut taken) = (member.organization(), 0);
        for site in sites {
            let (kind, subject, what) = match &step {
                LinkStep::Accept => {
                    let what = format!(
                        "{facility} sends for the Site {site} from now on. Another Sending Facility that sent for it does so no longer."
                    );
                    ("link-accepted", "A link was accepted", what)
                }
                LinkStep::End(reason) => {
                    let what = format!(
                        "{facility} does not send for the Site {site}. They wrote: {reason}"
                    );
                    ("link-ended", "A link was ended", what)
                }
            };
            let people = self.site_contacts(&site).await?;
            let mut letters = self.link_letters(kind, &format!("{subject}: {site}"), &what, people);
            letters.extend(own.clone());
            let deed = Deed { by: member.by(browser), letters };
            let done = match &step {
                LinkStep::Accept => {
                    let accepted =
                        self.store.link_accept(organization, facility.clone(), site, deed);
                    accepted.await.map(|_link| ())
                }
                LinkStep::End(reason) => {
                    let reason = reason.clone();
                    self.store.link_end(organization, facility.clone(), site, reason, deed).await
                }
            };
            match done {
                Ok(()) => {
                    own.clear();
                    taken += 1;
                }
                Err(StoreError::Refused(_) | StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(taken)
    }

    /// What the people of a Sending Facility are told of a step with several links.
    async fn own_letters(
        &self,
        member: &Delegate,
        facility: &SiteId,
        sites: &[SiteId],
        step: &LinkStep,
    ) -> Result<Vec<Letter>, StoreError> {
        let people = self.store.site_people(facility.clone(), CONSENT.to_vec()).await?;
        let names: Vec<_> = sites.iter().map(ToString::to_string).collect();
        let (name, names) = (member.who().principal.account.name(), names.join(", "));
        Ok(match step {
            LinkStep::Accept => {
                let what = format!("{name} agreed that {facility} sends for these Sites: {names}.");
                self.link_letters("link-accepted", "Links were accepted", &what, people)
            }
            LinkStep::End(reason) => {
                let what = format!(
                    "{name} ended or declined that {facility} sends for these Sites: {names}. The reason: {reason}"
                );
                self.link_letters("link-ended", "Links were ended", &what, people)
            }
        })
    }

    /// The letters by which a Sending Facility is asked to send for so many Sites at one time.
    pub(super) async fn link_question(
        &self,
        facility: &SiteId,
        count: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let people = self.store.site_people(facility.clone(), CONSENT.to_vec()).await?;
        let what = format!(
            "{count} Sites were registered that ask {facility} to send their messages. Messages for them are refused until you agree."
        );
        Ok(self.link_letters("link-requested", "Sites ask you to send for them", &what, people))
    }

    async fn both_sides(
        &self,
        kind: &'static str,
        subject: &str,
        what: &str,
        facility: &SiteId,
        site: &SiteId,
    ) -> Result<Vec<Letter>, StoreError> {
        let mut people = self.store.site_people(facility.clone(), CONSENT.to_vec()).await?;
        people.extend(self.site_contacts(site).await?);
        people.sort_unstable();
        people.dedup();
        Ok(self.link_letters(kind, &format!("{subject}: {site}"), what, people))
    }

    fn link_letters(
        &self,
        kind: &'static str,
        subject: &str,
        what: &str,
        people: Vec<EmailAddress>,
    ) -> Vec<Letter> {
        let letter =
            compose(kind, subject).paragraph(what).link("Look at your links", self.url("/account"));
        people.into_iter().map(|to| letter.clone().to(to, &self.footer())).collect()
    }
}
