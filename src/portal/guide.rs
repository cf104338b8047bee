//! The pages for everybody: what this is, who belongs here, what EHR engineers need.

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDate;

use crate::domain::form::{Choice, FieldErrors, Kind};
use crate::domain::{
    AGREEMENT, AgreementText, COUNTIES, County, MAP_VIEW_BOX, OUTLINES, REGIONS, RegionFacts, Zip,
    counties_of_zip_on,
};
use crate::portal::visit::get;
use crate::portal::{Layout, PortalSettings, Visit};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", get().to(home))
        .route("/where", get().to(place))
        .route("/developers", get().to(developers))
        .route("/agreement", get().to(agreement));
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    layout: Layout,
}

async fn home(visit: Visit) -> HttpResponse {
    visit.page(&Home { layout: visit.layout("Send immunization records to CAIR") })
}

/// An access level, for whom it is, and where to ask for it. Source: seed 003, the table of levels.
struct Level {
    word: &'static str,
    name: &'static str,
    who: &'static str,
    how: &'static str,
}

/// Source: seed 003.
const LEVELS: [Level; 4] = [
    Level {
        word: "data-exchange",
        name: "Data Exchange",
        who: "You give vaccines, and your EHR sends doses and patients electronically",
        how: "Register here for data exchange. It takes 15 to 20 minutes.",
    },
    Level {
        word: "clinical",
        name: "Clinical",
        who: "You give vaccines, and enter patients and doses by hand",
        how: "Enroll for Clinical access.",
    },
    Level {
        word: "limited-clinical",
        name: "Limited Clinical",
        who: "You give no vaccines, but enter patients and past doses, as WIC does",
        how: "Enroll for Limited Clinical access.",
    },
    Level {
        word: "read-only",
        name: "Read-Only",
        who: "You give no vaccines, but look patients up, as schools and child-care facilities do",
        how: "Enroll for Read-Only access.",
    },
];

#[derive(Template)]
#[template(path = "where.html")]
struct Place {
    layout: Layout,
    zip: String,
    errors: FieldErrors,
    options: Vec<Choice>,
    chosen: String,
    /// Counties that the ZIP code lies in, when there are several or none was chosen.
    county: Option<&'static County>,
    region: Option<&'static RegionFacts>,
    levels: &'static [Level],
    regions: Vec<(&'static RegionFacts, Vec<&'static County>)>,
    map: Vec<Shape>,
    view_box: &'static str,
}

/// A county of the map.
struct Shape {
    name: &'static str,
    region: &'static str,
    is_managed: bool,
    is_here: bool,
    path: &'static str,
}

/// The county that somebody asks about, by its name or by a ZIP code, and what is wrong with the question.
fn county_of(zip: &str, asked: &str, today: NaiveDate) -> (Option<&'static County>, FieldErrors) {
    let wrong = |field, message: String| (None, FieldErrors::one(field, message));
    let named = County::on(asked, today);
    if named.is_some() || (zip.is_empty() && asked.is_empty()) {
        return (named, FieldErrors::default());
    }
    if !asked.is_empty() {
        return wrong("county", "Choose one of the 58 counties of California".to_owned());
    }
    let zip = match Kind::ZipCalifornia.check(zip) {
        Ok(zip) => zip,
        Err(message) => return wrong("zip", message),
    };
    let five = zip.get(..5).unwrap_or_default().parse::<Zip>();
    let found = five.map(|zip| counties_of_zip_on(zip, today)).unwrap_or_default();
    match found.as_slice() {
        [] => wrong("zip", "We do not know this ZIP code. Choose the county instead".to_owned()),
        [one] => (Some(one), FieldErrors::default()),
        several => {
            let names: Vec<_> = several.iter().map(|county| county.name).collect();
            let names = names.join(" and ");
            wrong("county", format!("This ZIP code lies in {names}. Choose the county of the Site"))
        }
    }
}

async fn place(visit: Visit) -> HttpResponse {
    let (zip, asked) = (visit.query("zip").trim().to_owned(), visit.query("county"));
    let (county, errors) = county_of(&zip, &asked, visit.now.utc().date_naive());
    let region = county.map(|county| county.region.facts());
    let title = match county {
        Some(county) if county.gateway_registration => {
            format!("{} County: you are in the right place", county.name)
        }
        Some(county) => format!("{} County uses another registry", county.name),
        None => "Am I in the right place?".to_owned(),
    };
    let regions = REGIONS
        .iter()
        .map(|facts| {
            (facts, COUNTIES.iter().filter(|county| county.region == facts.code).collect())
        })
        .collect();
    visit.page(&Place {
        layout: visit.layout(title),
        zip,
        errors,
        options: COUNTIES.iter().map(|county| Choice::new(county.fips, county.name)).collect(),
        chosen: county.map(|county| county.fips.to_owned()).unwrap_or_default(),
        county,
        region,
        levels: &LEVELS,
        regions,
        map: OUTLINES
            .iter()
            .filter_map(|one| Some(shape(one.county()?, one.path, county)))
            .collect(),
        view_box: MAP_VIEW_BOX,
    })
}

fn shape(county: &'static County, path: &'static str, here: Option<&County>) -> Shape {
    let facts = county.region.facts();
    Shape {
        name: county.name,
        region: county.region.as_str(),
        is_managed: facts.managed,
        is_here: here.is_some_and(|here| here.fips == county.fips),
        path,
    }
}

#[derive(Template)]
#[template(path = "developers.html")]
struct Developers<'a> {
    layout: Layout,
    settings: &'a PortalSettings,
}

async fn developers(visit: Visit) -> HttpResponse {
    let layout = visit.layout("For EHR engineers");
    visit.page(&Developers { layout, settings: &visit.portal().settings })
}

#[derive(Template)]
#[template(path = "agreement.html")]
struct AgreementPage {
    layout: Layout,
    version: String,
    paragraphs: Vec<&'static str>,
}

async fn agreement(visit: Visit) -> HttpResponse {
    agreement_page(&visit, "Access and confidentiality agreement", &AGREEMENT)
}

/// An agreement in force, to be read.
pub(super) fn agreement_page(visit: &Visit, title: &str, text: &AgreementText) -> HttpResponse {
    visit.page(&AgreementPage {
        layout: visit.layout(title),
        version: text.day(),
        paragraphs: text.paragraphs().collect(),
    })
}
