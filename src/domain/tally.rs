//! Counts of messages: what the pages about data quality show, by subject and day.

use serde::{Deserialize, Serialize};

use crate::domain::{Content, Element, MessageState, SiteId, Timeliness, words};

words! {
    /// Of what messages are counted.
    TallyScope {
        /// A responsible Site; of a message without one, its sender.
        Site = "site",
        /// A Sending Facility, all that it sent for others.
        Facility = "facility",
        /// What a Sending Facility sent for a client Site: [`TallyScope::client`].
        Client = "client",
        /// The vendor of the responsible Site's EHR.
        Vendor = "vendor",
        /// A region, by day.
        Region = "region",
        /// A region, by hour.
        RegionHour = "region-hour",
    }
}

impl TallyScope {
    /// The subject of [`Self::Client`]: the Sending Facility and the Site that it sent for.
    pub fn client(facility: &SiteId, site: &SiteId) -> String {
        format!("{facility} {site}")
    }
}

/// How many messages should have an element, and how many have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share(pub u64, pub u64);

impl Share {
    /// In percent, rounded down, so that 100 means all; none when there was nothing to have.
    pub const fn percent(self) -> Option<u64> {
        match self.0 {
            0 => None,
            all => Some(self.1 * 100 / all),
        }
    }

    const fn add(&mut self, other: Self) {
        self.0 += other.0;
        self.1 += other.1;
    }
}

/// Counts of the messages of one subject in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Messages that came in, queries not among them.
    pub messages: u64,
    /// Of these, those that were taken.
    pub accepted: u64,
    /// Of these, those that nothing was wrong with: MSA-1 was AA.
    pub clean: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Queries.
    pub queries: u64,
    /// Doses in the messages that were taken.
    pub doses: u64,
    /// Messages that the registry took, by the day on which it did.
    pub delivered: u64,
    /// Messages that the registry rejected after we took them, by the day on which it did.
    pub rejected: u64,
    /// Of messages with a new dose: within a day, within 14 days, later.
    pub timely: [u64; 3],
    /// In the order of [`Element`]; of the messages that were taken.
    pub elements: [Share; Element::ALL.len()],
}

impl Tally {
    /// Counts a message as it was received.
    pub fn count(&mut self, is_query: bool, state: MessageState, ack_code: &str, content: Content) {
        if is_query {
            self.queries += 1;
            return;
        }
        self.messages += 1;
        if state == MessageState::Refused {
            self.refused += 1;
            return;
        }
        self.accepted += 1;
        self.clean += u64::from(ack_code == "AA");
        self.doses += u64::try_from(content.doses()).unwrap_or(0);
        let class = content.timeliness();
        if let Some(number) = class.and_then(|class| self.timely.get_mut(class.index())) {
            *number += 1;
        }
        for (share, element) in self.elements.iter_mut().zip(Element::ALL) {
            share.0 += u64::from(content.should_have(*element));
            share.1 += u64::from(content.has(*element));
        }
    }

    /// Adds the counts of another one.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.clean += other.clean;
        self.refused += other.refused;
        self.queries += other.queries;
        self.doses += other.doses;
        self.delivered += other.delivered;
        self.rejected += other.rejected;
        for (sum, more) in self.timely.iter_mut().zip(other.timely) {
            *sum += more;
        }
        for (sum, more) in self.elements.iter_mut().zip(other.elements) {
            sum.add(more);
        }
    }

    /// The share of messages that were taken, in percent.
    pub const fn accepted_percent(&self) -> Option<u64> {
        Share(self.messages, self.accepted).percent()
    }

    /// Completeness of an element.
    pub fn element(&self, element: Element) -> Share {
        self.elements.get(element.index()).copied().unwrap_or_default()
    }

    /// The share of messages with a new dose that came in time: within a class or an earlier one.
    pub fn timely(&self, class: Timeliness) -> Share {
        Share(self.timely.iter().sum(), self.timely.iter().take(class.index() + 1).sum())
    }
}

/// Where a finding is, without the number of the segment and of the repetition: `PID^1^11^2^5` is `PID-11.5`.
pub fn finding_place(location: &str) -> String {
    let mut parts = location.split('^');
    let segment = parts.next().unwrap_or_default();
    let mut place = segment.to_owned();
    if let Some(field) = parts.nth(1) {
        place.push('-');
        place.push_str(field);
        for component in parts.skip(1) {
            place.push('.');
            place.push_str(component);
        }
    }
    place
}

impl<'t> std::iter::Sum<&'t Self> for Tally {
    fn sum<I: Iterator<Item = &'t Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, one| {
            sum.add(one);
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_message_counts_as_such_and_nothing_else() {
        let mut content = Content::default();
        content.note(Element::Race, false);
        content.came(Timeliness::WithinFortnight);
        content.set_doses(2);
        let mut tally = Tally::default();
        tally.count(false, MessageState::Refused, "AE", content);
        tally.count(false, MessageState::Accepted, "AE", content);
        tally.count(false, MessageState::Accepted, "AA", content);
        tally.count(true, MessageState::Answered, "AA", Content::default());
        assert_eq!((tally.messages, tally.accepted, tally.clean), (3, 2, 1));
        assert_eq!((tally.refused, tally.queries, tally.doses), (1, 1, 4));
        assert_eq!(tally.accepted_percent(), Some(66));
        assert_eq!(tally.element(Element::Race).percent(), Some(0));
        assert_eq!(tally.element(Element::Lot).percent(), None);
        assert_eq!(tally.timely(Timeliness::WithinDay).percent(), Some(0));
        assert_eq!(tally.timely(Timeliness::WithinFortnight).percent(), Some(100));
    }

    #[test]
    fn places_are_those_of_the_guide() {
        for (location, place) in [
            ("PID^1^11^2^5", "PID-11.5"),
            ("PID^1^3^1^4^2", "PID-3.4.2"),
            ("RXA^12^5", "RXA-5"),
            ("PD1^1", "PD1"),
            ("", ""),
        ] {
            assert_eq!(finding_place(location), place);
        }
    }

    #[test]
    fn the_sum_is_that_of_all_parts_and_older_rows_are_read() {
        let mut one = Tally::default();
        one.count(false, MessageState::Accepted, "AA", Content::default());
        let sum: Tally = [&one, &one, &Tally::default()].into_iter().sum();
        assert_eq!(sum.clean, 2);
        let older: Tally = serde_json::from_str(r#"{"messages":3}"#).unwrap();
        assert_eq!(older.messages, 3);
    }
}
