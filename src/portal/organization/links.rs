//! Who sends for whom: links asked for, accepted, declined, ended; a Site's other Sending Facility.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::questions::{NEW_FACILITY, REASON};
use crate::domain::{LinkStatus, Permission, SiteId};
use crate::portal::form::fields;
use crate::portal::moment::{Moment, moment};
use crate::portal::organization::{
    Answer, Place, Question, Stop, base, done, instead, layout, member, place, said, site_id,
    titled,
};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Delegate, Facilities};
use crate::store::{NamedLink, Namesake};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const END: &str = "/organization/{organization}/links/{facility}/{site}/end";
    const FACILITY: &str = "/organization/{organization}/sites/{site}/sending-facility";
    config
        .route("/organization/{organization}/links", get().to(list))
        .route(
            "/organization/{organization}/links/{facility}/{site}/accept",
            web::post().to(accept),
        )
        .route(END, get().to(why))
        .route(END, web::post().to(end))
        .route(FACILITY, get().to(facility_page))
        .route(FACILITY, web::post().to(facility));
}

/// A link in a list.
struct Line {
    held: NamedLink,
    since: Moment,
    /// Whether it is on the side of our Sending Facility.
    we_send: bool,
    is_asked: bool,
    is_ended: bool,
}

#[derive(Template)]
#[template(path = "org_links.html")]
struct Links {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    asked: Vec<Line>,
    lines: Vec<Line>,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ManageLinks).await?;
    let (_, place) = place(&visit, &member).await?;
    let links = visit.portal().sites.store().organization_links(member.organization()).await?;
    let line = |held: NamedLink| Line {
        since: moment(held.link.changed_at),
        we_send: held.facility_owner == member.organization(),
        is_asked: held.link.status == LinkStatus::Requested,
        is_ended: held.link.status == LinkStatus::Ended,
        held,
    };
    let (asked, lines) =
        links.into_iter().map(line).partition(|line| line.is_asked && line.we_send);
    let layout = layout(&visit, &member, "Who sends for whom");
    Ok(visit.page(&Links { layout, place, said: said(&visit), asked, lines }))
}

/// The two Sites of the address.
fn pair(
    visit: &Visit,
    path: &web::Path<(String, String, String)>,
) -> Result<(SiteId, SiteId), Stop> {
    Ok((site_id(visit, &path.1)?, site_id(visit, &path.2)?))
}

async fn accept(posted: Posted, path: web::Path<(String, String, String)>) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::ManageLinks).await?;
    let pair = pair(&visit, &path)?;
    let back = format!("{}/links", base(&member));
    let accepted = visit.portal().sites.link_accept(&member, pair, &visit.browser()).await;
    done(&visit, &member, accepted, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

async fn reason_page(
    visit: &Visit,
    member: &Delegate,
    (facility, site): &(SiteId, SiteId),
    typed: &Answers,
    errors: FieldErrors,
) -> Result<HttpResponse, Stop> {
    let links = visit.portal().sites.store().organization_links(member.organization()).await?;
    let held = links.iter().find(|one| one.link.facility == *facility && one.link.site == *site);
    let Some(held) = held.filter(|one| one.link.status != LinkStatus::Ended) else {
        return Err(instead(visit.missing()));
    };
    let is_asked = held.link.status == LinkStatus::Requested;
    let (title, lede, button) = if is_asked {
        ("Decline this link?", "Messages for the Site stay refused.", "Decline the link")
    } else {
        (
            "End this link?",
            "Messages that the Sending Facility sends for the Site are refused from the next one on.",
            "End the link",
        )
    };
    let layout = layout(visit, member, titled(title, &errors));
    Ok(visit.page(&Question {
        layout: Layout { heading: title.to_owned(), ..layout },
        caption: format!("{} for {}", held.facility_name, held.site_name),
        lede: lede.to_owned(),
        back: format!("{}/links", base(member)),
        fields: fields(&REASON, typed, &errors),
        errors,
        text: vec![],
        button,
    }))
}

async fn why(visit: Visit, path: web::Path<(String, String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ManageLinks).await?;
    let pair = pair(&visit, &path)?;
    reason_page(&visit, &member, &pair, &Answers::default(), FieldErrors::default()).await
}

async fn end(posted: Posted, path: web::Path<(String, String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ManageLinks).await?;
    let pair = pair(&visit, &path)?;
    let read = match REASON.read(&fields, visit.now.utc().date_naive()) {
        Ok(read) => read,
        Err(errors) => return reason_page(&visit, &member, &pair, &fields, errors).await,
    };
    let back = format!("{}/links", base(&member));
    let reason = read.get("reason").to_owned();
    let ended = visit.portal().sites.link_end(&member, pair, reason, &visit.browser()).await;
    done(&visit, &member, ended, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

/// Several Sending Facilities are called so.
#[derive(Template)]
#[template(path = "org_which_facility.html")]
struct Which {
    layout: Layout,
    back: String,
    facilities: Vec<Namesake>,
}

async fn facility_question(
    visit: &Visit,
    member: &Delegate,
    site: &SiteId,
    typed: &Answers,
    errors: FieldErrors,
) -> Result<HttpResponse, Stop> {
    let store = visit.portal().sites.store();
    let held = store.organization_site(member.organization(), site.clone()).await?;
    if held.kind != crate::domain::SiteKind::ThroughFacility {
        return Err(instead(visit.missing()));
    }
    let layout = layout(visit, member, titled(NEW_FACILITY.title, &errors));
    Ok(visit.page(&Question {
        layout: Layout { heading: NEW_FACILITY.title.to_owned(), ..layout },
        caption: format!("{} ({site})", held.name),
        lede: NEW_FACILITY.lede.to_owned(),
        back: format!("{}/sites/{site}", base(member)),
        fields: fields(&NEW_FACILITY, typed, &errors),
        errors,
        text: vec![],
        button: "Ask the Sending Facility",
    }))
}

async fn facility_page(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ManageLinks).await?;
    let site = site_id(&visit, &path.1)?;
    facility_question(&visit, &member, &site, &Answers::default(), FieldErrors::default()).await
}

async fn facility(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ManageLinks).await?;
    let site = site_id(&visit, &path.1)?;
    let wrong = |message: &str| FieldErrors::one("sending_facility", message);
    let again = async |errors| facility_question(&visit, &member, &site, &fields, errors).await;
    let read = match NEW_FACILITY.read(&fields, visit.now.utc().date_naive()) {
        Ok(read) => read,
        Err(errors) => return again(errors).await,
    };
    let sites = &visit.portal().sites;
    let back = format!("{}/sites/{site}", base(&member));
    let found = match sites.facilities(read.get("sending_facility")).await? {
        Facilities::One(found) => found,
        Facilities::None => {
            return again(wrong("No Sending Facility has this ID or name")).await;
        }
        Facilities::Several(facilities) => {
            let layout = layout(&visit, &member, "Which Sending Facility?");
            return Ok(visit.page(&Which { layout, back, facilities }));
        }
    };
    let pair = (site.clone(), found.id);
    let asked = sites.link_ask(&member, pair, &visit.browser()).await;
    done(&visit, &member, asked, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}
