//! Answers with the labels of their questions, part by part: what was given, and in one line what was not.

use crate::domain::form::{Answers, Field, Kind, Page};
use crate::domain::questions::part_title;
use crate::domain::{Request, RequestId, RequestKind};

/// The answers to a page of questions.
pub(super) struct Part {
    pub(super) title: String,
    /// Where they are changed.
    pub(super) change: Option<String>,
    pub(super) rows: Vec<Answered>,
    /// Labels of what was asked and not answered, in one line.
    pub(super) missing: String,
}

/// An answer.
pub(super) struct Answered {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) pending: Option<Pending>,
}

/// What was asked for instead of an answer, and waits for staff.
pub(super) struct Pending {
    pub(super) value: String,
    pub(super) request: RequestId,
    /// The address of the request's page.
    pub(super) to: String,
}

/// The answers to these pages. `change` gives the address of a page's questions, `request` that of a request.
pub(super) fn parts<'a>(
    pages: impl Iterator<Item = &'a Page>,
    known: &Answers,
    hidden: &[&str],
    requests: &[&Request],
    change: impl Fn(&Page) -> Option<String>,
    request: impl Fn(RequestId) -> String,
) -> Vec<Part> {
    let asked = |page: &'a Page| {
        page.fields
            .iter()
            .filter(|field| field.when.holds(known) && !hidden.contains(&field.name))
            .filter(|field| !matches!(field.kind, Kind::EmailAgain(_)))
    };
    // A registration repeats every answer; only an update asks for others.
    let pending = |field: &Field| {
        let of_field =
            |one: &&&Request| one.kind == RequestKind::Update && one.answers.has(field.name);
        requests.iter().find(of_field).map(|one| Pending {
            value: field.kind.show(one.answers.get(field.name)),
            request: one.id,
            to: request(one.id),
        })
    };
    let part = |page: &'a Page| {
        let (mut rows, mut missing) = (vec![], vec![]);
        for field in asked(page) {
            let (label, pending) = (field.short_label(), pending(field));
            if known.has(field.name) {
                rows.push(Answered {
                    label,
                    value: field.kind.show(known.get(field.name)),
                    pending,
                });
            } else if pending.is_some() {
                rows.push(Answered { label, value: "Not given".to_owned(), pending });
            } else if !matches!(field.kind, Kind::Agree | Kind::Tick) {
                missing.push(label);
            }
        }
        Part { title: part_title(page), change: change(page), rows, missing: missing.join(", ") }
    };
    pages.map(part).collect()
}
