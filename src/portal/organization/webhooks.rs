//! The webhooks of a Site: which there are, a new one with its secret shown once, and one with its latest calls.

use actix_web::web;
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{
    CallState, HookEvent, HookSecret, HookState, HookUrl, MessageId, PING, Permission, SiteId,
    Webhook, WebhookCall,
};
use crate::portal::member::capital;
use crate::portal::moment::{Moment, moment, moment_or};
use crate::portal::organization::{
    Answer, Confirm, Place, Stop, base, done, instead, layout, member, place, said, site_id,
    step_up, titled,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AskedWebhook, Delegate};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const HOOKS: &str = "/organization/{organization}/sites/{site}/webhooks";
    const HOOK: &str = "/organization/{organization}/sites/{site}/webhooks/{webhook}";
    const PING: &str = "/organization/{organization}/sites/{site}/webhooks/{webhook}/ping";
    const PAUSE: &str = "/organization/{organization}/sites/{site}/webhooks/{webhook}/pause";
    const RESUME: &str = "/organization/{organization}/sites/{site}/webhooks/{webhook}/resume";
    const SECRET: &str = "/organization/{organization}/sites/{site}/webhooks/{webhook}/secret";
    const REMOVE: &str = "/organization/{organization}/sites/{site}/webhooks/{webhook}/remove";
    const RESEND: &str =
        "/organization/{organization}/sites/{site}/webhooks/{webhook}/calls/{call}/resend";
    config
        .route(HOOKS, get().to(list))
        .route(HOOKS, web::post().to(create))
        .route(HOOK, get().to(one))
        .route(PING, web::post().to(ping))
        .route(PAUSE, web::post().to(pause))
        .route(RESUME, web::post().to(resume))
        .route(SECRET, get().to(ask_secret))
        .route(SECRET, web::post().to(rotate))
        .route(REMOVE, get().to(ask_remove))
        .route(REMOVE, web::post().to(remove))
        .route(RESEND, web::post().to(resend));
}

/// Characters of a description.
const LONGEST_NAME: usize = 80;

/// Calls on a page.
const SHOWN: i64 = 50;

const fn tag(state: HookState, failing: bool) -> &'static str {
    match state {
        HookState::Live if failing => "tag-amber",
        HookState::Live => "tag-green",
        HookState::Stopped => "tag-red",
        HookState::Paused | HookState::Removed => "tag-grey",
    }
}

/// A webhook as it is shown.
struct Shown {
    id: MessageId,
    url: String,
    description: String,
    events: Vec<HookEvent>,
    tag: &'static str,
    state: &'static str,
    is_live: bool,
    is_stopped: bool,
    made: Moment,
    failing: Option<Moment>,
    old_until: Option<Moment>,
}

impl Shown {
    fn of(hook: &Webhook, visit: &Visit) -> Self {
        let failing = hook.failing_since.is_some();
        Self {
            id: hook.id,
            url: hook.url.clone(),
            description: hook.description.clone(),
            events: hook.events.clone(),
            tag: tag(hook.state, failing),
            state: if failing && hook.state == HookState::Live {
                "Live, but failing"
            } else {
                hook.state.told()
            },
            is_live: hook.state == HookState::Live,
            is_stopped: hook.state == HookState::Stopped,
            made: moment(hook.created_at),
            failing: hook.failing_since.map(moment),
            old_until: hook.old_secret_until.filter(|until| visit.now < *until).map(moment),
        }
    }
}

/// What was given with a new webhook.
#[derive(Default)]
struct Given {
    url: String,
    description: String,
    events: Vec<HookEvent>,
}

#[derive(Template)]
#[template(path = "org_webhooks.html")]
struct List {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    site: SiteId,
    hooks: Vec<Shown>,
    errors: FieldErrors,
    given: Given,
    events: &'static [HookEvent],
}

async fn list(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    page(&visit, &member, site, FieldErrors::default(), Given::default()).await
}

async fn page(
    visit: &Visit,
    member: &Delegate,
    site: SiteId,
    errors: FieldErrors,
    given: Given,
) -> Answer {
    let store = visit.portal().sites.store();
    let hooks = store.webhook_list(member.organization(), site.clone()).await?;
    let (_, place) = place(visit, member).await?;
    let heading = format!("Webhooks of {site}");
    let mut layout = layout(visit, member, heading.clone());
    layout.title = titled(&heading, &errors);
    Ok(visit.page(&List {
        layout,
        place,
        said: said(visit),
        site,
        hooks: hooks.iter().map(|hook| Shown::of(hook, visit)).collect(),
        errors,
        given,
        events: HookEvent::ALL,
    }))
}

/// The one page that shows a secret.
#[derive(Template)]
#[template(path = "org_webhook_secret.html")]
struct Revealed {
    layout: Layout,
    site: SiteId,
    hook: Shown,
    secret: HookSecret,
    is_new: bool,
    back: String,
}

async fn create(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(&visit, &path.1)?;
    if !member.is_fresh(visit.now) {
        return Ok(step_up(&visit));
    }
    let given = Given {
        url: fields.get("url").trim().to_owned(),
        description: fields.get("description").trim().to_owned(),
        events: fields.get("events").split(',').filter_map(|word| word.parse().ok()).collect(),
    };
    let named = !given.description.is_empty();
    let url = match given.url.parse::<HookUrl>() {
        Ok(url) if named && given.description.chars().count() <= LONGEST_NAME => Ok(url),
        Ok(_) => Err(("description", "Say in at most 80 characters which program is called")),
        Err(_) => {
            Err(("url", "Enter an address that begins with https://, without a password in it"))
        }
    };
    let url = url.and_then(|url| {
        if given.events.is_empty() {
            Err(("events", "Choose what the program is told of"))
        } else {
            Ok(url)
        }
    });
    let url = match url {
        Ok(url) => url,
        Err((field, text)) => {
            let errors = FieldErrors::one(field, text.to_owned());
            return page(&visit, &member, site, errors, given).await;
        }
    };
    let back = format!("{}/sites/{site}/webhooks", base(&member));
    let Given { description, events, .. } = given;
    let asked = AskedWebhook { site, url, description, events };
    let made = visit.portal().sites.webhook_create(&member, asked, &visit.browser()).await;
    let (hook, secret) = done(&visit, &member, made, &back)?;
    Ok(secret_page(&visit, &member, &hook, (secret, true)))
}

fn secret_page(
    visit: &Visit,
    member: &Delegate,
    hook: &Webhook,
    (secret, is_new): (HookSecret, bool),
) -> actix_web::HttpResponse {
    let title = if is_new { "The new webhook" } else { "The new secret" };
    visit.page(&Revealed {
        layout: layout(visit, member, title),
        site: hook.site.clone(),
        back: format!("{}/sites/{}/webhooks/{}", base(member), hook.site, hook.id),
        hook: Shown::of(hook, visit),
        secret,
        is_new,
    })
}

/// A call as it is listed.
struct Call {
    id: i64,
    event: String,
    event_id: String,
    tag: &'static str,
    state: &'static str,
    at: Moment,
    answer: String,
    attempts: i64,
    next: Option<Moment>,
    ended: Moment,
    is_ended: bool,
}

impl From<WebhookCall> for Call {
    fn from(call: WebhookCall) -> Self {
        let event = match call.event.parse::<HookEvent>() {
            Ok(event) => event.told().to_owned(),
            Err(_) if call.event == PING => "Test call".to_owned(),
            Err(_) => call.event.clone(),
        };
        let answer = match (call.last_status, call.last_error) {
            (_, Some(error)) => capital(&error),
            (Some(status), None) => format!("HTTP {status}"),
            (None, None) => "None yet".to_owned(),
        };
        let waits = call.state == CallState::Queued && call.attempts > 0;
        Self {
            id: call.id,
            event,
            event_id: call.event_id,
            tag: match call.state {
                CallState::GivenUp => "tag-red",
                CallState::Queued => "tag-amber",
                CallState::Taken => "tag-green",
            },
            state: call.state.told(),
            at: moment(call.created_at),
            answer,
            attempts: call.attempts,
            next: waits.then(|| moment(call.next_attempt_at)),
            ended: moment_or(call.settled_at, ""),
            is_ended: call.settled_at.is_some(),
        }
    }
}

#[derive(Template)]
#[template(path = "org_webhook.html")]
struct One {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    site: SiteId,
    hook: Shown,
    calls: Vec<Call>,
    /// The address of the webhook.
    here: String,
    older: Option<i64>,
}

type HookPath = web::Path<(String, String, String)>;

/// Who acts, and on which webhook.
async fn which(visit: &Visit, path: &HookPath) -> Result<(Delegate, (SiteId, MessageId)), Stop> {
    let member = member(visit, &path.0, Permission::RotateCredential).await?;
    let site = site_id(visit, &path.1)?;
    let id = path.2.parse().map_err(|_wrong| instead(visit.missing()))?;
    Ok((member, (site, id)))
}

fn address(member: &Delegate, (site, id): &(SiteId, MessageId)) -> String {
    format!("{}/sites/{site}/webhooks/{id}", base(member))
}

async fn one(visit: Visit, path: HookPath) -> Answer {
    let (member, which) = which(&visit, &path).await?;
    let here = address(&member, &which);
    let store = visit.portal().sites.store();
    let before = visit.query("before").parse().ok();
    let owned = (member.organization(), which.0.clone(), which.1);
    let (hook, mut calls) = store.webhook_calls(owned, before, SHOWN + 1).await?;
    let full = i64::try_from(calls.len()).is_ok_and(|count| count > SHOWN);
    if full {
        calls.pop();
    }
    let older = calls.last().map(|call| call.id).filter(|_| full);
    let (_, place) = place(&visit, &member).await?;
    Ok(visit.page(&One {
        layout: layout(&visit, &member, hook.description.clone()),
        place,
        said: said(&visit),
        site: which.0,
        hook: Shown::of(&hook, &visit),
        calls: calls.into_iter().map(Call::from).collect(),
        here,
        older,
    }))
}

async fn ping(posted: Posted, path: HookPath) -> Answer {
    let visit = posted.visit;
    let (member, which) = which(&visit, &path).await?;
    let back = address(&member, &which);
    let called = visit.portal().sites.webhook_ping(&member, which, &visit.browser()).await;
    done(&visit, &member, called, &back)?;
    Ok(visit.redirect(&format!("{back}?done=called")))
}

async fn pause(posted: Posted, path: HookPath) -> Answer {
    switch(posted, path, false).await
}

async fn resume(posted: Posted, path: HookPath) -> Answer {
    switch(posted, path, true).await
}

async fn switch(posted: Posted, path: HookPath, live: bool) -> Answer {
    let visit = posted.visit;
    let (member, which) = which(&visit, &path).await?;
    let back = address(&member, &which);
    let sites = &visit.portal().sites;
    let switched = sites.webhook_switch(&member, which, live, &visit.browser()).await;
    done(&visit, &member, switched, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

/// Asks whether something is meant that is done to a webhook.
async fn confirm(visit: Visit, path: HookPath, words: [&'static str; 3]) -> Answer {
    let (member, which) = which(&visit, &path).await?;
    let back = address(&member, &which);
    let store = visit.portal().sites.store();
    let (hook, _) = store.webhook_calls((member.organization(), which.0, which.1), None, 0).await?;
    let [title, text, button] = words;
    Ok(visit.page(&Confirm {
        layout: layout(&visit, &member, title),
        caption: hook.description,
        text: vec![text.to_owned()],
        back,
        button,
    }))
}

async fn ask_secret(visit: Visit, path: HookPath) -> Answer {
    let text = "Calls are signed with both secrets for 24 hours, so that your program can be given the new one meanwhile.";
    confirm(visit, path, ["Make a new secret?", text, "Make a new secret"]).await
}

async fn rotate(posted: Posted, path: HookPath) -> Answer {
    let visit = posted.visit;
    let (member, which) = which(&visit, &path).await?;
    let back = address(&member, &which);
    let made = visit.portal().sites.webhook_rotate(&member, which, &visit.browser()).await;
    let (hook, secret) = done(&visit, &member, made, &back)?;
    Ok(secret_page(&visit, &member, &hook, (secret, false)))
}

async fn ask_remove(visit: Visit, path: HookPath) -> Answer {
    let text = "It is called no more, and what was to be told is given up. This cannot be undone.";
    confirm(visit, path, ["Remove this webhook?", text, "Remove the webhook"]).await
}

async fn remove(posted: Posted, path: HookPath) -> Answer {
    let visit = posted.visit;
    let (member, which) = which(&visit, &path).await?;
    let back = format!("{}/sites/{}/webhooks", base(&member), which.0);
    let removed = visit.portal().sites.webhook_remove(&member, which, &visit.browser()).await;
    done(&visit, &member, removed, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

async fn resend(posted: Posted, path: web::Path<(String, String, String, i64)>) -> Answer {
    let visit = posted.visit;
    let (organization, site, id, call) = path.into_inner();
    let path = web::Path::from((organization, site, id));
    let (member, which) = which(&visit, &path).await?;
    let back = address(&member, &which);
    let sites = &visit.portal().sites;
    let sent = sites.webhook_resend(&member, (which, call), &visit.browser()).await;
    done(&visit, &member, sent, &back)?;
    Ok(visit.redirect(&format!("{back}?done=called")))
}
