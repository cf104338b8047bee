//! The conditions of the profile tables: `9.1=00 & 20=CP|PA`.
//!
//! Terms are joined with `&`. A term is `PATH` (valued), `!PATH` (not valued), `PATH=A|B` (one of) or `PATH!=A` (valued
//! with something else). A path is a field (`20`, `9.1`) of the same segment, a component of the same data type, or an
//! element of another segment in the same order group (`RXA-20`).

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Predicate(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    path: Path,
    test: Test,
}

/// Where a term looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// Another segment of the order group.
    pub(super) segment: Option<[u8; 3]>,
    /// Field, or component of a data type.
    pub(super) first: usize,
    /// Component, or subcomponent of a data type; 0 when it is not given.
    pub(super) second: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Valued,
    Empty,
    OneOf(Vec<Box<[u8]>>),
    NoneOf(Vec<Box<[u8]>>),
}

impl Predicate {
    /// Reads a condition; none when it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split('&').map(|term| Term::parse(term.trim())).collect::<Option<Vec<_>>>().map(Self)
    }

    /// In words, its paths behind a prefix such as `RXA-` or `PID-13.`: `RXA-9.1 is 00 and RXA-20 is CP or PA`.
    pub(super) fn words(&self, prefix: &str) -> String {
        let terms = self.0.iter().map(|term| term.words(prefix));
        terms.collect::<Vec<_>>().join(" and ")
    }

    /// Whether it holds; none when an element that it compares is empty, so that nothing can be asked for by it.
    pub(super) fn holds<'a>(&self, get: impl Fn(Path) -> Option<&'a [u8]>) -> Option<bool> {
        let mut all = true;
        for Term { path, test } in &self.0 {
            let value = get(*path);
            let holds = match (test, value) {
                (Test::Valued, value) => value.is_some(),
                (Test::Empty, value) => value.is_none(),
                (Test::OneOf(codes), value) => {
                    value.is_some_and(|value| codes.iter().any(|code| **code == *value))
                }
                (Test::NoneOf(_), None) => return None,
                (Test::NoneOf(codes), Some(value)) => !codes.iter().any(|code| **code == *value),
            };
            all &= holds;
        }
        Some(all)
    }
}

impl Term {
    fn words(&self, prefix: &str) -> String {
        let Path { segment, first, second } = self.path;
        let place = match segment {
            Some(name) => format!("{}-{first}", String::from_utf8_lossy(&name)),
            None => format!("{prefix}{first}"),
        };
        let place = if second == 0 { place } else { format!("{place}.{second}") };
        let list = |codes: &[Box<[u8]>]| {
            codes.iter().map(|code| String::from_utf8_lossy(code)).collect::<Vec<_>>().join(" or ")
        };
        match &self.test {
            Test::Valued => format!("{place} is valued"),
            Test::Empty => format!("{place} is empty"),
            Test::OneOf(codes) => format!("{place} is {}", list(codes)),
            Test::NoneOf(codes) => format!("{place} is not {}", list(codes)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let codes =
            |list: &str| list.split('|').map(|code| code.trim().as_bytes().into()).collect();
        let (path, test) = if let Some((path, list)) = text.split_once("!=") {
            (path, Test::NoneOf(codes(list)))
        } else if let Some((path, list)) = text.split_once('=') {
            (path, Test::OneOf(codes(list)))
        } else if let Some(path) = text.strip_prefix('!') {
            (path, Test::Empty)
        } else {
            (text, Test::Valued)
        };
        Some(Self { path: Path::parse(path.trim())?, test })
    }
}

impl Path {
    fn parse(text: &str) -> Option<Self> {
        let (segment, numbers) = match text.split_once('-') {
            Some((name, numbers)) => (Some(name.as_bytes().try_into().ok()?), numbers),
            None => (None, text),
        };
        let (first, second) = numbers.split_once('.').unwrap_or((numbers, "0"));
        Some(Self { segment, first: first.parse().ok()?, second: second.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, values: &[(usize, &'static str)]) -> Option<bool> {
        Predicate::parse(text).unwrap().holds(|path| {
            values.iter().find(|(n, _)| *n == path.first).map(|(_, value)| value.as_bytes())
        })
    }

    #[test]
    fn every_kind_of_term_is_understood() {
        assert_eq!(holds("9.1=00 & 20=CP|PA", &[(9, "00"), (20, "PA")]), Some(true));
        assert_eq!(holds("9.1=00 & 20=CP|PA", &[(9, "00")]), Some(false));
        assert_eq!(holds("6!=999", &[(6, "0.5")]), Some(true));
        assert_eq!(holds("6!=999", &[(6, "999")]), Some(false));
        assert_eq!(holds("6!=999", &[]), None);
        assert_eq!(holds("!2.1 & !3", &[]), Some(true));
        assert_eq!(holds("4", &[]), Some(false));
        assert_eq!(Predicate::parse("9.x=1"), None);
    }

    #[test]
    fn a_condition_can_be_said_in_words() {
        let words = |text: &str, prefix| Predicate::parse(text).unwrap().words(prefix);
        assert_eq!(words("9.1=00 & 20=CP|PA", "RXA-"), "RXA-9.1 is 00 and RXA-20 is CP or PA");
        assert_eq!(words("!2 & RXA-6!=999", "PID-3.4."), "PID-3.4.2 is empty and RXA-6 is not 999");
    }

    #[test]
    fn another_segment_can_be_named() {
        let path = Path::parse("RXA-9.1").unwrap();
        assert_eq!(path, Path { segment: Some(*b"RXA"), first: 9, second: 1 });
    }
}
