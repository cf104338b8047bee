//! The password of a credential, shown once; a credential revoked.

use actix_web::web;
use askama::Template;

use crate::domain::{Credential, IssuedCredential, Permission, SiteId};
use crate::portal::moment::{Moment, moment};
use crate::portal::organization::{
    Answer, Confirm, Stop, base, done, instead, layout, member, site_id, step_up,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Delegate, may_rotate};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const PASSWORD: &str =
        "/organization/{organization}/sites/{site}/credentials/{username}/password";
    const REVOKE: &str = "/organization/{organization}/sites/{site}/credentials/{username}/revoke";
    config
        .route(PASSWORD, get().to(ask))
        .route(PASSWORD, web::post().to(show))
        .route(REVOKE, get().to(ask_revoke))
        .route(REVOKE, web::post().to(revoke));
}

type Path = web::Path<(String, String, String)>;

/// The credential of the address, when it is the organization's.
async fn credential(
    visit: &Visit,
    member: &Delegate,
    path: &Path,
) -> Result<(SiteId, Credential), Stop> {
    let site = site_id(visit, &path.1)?;
    let store = visit.portal().sites.store();
    let held = store.organization_credentials(member.organization(), site.clone()).await?;
    let found = held.into_iter().find(|one| one.username == path.2);
    found.map(|one| (site, one)).ok_or_else(|| instead(visit.missing()))
}

#[derive(Template)]
#[template(path = "org_password.html")]
struct AskPassword {
    layout: Layout,
    username: String,
    back: String,
    is_first: bool,
}

async fn ask(visit: Visit, path: Path) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewCredentials).await?;
    let (site, one) = credential(&visit, &member, &path).await?;
    if !may_rotate(&member, &one) || !one.is_live(visit.now) {
        return Ok(visit.missing());
    }
    if !member.is_fresh(visit.now) {
        return Ok(step_up(&visit));
    }
    let is_first = one.shown_at.is_none();
    let title = if is_first { "Show the password" } else { "Show a new password" };
    Ok(visit.page(&AskPassword {
        layout: layout(&visit, &member, title),
        username: one.username,
        back: format!("{}/sites/{site}", base(&member)),
        is_first,
    }))
}

#[derive(Template)]
#[template(path = "org_secret.html")]
struct Shown {
    layout: Layout,
    issued: IssuedCredential,
    old_until: Option<Moment>,
    endpoint: String,
    region: Option<&'static str>,
    back: String,
}

async fn show(posted: Posted, path: Path) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ViewCredentials).await?;
    let site = site_id(&visit, &path.1)?;
    let back = format!("{}/sites/{site}", base(&member));
    let at_once = fields.get("old") == "end";
    let sites = &visit.portal().sites;
    let shown_now = sites
        .credential_show(&member, (site.clone(), path.2.clone()), at_once, &visit.browser())
        .await;
    let issued = done(&visit, &member, shown_now, &back)?;
    let held = sites.store().organization_site(member.organization(), site).await?;
    Ok(visit.page(&Shown {
        layout: layout(&visit, &member, "The password"),
        old_until: issued.credential.old_secret_until.map(moment),
        endpoint: visit.portal().settings.endpoint.clone(),
        region: held.region.map(crate::domain::RegionCode::as_str),
        issued,
        back,
    }))
}

async fn ask_revoke(visit: Visit, path: Path) -> Answer {
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let (site, one) = credential(&visit, &member, &path).await?;
    Ok(visit.page(&Confirm {
        layout: layout(&visit, &member, "Revoke this credential?"),
        caption: one.username,
        text: vec![
            "Messages that are sent with it are refused from the next one on. This cannot be undone.".to_owned(),
            "Does somebody only need another password? Then show a new one instead.".to_owned(),
        ],
        back: format!("{}/sites/{site}", base(&member)),
        button: "Revoke the credential",
    }))
}

async fn revoke(posted: Posted, path: Path) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    let back = format!("{}/sites/{site}", base(&member));
    let key = (site, path.2.clone());
    let ended = visit.portal().sites.credential_end(&member, key, &visit.browser()).await;
    done(&visit, &member, ended, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}
