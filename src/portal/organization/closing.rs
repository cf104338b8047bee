//! An organization closes a Site of its own, for now or for good.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{Permission, Site, SiteStatus, StageEvent};
use crate::portal::organization::{
    Answer, Stop, base, done, instead, layout, member, site_id, step_up, titled,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Delegate, NoteError};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const CLOSE: &str = "/organization/{organization}/sites/{site}/close";
    config.route(CLOSE, get().to(ask)).route(CLOSE, web::post().to(close));
}

#[derive(Template)]
#[template(path = "org_close.html")]
struct Ask {
    layout: Layout,
    site: Site,
    back: String,
    errors: FieldErrors,
    /// What may be chosen: word, label, hint, whether it is chosen.
    choices: Vec<(&'static str, &'static str, &'static str, bool)>,
    reason: String,
}

/// The Site of the address, when it can be closed by who asks, and they have shown that they are there.
async fn to_be_closed(visit: &Visit, path: &(String, String)) -> Result<(Delegate, Site), Stop> {
    let member = member(visit, &path.0, Permission::ManageSites).await?;
    let id = site_id(visit, &path.1)?;
    let store = visit.portal().sites.store();
    let site = store.organization_site(member.organization(), id).await?;
    if site.status == SiteStatus::Withdrawn {
        return Err(instead(visit.missing()));
    }
    if !member.is_fresh(visit.now) {
        return Err(instead(step_up(visit)));
    }
    Ok((member, site))
}

fn page(
    visit: &Visit,
    member: &Delegate,
    site: Site,
    (event, reason): (&str, &str),
    errors: FieldErrors,
) -> HttpResponse {
    let all = [
        (
            StageEvent::Closed,
            "For now",
            "CDPH can open it again. It begins anew with test messages then.",
        ),
        (
            StageEvent::Withdrawn,
            "For good",
            "This cannot be undone. To exchange data again, register anew.",
        ),
    ];
    let heading = "Close this Site?";
    visit.page(&Ask {
        layout: Layout {
            heading: heading.to_owned(),
            ..layout(visit, member, titled(heading, &errors))
        },
        back: format!("{}/sites/{}", base(member), site.id),
        choices: all
            .into_iter()
            .filter(|(one, ..)| site.status.after(*one, None).is_ok())
            .map(|(one, label, hint)| (one.word(), label, hint, one.word() == event))
            .collect(),
        site,
        errors,
        reason: reason.to_owned(),
    })
}

async fn ask(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let (member, site) = to_be_closed(&visit, &path).await?;
    Ok(page(&visit, &member, site, ("", ""), FieldErrors::default()))
}

async fn close(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let (member, site) = to_be_closed(&visit, &path).await?;
    let (word, reason) = (fields.get("event"), fields.get("reason"));
    let event = word.parse::<StageEvent>().ok().filter(|event| event.ends_credentials());
    let Some(event) = event else {
        let errors = FieldErrors::one("event", "Choose for how long");
        return Ok(page(&visit, &member, site, (word, reason), errors));
    };
    let back = format!("{}/sites/{}", base(&member), site.id);
    let (sites, browser) = (&visit.portal().sites, visit.browser());
    let key = (site.id.clone(), event);
    let closed = sites.site_close_own(&member, key, reason, &browser).await;
    match done(&visit, &member, closed, &back)? {
        Ok(()) => Ok(visit.redirect(&format!("{back}?done=changed"))),
        Err(NoteError::Store(error)) => Err(error.into()),
        Err(wrong) => {
            let errors = FieldErrors::one("reason", wrong.told());
            Ok(page(&visit, &member, site, (word, reason), errors))
        }
    }
}
