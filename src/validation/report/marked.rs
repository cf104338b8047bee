//! A message segment by segment, with the bytes that findings are about: what a page underlines.

use std::ops::Range;

use crate::domain::Diagnostic;
use crate::validation::report::text::Places;
use crate::validation::report::{Judgement, plain};

/// Segments that are shown of a long message; of the others those with findings.
const SEGMENTS: usize = 400;

/// A segment as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct MarkedSegment {
    /// The line of the file.
    pub line: usize,
    /// How many segments before it are left out, because nothing was found in them.
    pub skipped: usize,
    /// Its text, in pieces.
    pub pieces: Vec<MarkedPiece>,
}

/// Bytes of a segment that belong together.
#[derive(Debug, PartialEq, Eq)]
pub struct MarkedPiece {
    /// The text; empty where an absent element would stand.
    pub text: String,
    /// The finding that it is about, by its place among those that were given.
    pub finding: Option<usize>,
}

/// The segments of a judged message, with the bytes that these findings are about.
pub fn marked(judgement: &Judgement<'_>, found: &[Diagnostic]) -> Vec<MarkedSegment> {
    let Ok(message) = &judgement.message else { return vec![] };
    let places = Places::of(message, judgement.part.line);
    let mut marks: Vec<(usize, Range<usize>, usize)> = vec![];
    for (index, one) in found.iter().enumerate() {
        let Some(span) = &one.span else { continue };
        let place = places.of_span(span);
        marks.push((place.line, place.within, index));
    }
    let (mut shown, mut skipped) = (vec![], 0);
    let mut line = judgement.part.line;
    let mut at = 0;
    let count = message.segments().len();
    for segment in message.segments() {
        let between = message.bytes().get(at..segment.span().start).unwrap_or_default();
        line += super::text::line_ends(between);
        at = segment.span().start;
        let mut here: Vec<(Range<usize>, usize)> = marks
            .iter()
            .filter(|(of, ..)| *of == line)
            .map(|(_, within, index)| (within.clone(), *index))
            .collect();
        if here.is_empty() && count > SEGMENTS {
            skipped += 1;
            continue;
        }
        here.sort_by_key(|(within, index)| (within.start, within.end, *index));
        let pieces = pieces(segment.bytes(), &here);
        shown.push(MarkedSegment { line, skipped, pieces });
        skipped = 0;
    }
    shown
}

/// A segment cut where marks begin and end; where several lie upon each other, the shortest counts.
fn pieces(segment: &[u8], marks: &[(Range<usize>, usize)]) -> Vec<MarkedPiece> {
    let mut cuts: Vec<usize> = marks
        .iter()
        .flat_map(|(within, _)| [within.start, within.end])
        .chain([0, segment.len()])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut pieces = vec![];
    for (n, from) in cuts.iter().copied().enumerate() {
        let absent = marks.iter().filter(|(within, _)| within.is_empty() && within.start == from);
        pieces.extend(
            absent.map(|(_, index)| MarkedPiece { text: String::new(), finding: Some(*index) }),
        );
        let Some(to) = cuts.get(n + 1).copied() else { continue };
        let text = plain(&String::from_utf8_lossy(segment.get(from..to).unwrap_or_default()));
        let covering = marks.iter().filter(|(within, _)| within.start <= from && to <= within.end);
        let finding = covering.min_by_key(|(within, _)| within.len()).map(|(_, index)| *index);
        pieces.push(MarkedPiece { text, finding });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(segment: &str, marks: &[(Range<usize>, usize)]) -> String {
        let piece = |one: MarkedPiece| match one.finding {
            Some(index) => format!("[{index}:{}]", one.text),
            None => one.text,
        };
        pieces(segment.as_bytes(), marks).into_iter().map(piece).collect()
    }

    #[test]
    fn bytes_are_marked_with_their_finding() {
        assert_eq!(shown("PID|1|X", &[]), "PID|1|X");
        assert_eq!(shown("PID|1|X", &[(6..7, 3)]), "PID|1|[3:X]");
        assert_eq!(shown("PID|1|X", &[(0..3, 0), (6..7, 3)]), "[0:PID]|1|[3:X]");
    }

    #[test]
    fn an_absent_element_is_marked_where_it_would_stand() {
        assert_eq!(shown("PID||X", &[(4..4, 2)]), "PID|[2:]|X");
        assert_eq!(shown("PID|", &[(4..4, 2), (4..4, 5)]), "PID|[2:][5:]");
    }

    #[test]
    fn the_shorter_of_two_findings_is_marked_within_the_longer() {
        assert_eq!(shown("RXA|A^B^C", &[(4..9, 0), (6..7, 1)]), "RXA|[0:A^][1:B][0:^C]");
    }
}
