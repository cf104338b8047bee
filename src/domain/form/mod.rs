//! Questions as data: what is asked on a page, what is a good answer, and what is said of a bad one.
//!
//! A [`Form`] is a list of [`Page`]s, a page a list of [`Field`]s. Registration, enrolment, account updates and bulk
//! uploads read their input through the same fields, so one rule holds everywhere and every message stands in one place.
//! What was read is kept as [`Answers`]: checked, trimmed and in one spelling.

mod kind;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use kind::{Choice, Kind};

/// What somebody answered, by the name of the field. Only [`Page::read`] fills it from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers(BTreeMap<String, String>);

impl Answers {
    /// The answer to a field; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a field has an answer.
    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// Whether a field was answered with yes, or ticked.
    pub fn is_yes(&self, name: &str) -> bool {
        self.get(name) == "yes"
    }

    /// Puts an answer in place of the present one; an empty one removes it.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Every answer, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the answers of `other` in place of those of the same names.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The answers whose value differs from that in `before`, which may have none.
    #[must_use]
    pub fn changes_from(&self, before: &Self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(name, value)| before.get(name) != value.as_str())
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// As it is kept in a column.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// What [`Answers::to_json`] wrote.
    ///
    /// # Errors
    /// When it is not an object of texts.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Answers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// One thing that is wrong, in words for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field.
    pub field: &'static str,
    /// What to do about it.
    pub message: String,
}

/// Everything that is wrong with a page, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// A single one.
    pub fn one(field: &'static str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds one.
    pub fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field, message: message.into() });
    }

    /// What is wrong with a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// When a page or a field is asked.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Of those of whom each of these holds.
    All(&'static [Self]),
    /// Of everybody.
    Always,
    /// Of those who gave one of these answers to a field.
    Is(&'static str, &'static [&'static str]),
    /// Of those who gave none of these answers to a field.
    Not(&'static str, &'static [&'static str]),
}

impl When {
    /// Whether it is asked of somebody with these answers.
    pub fn holds(self, answers: &Answers) -> bool {
        match self {
            Self::All(each) => each.iter().all(|one| one.holds(answers)),
            Self::Always => true,
            Self::Is(field, values) => values.contains(&answers.get(field)),
            Self::Not(field, values) => !values.contains(&answers.get(field)),
        }
    }
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name: in forms, in [`Answers`], as the column of a bulk upload.
    pub name: &'static str,
    /// What is asked, in the words of the page.
    pub label: &'static str,
    /// Help beside it; may be empty.
    pub hint: &'static str,
    /// What a good answer is.
    pub kind: Kind,
    /// Whether it may be left empty.
    pub optional: bool,
    /// What is said when it is empty.
    pub missing: &'static str,
    /// When it is asked, by answers of the same page.
    pub when: When,
    /// What browsers fill it in with; see the HTML attribute `autocomplete`.
    pub autocomplete: &'static str,
}

impl Field {
    /// A required question; `missing` is said when it is left empty.
    pub const fn new(
        name: &'static str,
        label: &'static str,
        kind: Kind,
        missing: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            hint: "",
            kind,
            optional: false,
            missing,
            when: When::Always,
            autocomplete: "",
        }
    }

    /// A question that may be left open.
    pub const fn optional(name: &'static str, label: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, label, kind, "");
        field.optional = true;
        field
    }

    /// With help beside it.
    #[must_use]
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Asked only under this condition.
    #[must_use]
    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// With what browsers fill it in.
    #[must_use]
    pub const fn autocomplete(mut self, value: &'static str) -> Self {
        self.autocomplete = value;
        self
    }

    /// Its label where answers are shown: whether it had to be answered is of no interest there.
    pub fn short_label(&self) -> &'static str {
        self.label.trim_end_matches(" (optional)")
    }

    /// Checks what was typed.
    ///
    /// # Errors
    /// With the message for the person who typed it.
    pub fn read(&self, typed: &str, page: &Answers, today: NaiveDate) -> Result<String, String> {
        let typed = if matches!(self.kind, Kind::Password) { typed } else { typed.trim() };
        if typed.is_empty() {
            return if self.optional { Ok(String::new()) } else { Err(self.missing.to_owned()) };
        }
        self.kind.read(typed, self.label, page, today)
    }
}

/// A rule over several answers of one page.
pub type PageRule = fn(&Answers, NaiveDate, &mut FieldErrors);

/// What is asked at one time.
#[derive(Clone, Copy)]
pub struct Page {
    /// Its place in the address.
    pub slug: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is said under the heading; may be empty.
    pub lede: &'static str,
    /// What is asked.
    pub fields: &'static [Field],
    /// When it is asked, by answers of earlier pages.
    pub when: When,
    /// What must hold between its answers.
    pub rule: Option<PageRule>,
}

impl Page {
    /// Reads what was posted: known fields only, each checked, then the rule over them all.
    ///
    /// Fields that are not asked come back without an answer, so that an earlier one does not stay behind.
    ///
    /// # Errors
    /// With everything that is wrong, in the order of the page.
    pub fn read(&self, posted: &Answers, today: NaiveDate) -> Result<Answers, FieldErrors> {
        let posted = self.gather(posted);
        let mut errors = FieldErrors::default();
        let mut good = Answers::default();
        for field in self.fields {
            if !field.when.holds(&posted) {
                good.0.insert(field.name.to_owned(), String::new());
                continue;
            }
            match field.read(posted.get(field.name), &posted, today) {
                Ok(value) => {
                    good.0.insert(field.name.to_owned(), value);
                }
                Err(message) => errors.add(field.name, message),
            }
        }
        if let Some(rule) = self.rule
            && errors.is_empty()
        {
            rule(&good, today, &mut errors);
        }
        if errors.is_empty() { Ok(good) } else { Err(errors) }
    }

    /// What was posted for the fields of this page; the three parts of a date as one text.
    pub fn gather(&self, posted: &Answers) -> Answers {
        self.fields
            .iter()
            .map(|field| {
                let typed = if matches!(field.kind, Kind::Date) && !posted.has(field.name) {
                    let part =
                        |part| posted.get(&format!("{}-{part}", field.name)).trim().to_owned();
                    let parts = [part("year"), part("month"), part("day")];
                    if parts.iter().all(String::is_empty) { String::new() } else { parts.join("-") }
                } else if matches!(field.kind, Kind::Password) {
                    posted.get(field.name).to_owned()
                } else {
                    posted.get(field.name).trim().to_owned()
                };
                (field.name, typed)
            })
            .collect()
    }

    /// Whether every field that is asked and required has an answer.
    pub fn is_answered(&self, answers: &Answers) -> bool {
        self.fields
            .iter()
            .all(|field| field.optional || !field.when.holds(answers) || answers.has(field.name))
            && self.fields.iter().any(|field| answers.has(field.name))
    }
}

/// Pages in their order.
#[derive(Clone, Copy)]
pub struct Form {
    /// Every page.
    pub pages: &'static [Page],
}

impl Form {
    /// The page with this slug.
    pub fn page(&self, slug: &str) -> Option<&'static Page> {
        self.pages.iter().find(|page| page.slug == slug)
    }

    /// The page with this slug that is asked of somebody with these answers.
    pub fn asked_page(&self, slug: &str, answers: &Answers) -> Option<&'static Page> {
        self.asked(answers).find(|page| page.slug == slug)
    }

    /// The pages that are asked of somebody with these answers.
    pub fn asked(&self, answers: &Answers) -> impl Iterator<Item = &'static Page> {
        self.pages.iter().filter(move |page| page.when.holds(answers))
    }

    /// The first page that is asked and has no full answers yet.
    pub fn first_open(&self, answers: &Answers) -> Option<&'static Page> {
        self.asked(answers).find(|page| !page.is_answered(answers))
    }

    /// The page after this one.
    pub fn after(&self, slug: &str, answers: &Answers) -> Option<&'static Page> {
        self.asked(answers).skip_while(|page| page.slug != slug).nth(1)
    }

    /// The page before this one.
    pub fn before(&self, slug: &str, answers: &Answers) -> Option<&'static Page> {
        self.asked(answers).take_while(|page| page.slug != slug).last()
    }

    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.pages.iter().flat_map(|page| page.fields).find(|field| field.name == name)
    }

    /// Only the answers that somebody with these answers is asked for: what belongs to a way not taken is left out.
    #[must_use]
    pub fn settled(&self, answers: &Answers) -> Answers {
        self.asked(answers)
            .flat_map(|page| page.fields)
            .filter(|field| field.when.holds(answers) && answers.has(field.name))
            .map(|field| (field.name, answers.get(field.name)))
            .collect()
    }
}
