//! The messages of an organization's Sites: what they sent and what others sent for them; one of them; its text.

use actix_web::web;
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{MessageId, Permission, Site, SiteId};
use crate::portal::message_view::{View, view};
use crate::portal::messages::{Asked, Fields, List, PAGE, PATIENCE, saved_search};
use crate::portal::organization::{
    Answer, Place, Stop, base, done, instead, layout, member, place, said, titled,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::Delegate;
use crate::store::{MessageDetail, MessagePage, MessagesOf, SavedSearch};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}/messages", get().to(list))
        .route("/organization/{organization}/messages/saved", web::post().to(save))
        .route("/organization/{organization}/messages/saved/{saved}/delete", web::post().to(forget))
        .route("/organization/{organization}/messages/{message}", get().to(message))
        .route("/organization/{organization}/messages/{message}/text", web::post().to(text));
}

#[derive(Template)]
#[template(path = "org_messages.html")]
struct Messages {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    errors: FieldErrors,
    /// Address of the list.
    path: String,
    fields: Fields,
    list: List,
    saved: Vec<SavedSearch>,
    may_save: bool,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ViewMessages).await?;
    let (_, place) = place(&visit, &member).await?;
    let store = visit.portal().sites.store();
    let asked = Asked::of(&visit);
    let (page, errors) = match asked.search() {
        Ok((search, site)) => {
            let of = MessagesOf::Organization(member.organization(), site);
            let before = visit.query("before").parse().ok();
            let page = store.message_search(of, search, before, (PAGE, PATIENCE)).await?;
            (page, FieldErrors::default())
        }
        Err(errors) => (MessagePage::default(), errors),
    };
    let sites = store.organization_sites(member.organization()).await?;
    let named = |site: Site| (site.id.to_string(), format!("{} ({})", site.name, site.id));
    let path = format!("{}/messages", place.base);
    let may_save = !member.only_looks();
    let saved = if may_save {
        store.saved_search_list(member.id(), saved_in(&member)).await?
    } else {
        vec![]
    };
    let title = titled("Messages", &errors);
    Ok(visit.page(&Messages {
        layout: Layout { heading: "Messages".to_owned(), ..layout(&visit, &member, title) },
        place,
        said: said(&visit),
        list: List::of(page, &path, &asked),
        fields: Fields::new(asked, errors.clone(), sites.into_iter().map(named).collect()),
        errors,
        path,
        saved,
        may_save,
    }))
}

/// Where a member's searches are kept.
fn saved_in(member: &Delegate) -> String {
    format!("organization {}", member.organization())
}

/// Who may keep searches: a member, not staff who only look.
async fn keeper(visit: &Visit, organization: &str) -> Result<Delegate, Stop> {
    let member = member(visit, organization, Permission::ViewMessages).await?;
    if member.only_looks() { Err(instead(visit.missing())) } else { Ok(member) }
}

async fn save(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = keeper(&visit, &path).await?;
    let back = format!("{}/messages", base(&member));
    let Some((search, query)) = saved_search(&fields, member.id(), saved_in(&member)) else {
        return Ok(visit.redirect(&back));
    };
    let by = member.by(&visit.browser());
    let kept = visit.portal().sites.search_save(search, by).await.map_err(Into::into);
    done(&visit, &member, kept, &back)?;
    Ok(visit.redirect(&format!("{back}?{query}&done=saved")))
}

async fn forget(posted: Posted, path: web::Path<(String, i64)>) -> Answer {
    let visit = posted.visit;
    let member = keeper(&visit, &path.0).await?;
    let search = SavedSearch {
        id: path.1,
        account: member.id(),
        place: saved_in(&member),
        name: String::new(),
        query: String::new(),
    };
    visit.portal().sites.search_forget(search, member.by(&visit.browser())).await?;
    Ok(visit.redirect(&format!("{}/messages?done=forgotten", base(&member))))
}

#[derive(Template)]
#[template(path = "org_message.html")]
struct Message {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    /// Address of the list.
    path: String,
    view: View,
    may_read: bool,
    /// Its text is past its retention.
    is_gone: bool,
}

/// A message of the organization; another's is not there.
async fn found(visit: &Visit, member: &Delegate, id: &str) -> Result<MessageDetail, Stop> {
    let id = message_id(visit, id)?;
    let store = visit.portal().sites.store();
    Ok(store.organization_message(member.organization(), id).await?)
}

fn message_id(visit: &Visit, text: &str) -> Result<MessageId, Stop> {
    text.parse().map_err(|_wrong| instead(visit.missing()))
}

fn title(found: &MessageDetail) -> String {
    let (record, ..) = found;
    let site = record.site.as_ref().map_or_else(|| record.sender.as_str(), SiteId::as_str);
    match record.control_id.as_str() {
        "" => format!("A message of {site}"),
        control_id => format!("Message {control_id} of {site}"),
    }
}

async fn message(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewMessages).await?;
    let found = found(&visit, &member, &path.1).await?;
    let (_, place) = place(&visit, &member).await?;
    let title = title(&found);
    Ok(visit.page(&Message {
        layout: layout(&visit, &member, title),
        path: format!("{}/messages", place.base),
        place,
        said: None,
        view: view(visit.portal().sites.store(), found, None).await?,
        may_read: member.may(Permission::ViewBodies),
        is_gone: false,
    }))
}

async fn text(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::ViewBodies).await?;
    let found = found(&visit, &member, &path.1).await?;
    let (_, place) = place(&visit, &member).await?;
    let back = format!("{}/messages", place.base);
    let sites = &visit.portal().sites;
    let read = sites.message_read(&member, found.0.id, &visit.browser()).await;
    let text = done(&visit, &member, read, &back)?;
    let title = title(&found);
    Ok(visit.page(&Message {
        layout: layout(&visit, &member, title),
        path: back,
        place,
        said: None,
        is_gone: text.is_none(),
        view: view(sites.store(), found, text).await?,
        may_read: true,
    }))
}
