//! The clinicians of an organization.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::questions::CLINICIAN;
use crate::domain::{Clinician, ClinicianId, ClinicianState, Permission};
use crate::portal::form::fields;
use crate::portal::organization::{
    Answer, Place, Question, Stop, base, done, instead, layout, member, place, said, titled,
};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::Delegate;
use crate::store::{NewClinician, StoreError};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}/clinicians", get().to(list))
        .route("/organization/{organization}/clinicians/new", get().to(new))
        .route("/organization/{organization}/clinicians/new", web::post().to(add))
        .route("/organization/{organization}/clinicians/{clinician}", get().to(one))
        .route("/organization/{organization}/clinicians/{clinician}", web::post().to(change))
        .route(
            "/organization/{organization}/clinicians/{clinician}/{state}",
            web::post().to(state),
        );
}

/// A clinician in a list.
struct Line {
    one: Clinician,
    license: String,
    is_active: bool,
}

#[derive(Template)]
#[template(path = "org_clinicians.html")]
struct Clinicians {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    lines: Vec<Line>,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    let (_, place) = place(&visit, &member).await?;
    let found = visit.portal().sites.store().clinician_list(member.organization()).await?;
    let kind = CLINICIAN.fields.iter().find(|field| field.name == "license_type");
    let line = |one: Clinician| Line {
        license: format!(
            "{} {}",
            kind.map(|field| field.kind.show(&one.license_type)).unwrap_or_default(),
            one.license
        ),
        is_active: one.state == ClinicianState::Active,
        one,
    };
    let lines = found.into_iter().map(line).collect();
    let layout = layout(&visit, &member, "Clinicians");
    Ok(visit.page(&Clinicians { layout, place, said: said(&visit), lines }))
}

fn question(
    visit: &Visit,
    member: &Delegate,
    place: &Place,
    title: &str,
    typed: &Answers,
    errors: FieldErrors,
) -> HttpResponse {
    let layout = layout(visit, member, titled(title, &errors));
    visit.page(&Question {
        layout: Layout { heading: title.to_owned(), ..layout },
        caption: place.name.clone(),
        lede: CLINICIAN.lede.to_owned(),
        back: format!("{}/clinicians", place.base),
        fields: fields(&CLINICIAN, typed, &errors),
        errors,
        text: vec![],
        button: "Save",
    })
}

fn read(visit: &Visit, posted: &Answers) -> Result<NewClinician, FieldErrors> {
    let read = CLINICIAN.read(posted, visit.now.utc().date_naive())?;
    let answer = |name| read.get(name).to_owned();
    Ok(NewClinician {
        first_name: answer("first_name"),
        last_name: answer("last_name"),
        title: answer("title"),
        license_type: answer("license_type"),
        license: answer("license"),
        npi: Some(answer("npi")).filter(|npi| !npi.is_empty()),
    })
}

async fn new(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    let (_, place) = place(&visit, &member).await?;
    let (typed, none) = (Answers::default(), FieldErrors::default());
    Ok(question(&visit, &member, &place, "Add a clinician", &typed, none))
}

async fn add(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    let (_, place) = place(&visit, &member).await?;
    let again = |errors| Ok(question(&visit, &member, &place, "Add a clinician", &fields, errors));
    let new = match read(&visit, &fields) {
        Ok(new) => new,
        Err(errors) => return again(errors),
    };
    let store = visit.portal().sites.store();
    let deed = member.by(&visit.browser()).into();
    match store.clinician_create(member.organization(), new, deed).await {
        Err(StoreError::Refused(refusal)) => again(FieldErrors::one("license", refusal.0)),
        other => {
            other?;
            Ok(visit.redirect(&format!("{}/clinicians?done=changed", base(&member))))
        }
    }
}

/// The clinician of the address, when they are the organization's.
async fn clinician(visit: &Visit, member: &Delegate, text: &str) -> Result<Clinician, Stop> {
    let Ok(id) = text.parse::<ClinicianId>() else { return Err(instead(visit.missing())) };
    Ok(visit.portal().sites.store().clinician_of(member.organization(), id).await?)
}

async fn one(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let held = clinician(&visit, &member, &path.1).await?;
    let (_, place) = place(&visit, &member).await?;
    let known = Answers::from_iter([
        ("first_name", held.first_name),
        ("last_name", held.last_name),
        ("title", held.title),
        ("license_type", held.license_type),
        ("license", held.license),
        ("npi", held.npi.unwrap_or_default()),
    ]);
    Ok(question(&visit, &member, &place, "Change a clinician", &known, FieldErrors::default()))
}

async fn change(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let held = clinician(&visit, &member, &path.1).await?;
    let (_, place) = place(&visit, &member).await?;
    let new = match read(&visit, &fields) {
        Ok(new) => new,
        Err(errors) => {
            return Ok(question(&visit, &member, &place, "Change a clinician", &fields, errors));
        }
    };
    let store = visit.portal().sites.store();
    let deed = member.by(&visit.browser()).into();
    store.clinician_change(member.organization(), held.id, new, deed).await?;
    Ok(visit.redirect(&format!("{}/clinicians?done=changed", base(&member))))
}

async fn state(posted: Posted, path: web::Path<(String, String, String)>) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let held = clinician(&visit, &member, &path.1).await?;
    let Ok(state) = path.2.parse::<ClinicianState>() else { return Ok(visit.missing()) };
    let store = visit.portal().sites.store();
    let deed = member.by(&visit.browser()).into();
    let moved = store.clinician_state_change(member.organization(), held.id, state, deed).await;
    let back = format!("{}/clinicians", base(&member));
    done(&visit, &member, moved.map_err(Into::into), &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}
