//! What happened to an organization: who, what, when.

use actix_web::web;
use askama::Template;

use crate::domain::{Account, AuditRecord, Clinician, Membership, Permission, Site};
use crate::portal::member::capital;
use crate::portal::moment::{Moment, moment};
use crate::portal::organization::{Answer, Place, layout, member, place};
use crate::portal::trail::{Told, what};
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};

/// Events on a page.
const SHOWN: i64 = 50;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/organization/{organization}/history", get().to(list));
}

struct Line {
    at: Moment,
    who: String,
    what: String,
    object: String,
    told: Told,
}

#[derive(Template)]
#[template(path = "org_history.html")]
struct History {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    lines: Vec<Line>,
    /// Number that the next page begins before.
    older: Option<i64>,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ViewHistory).await?;
    let (_, place) = place(&visit, &member).await?;
    let store = visit.portal().sites.store();
    let id = member.organization();
    let before = visit.query("before").parse().ok();
    let mut events = store.organization_history(id, before, SHOWN + 1).await?;
    let full = i64::try_from(events.len()).is_ok_and(|count| count > SHOWN);
    if full {
        events.pop();
    }
    let users = store.membership_list(id).await?;
    let names = Names {
        users,
        clinicians: store.clinician_list(id).await?,
        sites: store.organization_sites(id).await?,
        organization: place.name.clone(),
    };
    let older = events.last().map(|event| event.id).filter(|_| full);
    let line = |event: AuditRecord| Line {
        at: moment(event.at),
        who: names.actor(&event.actor),
        what: what(&event.action),
        object: names.object(&event.object),
        told: Told::of(&event),
    };
    let lines = events.into_iter().map(line).collect();
    Ok(visit.page(&History {
        layout: layout(&visit, &member, "History"),
        place,
        said: None,
        lines,
        older,
    }))
}

/// Who and what the numbers of the trail stand for.
struct Names {
    users: Vec<(Account, Vec<Membership>)>,
    clinicians: Vec<Clinician>,
    sites: Vec<Site>,
    organization: String,
}

impl Names {
    fn user(&self, number: &str) -> Option<&Account> {
        let id = number.parse().ok()?;
        self.users.iter().map(|(user, _)| user).find(|user| user.id == id)
    }

    /// Who did something.
    fn actor(&self, actor: &str) -> String {
        match actor.split_once(' ') {
            Some(("account", number)) => {
                self.user(number).map_or_else(|| "CDPH staff".to_owned(), Account::name)
            }
            None if actor == "visitor" => "the person who opened the emailed link".to_owned(),
            None if actor == "system" => "the service".to_owned(),
            _ => "CDPH staff".to_owned(),
        }
    }

    /// What something was done to.
    fn object(&self, object: &str) -> String {
        let named = match object.split_once(' ') {
            Some(("account", number)) => {
                self.user(number).map(|user| format!("{} ({})", user.name(), user.user_id))
            }
            Some(("clinician", number)) => self
                .clinicians
                .iter()
                .find(|one| one.id.to_string() == number)
                .map(|one| format!("{} {}", one.first_name, one.last_name)),
            Some(("link", pair)) => pair.split_once(' ').map(|(facility, site)| {
                format!("{} sends for {}", self.site(facility), self.site(site))
            }),
            Some(("organization", _)) => Some(self.organization.clone()),
            Some(("api-key", key)) => {
                key.split_once(' ').map(|(site, _)| format!("A key of {}", self.site(site)))
            }
            Some(("site", id)) => Some(self.site(id)),
            Some(("webhook", hook)) => {
                hook.split_once(' ').map(|(site, _)| format!("A webhook of {}", self.site(site)))
            }
            _ => None,
        };
        named.unwrap_or_else(|| capital(object))
    }

    /// The name and ID of a Site, or its ID when it is another organization's.
    fn site(&self, id: &str) -> String {
        let found = self.sites.iter().find(|site| site.id.as_ref() == id);
        found.map_or_else(|| id.to_owned(), |site| format!("{} ({id})", site.name))
    }
}
