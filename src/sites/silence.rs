//! Letters about what did not happen: a Site that fell silent, and a credential that ends before anybody thinks of it.

use std::time::Duration;

use crate::domain::{Letter, LetterWish, Site, Timestamp};
use crate::mail::compose;
use crate::sites::Sites;
use crate::sites::readers::Reader;
use crate::store::{Expiry, SiteWatch, StoreError};

const DAY: Duration = Duration::from_hours(24);

/// How many days before a credential ends its people are told.
const NOTICES: [u32; 3] = [30, 14, 3];

impl Sites {
    /// Tells the people of Sites in production that nothing comes from them any more, once, and that it comes again, once;
    /// gives how many Sites.
    pub async fn watch_silence(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut told = 0;
        for watch in self.store.silence_list(now.minus(DAY)).await? {
            let speaks = watch.silent_since < watch.last_message_at;
            let silent = match watch.silent_since {
                Some(_) if speaks => false,
                None if self.is_silent(&watch, now) => true,
                _ => continue,
            };
            let site = self.store.site_by_id(watch.site.clone()).await?;
            let letters = self.silence_letters(&site, &watch, silent, now).await?;
            told += usize::from(self.store.silence_tell(watch.site, silent, letters, now).await?);
        }
        Ok(told)
    }

    fn is_silent(&self, watch: &SiteWatch, now: Timestamp) -> bool {
        let usual = i64::from(self.settings.silence_days);
        let days = u32::try_from(watch.silence_days.unwrap_or(usual)).unwrap_or(0);
        days > 0 && watch.heard_at <= now.minus(DAY * days)
    }

    async fn silence_letters(
        &self,
        site: &Site,
        watch: &SiteWatch,
        silent: bool,
        now: Timestamp,
    ) -> Result<Vec<Letter>, StoreError> {
        let readers = self.readers(site).await?.into_iter().filter(|(_, wish)| wish.silence);
        let last =
            watch.last_message_at.map_or_else(|| "none so far".to_owned(), Timestamp::pacific_text);
        let letter = |(reader, _): (Reader, LetterWish)| {
            let facts = [
                ("Site", format!("{} ({})", site.name, site.id)),
                ("Latest production message", last.clone()),
            ];
            let letter = if silent {
                let days = now.seconds_since(watch.heard_at) / DAY.as_secs();
                let plural = if days == 1 { "day" } else { "days" };
                compose("silent", format!("Nothing comes from {} any more", site.name))
                    .greeting(&reader.account.first_name)
                    .paragraph(format!(
                        "For {days} {plural} no production message has come from {}.",
                        site.name
                    ))
                    .facts(facts)
                    .list([
                        "If that is right, because the practice is closed for example, there is nothing to do.",
                        "Otherwise look whether messages wait or fail in your EHR, and whether its interface still \
                         runs. What was not sent can be sent later.",
                    ])
                    .link("See the Site", self.site_url(site))
                    .paragraph("We write once more when messages come again.")
            } else {
                compose("silent-no-more", format!("Messages of {} come again", site.name))
                    .greeting(&reader.account.first_name)
                    .paragraph(format!("Production messages of {} come again.", site.name))
                    .facts(facts)
                    .link("See the Site", self.site_url(site))
            };
            self.addressed(letter, &reader.account)
        };
        Ok(readers.map(letter).collect())
    }

    /// Tells the people of Sites that a credential ends soon, at each of the notices once; gives how many.
    pub async fn tell_expiries(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut told = 0;
        for expiry in self.store.expiry_list(&NOTICES, now).await? {
            let site = self.store.site_by_id(expiry.site.clone()).await?;
            let letters = self.expiry_letters(&site, &expiry, now).await?;
            told += usize::from(self.store.expiry_tell(&expiry, letters, now).await?);
        }
        Ok(told)
    }

    async fn expiry_letters(
        &self,
        site: &Site,
        expiry: &Expiry,
        now: Timestamp,
    ) -> Result<Vec<Letter>, StoreError> {
        let readers = self.readers(site).await?.into_iter();
        let readers = readers.filter(|(reader, _)| reader.answers_for(site));
        let left = match expiry.expires_at.seconds_since(now).div_ceil(DAY.as_secs()) {
            0 | 1 => "within a day".to_owned(),
            days => format!("in {days} days"),
        };
        let subject = format!("The {} credential of {} ends {left}", expiry.environment, site.name);
        let letter = |(reader, _): (Reader, LetterWish)| {
            let letter = compose("credential-expiring", &subject)
                .greeting(&reader.account.first_name)
                .paragraph(format!(
                    "The credential that {} sends {} messages with ends {left}. Messages that are sent with it after \
                     that are refused.",
                    site.name, expiry.environment
                ))
                .facts([
                    ("Site", format!("{} ({})", site.name, site.id)),
                    ("Username", expiry.username.clone()),
                    ("Ends", expiry.expires_at.pacific_text()),
                ])
                .paragraph(
                    "Ask us for another one in time, and put it into your EHR before then. A new password alone does \
                     not make it last longer.",
                )
                .link("See the credentials of the Site", self.site_url(site));
            self.addressed(letter, &reader.account)
        };
        Ok(readers.map(letter).collect())
    }
}
