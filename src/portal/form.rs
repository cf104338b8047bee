//! Questions as HTML.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::COUNTIES;
use crate::domain::form::{Answers, Choice, Field, FieldErrors, Kind, Page};

/// How a field is drawn.
pub(super) enum Shape {
    Area,
    /// Year, month, day.
    Date(String, String, String),
    /// Type of the input, its keyboard, its width.
    Line(&'static str, &'static str, &'static str),
    Radios(Vec<Choice>),
    Select(Vec<Choice>),
    Tick,
}

/// One field as it is drawn, with what was typed and what is wrong with it.
#[derive(Template)]
#[template(path = "field.html")]
pub(super) struct FieldView {
    id: &'static str,
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    autocomplete: &'static str,
    error: Option<String>,
    value: String,
    shape: Shape,
}

impl HtmlSafe for FieldView {}

impl FieldView {
    fn new(field: &'static Field, typed: &Answers, errors: &FieldErrors) -> Self {
        let value = match field.kind {
            // What nobody else should read is typed anew.
            Kind::Code | Kind::Password => String::new(),
            _ => typed.get(field.name).to_owned(),
        };
        Self {
            id: field.name,
            name: field.name,
            label: field.label,
            hint: field.hint,
            autocomplete: field.autocomplete,
            error: errors.of(field.name).map(str::to_owned),
            shape: shape(field, &value),
            value,
        }
    }

    /// The ids of what describes the input.
    fn described_by(&self) -> Option<String> {
        let has_hint = !self.hint.is_empty() || matches!(self.shape, Shape::Date(..));
        let hint = has_hint.then(|| format!("{}-hint", self.id));
        let error = self.error.is_some().then(|| format!("{}-error", self.id));
        let both: Vec<_> = hint.into_iter().chain(error).collect();
        if both.is_empty() { None } else { Some(both.join(" ")) }
    }
}

/// The fields of a page.
pub(super) fn fields(page: &Page, typed: &Answers, errors: &FieldErrors) -> Vec<FieldView> {
    page.fields.iter().map(|field| FieldView::new(field, typed, errors)).collect()
}

fn shape(field: &Field, value: &str) -> Shape {
    match field.kind {
        Kind::Agree | Kind::Tick => Shape::Tick,
        Kind::Choice(choices) => Shape::Radios(choices.to_vec()),
        Kind::YesNo => Shape::Radios(field.kind.choices().to_vec()),
        Kind::Password => Shape::Line("password", "", "w-line"),
        Kind::County => Shape::Select(
            COUNTIES.iter().map(|county| Choice::new(county.fips, county.name)).collect(),
        ),
        Kind::Date => {
            let mut parts = value.splitn(3, '-').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            Shape::Date(next(), next(), next())
        }
        Kind::Email | Kind::EmailAgain(_) => Shape::Line("email", "", "w-line"),
        Kind::LongText(_) => Shape::Area,
        Kind::License | Kind::SiteId | Kind::VfcPin => Shape::Line("text", "", "w-10"),
        Kind::Phone => Shape::Line("tel", "", "w-10"),
        Kind::Select(choices) => Shape::Select(choices.to_vec()),
        Kind::Text(longest) => {
            let width = match longest {
                0..=10 => "w-5",
                11..=60 => "w-line",
                _ => "w-full",
            };
            Shape::Line("text", "", width)
        }
        Kind::Code | Kind::Npi | Kind::Zip | Kind::ZipCalifornia => {
            Shape::Line("text", "numeric", "w-10")
        }
    }
}
