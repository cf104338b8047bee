//! The keys of programs of a Site: which there are, a new one shown once, one revoked.

use std::time::Duration;

use actix_web::web;
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{ApiKey, ApiScope, ApiToken, Permission, SiteId};
use crate::portal::moment::{Moment, moment, moment_or};
use crate::portal::organization::{
    Answer, Confirm, Place, base, done, layout, member, place, said, site_id, step_up, titled,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AskedKey, Delegate};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const KEYS: &str = "/organization/{organization}/sites/{site}/keys";
    const REVOKE: &str = "/organization/{organization}/sites/{site}/keys/{key}/revoke";
    config
        .route(KEYS, get().to(list))
        .route(KEYS, web::post().to(create))
        .route(REVOKE, get().to(ask_revoke))
        .route(REVOKE, web::post().to(revoke));
}

/// How long a key may be good, in days, with what people call it.
const LIVES: &[(u64, &str)] = &[(30, "30 days"), (90, "90 days"), (365, "One year")];

/// Characters of a name.
const LONGEST_NAME: usize = 80;

/// A key as it is listed.
struct Shown {
    id: i64,
    name: String,
    scopes: Vec<&'static str>,
    tag: &'static str,
    state: &'static str,
    is_live: bool,
    made: Moment,
    last_used: Moment,
    expires: Moment,
}

impl Shown {
    fn of(key: &ApiKey, visit: &Visit) -> Self {
        let (tag, state) = match key.revoked_at {
            Some(_) => ("tag-grey", "Revoked"),
            None if key.is_live(visit.now) => ("tag-green", "Live"),
            None => ("tag-grey", "Ended"),
        };
        Self {
            id: key.id,
            name: key.name.clone(),
            scopes: key.scopes.iter().map(|scope| scope.told()).collect(),
            tag,
            state,
            is_live: key.is_live(visit.now),
            made: moment(key.created_at),
            last_used: moment_or(key.last_used_at, "Never"),
            expires: moment(key.expires_at),
        }
    }
}

#[derive(Template)]
#[template(path = "org_keys.html")]
struct List {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    site: SiteId,
    keys: Vec<Shown>,
    errors: FieldErrors,
    name: String,
    scopes: &'static [ApiScope],
    lives: &'static [(u64, &'static str)],
}

async fn list(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    page(&visit, &member, site, FieldErrors::default(), String::new()).await
}

async fn page(
    visit: &Visit,
    member: &Delegate,
    site: SiteId,
    errors: FieldErrors,
    name: String,
) -> Answer {
    let store = visit.portal().sites.store();
    let keys = store.api_key_list(member.organization(), site.clone()).await?;
    let (_, place) = place(visit, member).await?;
    let heading = format!("API keys of {site}");
    let mut layout = layout(visit, member, heading.clone());
    layout.title = titled(&heading, &errors);
    Ok(visit.page(&List {
        layout,
        place,
        said: said(visit),
        site,
        keys: keys.iter().map(|key| Shown::of(key, visit)).collect(),
        errors,
        name,
        scopes: ApiScope::ALL,
        lives: LIVES,
    }))
}

#[derive(Template)]
#[template(path = "org_key.html")]
struct Made {
    layout: Layout,
    key: ApiKey,
    token: ApiToken,
    expires: Moment,
    url: String,
    back: String,
}

async fn create(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    if !member.is_fresh(visit.now) {
        return Ok(step_up(&visit));
    }
    let name = fields.get("name").trim().to_owned();
    let scopes: Vec<ApiScope> =
        fields.get("scopes").split(',').filter_map(|word| word.parse().ok()).collect();
    let errors = if name.is_empty() || name.chars().count() > LONGEST_NAME {
        FieldErrors::one("name", "Give the key a name of at most 80 characters".to_owned())
    } else if scopes.is_empty() {
        FieldErrors::one("scopes", "Choose what the key opens".to_owned())
    } else {
        FieldErrors::default()
    };
    if !errors.is_empty() {
        return page(&visit, &member, site, errors, name).await;
    }
    let days = LIVES.iter().map(|(days, _)| *days);
    let days = days.clone().find(|one| one.to_string() == fields.get("days")).unwrap_or(90);
    let life = Duration::from_hours(24 * days);
    let back = format!("{}/sites/{site}/keys", base(&member));
    let asked = AskedKey { site, name, scopes, life };
    let made = visit.portal().sites.api_key_create(&member, asked, &visit.browser()).await;
    let (key, token) = done(&visit, &member, made, &back)?;
    Ok(visit.page(&Made {
        layout: layout(&visit, &member, "The new key"),
        expires: moment(key.expires_at),
        url: format!("{}/api/v1", visit.portal().settings.public_url),
        key,
        token,
        back,
    }))
}

type KeyPath = web::Path<(String, String, i64)>;

async fn ask_revoke(visit: Visit, path: KeyPath) -> Answer {
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    let store = visit.portal().sites.store();
    let keys = store.api_key_list(member.organization(), site.clone()).await?;
    let Some(key) = keys.into_iter().find(|key| key.id == path.2) else {
        return Ok(visit.missing());
    };
    Ok(visit.page(&Confirm {
        layout: layout(&visit, &member, "Revoke this key?"),
        caption: key.name,
        text: vec![
            "Programs that use it are refused from the next question on. This cannot be undone."
                .to_owned(),
        ],
        back: format!("{}/sites/{site}/keys", base(&member)),
        button: "Revoke the key",
    }))
}

async fn revoke(posted: Posted, path: KeyPath) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    let back = format!("{}/sites/{site}/keys", base(&member));
    let ended =
        visit.portal().sites.api_key_revoke(&member, (site, path.2), &visit.browser()).await;
    done(&visit, &member, ended, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}
