//! The agreement that an organization accepts: its text is data, with a version.

use std::sync::LazyLock;

use chrono::NaiveDate;

use crate::domain::AccessLevel;

/// The text of an agreement and its version.
#[derive(Clone, Copy, Debug)]
pub struct AgreementText {
    /// Version, a date.
    pub version: &'static str,
    text: &'static str,
}

/// The agreement in force for those who exchange data.
pub static AGREEMENT: LazyLock<AgreementText> = LazyLock::new(|| {
    AgreementText::read(include_str!("../../schemas/agreements/data-exchange.txt"))
});

/// The agreement in force for those who enroll without an EHR.
pub static ENROLMENT_AGREEMENT: LazyLock<AgreementText> =
    LazyLock::new(|| AgreementText::read(include_str!("../../schemas/agreements/enrolment.txt")));

impl AgreementText {
    fn read(file: &'static str) -> Self {
        let start = file.find("\n20").map_or(0, |at| at + 1);
        let (version, text) =
            file.get(start..).and_then(|rest| rest.split_once('\n')).unwrap_or(("", file));
        Self { version: version.trim(), text }
    }

    /// Its version for people, `November 22, 2026`.
    pub fn day(&self) -> String {
        Self::day_of(self.version)
    }

    /// Any version for people; a word that is no date stays as it is.
    pub fn day_of(version: &str) -> String {
        version
            .parse::<NaiveDate>()
            .map_or_else(|_| version.to_owned(), |day| day.format("%B %-d, %Y").to_string())
    }

    /// The agreement that organizations of this access level accept.
    pub fn of(level: AccessLevel) -> &'static Self {
        match level {
            AccessLevel::DataExchange => &AGREEMENT,
            AccessLevel::Clinical | AccessLevel::LimitedClinical | AccessLevel::ReadOnly => {
                &ENROLMENT_AGREEMENT
            }
        }
    }

    /// Its paragraphs.
    pub fn paragraphs(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agreement_has_a_version_and_paragraphs() {
        for text in [*AGREEMENT, *ENROLMENT_AGREEMENT] {
            assert_eq!(text.version.len(), 10, "{}", text.version);
            assert!(text.paragraphs().count() >= 5);
            assert!(text.paragraphs().all(|paragraph| !paragraph.starts_with('#')));
        }
    }
}
