//! Notices of CDPH: a banner on the pages of those whom they are for, for a time.

use crate::domain::{AccountId, RegionCode, Timestamp, words};

words! {
    /// How urgent a notice is.
    NoticeLevel {
        /// Good to know.
        Info = "info",
        /// Something to act on, or to expect.
        Warning = "warning",
    }
}

impl NoticeLevel {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "Notice",
            Self::Warning => "Warning",
        }
    }
}

words! {
    /// Where a notice stands.
    NoticeState {
        /// It is yet to come.
        Planned = "planned",
        /// It is shown.
        Shown = "shown",
        /// Its time is over, or somebody ended it.
        Over = "over",
    }
}

impl NoticeState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Shown => "Shown now",
            Self::Over => "Over",
        }
    }
}

/// For whom a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody, signed in or not.
    Everybody,
    /// Everybody who is signed in.
    SignedIn,
    /// Those who are signed in and belong to a region.
    Region(RegionCode),
}

impl Audience {
    /// As it stands in a column and in a form: `everybody`, `signed-in`, or the code of the region.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::SignedIn => "signed-in",
            Self::Region(region) => region.as_str(),
        }
    }

    /// The name for people.
    pub fn name(self) -> String {
        match self {
            Self::Everybody => "Everybody".to_owned(),
            Self::SignedIn => "People signed in".to_owned(),
            Self::Region(region) => format!("People of {}, signed in", region.facts().name),
        }
    }

    /// The region of which one must be staff to write to it; none: all.
    pub const fn region(self) -> Option<RegionCode> {
        match self {
            Self::Everybody | Self::SignedIn => None,
            Self::Region(region) => Some(region),
        }
    }
}

impl std::str::FromStr for Audience {
    type Err = crate::domain::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "everybody" => Ok(Self::Everybody),
            "signed-in" => Ok(Self::SignedIn),
            code => code.parse().map(Self::Region),
        }
    }
}

/// What a notice says, to whom, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeText {
    /// In a few words.
    pub title: String,
    /// The rest; plain text.
    pub text: String,
    /// How urgent it is.
    pub level: NoticeLevel,
    /// For whom.
    pub audience: Audience,
    /// From this moment on.
    pub begins_at: Timestamp,
    /// Until this moment.
    pub ends_at: Timestamp,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemNotice {
    /// Its number.
    pub id: i64,
    /// What it says.
    pub says: NoticeText,
    /// Who wrote it.
    pub written_by: AccountId,
    /// When.
    pub written_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
    /// When somebody ended it.
    pub ended_at: Option<Timestamp>,
}

impl SystemNotice {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> NoticeState {
        if self.ended_at.is_some() || now >= self.says.ends_at {
            NoticeState::Over
        } else if now < self.says.begins_at {
            NoticeState::Planned
        } else {
            NoticeState::Shown
        }
    }
}

/// Who reads a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeReader {
    /// Whether they are signed in.
    pub is_signed_in: bool,
    /// The regions that they belong to.
    pub regions: Vec<RegionCode>,
    /// Whether they work for all regions.
    pub is_everywhere: bool,
}

impl NoticeReader {
    /// Whether a notice is for them.
    pub fn is_meant(&self, audience: Audience) -> bool {
        match audience {
            Audience::Everybody => true,
            Audience::SignedIn => self.is_signed_in,
            Audience::Region(region) => {
                self.is_signed_in && (self.is_everywhere || self.regions.contains(&region))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_notice_is_for_its_audience_only() {
        let bay: RegionCode = "CAIRBA".parse().unwrap();
        let nobody = NoticeReader::default();
        let member = NoticeReader { is_signed_in: true, regions: vec![bay], is_everywhere: false };
        let staff = NoticeReader { is_signed_in: true, regions: vec![], is_everywhere: true };
        let other = NoticeReader { is_signed_in: true, ..NoticeReader::default() };
        let meant =
            |audience| [&nobody, &member, &staff, &other].map(|reader| reader.is_meant(audience));
        assert_eq!(meant(Audience::Everybody), [true; 4]);
        assert_eq!(meant(Audience::SignedIn), [false, true, true, true]);
        assert_eq!(meant(Audience::Region(bay)), [false, true, true, false]);
        for word in ["everybody", "signed-in", "CAIRBA"] {
            assert_eq!(word.parse::<Audience>().unwrap().word(), word);
        }
        assert!("nobody".parse::<Audience>().is_err());
    }

    #[test]
    fn its_time_begins_and_ends() {
        let now = Timestamp::now();
        let hour = Duration::from_hours(1);
        let says = NoticeText {
            title: "T".to_owned(),
            text: String::new(),
            level: NoticeLevel::Info,
            audience: Audience::Everybody,
            begins_at: now,
            ends_at: now.plus(hour),
        };
        let (written_by, written_at) = (AccountId(1), now);
        let one =
            SystemNotice { id: 1, says, written_by, written_at, changed_at: None, ended_at: None };
        assert_eq!(one.state(now.minus(hour)), NoticeState::Planned);
        assert_eq!(one.state(now), NoticeState::Shown);
        assert_eq!(one.state(now.plus(hour)), NoticeState::Over);
        let ended = SystemNotice { ended_at: Some(now), ..one };
        assert_eq!(ended.state(now), NoticeState::Over);
    }
}
