//! What a message holds, told in a few bits: enough for the measures of data quality, nothing of the patient.

use crate::domain::words;

words! {
    /// An element whose completeness is measured. Source: domain notes 5.3.
    Element {
        /// PID-5: family and given name.
        Name = "name",
        /// PID-7.
        BirthDate = "birth-date",
        /// PID-8.
        Sex = "sex",
        /// PID-11: street or city, and ZIP code.
        Address = "address",
        /// PID-13: a telephone number or an e-mail address.
        Contact = "contact",
        /// PID-10.
        Race = "race",
        /// PID-22.
        Ethnicity = "ethnicity",
        /// RXA-5: a vaccine that the code tables know.
        Vaccine = "vaccine",
        /// RXA-15 of a dose that the sender gave.
        Lot = "lot",
        /// RXA-17 of a dose that the sender gave.
        Manufacturer = "manufacturer",
        /// OBX 64994-7 of a dose that the sender gave.
        Eligibility = "eligibility",
    }
}

words! {
    /// A kind of message that a sender shows it can make before its review. Source: domain notes 5.3.
    Scenario {
        /// A new dose given to somebody under 19.
        ChildDose = "child-dose",
        /// A new dose given to somebody of 19 or older.
        AdultDose = "adult-dose",
        /// A dose given elsewhere or earlier: RXA-9 other than 00.
        Historical = "historical",
        /// A refusal: RXA-20 is RE.
        Refusal = "refusal",
        /// A correction: RXA-21 is U.
        Update = "update",
        /// A deletion: RXA-21 is D.
        Delete = "delete",
        /// More than one dose in a message.
        SeveralDoses = "several-doses",
        /// A patient whose record may not be shared: PD1-12 is Y.
        Protected = "protected",
    }
}

words! {
    /// How soon after a dose was given its message came, by the day of RXA-3. Source: domain notes 5.3.
    Timeliness {
        /// On the same day or the next.
        WithinDay = "within-a-day",
        /// Within fourteen days.
        WithinFortnight = "within-14-days",
        /// Later.
        Later = "later",
    }
}

/// What a message holds, as the bits of one number:
///
/// | Bits | What |
/// | --- | --- |
/// | 0-15 | the elements that the message should have, in the order of [`Element`] |
/// | 16-31 | those that it has; of doses: that all of them have |
/// | 32-47 | the scenarios that it is one of, in the order of [`Scenario`] |
/// | 48-49 | the timeliness of its latest new dose, from 1; 0: it has none |
/// | 50-57 | doses, at most 255 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content(i64);

impl Content {
    const PRESENT: usize = 16;
    const SCENARIOS: usize = 32;
    const TIMELINESS: usize = 48;
    const DOSES: usize = 50;

    /// As it stands in its column.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// From its column.
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// Notes that the message should have an element, and whether it has. Of several doses all must have it.
    pub fn note(&mut self, element: Element, present: bool) {
        let (should, has) = (1 << element.index(), 1 << (element.index() + Self::PRESENT));
        let had = self.0 & should == 0 || self.0 & has != 0;
        self.0 |= should;
        if present && had {
            self.0 |= has;
        } else {
            self.0 &= !has;
        }
    }

    /// Notes a scenario.
    pub fn add(&mut self, scenario: Scenario) {
        self.0 |= 1 << (scenario.index() + Self::SCENARIOS);
    }

    /// Notes how late a new dose came; the latest counts.
    pub fn came(&mut self, timeliness: Timeliness) {
        let class = i64::try_from(timeliness.index()).unwrap_or(0) + 1;
        if (self.0 >> Self::TIMELINESS) & 3 < class {
            self.0 = self.0 & !(3 << Self::TIMELINESS) | class << Self::TIMELINESS;
        }
    }

    /// Sets the number of doses.
    pub fn set_doses(&mut self, doses: usize) {
        let doses = i64::try_from(doses.min(255)).unwrap_or(255);
        self.0 = self.0 & !(255 << Self::DOSES) | doses << Self::DOSES;
    }

    /// Whether the message should have an element.
    pub const fn should_have(self, element: Element) -> bool {
        self.0 & (1 << element.index()) != 0
    }

    /// Whether it has an element that it should have.
    pub const fn has(self, element: Element) -> bool {
        self.0 & (1 << (element.index() + Self::PRESENT)) != 0
    }

    /// The scenarios that it is one of.
    pub const fn scenarios(self) -> Scenarios {
        Scenarios((self.0 >> Self::SCENARIOS) & 0xffff)
    }

    /// How soon its latest new dose came.
    pub fn timeliness(self) -> Option<Timeliness> {
        let class = usize::try_from((self.0 >> Self::TIMELINESS) & 3).unwrap_or(0);
        Timeliness::ALL.get(class.checked_sub(1)?).copied()
    }

    /// Number of doses, at most 255.
    pub const fn doses(self) -> i64 {
        (self.0 >> Self::DOSES) & 255
    }
}

/// A set of scenarios.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scenarios(i64);

impl Scenarios {
    /// As it stands in its column.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// From its column.
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// With those of another set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a scenario is among them.
    pub const fn has(self, scenario: Scenario) -> bool {
        self.0 & (1 << scenario.index()) != 0
    }
}

impl FromIterator<Scenario> for Scenarios {
    fn from_iter<I: IntoIterator<Item = Scenario>>(scenarios: I) -> Self {
        Self(scenarios.into_iter().fold(0, |bits, one| bits | 1 << one.index()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_of_several_doses_counts_when_all_have_it() {
        let mut content = Content::default();
        content.note(Element::Lot, true);
        assert!(content.has(Element::Lot));
        content.note(Element::Lot, false);
        content.note(Element::Lot, true);
        assert!(content.should_have(Element::Lot) && !content.has(Element::Lot));
        assert!(!content.should_have(Element::Race) && !content.has(Element::Race));
    }

    #[test]
    fn the_parts_do_not_touch_each_other() {
        let mut content = Content::default();
        content.set_doses(1_000);
        content.came(Timeliness::Later);
        content.came(Timeliness::WithinDay);
        content.add(Scenario::Protected);
        content.note(Element::Eligibility, true);
        let back = Content::from_bits(content.bits());
        assert_eq!(back.doses(), 255);
        assert_eq!(back.timeliness(), Some(Timeliness::Later));
        assert_eq!(back.scenarios(), [Scenario::Protected].into_iter().collect());
        for element in Element::ALL {
            assert_eq!(back.has(*element), *element == Element::Eligibility, "{element}");
        }
        assert!(content.bits() > 0);
    }
}
