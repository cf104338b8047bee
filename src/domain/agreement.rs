//! The agreement that an organization accepts: its text is data, with a version.

use std::sync::LazyLock;

/// The text of an agreement and its version.
#[derive(Clone, Copy, Debug)]
pub struct AgreementText {
    /// Version, a date.
    pub version: &'static str,
    text: &'static str,
}

/// The agreement in force.
pub static AGREEMENT: LazyLock<AgreementText> = LazyLock::new(|| {
    let file = include_str!("../../schemas/agreements/data-exchange.txt");
    let start = file.find("\n20").map_or(0, |at| at + 1);
    let (version, text) =
        file.get(start..).and_then(|rest| rest.split_once('\n')).unwrap_or(("", file));
    AgreementText { version: version.trim(), text }
});

impl AgreementText {
    /// Its paragraphs.
    pub fn paragraphs(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agreement_has_a_version_and_paragraphs() {
        assert_eq!(AGREEMENT.version.len(), 10, "{}", AGREEMENT.version);
        assert!(AGREEMENT.paragraphs().count() >= 5);
        assert!(AGREEMENT.paragraphs().all(|paragraph| !paragraph.starts_with('#')));
    }
}
