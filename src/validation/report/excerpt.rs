//! A segment as a person is shown it: cut to the width of a terminal, with a place in it underlined.

use std::ops::Range;

/// Longest name of a segment with its separator, in bytes: what stays in sight when a segment is cut.
const HEAD: usize = 4;

/// What stands for what was cut off.
const CUT: char = '…';

/// What stands for a control character.
const CONTROL: char = '·';

/// A segment and what stands under it.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The segment, cut around the place.
    pub line: String,
    /// Blanks, then `^` under each character of the place; one under where an absent element would stand.
    pub marks: String,
}

/// One character as it is shown.
struct Cell {
    shown: char,
    width: usize,
    /// Its first byte in the segment.
    start: usize,
}

/// A segment with the bytes `place` of it underlined, at most `width` columns wide; masked when `mask` says so.
pub fn excerpt(segment: &[u8], place: Range<usize>, width: usize, mask: bool) -> Excerpt {
    let width = width.max(HEAD + 8);
    let place = place.start.min(segment.len())..place.end.min(segment.len());
    // A character has at most four bytes, so nothing further away can be in sight.
    let from = place.start.saturating_sub(4 * width);
    let to = segment.len().min(place.start + 8 * width);
    let cells = cells(segment, from..to, mask);
    let index = |offset: usize| cells.partition_point(|cell| cell.start < offset);
    let marked = index(place.start)..index(place.end);
    let all: usize = cells.iter().map(|cell| cell.width).sum();
    let seen = if from == 0 && to == segment.len() && all <= width {
        0..cells.len()
    } else {
        window(&cells, &marked, width - HEAD - 2)
    };
    let begins = cells.get(seen.start).map_or(to, |cell| cell.start);
    let (mut line, mut column) = (String::new(), 0);
    let mut seen = seen;
    if begins <= HEAD {
        seen.start = 0;
    } else {
        let head = segment.iter().position(u8::is_ascii_punctuation).filter(|at| *at < HEAD);
        for cell in self::cells(segment, 0..head.map_or(0, |at| at + 1), mask) {
            line.push(cell.shown);
            column += cell.width;
        }
        line.push(CUT);
        column += 1;
    }
    let shown = cells.get(seen.clone()).unwrap_or_default();
    let before = marked.start.saturating_sub(seen.start).min(shown.len());
    let under = marked.end.saturating_sub(seen.start).min(shown.len());
    line.extend(shown.iter().map(|cell| cell.shown));
    if seen.end < cells.len() || to < segment.len() {
        line.push(CUT);
    }
    let columns = |range: Range<usize>| -> usize {
        shown.get(range).unwrap_or_default().iter().map(|cell| cell.width).sum()
    };
    let marks =
        " ".repeat(column + columns(0..before)) + &"^".repeat(columns(before..under).max(1));
    Excerpt { line, marks }
}

/// As many cells as fit: the marked ones first, then what stands around them on both sides by turns.
fn window(cells: &[Cell], marked: &Range<usize>, width: usize) -> Range<usize> {
    let wide = |n: usize| cells.get(n).map(|cell| cell.width);
    let (mut from, mut to, mut left) = (marked.start, marked.start, width);
    let mut take = |n: Option<usize>| {
        let taken = n.and_then(wide).filter(|width| *width <= left);
        left -= taken.unwrap_or(0);
        taken.is_some()
    };
    while to < marked.end && take(Some(to)) {
        to += 1;
    }
    loop {
        let before = take(from.checked_sub(1));
        from -= usize::from(before);
        let after = take(Some(to));
        to += usize::from(after);
        if !before && !after {
            return from..to;
        }
    }
}

/// The characters of some bytes of a segment, as they are shown.
fn cells(segment: &[u8], range: Range<usize>, mask: bool) -> Vec<Cell> {
    let clear = if mask { name_length(segment) } else { segment.len() };
    let mut cells = vec![];
    let mut at = range.start;
    for chunk in segment.get(range).unwrap_or_default().utf8_chunks() {
        for (offset, character) in chunk.valid().char_indices() {
            let start = at + offset;
            let shown = shown(if start < clear { character } else { masked_one(character) });
            cells.push(Cell { shown, width: width_of(shown), start });
        }
        at += chunk.valid().len();
        for _ in chunk.invalid() {
            cells.push(Cell { shown: char::REPLACEMENT_CHARACTER, width: 1, start: at });
            at += 1;
        }
    }
    cells
}

/// How much of a segment says nothing of a person: its name, and of MSH the delimiters.
fn name_length(segment: &[u8]) -> usize {
    let is_name = |name: &[u8]| name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match segment {
        [b'M', b'S', b'H', ..] => 8,
        [a, b, c, rest @ ..]
            if is_name(&[*a, *b, *c]) && rest.first().is_none_or(u8::is_ascii_punctuation) =>
        {
            3
        }
        _ => 0,
    }
}

/// Letters as `X`, digits as `9`.
fn masked_one(character: char) -> char {
    match character {
        _ if character.is_numeric() => '9',
        _ if character.is_alphabetic() || !character.is_ascii() => 'X',
        _ => character,
    }
}

/// A text for a terminal: no control characters, whatever it came from.
pub fn plain(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// Control characters could write over the report, and marks of writing direction turn it round.
fn shown(character: char) -> char {
    match character {
        _ if character.is_control() => CONTROL,
        '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => CONTROL,
        _ => character,
    }
}

/// How many columns of a terminal a character takes: none for marks on the one before, two for the wide ones of East
/// Asia and pictures. Source: Unicode Standard Annex 11, its larger ranges.
fn width_of(character: char) -> usize {
    match u32::from(character) {
        0x0300..=0x036F | 0x200B..=0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFEFF => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F900..=0x1F9FF
        | 0x2_0000..=0x3_FFFD => 2,
        _ => 1,
    }
}

/// A text in lines of at most `width` columns, each behind `indent`; a longer word stands alone.
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let columns = |text: &str| -> usize { text.chars().map(width_of).sum() };
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = columns(word);
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            used = 0;
        }
        if used == 0 {
            out.push_str(indent);
            used = columns(indent);
        } else {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The excerpt in which a text is underlined.
    fn of(segment: &str, place: &str, width: usize, mask: bool) -> (String, String) {
        let start = segment.find(place).unwrap();
        let Excerpt { line, marks } =
            excerpt(segment.as_bytes(), start..start + place.len(), width, mask);
        (line, marks)
    }

    fn pair(line: &str, marks: &str) -> (String, String) {
        (line.to_owned(), marks.to_owned())
    }

    #[test]
    fn a_place_is_underlined() {
        assert_eq!(of("PID|1||77^^^EHR", "77", 80, false), pair("PID|1||77^^^EHR", "       ^^"));
    }

    #[test]
    fn where_an_element_is_absent_stands_one_mark() {
        let at_end = excerpt(b"PID|1", 5..5, 80, false);
        let between = excerpt(b"PID||1", 4..4, 80, false);

        assert_eq!((at_end.line.as_str(), at_end.marks.as_str()), ("PID|1", "     ^"));
        assert_eq!((between.line.as_str(), between.marks.as_str()), ("PID||1", "    ^"));
    }

    #[test]
    fn a_long_segment_is_cut_around_the_place() {
        let segment = format!("RXA|{}|HERE|{}", "a".repeat(100), "b".repeat(100));

        assert_eq!(
            of(&segment, "HERE", 30, false),
            pair("RXA|…aaaaaaaaa|HERE|bbbbbbbbb…", "               ^^^^")
        );
        assert_eq!(of(&segment, "RXA", 30, false).1, "^^^");
        assert_eq!(of(&segment, &"b".repeat(100), 30, false).0.chars().count(), 30);
    }

    #[test]
    fn the_end_of_a_long_segment_is_not_marked_as_cut() {
        let segment = format!("RXA|{}|HERE", "a".repeat(100));

        assert_eq!(
            of(&segment, "HERE", 30, false),
            pair("RXA|…aaaaaaaaaaaaaaaaaaa|HERE", "                         ^^^^")
        );
    }

    #[test]
    fn wide_characters_and_accents_do_not_shift_the_marks() {
        assert_eq!(of("PID|山田|Nu\u{301}ñez|X", "X", 80, false).1, "               ^");
        assert_eq!(of("PID|山田|X", "山田", 80, false).1, "    ^^^^");
        assert_eq!(of("PID|Nuñez|X", "ñ", 80, false).1, "      ^");
    }

    #[test]
    fn control_characters_and_broken_bytes_are_shown_and_never_written() {
        let shown = excerpt(b"PID|\x1b[2J\t\xff|\xe2\x80\xaeX", 4..5, 80, false);

        assert_eq!(shown.line, "PID|·[2J·\u{FFFD}|·X");
        assert_eq!(shown.marks, "    ^");
    }

    #[test]
    fn masking_leaves_form_and_segment_name() {
        assert_eq!(of("PID|1||Ünal^山|", "Ünal", 80, true), pair("PID|9||XXXX^X|", "       ^^^^"));
        assert_eq!(of("MSH|^~\\&|EHR 2", "EHR", 80, true).0, "MSH|^~\\&|XXX 9");
        assert_eq!(of("Sampleperson", "Sample", 80, true).0, "XXXXXXXXXXXX");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three", "  ", 9), "  one two\n  three\n");
        assert_eq!(wrapped("unbreakable x", " ", 5), " unbreakable\n x\n");
    }

    proptest! {
        #[test]
        fn an_excerpt_fits_and_the_marks_are_under_it(
            segment in "(RXA\\|)?[ -~é山\u{301}\r]{0,200}", start in 0_usize..220, length in 0_usize..40, width in 20_usize..90,
            mask in any::<bool>(),
        ) {
            let Excerpt { line, marks } = excerpt(segment.as_bytes(), start..start + length, width, mask);
            let columns = |text: &str| text.chars().map(width_of).sum::<usize>();

            prop_assert!(columns(&line) <= width, "{line}");
            prop_assert!(columns(&marks) <= columns(&line) + 1);
            prop_assert!(marks.trim_start().bytes().all(|b| b == b'^') && marks.ends_with('^'));
            prop_assert!(!line.contains(char::is_control));
        }

        #[test]
        fn any_bytes_can_be_shown(
            segment in proptest::collection::vec(any::<u8>(), 0..300), start in 0_usize..320, length in 0_usize..400,
        ) {
            let shown = excerpt(&segment, start..start + length, 40, true);
            prop_assert!(!shown.line.contains(char::is_control));
        }
    }
}
