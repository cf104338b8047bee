//! Many Sites from one file: template, upload, preview, confirmation, their Site IDs.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::{AccessLevel, Permission, SiteKind};
use crate::portal::organization::{Answer, Stop, base, done, instead, layout, member, place};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, PostedFile, Visit};
use crate::sites::Delegate;
use crate::sites::bulk::{
    CellError, Doubt, LARGEST_FILE, TEMPLATE_XLSX, UploadError, template_csv, to_csv,
};
use crate::store::{BulkSite, SiteRow};

/// Wrong cells and rows that are shown; more help nobody.
const SHOWN: usize = 200;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const UPLOAD: &str = "/organization/{organization}/sites/upload";
    const ONE: &str = "/organization/{organization}/sites/upload/{upload}";
    config
        .route(UPLOAD, get().to(page))
        .route(UPLOAD, web::post().to(upload))
        .route(&format!("{UPLOAD}/template.csv"), get().to(csv_template))
        .route(&format!("{UPLOAD}/template.xlsx"), get().to(xlsx_template))
        .route(ONE, get().to(preview))
        .route(ONE, web::post().to(confirm))
        .route(&format!("{ONE}/sites.csv"), get().to(result));
}

#[derive(Template)]
#[template(path = "org_upload.html")]
struct Upload {
    layout: Layout,
    back: String,
    organization: String,
    /// What is wrong with the file as a whole.
    problem: Option<String>,
    errors: Vec<CellError>,
    /// Wrong cells that are not shown.
    more: usize,
    wrong_rows: usize,
}

async fn upload_page(
    visit: &Visit,
    member: &Delegate,
    problem: Option<String>,
    mut errors: Vec<CellError>,
) -> Result<HttpResponse, Stop> {
    let (record, place) = place(visit, member).await?;
    if record.access_level != AccessLevel::DataExchange {
        return Err(instead(visit.missing()));
    }
    let mut rows: Vec<_> = errors.iter().map(|error| error.row).collect();
    rows.dedup();
    let more = errors.len().saturating_sub(SHOWN);
    errors.truncate(SHOWN);
    let is_wrong = problem.is_some() || !errors.is_empty();
    let title = if is_wrong { "Error: Upload Sites" } else { "Upload Sites" };
    let page = Upload {
        layout: Layout { heading: "Upload Sites".to_owned(), ..layout(visit, member, title) },
        back: place.base,
        organization: place.name,
        problem,
        errors,
        more,
        wrong_rows: rows.len(),
    };
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(visit.page_with(status, &page))
}

async fn page(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ManageSites).await?;
    upload_page(&visit, &member, None, vec![]).await
}

async fn upload(posted: PostedFile<LARGEST_FILE>, path: web::Path<String>) -> Answer {
    let PostedFile { visit, file, .. } = posted;
    let member = member(&visit, &path, Permission::ManageSites).await?;
    let sites = &visit.portal().sites;
    if file.is_empty() {
        let problem = "Choose a file".to_owned();
        return upload_page(&visit, &member, Some(problem), vec![]).await;
    }
    match sites.bulk_upload(&member, file, &visit.browser()).await {
        Ok(id) => Ok(visit.redirect(&format!("{}/sites/upload/{id}", base(&member)))),
        Err(UploadError::Cells(errors)) => upload_page(&visit, &member, None, errors).await,
        Err(UploadError::File(error)) => {
            upload_page(&visit, &member, Some(capital(&error.to_string())), vec![]).await
        }
        Err(UploadError::Store(error)) => Err(error.into()),
    }
}

/// A sentence.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn download(content_type: &str, name: &str, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .body(bytes)
}

async fn csv_template(visit: Visit, path: web::Path<String>) -> Answer {
    member(&visit, &path, Permission::ManageSites).await?;
    Ok(download("text/csv; charset=utf-8", "sites-template.csv", template_csv()))
}

async fn xlsx_template(visit: Visit, path: web::Path<String>) -> Answer {
    member(&visit, &path, Permission::ManageSites).await?;
    Ok(download(XLSX, "sites-template.xlsx", TEMPLATE_XLSX.to_vec()))
}

#[derive(Template)]
#[template(path = "org_preview.html")]
struct PreviewPage {
    layout: Layout,
    back: String,
    organization: String,
    count: usize,
    rows: Vec<SiteRow>,
    more: usize,
    doubts: Vec<Doubt>,
}

impl PreviewPage {
    /// How a Site of the file sends, for people.
    fn kind(row: &SiteRow) -> String {
        let word = row.answers.get("site_type");
        word.parse().map_or_else(|_other| word.to_owned(), |kind: SiteKind| kind.name().to_owned())
    }
}

#[derive(Template)]
#[template(path = "org_uploaded.html")]
struct UploadedPage {
    layout: Layout,
    base: String,
    /// Where the Site IDs are downloaded.
    download: String,
    count: usize,
    sites: Vec<BulkSite>,
    more: usize,
}

/// The number of an upload in the address.
fn number(visit: &Visit, text: &str) -> Result<i64, Stop> {
    text.parse().map_err(|_no_number| instead(visit.missing()))
}

async fn preview(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ManageSites).await?;
    let id = number(&visit, &path.1)?;
    let (_, place) = place(&visit, &member).await?;
    let found = visit.portal().sites.bulk_preview(&member, id).await?;
    if let Some(mut sites) = found.upload.result {
        let count = sites.len();
        sites.truncate(SHOWN);
        let title = match count {
            1 => "1 Site is registered".to_owned(),
            _ => format!("{count} Sites are registered"),
        };
        let page = UploadedPage {
            layout: layout(&visit, &member, title),
            download: format!("{}/sites/upload/{id}/sites.csv", place.base),
            base: place.base,
            count,
            more: count.saturating_sub(SHOWN),
            sites,
        };
        return Ok(visit.page(&page));
    }
    let mut rows = found.upload.rows;
    let count = rows.len();
    rows.truncate(SHOWN);
    Ok(visit.page(&PreviewPage {
        layout: layout(&visit, &member, "Check before the Sites are registered"),
        back: format!("{}/sites/upload", place.base),
        organization: place.name,
        count,
        more: count.saturating_sub(SHOWN),
        rows,
        doubts: found.doubts,
    }))
}

async fn confirm(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::ManageSites).await?;
    let id = number(&visit, &path.1)?;
    let here = format!("{}/sites/upload/{id}", base(&member));
    let made = visit.portal().sites.bulk_confirm(&member, id, &visit.browser()).await;
    done(&visit, &member, made, &here)?;
    Ok(visit.redirect(&here))
}

async fn result(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ManageSites).await?;
    let id = number(&visit, &path.1)?;
    let upload = visit.portal().sites.store().bulk_of(member.organization(), id).await?;
    let Some(sites) = upload.result else { return Ok(visit.missing()) };
    let header = ["row", "site_id", "site_name", "region_code", "test_username"];
    let rows = sites
        .into_iter()
        .map(|site| vec![site.row.to_string(), site.id, site.name, site.region, site.username]);
    let all = std::iter::once(header.map(str::to_owned).to_vec()).chain(rows);
    Ok(download("text/csv; charset=utf-8", "site-ids.csv", to_csv(all)))
}
