//! Calls to copy: the same submission in several languages, filled with what a Site calls with, and a message to send.

use actix_web::web;
use askama::Template;

use crate::domain::{
    Credential, Environment, LinkStatus, OrganizationId, Permission, RegionCode, Site, SiteKind,
    Timestamp,
};
use crate::portal::organization::{Answer, Place, layout, member, place, site_id};
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::store::{Store, StoreError};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/organization/{organization}/sites/{site}/calls", get().to(calls));
}

/// A call in one language.
struct Call {
    /// Id of its heading.
    id: &'static str,
    name: &'static str,
    /// File that it is kept in; none where it is pasted.
    file: Option<&'static str>,
    /// How it is run.
    run: &'static str,
    text: String,
}

/// Id, name, file, how it is run, text.
type Sample = (&'static str, &'static str, Option<&'static str>, &'static str, &'static str);

const SAMPLES: [Sample; 6] = [
    ("curl", "curl", Some("send.sh"), "sh send.sh", include_str!("../calls/send.sh")),
    ("python", "Python, zeep", Some("send.py"), "python send.py", include_str!("../calls/send.py")),
    ("php", "PHP, SoapClient", Some("send.php"), "php send.php", include_str!("../calls/send.php")),
    (
        "java",
        "Java, HttpClient",
        Some("Send.java"),
        "java Send.java",
        include_str!("../calls/Send.java"),
    ),
    (
        "csharp",
        "C#, HttpClient",
        Some("Program.cs"),
        "dotnet run",
        include_str!("../calls/Send.cs"),
    ),
    ("mirth", "Mirth Connect", None, "", include_str!("../calls/mirth.xml")),
];

const MESSAGE: &str = include_str!("../calls/vxu.hl7");

/// What a text is filled with.
struct Filling<'a> {
    endpoint: &'a str,
    username: &'a str,
    facility: &'a str,
    site: &'a str,
    region: &'a str,
    processing: &'a str,
    now: Timestamp,
}

impl Filling<'_> {
    fn fill(&self, text: &str) -> String {
        let now = self.now.utc();
        text.replace("{{endpoint}}", self.endpoint)
            .replace("{{username}}", self.username)
            .replace("{{facility}}", self.facility)
            .replace("{{site}}", self.site)
            .replace("{{region}}", self.region)
            .replace("{{processing}}", self.processing)
            .replace("{{control_id}}", &format!("TRY-{}", now.format("%Y%m%d%H%M%S")))
            .replace("{{now}}", &now.format("%Y%m%d%H%M%S+0000").to_string())
            .replace("{{today}}", &now.format("%Y%m%d").to_string())
    }
}

#[derive(Template)]
#[template(path = "org_calls.html")]
struct CallsPage {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    site: Site,
    credential: Option<Credential>,
    endpoint: String,
    is_local: bool,
    calls: Vec<Call>,
    message: String,
}

/// The credential that the calls are filled with: the newest live one for test messages, else for production.
fn best(credentials: Vec<Credential>, now: Timestamp) -> Option<Credential> {
    let mut live: Vec<_> = credentials.into_iter().filter(|one| one.is_live(now)).collect();
    live.sort_by_key(|one| (one.environment == Environment::Production, one.username.clone()));
    live.into_iter().next()
}

/// The Site that the message is about: a client of a Sending Facility that gives no immunizations itself.
async fn responsible(
    store: &Store,
    organization: OrganizationId,
    site: &Site,
) -> Result<Site, StoreError> {
    if site.clinical {
        return Ok(site.clone());
    }
    let links = store.organization_links(organization).await?;
    let client = links
        .into_iter()
        .map(|one| one.link)
        .find(|link| link.facility == site.id && link.status == LinkStatus::Active);
    match client {
        Some(link) => store.site_by_id(link.site).await,
        None => Ok(site.clone()),
    }
}

async fn calls(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewCredentials).await?;
    let id = site_id(&visit, &path.1)?;
    let (_, place) = place(&visit, &member).await?;
    let portal = visit.portal();
    let store = portal.sites.store();
    let site = store.organization_site(member.organization(), id.clone()).await?;
    let held = store.organization_credentials(member.organization(), id).await?;
    let credential = best(held, visit.now);
    let is_production =
        credential.as_ref().is_some_and(|one| one.environment == Environment::Production);
    let about = responsible(store, member.organization(), &site).await?;
    // What a Sending Facility without clients sends is an example.
    let region = about.region.map_or("CAIRBA", RegionCode::as_str);
    let filling = Filling {
        endpoint: &portal.settings.endpoint,
        username: credential.as_ref().map_or("", |one| one.username.as_str()),
        facility: credential.as_ref().map_or("", |one| one.facility_id.as_str()),
        site: about.id.as_str(),
        region,
        processing: if is_production { "P" } else { "T" },
        now: visit.now,
    };
    let call = |(id, name, file, run, text): &Sample| Call {
        id,
        name,
        file: *file,
        run,
        text: filling.fill(text),
    };
    Ok(visit.page(&CallsPage {
        layout: layout(&visit, &member, format!("Calls to copy for {}", site.name)),
        place,
        said: None,
        endpoint: portal.settings.endpoint.clone(),
        is_local: portal.settings.is_local,
        calls: SAMPLES.iter().map(call).collect(),
        message: filling.fill(MESSAGE),
        credential,
        site,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let filling = Filling {
            endpoint: "https://gateway.example/IISService",
            username: "DE-000001-T",
            facility: "DE-000001",
            site: "DE-000001",
            region: "CAIRBA",
            processing: "T",
            now: Timestamp::now(),
        };
        let texts = SAMPLES.iter().map(|(.., text)| *text).chain([MESSAGE]);
        for text in texts {
            let filled = filling.fill(text);
            assert!(!filled.contains("{{"), "{filled}");
            assert!(filled.contains("DE-000001"), "{filled}");
        }
    }
}
