//! What happened to an organization: who, what, when.

use actix_web::web;
use askama::Template;

use crate::domain::{AuditRecord, Permission};
use crate::portal::organization::{Answer, Place, layout, member, place, shown};
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};

/// Events on a page.
const SHOWN: i64 = 50;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/organization/{organization}/history", get().to(list));
}

struct Line {
    at: String,
    who: String,
    what: String,
    object: String,
    before: Option<String>,
    after: Option<String>,
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
    let name = |actor: &str| {
        let number = actor.strip_prefix("account ").and_then(|number| number.parse::<i64>().ok());
        match number {
            Some(number) => users
                .iter()
                .find(|(user, _)| user.id.0 == number)
                .map_or_else(|| "CDPH staff".to_owned(), |(user, _)| user.name()),
            None if actor == "visitor" => "whoever opened a mailed link".to_owned(),
            None if actor == "system" => "the service".to_owned(),
            None => "CDPH staff".to_owned(),
        }
    };
    let named = |object: &str| {
        let number = object.strip_prefix("account ").and_then(|number| number.parse::<i64>().ok());
        let user = number.and_then(|number| users.iter().find(|(user, _)| user.id.0 == number));
        match user {
            Some((user, _)) => format!("User {} ({})", user.name(), user.user_id),
            None => object.to_owned(),
        }
    };
    let older = events.last().map(|event| event.id).filter(|_| full);
    let line = |event: AuditRecord| Line {
        at: shown(event.at),
        who: name(&event.actor),
        what: what(&event.action),
        object: named(&event.object),
        before: event.before.filter(|text| !text.is_empty()),
        after: event.after.filter(|text| !text.is_empty()),
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

/// An action in words.
fn what(action: &str) -> String {
    match action {
        "account.create" => "User added",
        "agreement.accept" => "Agreement accepted",
        "claim.approve" => "Claim approved: somebody represents the organization",
        "clinician.change" => "Clinician changed",
        "clinician.create" => "Clinician added",
        "clinician.state" => "Clinician active or inactive",
        "credential.issue" => "Credential issued",
        "credential.pin" => "Client certificate asked for",
        "credential.revoke" => "Credential revoked",
        "credential.rotate" | "credential.show" => "Password of a credential shown",
        "link.accept" => "Link accepted",
        "link.ask" => "Link asked for",
        "link.end" => "Link ended or declined",
        "link.status" => "Link changed",
        "membership.deactivate" => "User deactivated",
        "membership.end" | "membership.grant" | "membership.set" => "Roles changed",
        "membership.reactivate" => "User reactivated",
        "organization.change" => "Organization changed",
        "organization.create" => "Organization recorded",
        "registration.verify" => "Site registered",
        "request.create" => "Request sent",
        "request.step" => "Request moved on",
        "site.change" => "Site changed",
        "site.create" => "Site recorded",
        "site.status" => "Site moved to another stage",
        "statement.issue" => "Statement for meaningful use issued",
        "site.upload" => "Sites uploaded",
        "update.approve" => "Update approved",
        other => return other.replace(['.', '-'], " "),
    }
    .to_owned()
}
