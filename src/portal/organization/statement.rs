//! Statements about meaningful use: what one would say of a year, and one that is issued, as a page to print or as PDF.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::{Permission, SiteId, StatementFacts, StatementRecord};
use crate::paper::{Paper, TRIAL};
use crate::portal::organization::{
    Answer, Place, base, done, instead, layout, member, place, site_id,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Delegate, Issued};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const STATEMENT: &str = "/organization/{organization}/sites/{site}/statement";
    config.route(STATEMENT, get().to(preview)).route(STATEMENT, web::post().to(issue));
}

#[derive(Template)]
#[template(path = "org_statement.html")]
struct Preview {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    name: String,
    back: String,
    year: i32,
    years: Vec<i32>,
    rows: Vec<(String, String)>,
    must_test_again: bool,
    proves: &'static [&'static str],
    leaves_open: &'static [&'static str],
    /// Those that were issued: year and day.
    issued: Vec<(i32, String)>,
    may_issue: bool,
}

async fn preview(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewOrganization).await?;
    let id = site_id(&visit, &path.1)?;
    let (_, place) = place(&visit, &member).await?;
    let sites = &visit.portal().sites;
    let year = match visit.query("year").as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_wrong| instead(visit.missing()))?),
    };
    let found = sites.statement_preview(&member, id.clone(), year, &visit.browser()).await?;
    let Some((facts, years)) = found else { return Ok(visit.missing()) };
    let issued = sites.store().statement_list(id.clone()).await?;
    Ok(visit.page(&Preview {
        layout: layout(&visit, &member, format!("Statement for meaningful use, {}", facts.year)),
        back: format!("{}/sites/{id}", base(&member)),
        place,
        said: None,
        name: facts.name.clone(),
        year: facts.year,
        years,
        rows: facts.rows(),
        must_test_again: facts.must_test_again,
        proves: StatementFacts::PROVES,
        leaves_open: StatementFacts::LEAVES_OPEN,
        issued: issued.into_iter().map(|(year, at)| (year, at.pacific_text())).collect(),
        may_issue: !member.only_looks(),
    }))
}

#[derive(Template)]
#[template(path = "org_statement_issued.html")]
struct Print {
    layout: Layout,
    name: String,
    back: String,
    paper: Paper,
    proves: &'static [&'static str],
    leaves_open: &'static [&'static str],
}

async fn issue(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ViewOrganization).await?;
    let id = site_id(&visit, &path.1)?;
    let Ok(year) = fields.get("year").parse::<i32>() else {
        return Ok(visit.redirect(visit.path()));
    };
    let back = format!("{}/sites/{id}/statement", base(&member));
    let made = visit.portal().sites.statement_issue(&member, (id, year), &visit.browser()).await;
    let Issued { record, code } = done(&visit, &member, made, &back)?;
    let paper = Paper {
        issued: record.issued_at.pacific_text(),
        code: code.shown(),
        verify: format!("{}/verify-statement", visit.portal().settings.public_url),
        rows: record.facts.rows(),
        year,
        is_trial: visit.portal().is_trial(),
    };
    Ok(match fields.get("form") {
        "pdf" => download(&record, &paper),
        _ => print(&visit, &member, record, paper, format!("{back}?year={year}")),
    })
}

fn print(
    visit: &Visit,
    member: &Delegate,
    record: StatementRecord,
    paper: Paper,
    back: String,
) -> HttpResponse {
    let title = format!("Statement for meaningful use, {}", paper.year);
    visit.page(&Print {
        layout: layout(visit, member, title),
        name: record.facts.name,
        back,
        paper,
        proves: StatementFacts::PROVES,
        leaves_open: StatementFacts::LEAVES_OPEN,
    })
}

fn download(record: &StatementRecord, paper: &Paper) -> HttpResponse {
    let name = file_name(&record.site, paper.year);
    HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .body(paper.pdf())
}

fn file_name(site: &SiteId, year: i32) -> String {
    format!("statement-{site}-{year}.pdf")
}
