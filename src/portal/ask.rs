//! A page with a few questions and one button: what most pages about accounts are.

use actix_web::HttpResponse;
use askama::Template;

use crate::domain::form::{Answers, FieldErrors, Page};
use crate::portal::form::{FieldView, fields};
use crate::portal::{Layout, Visit};

/// A page with a few questions and one button.
#[derive(Template)]
#[template(path = "account_form.html")]
pub(super) struct Asked {
    layout: Layout,
    back: &'static str,
    errors: FieldErrors,
    text: Vec<String>,
    fields: Vec<FieldView>,
    button: &'static str,
    is_dangerous: bool,
    /// Ways to go on without answering: address and name.
    links: Vec<(String, &'static str)>,
}

impl Asked {
    /// The questions of `page`, with what was typed and what is wrong with it.
    pub(super) fn new(
        layout: Layout,
        page: &'static Page,
        typed: &Answers,
        errors: FieldErrors,
        button: &'static str,
    ) -> Self {
        let title = layout.title.clone();
        let title = if errors.is_empty() { title } else { format!("Error: {title}") };
        let text = if page.lede.is_empty() { vec![] } else { vec![page.lede.to_owned()] };
        Self {
            layout: Layout { title, ..layout },
            back: "",
            fields: fields(page, typed, &errors),
            errors,
            text,
            button,
            is_dangerous: false,
            links: vec![],
        }
    }

    /// With the page before this one.
    pub(super) fn back(mut self, to: &'static str) -> Self {
        self.back = to;
        self
    }

    /// With another paragraph.
    pub(super) fn paragraph(mut self, text: impl Into<String>) -> Self {
        self.text.push(text.into());
        self
    }

    /// With a button that takes something away.
    pub(super) fn dangerous(mut self) -> Self {
        self.is_dangerous = true;
        self
    }

    /// With a way to go on without answering.
    pub(super) fn link(mut self, to: impl Into<String>, name: &'static str) -> Self {
        self.links.push((to.into(), name));
        self
    }

    /// The page.
    pub(super) fn show(&self, visit: &Visit) -> HttpResponse {
        visit.page(self)
    }
}
