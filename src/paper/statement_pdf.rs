//! A statement as PDF: letter size, Helvetica as every reader has it, one column, as many pages as it needs.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::domain::StatementFacts;
use crate::paper::{Paper, TRIAL};

/// Width and height of US letter paper, in points.
const PAPER: (f32, f32) = (612.0, 792.0);
/// Blank space around the text, in points.
const MARGIN: f32 = 54.0;
/// Where the second column of the facts begins, in points from the left edge of the text.
const VALUES: f32 = 200.0;

/// The two fonts of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Font {
    Plain,
    Bold,
}

impl Font {
    const fn name(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"F1"),
            Self::Bold => Name(b"F2"),
        }
    }

    const fn base(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"Helvetica"),
            Self::Bold => Name(b"Helvetica-Bold"),
        }
    }

    /// Width of a text, in points.
    fn width(self, text: &str, size: f32) -> f32 {
        let wider = if self == Self::Bold { 1.08 } else { 1.0 };
        let letters: f32 = text.chars().map(|one| f32::from(letter_width(one))).sum();
        letters * size * wider / 1000.0
    }
}

/// Width of a letter of Helvetica, in thousandths of its size. Source: the font's metrics; what is not listed is taken for wide.
const fn letter_width(one: char) -> u16 {
    match one {
        'i' | 'j' | 'l' | '\'' => 222,
        ' ' | '!' | ',' | '.' | '/' | ':' | ';' | 'I' | 'f' | 't' | '|' => 278,
        '(' | ')' | '-' | 'r' => 333,
        'J' | 'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' => 500,
        'F' | 'T' | 'Z' => 611,
        'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' => 667,
        'C' | 'D' | 'H' | 'N' | 'R' | 'U' | 'w' => 722,
        'G' | 'O' | 'Q' => 778,
        'M' | 'm' => 833,
        'W' | '%' => 944,
        'a'..='z' | '0'..='9' | 'L' => 556,
        _ => 850,
    }
}

/// Text in the encoding of the fonts (Windows-1252); what it lacks becomes a question mark.
fn encoded(text: &str) -> Vec<u8> {
    let byte = |one: char| match one {
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(one)).unwrap_or(b'?'),
        '\u{2018}' => 0x91,
        '\u{2019}' => 0x92,
        '\u{201c}' => 0x93,
        '\u{201d}' => 0x94,
        '\u{2013}' => 0x96,
        '\u{2014}' => 0x97,
        _ => b'?',
    };
    text.chars().map(byte).collect()
}

/// A text in lines of at most so many points; a longer word is broken.
fn wrapped(text: &str, font: Font, size: f32, width: f32) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if font.width(&longer, size) <= width {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for one in word.chars() {
            if font.width(&line, size) + font.width(&one.to_string(), size) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(one);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Pages that are being written, from top to bottom.
struct Writer {
    pages: Vec<Content>,
    page: Content,
    /// Where the next line stands, from the bottom.
    y: f32,
}

impl Writer {
    fn new() -> Self {
        Self { pages: vec![], page: Content::new(), y: PAPER.1 - MARGIN }
    }

    /// Makes sure that so many points are left.
    fn room(&mut self, points: f32) {
        if self.y - points < MARGIN {
            self.pages.push(std::mem::replace(&mut self.page, Content::new()));
            self.y = PAPER.1 - MARGIN;
        }
    }

    fn put(&mut self, text: &str, (font, size): (Font, f32), x: f32, y: f32) {
        self.page.begin_text();
        self.page.set_font(font.name(), size);
        self.page.next_line(MARGIN + x, y);
        self.page.show(Str(&encoded(text)));
        self.page.end_text();
    }

    fn paragraph(&mut self, text: &str, (font, size): (Font, f32), indent: f32) {
        let width = PAPER.0 - 2.0 * MARGIN - indent;
        for line in wrapped(text, font, size, width) {
            self.room(size * 1.35);
            self.y -= size * 1.35;
            self.put(&line, (font, size), indent, self.y);
        }
        self.y -= size * 0.5;
    }

    fn heading(&mut self, text: &str) {
        self.room(60.0);
        self.y -= 8.0;
        self.paragraph(text, (Font::Bold, 12.5), 0.0);
    }

    fn item(&mut self, text: &str) {
        self.room(14.0);
        self.put("-", (Font::Plain, 10.0), 0.0, self.y - 13.5);
        self.paragraph(text, (Font::Plain, 10.0), 12.0);
    }

    /// A name with its value beside it, and a thin line below.
    fn fact(&mut self, label: &str, value: &str) {
        const SIZE: f32 = 10.0;
        const LEADING: f32 = 13.5;
        let width = PAPER.0 - 2.0 * MARGIN;
        let labels = wrapped(label, Font::Bold, SIZE, VALUES - 12.0);
        let values = wrapped(value, Font::Plain, SIZE, width - VALUES);
        let lines = u16::try_from(labels.len().max(values.len())).unwrap_or(u16::MAX);
        let height = f32::from(lines) * LEADING;
        self.room(height + 7.0);
        for (column, font, texts) in [(0.0, Font::Bold, labels), (VALUES, Font::Plain, values)] {
            let mut y = self.y;
            for text in texts {
                y -= LEADING;
                self.put(&text, (font, SIZE), column, y);
            }
        }
        self.y -= height + 5.0;
        self.page.set_line_width(0.5).set_stroke_gray(0.7);
        self.page.move_to(MARGIN, self.y).line_to(MARGIN + width, self.y).stroke();
        self.y -= 2.0;
    }

    fn end(mut self) -> Vec<Content> {
        self.pages.push(self.page);
        self.pages
    }
}

fn written(paper: &Paper) -> Vec<Content> {
    let mut writer = Writer::new();
    writer.paragraph("CDPH Immunization Gateway (IZ Portal)", (Font::Plain, 10.0), 0.0);
    let title = format!("Statement for meaningful use, {}", paper.year);
    writer.paragraph(&title, (Font::Bold, 18.0), 0.0);
    writer.paragraph(&format!("Issued on {}", paper.issued), (Font::Plain, 10.0), 0.0);
    if paper.is_trial {
        writer.paragraph(TRIAL, (Font::Bold, 12.5), 0.0);
    }
    for (label, value) in &paper.rows {
        writer.fact(label, value);
    }
    writer.heading("What it proves");
    for text in StatementFacts::PROVES {
        writer.item(text);
    }
    writer.heading("What it does not prove");
    for text in StatementFacts::LEAVES_OPEN {
        writer.item(text);
    }
    writer.room(110.0); // the code stays with the words about it
    writer.heading("Check it");
    let how = format!(
        "Enter this code at {}: the page shows what was issued, and whether it is still so.",
        paper.verify
    );
    writer.paragraph(&how, (Font::Plain, 10.0), 0.0);
    writer.paragraph(&paper.code, (Font::Bold, 14.0), 0.0);
    writer.end()
}

/// The file.
pub(super) fn of(paper: &Paper) -> Vec<u8> {
    let (catalog, tree, info) = (Ref::new(1), Ref::new(2), Ref::new(3));
    let fonts = [(Font::Plain, Ref::new(4)), (Font::Bold, Ref::new(5))];
    let contents = written(paper);
    let numbered: Vec<_> = (6..).step_by(2).zip(contents).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).lang(TextStr("en-US"));
    let title = format!("Statement for meaningful use, {}", paper.year);
    pdf.document_info(info).title(TextStr(&title)).creator(TextStr("IZ Portal"));
    let count = i32::try_from(numbered.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(numbered.iter().map(|(number, _)| Ref::new(*number))).count(count);
    for (font, id) in fonts {
        pdf.type1_font(id).base_font(font.base()).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (number, content) in numbered {
        let (id, stream) = (Ref::new(number), Ref::new(number + 1));
        let mut page = pdf.page(id);
        page.parent(tree).media_box(Rect::new(0.0, 0.0, PAPER.0, PAPER.1)).contents(stream);
        let mut resources = page.resources();
        let mut known = resources.fonts();
        for (font, id) in fonts {
            known.pair(font.name(), id);
        }
        known.finish();
        resources.finish();
        page.finish();
        pdf.stream(stream, &content.finish());
    }
    pdf.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(rows: usize) -> Paper {
        Paper {
            issued: "November 22, 2026, 10:00 UTC".to_owned(),
            code: "01234-56789-abcde-fghjk".to_owned(),
            verify: "https://iz.example/verify-statement".to_owned(),
            rows: (0..rows)
                .map(|one| (format!("Label {one}"), "José (Inventa)".to_owned()))
                .collect(),
            year: 2026,
            is_trial: false,
        }
    }

    #[test]
    fn a_file_begins_ends_and_points_where_it_says() {
        let file = of(&paper(12));
        assert!(file.starts_with(b"%PDF-1.7"));
        let text = String::from_utf8_lossy(&file);
        assert!(text.trim_end().ends_with("%%EOF"));
        let (_, last) = text.rsplit_once("startxref").unwrap();
        let at: usize = last.split_whitespace().next().unwrap().parse().unwrap();
        let from = |offset: usize| file.get(offset..).unwrap();
        assert!(from(at).starts_with(b"xref"), "{at}");
        // Every object stands where the table says.
        let table = String::from_utf8_lossy(from(at)).into_owned();
        let mut known = 0;
        for (number, line) in table.lines().skip(2).enumerate() {
            if let Some(offset) = line.trim_end().strip_suffix(" n") {
                let offset: usize = offset.split(' ').next().unwrap().parse().unwrap();
                let begin = format!("{number} 0 obj");
                assert!(from(offset).starts_with(begin.as_bytes()), "{number}");
                known += 1;
            }
        }
        assert_eq!(known, 7, "catalog, pages, information, two fonts, a page and its text");
        assert!(text.contains("(01234-56789-abcde-fghjk)"), "the code is text");
        assert!(text.contains("/WinAnsiEncoding"));
    }

    #[test]
    fn what_does_not_fit_goes_on_another_page() {
        let pages = |rows| {
            let file: String = of(&paper(rows)).iter().map(|byte| char::from(*byte)).collect();
            file.matches("/Type /Page\n").count()
        };
        assert_eq!((pages(3), pages(60)), (1, 3));
    }

    #[test]
    fn lines_fit_and_long_words_are_broken() {
        for line in wrapped(&"word ".repeat(60), Font::Plain, 10.0, 200.0) {
            assert!(Font::Plain.width(&line, 10.0) <= 200.0, "{line}");
        }
        assert!(wrapped(&"w".repeat(200), Font::Plain, 10.0, 200.0).len() > 4);
        assert_eq!(wrapped("", Font::Plain, 10.0, 200.0), [""]);
    }
}
