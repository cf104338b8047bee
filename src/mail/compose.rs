//! The words of a letter, once as text and once as HTML, from the same parts.

use crate::domain::{EmailAddress, Letter};

/// Columns of the text; a longer word, such as an address on the web, has a line of its own.
const COLUMNS: usize = 72;

/// Characters of a name that is greeted.
const LONGEST_NAME: usize = 60;

/// Who writes, and who helps: the end of every letter.
#[derive(Debug, Clone)]
pub struct Footer {
    /// The name of the service.
    pub service: String,
    /// How the help desk is reached; may be empty.
    pub help_desk: String,
}

/// A letter that is being written; its parts stand in the order in which they are added.
#[derive(Debug, Clone)]
pub struct Composition {
    kind: &'static str,
    subject: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// Heading, lines, and where to read on.
    Entry(String, Vec<String>, Option<(String, String)>),
    Facts(Vec<(String, String)>),
    Greeting(String),
    Link {
        label: String,
        url: String,
    },
    List(Vec<String>),
    Paragraph(String),
}

/// Begins a letter of this kind. Nothing of a patient and no password belongs into it.
pub fn compose(kind: &'static str, subject: impl Into<String>) -> Composition {
    Composition { kind, subject: plain(&subject.into()), parts: vec![] }
}

impl Composition {
    /// Greets by name. A name that looks like an address on the web is left out: whoever fills in a form for somebody else
    /// could send a message of his own that way.
    #[must_use]
    pub fn greeting(self, name: &str) -> Self {
        let name = plain(name);
        let name = if is_name(&name) { format!(" {name}") } else { String::new() };
        self.with(Part::Greeting(format!("Hello{name},")))
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn paragraph(self, text: impl AsRef<str>) -> Self {
        let text = plain(text.as_ref());
        self.with(Part::Paragraph(text))
    }

    /// Adds a list.
    #[must_use]
    pub fn list<T: AsRef<str>>(self, items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(|item| plain(item.as_ref())).collect();
        self.with(Part::List(items))
    }

    /// Adds names with their values, such as a Site ID.
    #[must_use]
    pub fn facts<N: AsRef<str>, V: AsRef<str>>(
        self,
        facts: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let facts = facts.into_iter();
        let facts = facts.map(|(name, value)| (plain(name.as_ref()), plain(value.as_ref())));
        let facts = facts.collect();
        self.with(Part::Facts(facts))
    }

    /// Adds a part with a heading of its own, and perhaps where to read on: a label and an address.
    #[must_use]
    pub fn entry<T: AsRef<str>>(
        self,
        heading: impl AsRef<str>,
        lines: impl IntoIterator<Item = T>,
        link: Option<(&str, String)>,
    ) -> Self {
        let lines = lines.into_iter().map(|line| plain(line.as_ref())).collect();
        let link = link.map(|(label, url)| (plain(label), plain(&url)));
        self.with(Part::Entry(plain(heading.as_ref()), lines, link))
    }

    /// Adds the link that the letter is about; its address is shown, too.
    #[must_use]
    pub fn link(self, label: impl AsRef<str>, url: impl AsRef<str>) -> Self {
        let (label, url) = (plain(label.as_ref()), plain(url.as_ref()));
        self.with(Part::Link { label, url })
    }

    /// Ends the letter.
    pub fn to(self, to: EmailAddress, footer: &Footer) -> Letter {
        let text = self.text(footer);
        let html = self.html(footer);
        Letter { kind: self.kind, to, subject: self.subject, text, html }
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    fn text(&self, footer: &Footer) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Greeting(line) | Part::Paragraph(line) => wrap(&mut text, line, "", ""),
                Part::List(items) => {
                    for item in items {
                        wrap(&mut text, item, "- ", "  ");
                    }
                }
                Part::Entry(heading, lines, link) => {
                    wrap(&mut text, heading, "", "");
                    for line in lines {
                        wrap(&mut text, line, "- ", "  ");
                    }
                    if let Some((label, url)) = link {
                        wrap(&mut text, &format!("{label}: {url}"), "  ", "  ");
                    }
                }
                Part::Facts(facts) => {
                    for (name, value) in facts {
                        wrap(&mut text, &format!("{name}: {value}"), "  ", "    ");
                    }
                }
                Part::Link { label, url } => {
                    wrap(&mut text, &format!("{label}:"), "", "");
                    wrap(&mut text, url, "", "");
                }
            }
            text.push('\n');
        }
        // The separator before a signature; mail programs know it by its blank.
        text.push_str("-- \n");
        for line in footer_lines(footer) {
            wrap(&mut text, &line, "", "");
        }
        text
    }

    fn html(&self, footer: &Footer) -> String {
        let subject = escaped(&self.subject);
        let parts: String = self.parts.iter().map(Part::html).collect();
        let lines: Vec<_> = footer_lines(footer).map(|line| escaped(&line)).collect();
        let footer = lines.join("<br>\n");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body>\n{parts}<hr>\n<p>{footer}</p>\n</body>\n</html>\n"
        )
    }
}

impl Part {
    fn html(&self) -> String {
        match self {
            Self::Greeting(line) | Self::Paragraph(line) => format!("<p>{}</p>\n", escaped(line)),
            Self::List(items) => list(items.iter().map(|item| escaped(item))),
            Self::Entry(heading, lines, link) => {
                let lines = list(lines.iter().map(|line| escaped(line)));
                let link = link.as_ref().map(|(label, url)| {
                    format!("<p><a href=\"{}\">{}</a></p>\n", escaped(url), escaped(label))
                });
                format!("<h2>{}</h2>\n{lines}{}", escaped(heading), link.unwrap_or_default())
            }
            Self::Facts(facts) => list(facts.iter().map(|(name, value)| {
                format!("{}: <strong>{}</strong>", escaped(name), escaped(value))
            })),
            Self::Link { label, url } => {
                let (label, url) = (escaped(label), escaped(url));
                format!(
                    "<p><a href=\"{url}\"><strong>{label}</strong></a></p>\n\
                     <p>If the link does not open, copy this address into your browser:<br>\n{url}</p>\n"
                )
            }
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| format!("<li>{item}</li>\n")).collect();
    format!("<ul>\n{}</ul>\n", items.concat())
}

fn footer_lines(footer: &Footer) -> impl Iterator<Item = String> {
    let help = plain(&footer.help_desk);
    let help = (!help.is_empty()).then(|| format!("Questions? {help}"));
    [plain(&footer.service)].into_iter().chain(help)
}

/// One line without control characters, so that no part can pass for another.
fn plain(text: &str) -> String {
    let spaced = text.chars().map(|one| if one.is_control() { ' ' } else { one });
    spaced.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Letters, blanks, hyphens and apostrophes; a full stop only at the end of a word, as in `Dr. J. Inventa`.
fn is_name(name: &str) -> bool {
    let is_word = |word: &str| {
        word.strip_suffix('.')
            .unwrap_or(word)
            .chars()
            .all(|one| one.is_alphabetic() || "-'’".contains(one))
    };
    (1..=LONGEST_NAME).contains(&name.chars().count()) && name.split(' ').all(is_word)
}

/// Appends a paragraph, its first line behind `first`, the others behind `other`.
fn wrap(text: &mut String, paragraph: &str, first: &str, other: &str) {
    let mut column = first.chars().count();
    text.push_str(first);
    let mut is_empty = true;
    for word in paragraph.split(' ') {
        let width = word.chars().count();
        if !is_empty && column + 1 + width > COLUMNS {
            text.push('\n');
            text.push_str(other);
            (column, is_empty) = (other.chars().count(), true);
        }
        if !is_empty {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
        is_empty = false;
    }
    text.push('\n');
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, one| {
        match one {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        Footer {
            service: "CDPH IZ Portal".to_owned(),
            help_desk: "help@example.org, 800-555-0100".to_owned(),
        }
    }

    fn to() -> EmailAddress {
        "rosa@example.org".parse().unwrap()
    }

    #[test]
    fn a_letter_says_the_same_as_text_and_as_html() {
        let url = "https://iz.example.gov/verify/0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjkmnpqrstvwxyz";
        let letter = compose("verify-address", "Confirm your email address")
            .greeting("Rosa Inventa")
            .paragraph("Somebody, we hope you, registered Harbor Street Pediatrics for data exchange and gave this address.")
            .link("Confirm this address", url)
            .list(["The link works once.", "It ends after 24 hours."])
            .facts([("Site ID", "DE-000001")])
            .to(to(), &footer());

        assert_eq!(
            letter.text,
            format!(
                "Hello Rosa Inventa,\n\n\
                 Somebody, we hope you, registered Harbor Street Pediatrics for data\n\
                 exchange and gave this address.\n\n\
                 Confirm this address:\n{url}\n\n\
                 - The link works once.\n- It ends after 24 hours.\n\n  \
                 Site ID: DE-000001\n\n\
                 -- \nCDPH IZ Portal\nQuestions? help@example.org, 800-555-0100\n"
            )
        );
        for part in [
            "<p>Hello Rosa Inventa,</p>",
            "<li>The link works once.</li>",
            "<strong>DE-000001</strong>",
        ] {
            assert!(letter.html.contains(part), "{}", letter.html);
        }
        assert!(letter.html.contains(&format!("<a href=\"{url}\">")), "{}", letter.html);
        assert!(!letter.html.contains("<img") && !letter.html.contains("style"));
    }

    #[test]
    fn nothing_that_is_put_in_becomes_markup_or_another_line() {
        let evil = "a\r\nBcc: b@example.org\n\n<script>alert('x')</script> \"&";
        let letter = compose("test", evil)
            .paragraph(evil)
            .list([evil])
            .facts([(evil, evil)])
            .link(evil, format!("https://iz.example.gov/\"><script>{evil}"))
            .to(to(), &footer());

        assert!(
            !letter.html.contains("<script") && !letter.html.contains("'x'"),
            "{}",
            letter.html
        );
        assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
        assert!(!letter.text.lines().any(|line| line.starts_with("Bcc")), "{}", letter.text);
        assert!(!letter.text.contains('\r'));
    }

    #[test]
    fn a_name_that_says_something_else_is_not_greeted() {
        let greeted = |name: &str| compose("test", "x").greeting(name).to(to(), &footer()).text;
        for name in ["María José Ñandú", "Dr. J. O'Inventa-Muster", "李 雷"] {
            assert!(greeted(name).starts_with(&format!("Hello {name},\n")), "{name}");
        }
        for name in ["", "win.example.org", "http://x", "call 800-555-0100", "a@b", &"a".repeat(61)]
        {
            assert!(greeted(name).starts_with("Hello,\n"), "{name}");
        }
    }

    #[test]
    fn lines_are_short_but_words_stay_whole() {
        let word = "w".repeat(100);
        let letter = compose("test", "x")
            .paragraph(format!("{} {word} {}", "some words ".repeat(20), "more words ".repeat(20)))
            .to(to(), &footer());

        let long: Vec<_> = letter.text.lines().filter(|line| line.chars().count() > 72).collect();
        assert_eq!(long, [word.as_str()]);
    }

    #[test]
    fn debugging_a_letter_shows_its_shape_only() {
        let letter = compose("verify-address", "s3cret").paragraph("s3cret").to(to(), &footer());
        let shown = format!("{letter:?}");
        assert!(
            shown.contains("verify-address")
                && !shown.contains("s3cret")
                && !shown.contains("rosa")
        );
    }
}
