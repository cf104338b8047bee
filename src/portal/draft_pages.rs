//! The pages of what is filled in, sent off and confirmed by mail: the same for a registration and an enrolment.

use actix_web::HttpResponse;
use askama::Template;

use crate::domain::form::{Answers, Field, FieldErrors, Form, Kind, Page, When};
use crate::domain::{Draft, DraftKind, DraftState, Password, RequestId};
use crate::portal::form::{FieldView, fields};
use crate::portal::page::Trouble;
use crate::portal::parts::parts as parts_of;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AnswerError, Submitted};
use crate::store::{Namesake, StoreError};

/// What is filled in, and where its pages are.
pub(super) struct Flow {
    /// Which drafts are its own.
    pub(super) kind: DraftKind,
    /// Holds the key of the visitor's draft.
    pub(super) cookie: &'static str,
    /// Where its pages are, without a slash at the end.
    pub(super) base: &'static str,
    /// What it is called above a question.
    pub(super) called: &'static str,
    /// The agreement that its last page shows.
    pub(super) agreement: fn() -> Vec<&'static str>,
    /// The pages that somebody else may be asked to answer, joined by `+`; may be empty.
    pub(super) shared: &'static str,
    /// Words of its pages.
    pub(super) words: Words,
}

/// Words that differ.
pub(super) struct Words {
    /// On the button that sends it off.
    pub(super) send: &'static str,
    /// What opening the link does.
    pub(super) confirmed: &'static str,
    /// What has not happened before.
    pub(super) before: &'static str,
}

/// What is said when an address has had too many letters.
pub(super) const CAPPED: &str = "We have sent too many emails to this address today. Try again tomorrow, or use another address.";

/// A part of a form in its overview.
pub(super) struct Part {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) is_done: bool,
}

/// The parts of a draft.
pub(super) fn parts(draft: &Draft) -> Vec<Part> {
    draft
        .form()
        .asked(&draft.answers)
        .map(|page| Part {
            slug: page.slug,
            title: page.title,
            is_done: page.is_answered(&draft.answers),
        })
        .collect()
}

#[derive(Template)]
#[template(path = "question.html")]
struct Question {
    layout: Layout,
    caption: String,
    lede: &'static str,
    base: &'static str,
    back: String,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    /// Paragraphs to read before answering.
    text: Vec<&'static str>,
    button: &'static str,
    /// Whether somebody else may be asked to answer it.
    can_share: bool,
}

/// A page of answers to be looked at again.
pub(super) struct Reviewed {
    pub(super) slug: &'static str,
    pub(super) title: String,
    pub(super) rows: Vec<(&'static str, String)>,
    /// Labels of what was asked and not answered, in one line.
    pub(super) missing: String,
}

/// Answers with the labels of their questions, page by page.
pub(super) fn reviewed(form: &Form, answers: &Answers) -> Vec<Reviewed> {
    let no_address = |_: &Page| None;
    let none = |_: RequestId| String::new();
    form.asked(answers)
        .zip(parts_of(form.asked(answers), answers, &[], &[], no_address, none))
        .map(|(page, part)| Reviewed {
            slug: page.slug,
            title: part.title,
            rows: part.rows.into_iter().map(|row| (row.label, row.value)).collect(),
            missing: part.missing,
        })
        .collect()
}

#[derive(Template)]
#[template(path = "review.html")]
struct Review {
    layout: Layout,
    base: &'static str,
    button: &'static str,
    confirmed: &'static str,
    parts: Vec<Reviewed>,
    /// Sites that may be the same.
    namesakes: Vec<Namesake>,
    problem: Option<&'static str>,
    to: String,
}

#[derive(Template)]
#[template(path = "sent.html")]
struct Sent {
    layout: Layout,
    base: &'static str,
    before: &'static str,
    to: String,
    said: Option<&'static str>,
}

/// A page with one or two questions of its own, outside a form that is kept.
#[derive(Template)]
#[template(path = "ask.html")]
struct Ask {
    layout: Layout,
    lede: &'static str,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    button: &'static str,
    back: &'static str,
    said: Option<&'static str>,
}

const SAVE: Page = Page {
    slug: "save",
    title: "Save and come back later",
    lede: "We send you a link by which you go on where you stopped, on this or another device. It is good for 30 days.",
    fields: &[Field::new("email", "Your email address", Kind::Email, "Enter your email address")
        .autocomplete("email")],
    when: When::Always,
    rule: None,
};

impl Flow {
    /// The visitor's draft, when there is one.
    pub(super) async fn draft(&self, visit: &Visit) -> Result<Option<Draft>, StoreError> {
        match visit.cookie(self.cookie) {
            Some(key) => visit.portal().sites.draft(self.kind, &key).await,
            None => Ok(None),
        }
    }

    /// The visitor's draft that is still being filled in.
    pub(super) async fn open_draft(&self, visit: &Visit) -> Result<Option<Draft>, StoreError> {
        Ok(self.draft(visit).await?.filter(|draft| draft.state == DraftState::Open))
    }

    async fn sent_draft(&self, visit: &Visit) -> Result<Option<Draft>, StoreError> {
        Ok(self.draft(visit).await?.filter(|draft| draft.state == DraftState::Submitted))
    }

    /// Begins a draft with what is known already: the answers of these pages, where they are good ones.
    pub(super) async fn begin(
        &self,
        posted: Posted,
        known: &[&'static Page],
        first: &str,
    ) -> Result<HttpResponse, Trouble> {
        let Posted { visit, fields } = posted;
        let today = visit.now.utc().date_naive();
        let known = known.iter().filter_map(|page| page.read(&fields, today).ok()).fold(
            Answers::default(),
            |mut all, good| {
                all.merge(good);
                all
            },
        );
        let key = visit.portal().sites.draft_begin(self.kind, known, visit.now).await?;
        visit.set_cookie(self.cookie, Password::reveal(&key).to_owned());
        Ok(visit.redirect(&format!("{}/{first}", self.base)))
    }

    /// The draft and the page of it that the address names.
    pub(super) async fn asked(
        &self,
        visit: &Visit,
        slug: &str,
    ) -> Result<Option<(Draft, &'static Page)>, StoreError> {
        let Some(draft) = self.open_draft(visit).await? else { return Ok(None) };
        let page = draft.form().asked_page(slug, &draft.answers);
        Ok(page.map(|page| (draft, page)))
    }

    /// The page of one question, with what was typed and what is wrong with it.
    pub(super) fn question(
        &self,
        visit: &Visit,
        draft: &Draft,
        page: &Page,
        typed: &Answers,
        errors: FieldErrors,
    ) -> HttpResponse {
        let form = draft.form();
        let asked = || form.asked(&draft.answers);
        let place = asked().position(|one| one.slug == page.slug).unwrap_or(0) + 1;
        let count = asked().count();
        let title = if errors.is_empty() {
            page.title.to_owned()
        } else {
            format!("Error: {}", page.title)
        };
        let back = form.before(page.slug, &draft.answers).map_or("", |page| page.slug);
        visit.page(&Question {
            layout: Layout { heading: page.title.to_owned(), ..visit.layout(title) },
            caption: format!("{}: question {place} of about {count}", self.called),
            lede: page.lede,
            base: self.base,
            back: format!("{}/{back}", self.base).trim_end_matches('/').to_owned(),
            fields: fields(page, typed, &errors),
            errors,
            text: if page.slug == "agreement" { (self.agreement)() } else { vec![] },
            button: "Continue",
            can_share: self.shared.split('+').any(|slug| slug == page.slug),
        })
    }

    /// `GET` of a question.
    pub(super) async fn show(&self, visit: Visit, slug: &str) -> Result<HttpResponse, Trouble> {
        let Some((draft, page)) = self.asked(&visit, slug).await? else {
            return Ok(visit.redirect(self.base));
        };
        Ok(self.question(&visit, &draft, page, &draft.answers, FieldErrors::default()))
    }

    /// Takes the answers to a page and goes on to the next one, or to the review when all is answered.
    pub(super) async fn take(
        &self,
        visit: &Visit,
        draft: &Draft,
        page: &'static Page,
        posted: &Answers,
    ) -> Result<HttpResponse, Trouble> {
        match visit.portal().sites.draft_answer(draft, page, posted, visit.now).await {
            Ok(draft) => {
                let is_complete = draft.form().first_open(&draft.answers).is_none();
                let next = draft.form().after(page.slug, &draft.answers).filter(|_| !is_complete);
                let to = next.map_or("review", |page| page.slug);
                Ok(visit.redirect(&format!("{}/{to}", self.base)))
            }
            Err(AnswerError::Fields(errors)) => {
                Ok(self.question(visit, draft, page, &page.gather(posted), errors))
            }
            Err(AnswerError::Store(error)) => Err(error.into()),
        }
    }

    /// `POST` of a question.
    pub(super) async fn answer(&self, posted: Posted, slug: &str) -> Result<HttpResponse, Trouble> {
        let Posted { visit, fields } = posted;
        let Some((draft, page)) = self.asked(&visit, slug).await? else {
            return Ok(visit.redirect(self.base));
        };
        self.take(&visit, &draft, page, &fields).await
    }

    /// The page of all answers.
    pub(super) async fn review(
        &self,
        visit: &Visit,
        problem: Option<&'static str>,
    ) -> Result<HttpResponse, Trouble> {
        let Some(draft) = self.open_draft(visit).await? else {
            return Ok(visit.redirect(self.base));
        };
        if let Some(open) = draft.form().first_open(&draft.answers) {
            return Ok(visit.redirect(&format!("{}/{}", self.base, open.slug)));
        }
        let namesakes = match self.kind {
            DraftKind::Registration => visit.portal().sites.namesakes(&draft.answers).await?,
            DraftKind::Enrolment => vec![],
        };
        Ok(visit.page(&Review {
            layout: visit.layout("Check your answers"),
            base: self.base,
            button: self.words.send,
            confirmed: self.words.confirmed,
            parts: reviewed(draft.form(), &draft.answers),
            namesakes,
            problem,
            to: draft.contact("email").to_owned(),
        }))
    }

    /// Sends a draft off.
    pub(super) async fn submit(&self, posted: Posted) -> Result<HttpResponse, Trouble> {
        let visit = posted.visit;
        let Some(draft) = self.open_draft(&visit).await? else {
            return Ok(visit.redirect(self.base));
        };
        let base = self.base;
        match visit.portal().sites.register(&draft, visit.by()).await? {
            Submitted::Sent(_) => Ok(visit.redirect(&format!("{base}/sent"))),
            Submitted::Incomplete(slug) => Ok(visit.redirect(&format!("{base}/{slug}"))),
            Submitted::Capped => self.review(&visit, Some(CAPPED)).await,
        }
    }

    /// The page that waits for the address to be confirmed.
    pub(super) async fn sent(
        &self,
        visit: &Visit,
        said: Option<&'static str>,
    ) -> Result<HttpResponse, Trouble> {
        let Some(draft) = self.sent_draft(visit).await? else {
            return Ok(visit.redirect(self.base));
        };
        let to = draft.contact("email").to_owned();
        let layout = visit.layout("Confirm your email address");
        let (base, before) = (self.base, self.words.before);
        Ok(visit.page(&Sent { layout, base, before, to, said }))
    }

    /// Sends the link once more.
    pub(super) async fn send_again(&self, posted: Posted) -> Result<HttpResponse, Trouble> {
        let visit = posted.visit;
        let Some(draft) = self.sent_draft(&visit).await? else {
            return Ok(visit.redirect(self.base));
        };
        let said = match visit.portal().sites.register_again(&draft, visit.by()).await? {
            Submitted::Sent(_) => {
                "We have sent another email. The link in the first one does not work any more."
            }
            _ => CAPPED,
        };
        self.sent(&visit, Some(said)).await
    }

    /// A page with a question of its own about the draft.
    pub(super) fn ask(
        &self,
        visit: &Visit,
        page: &'static Page,
        typed: &Answers,
        errors: FieldErrors,
        said: Option<&'static str>,
    ) -> HttpResponse {
        visit.page(&Ask {
            layout: visit.layout(page.title),
            lede: page.lede,
            fields: fields(page, typed, &errors),
            errors,
            button: "Send the link",
            back: self.base,
            said,
        })
    }

    /// The page that asks where the link to a saved draft goes.
    pub(super) async fn save_page(&self, visit: Visit) -> Result<HttpResponse, Trouble> {
        let Some(draft) = self.open_draft(&visit).await? else {
            return Ok(visit.redirect(self.base));
        };
        let mut known = Answers::default();
        known.set("email", draft.contact("email"));
        Ok(self.ask(&visit, &SAVE, &known, FieldErrors::default(), None))
    }

    /// Mails the link to a saved draft.
    pub(super) async fn save(&self, posted: Posted) -> Result<HttpResponse, Trouble> {
        let Posted { visit, fields } = posted;
        let Some(draft) = self.open_draft(&visit).await? else {
            return Ok(visit.redirect(self.base));
        };
        let good = match SAVE.read(&fields, visit.now.utc().date_naive()) {
            Ok(good) => good,
            Err(errors) => return Ok(self.ask(&visit, &SAVE, &SAVE.gather(&fields), errors, None)),
        };
        let Ok(to) = good.get("email").parse() else { return Ok(visit.missing()) };
        let posted = visit.portal().sites.draft_save(&draft, &to, visit.by()).await?;
        let said = if posted { "We have sent the link. You may close this page." } else { CAPPED };
        Ok(self.ask(&visit, &SAVE, &Answers::default(), FieldErrors::default(), Some(said)))
    }
}
