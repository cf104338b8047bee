//! The letters of a trial, for whoever has no mail server yet. In any other installation these pages are not there.
//!
//! They show one-time links to whoever opens them. That is why they exist only while no region is connected, no mail
//! server is configured, and the service listens on its own machine alone (`PortalSettings::shows_letters`).

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::{LetterRecord, LetterState, MessageId};
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::store::LetterFilter;

/// Letters on one page.
const PAGE: usize = 50;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/mail", get().to(list)).route("/mail/{id}", get().to(show));
}

#[derive(Template)]
#[template(path = "letters.html")]
struct List {
    layout: Layout,
    letters: Vec<(LetterRecord, Moment)>,
    next: Option<MessageId>,
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    if !visit.portal().shows_letters() {
        return Ok(visit.missing());
    }
    let filter = LetterFilter {
        state: Some(LetterState::Held),
        before: visit.query("before").parse().ok(),
        ..LetterFilter::default()
    };
    let limit = i64::try_from(PAGE + 1).unwrap_or_default();
    let mut found = visit.portal().sites.store().letter_list(filter, limit).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| last.id);
    Ok(visit.page(&List {
        layout: visit.layout("Emails of this trial"),
        letters: found
            .into_iter()
            .map(|letter| {
                let at = moment(letter.created_at);
                (letter, at)
            })
            .collect(),
        next,
    }))
}

/// A piece of a line: a text, or the path of a page of ours.
enum Piece {
    Link(String),
    Text(String),
}

#[derive(Template)]
#[template(path = "trial_letter.html")]
struct Show {
    layout: Layout,
    to: String,
    paragraphs: Vec<Vec<Vec<Piece>>>,
}

async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let settings = &visit.portal().settings;
    let Ok(id) = id.parse::<MessageId>() else { return Ok(visit.missing()) };
    if !visit.portal().shows_letters() {
        return Ok(visit.missing());
    }
    let Some((letter, words)) = visit.portal().sites.letter_read(id, visit.by()).await? else {
        return Ok(visit.missing());
    };
    let line = |line: &str| pieces(line, &settings.public_url);
    Ok(visit.page(&Show {
        layout: visit.layout(letter.subject),
        to: letter.to.to_string(),
        paragraphs: words
            .split("\n\n")
            .filter(|paragraph| !paragraph.trim().is_empty())
            .map(|paragraph| paragraph.lines().map(line).collect())
            .collect(),
    }))
}

/// A line with the addresses of our own pages as links; those of others stay text.
fn pieces(line: &str, public_url: &str) -> Vec<Piece> {
    let mut found = vec![];
    for word in line.split_inclusive(' ') {
        let path = word.trim_end().strip_prefix(public_url).filter(|path| path.starts_with('/'));
        match (path, found.last_mut()) {
            (Some(path), _) => found.push(Piece::Link(path.to_owned())),
            (None, Some(Piece::Text(text))) => text.push_str(word),
            (None, _) => found.push(Piece::Text(word.to_owned())),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_ours_become_links() {
        let read = |line: &str| {
            let shown = |piece: &Piece| match piece {
                Piece::Link(path) => format!("[{path}]"),
                Piece::Text(text) => text.clone(),
            };
            pieces(line, "https://localhost:8443").iter().map(shown).collect::<String>()
        };

        assert_eq!(read("https://localhost:8443/verify/abc"), "[/verify/abc]");
        assert_eq!(read("Go to https://localhost:8443/a now."), "Go to [/a]now.");
        for foreign in ["https://localhost:8443.example.org/a", "https://example.org/", "no link"] {
            assert_eq!(read(foreign), foreign);
        }
    }
}
