//! Messages of all Sites, for staff of their regions: found, looked at, sent again, replaced by an edited version.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{DeliveryState, MessageId, Permission as P, RegionCode};
use crate::portal::message_view::{View, view};
use crate::portal::messages::{Asked, Fields, List, PAGE, PATIENCE, saved_search};
use crate::portal::page::Trouble;
use crate::portal::staff::{demand, done, layout};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, MessageText, Staff};
use crate::store::{MessageDetail, MessagePage, MessagesOf, SavedSearch, StoreError};

const PATH: &str = "/staff/messages";

/// Where the searches of staff are kept.
const SAVED_IN: &str = "staff";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/messages", get().to(list))
        .route("/staff/messages/saved", web::post().to(save))
        .route("/staff/messages/saved/{saved}/delete", web::post().to(forget))
        .route("/staff/messages/{id}", get().to(message))
        .route("/staff/messages/{id}/text", web::post().to(text))
        .route("/staff/messages/{id}/retry", web::post().to(retry))
        .route("/staff/messages/{id}/give-up", web::post().to(give_up))
        .route("/staff/messages/{id}/replace", get().to(replacing))
        .route("/staff/messages/{id}/replace", web::post().to(replace));
}

const SAID: &[(&str, &str)] = &[
    ("forgotten", "The search is deleted."),
    ("given-up", "The message is given up. It is not sent any more."),
    ("replaced", "This is the edited version. It is on its way to the registry."),
    ("retried", "The message is on its way to the registry again."),
    ("saved", "The search is saved."),
];

#[derive(Template)]
#[template(path = "staff/messages.html")]
struct Messages {
    layout: Layout,
    said: Option<&'static str>,
    errors: FieldErrors,
    path: &'static str,
    fields: Fields,
    list: List,
    saved: Vec<SavedSearch>,
    may_save: bool,
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let store = visit.portal().sites.store();
    let asked = Asked::of(&visit);
    let (page, errors) = match asked.search() {
        Ok((search, site)) => {
            let of = MessagesOf::Staff(staff.scope(P::ViewMessages), site);
            let before = visit.query("before").parse().ok();
            let page = store.message_search(of, search, before, (PAGE, PATIENCE)).await?;
            (page, FieldErrors::default())
        }
        Err(errors) => (MessagePage::default(), errors),
    };
    let title = if errors.is_empty() { "Messages" } else { "Error: Messages" };
    Ok(visit.page(&Messages {
        layout: Layout { heading: "Messages".to_owned(), ..layout(&visit, &staff, title) },
        said: done(&visit, SAID),
        list: List::of(page, PATH, &asked),
        fields: Fields::new(asked, errors.clone(), vec![]),
        errors,
        path: PATH,
        saved: store.saved_search_list(staff.id(), SAVED_IN.to_owned()).await?,
        may_save: true,
    }))
}

async fn save(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::ViewMessages]);
    let Some((search, query)) = saved_search(&fields, staff.id(), SAVED_IN.to_owned()) else {
        return Ok(visit.redirect(PATH));
    };
    visit.portal().sites.search_save(search, staff.by(&visit.browser())).await?;
    Ok(visit.redirect(&format!("{PATH}?{query}&done=saved")))
}

async fn forget(posted: Posted, path: web::Path<i64>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::ViewMessages]);
    let search = SavedSearch {
        id: *path,
        account: staff.id(),
        place: SAVED_IN.to_owned(),
        name: String::new(),
        query: String::new(),
    };
    visit.portal().sites.search_forget(search, staff.by(&visit.browser())).await?;
    Ok(visit.redirect(&format!("{PATH}?done=forgotten")))
}

#[derive(Template)]
#[template(path = "staff/message.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the page")]
struct Message {
    layout: Layout,
    said: Option<&'static str>,
    errors: FieldErrors,
    path: &'static str,
    id: MessageId,
    view: View,
    may_read: bool,
    is_gone: bool,
    may_retry: bool,
    may_replace: bool,
    /// The text to edit, when it is shown.
    edited: String,
    why: String,
}

/// A message, and the region that it lies in.
type Lying = (MessageDetail, Option<RegionCode>);

/// A message of the regions of the role; another is not there.
async fn found(visit: &Visit, staff: &Staff, id: &str) -> Result<Lying, StoreError> {
    let id = message_id(id)?;
    visit.portal().sites.store().message_in_view(id, staff.scope(P::ViewMessages)).await
}

fn message_id(text: &str) -> Result<MessageId, StoreError> {
    text.parse().map_err(|_wrong| StoreError::NotFound("such message".to_owned()))
}

/// What is shown of the text.
enum Text {
    /// Nothing: nobody asked.
    Hidden,
    /// That it is past its retention.
    Gone,
    /// All of it.
    Read(MessageText),
}

/// The page of a message, with its text when it was read just now.
async fn page(
    visit: &Visit,
    staff: &Staff,
    (found, region): Lying,
    text: Text,
    errors: FieldErrors,
) -> Result<Message, StoreError> {
    let (record, _, delivery) = &found;
    let operates = staff.may_in(P::Operate, region);
    let state = delivery.as_ref().map(|one| one.state);
    let is_gone = matches!(text, Text::Gone);
    let text = if let Text::Read(text) = text { Some(text) } else { None };
    let edited = text.as_ref().map(|text| String::from_utf8_lossy(&text.body).replace('\r', "\n"));
    let title = if errors.is_empty() { "Message" } else { "Error: Message" };
    let heading = format!("Message {}", record.control_id);
    let ended = |state| !matches!(state, DeliveryState::Queued | DeliveryState::Replaced);
    let waits = |state| matches!(state, DeliveryState::Queued | DeliveryState::Review);
    Ok(Message {
        layout: Layout {
            heading: heading.clone(),
            ..layout(visit, staff, format!("{title} {}", record.control_id))
        },
        said: done(visit, SAID),
        errors,
        path: PATH,
        id: record.id,
        may_read: staff.may_read(record.environment, region),
        is_gone,
        may_retry: operates && state.is_some_and(ended),
        may_replace: operates && state.is_some_and(waits),
        edited: edited.unwrap_or_default(),
        why: String::new(),
        view: view(visit.portal().sites.store(), found, text).await?,
    })
}

async fn message(visit: Visit, path: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let found = found(&visit, &staff, &path).await?;
    Ok(visit.page(&page(&visit, &staff, found, Text::Hidden, FieldErrors::default()).await?))
}

async fn text(posted: Posted, path: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::ViewTestBodies]);
    let found = found(&visit, &staff, &path).await?;
    let sites = &visit.portal().sites;
    let read = sites.staff_message_read(&staff, found.0.0.id, &visit.browser()).await?;
    let text = read.map_or(Text::Gone, Text::Read);
    Ok(visit.page(&page(&visit, &staff, found, text, FieldErrors::default()).await?))
}

async fn retry(posted: Posted, path: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let id = message_id(&path)?;
    let reason = fields.get("reason").trim().to_owned();
    if reason.is_empty() {
        let found = found(&visit, &staff, &path).await?;
        let errors = FieldErrors::one("reason", "Enter why it is sent again");
        return Ok(visit.page(&page(&visit, &staff, found, Text::Hidden, errors).await?));
    }
    let sites = &visit.portal().sites;
    match sites.staff_message_retry(&staff, id, reason, &visit.browser()).await {
        Ok(_) => Ok(visit.redirect(&format!("{PATH}/{id}?done=retried"))),
        Err(AccountError::Store(StoreError::Refused(refusal))) => {
            let found = found(&visit, &staff, &path).await?;
            let errors = FieldErrors::one("reason", refusal.0);
            let page = page(&visit, &staff, found, Text::Hidden, errors).await?;
            Ok(visit.page_with(StatusCode::CONFLICT, &page))
        }
        Err(error) => Err(error.into()),
    }
}

async fn give_up(posted: Posted, path: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let id = message_id(&path)?;
    let reason = fields.get("ending").trim().to_owned();
    let sites = &visit.portal().sites;
    let wrong = if reason.is_empty() {
        "Enter why it is given up".to_owned()
    } else {
        match sites.staff_message_give_up(&staff, id, reason, &visit.browser()).await {
            Ok(_) => return Ok(visit.redirect(&format!("{PATH}/{id}?done=given-up"))),
            Err(AccountError::Store(StoreError::Refused(refusal))) => refusal.0,
            Err(error) => return Err(error.into()),
        }
    };
    let found = found(&visit, &staff, &path).await?;
    let errors = FieldErrors::one("ending", wrong);
    Ok(visit.page(&page(&visit, &staff, found, Text::Hidden, errors).await?))
}

#[derive(Template)]
#[template(path = "staff/replace.html")]
struct Replace {
    layout: Layout,
    errors: FieldErrors,
    path: &'static str,
    id: MessageId,
    edited: String,
    why: String,
}

fn replace_page(
    visit: &Visit,
    staff: &Staff,
    id: MessageId,
    errors: FieldErrors,
    (edited, why): (&str, &str),
) -> HttpResponse {
    let title = if errors.is_empty() { "" } else { "Error: " };
    let heading = "Send an edited version".to_owned();
    visit.page(&Replace {
        layout: Layout {
            heading: heading.clone(),
            ..layout(visit, staff, format!("{title}{heading}"))
        },
        errors,
        path: PATH,
        id,
        edited: edited.to_owned(),
        why: why.to_owned(),
    })
}

async fn replacing(visit: Visit, path: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::Operate]);
    let id = found(&visit, &staff, &path).await?.0.0.id;
    Ok(replace_page(&visit, &staff, id, FieldErrors::default(), ("", "")))
}

async fn replace(posted: Posted, path: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let id = found(&visit, &staff, &path).await?.0.0.id;
    let (edited, why) = (fields.get("text").trim_end(), fields.get("why").trim());
    let mut errors = FieldErrors::default();
    if edited.is_empty() {
        errors.add("text", "Enter the edited text");
    }
    if why.is_empty() {
        errors.add("why", "Enter why the message is edited");
    }
    if !errors.is_empty() {
        return Ok(replace_page(&visit, &staff, id, errors, (edited, why)));
    }
    let portal = visit.portal();
    let browser = visit.browser();
    let action = portal.sites.staff_message_action(&staff, id, "replace", why.to_owned(), &browser);
    let text = edited.replace("\r\n", "\r").replace('\n', "\r") + "\r";
    match portal.editor.replace(id, &text, action.await?).await {
        Ok(new) => Ok(visit.redirect(&format!("{PATH}/{new}?done=replaced"))),
        Err(StoreError::Refused(refusal)) => {
            let errors = FieldErrors::one("text", refusal.0);
            Ok(replace_page(&visit, &staff, id, errors, (edited, why)))
        }
        Err(error) => Err(error.into()),
    }
}
