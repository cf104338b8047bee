//! Bulk upload of Sites: a table of an organization's Sites, read through the fields of registration, all or nothing.

mod file;
mod rows;
mod sheet;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::CREDENTIAL_PURPOSE;
use crate::domain::form::Answers;
use crate::domain::questions::organization_answers;
use crate::sites::{AccountError, Browser, Delegate, Facilities, Sites};
use crate::store::{BulkSite, BulkUpload, Deed, SiteRow, StoreError};

pub use file::{FileError, LARGEST_FILE, MOST_ROWS};
pub use rows::{CellError, INHERITED, columns};
pub use sheet::{TEMPLATE_XLSX, template_csv, to_csv};

/// Why an upload was not kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// These cells have to be mended.
    #[error("{} cells have to be mended", .0.len())]
    Cells(Vec<CellError>),
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A Site that may be registered already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Its row in the file.
    pub row: usize,
    /// Its name.
    pub name: String,
    /// What it looks like: a Site ID, or another row.
    pub like: String,
}

/// An upload that waits to be confirmed.
#[derive(Debug)]
pub struct Preview {
    /// What it would make.
    pub upload: BulkUpload,
    /// What may be there already.
    pub doubts: Vec<Doubt>,
}

impl Sites {
    /// Reads a file and keeps it for the preview; gives its number.
    pub async fn bulk_upload(
        &self,
        member: &Delegate,
        bytes: Vec<u8>,
        browser: &Browser,
    ) -> Result<i64, UploadError> {
        let known = self.bulk_known(member).await?;
        let today = browser.now.utc().date_naive();
        // One file at a time: reading one takes memory.
        let permit = self.bulk_reader.acquire().await.map_err(|_closed| FileError::TooLarge)?;
        let read = tokio::task::spawn_blocking(move || {
            let rows = file::rows(&bytes)?;
            rows::read(&rows, &known, today).map_err(UploadError::Cells)
        });
        let read = read.await;
        drop(permit);
        let mut sites = match read {
            Ok(sites) => sites?,
            Err(_panicked) => return Err(FileError::NeitherCsvNorXlsx.into()),
        };
        self.find_facilities(&mut sites).await?;
        let organization = member.organization();
        Ok(self.store.bulk_keep(organization, member.id(), sites, browser.now).await?)
    }

    /// What the organization and the first of its Sites have answered.
    async fn bulk_known(&self, member: &Delegate) -> Result<Answers, StoreError> {
        let organization = member.organization();
        let record = self.store.organization_record(organization).await?;
        let mut known = match self.store.organization_sites(organization).await?.first() {
            Some(site) => self.store.site_answers(site.id.clone()).await?,
            None => Answers::default(),
        };
        known.merge(organization_answers(&record.name, record.access_level, record.answers));
        if !known.has("organization_type") {
            known.set("organization_type", "other");
        }
        Ok(known)
    }

    /// Puts the ID of each Sending Facility in place of its name.
    async fn find_facilities(&self, sites: &mut [SiteRow]) -> Result<(), UploadError> {
        let mut known: HashMap<String, Result<String, String>> = HashMap::new();
        let mut errors = vec![];
        for site in sites {
            let text = site.answers.get("sending_facility").to_owned();
            if text.is_empty() {
                continue;
            }
            let found = if let Some(found) = known.get(&text) {
                found.clone()
            } else {
                let found = match self.facilities(&text).await? {
                    Facilities::One(one) => Ok(one.id.to_string()),
                    Facilities::None => Err("No Sending Facility has this ID or name".to_owned()),
                    Facilities::Several(_) => {
                        Err("Several Sending Facilities are called so. Write the ID".to_owned())
                    }
                };
                known.insert(text, found.clone());
                found
            };
            match found {
                Ok(id) => site.answers.set("sending_facility", id),
                Err(message) => errors.push(CellError {
                    row: site.row,
                    column: "sending_facility".to_owned(),
                    message,
                }),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(UploadError::Cells(errors)) }
    }

    /// What an upload of the organization would make, and what may be there already.
    pub async fn bulk_preview(&self, member: &Delegate, id: i64) -> Result<Preview, StoreError> {
        let upload = self.store.bulk_of(member.organization(), id).await?;
        let names: Vec<(String, String)> = upload
            .rows
            .iter()
            .map(|row| (row.answers.get("site_name").to_owned(), row.answers.get("zip").to_owned()))
            .collect();
        let known = self.store.bulk_namesakes(names.clone()).await?;
        let known = known.into_iter().map(|(at, one)| (at, one.id.to_string())).collect();
        let doubts = doubts(&upload.rows, &names, &known);
        Ok(Preview { upload, doubts })
    }

    /// Makes the Sites of an upload, with test credentials whose secrets nobody has seen.
    pub async fn bulk_confirm(
        &self,
        member: &Delegate,
        id: i64,
        browser: &Browser,
    ) -> Result<Vec<BulkSite>, AccountError> {
        let upload = self.store.bulk_of(member.organization(), id).await?;
        let secrets = upload
            .rows
            .iter()
            .map(|_| {
                let secret = Self::new_secret()?;
                Ok(self.key.hash(CREDENTIAL_PURPOSE, secret.reveal()))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let deed = Deed { by: member.by(browser), letters: self.bulk_letters(&upload).await? };
        let account = &member.who().principal.account;
        let by = (account.id, account.email.clone());
        Ok(self.store.bulk_confirm(member.organization(), id, secrets, by, deed).await?)
    }

    /// Tells each Sending Facility once that it is asked to send.
    async fn bulk_letters(
        &self,
        upload: &BulkUpload,
    ) -> Result<Vec<crate::domain::Letter>, StoreError> {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for row in upload.rows.iter().filter(|row| row.answers.has("sending_facility")) {
            *asked.entry(row.answers.get("sending_facility").to_owned()).or_default() += 1;
        }
        let mut letters = vec![];
        for (facility, count) in asked {
            let Ok(facility) = facility.parse() else { continue };
            letters.extend(self.link_question(&facility, count).await?);
        }
        Ok(letters)
    }
}

/// Rows that are like a Site that is there, or like an earlier row.
fn doubts(
    rows: &[SiteRow],
    names: &[(String, String)],
    known: &BTreeMap<usize, String>,
) -> Vec<Doubt> {
    let mut seen: HashMap<(String, &str), usize> = HashMap::new();
    let mut told = HashSet::new();
    let mut found = vec![];
    for (at, (row, (name, zip))) in rows.iter().zip(names).enumerate() {
        let doubt = |like| Doubt { row: row.row, name: name.clone(), like };
        if let Some(id) = known.get(&at) {
            found.push(doubt(id.clone()));
            told.insert(at);
        }
        let key = (name.to_lowercase(), zip.as_str());
        match seen.get(&key) {
            Some(earlier) if !told.contains(&at) => found.push(doubt(format!("row {earlier}"))),
            Some(_) => {}
            None => {
                seen.insert(key, row.row);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_like_a_site_or_like_an_earlier_row_is_doubted_once() {
        let row = |row, name: &str| SiteRow {
            row,
            answers: Answers::from_iter([("site_name", name), ("zip", "94501")]),
        };
        let rows = [row(2, "Harbor"), row(3, "Hill"), row(4, "HILL"), row(5, "harbor")];
        let names: Vec<_> = rows
            .iter()
            .map(|row| (row.answers.get("site_name").to_owned(), "94501".to_owned()))
            .collect();
        let known = BTreeMap::from([(0, "DE-000001".to_owned())]);

        let told: Vec<_> =
            doubts(&rows, &names, &known).into_iter().map(|one| (one.row, one.like)).collect();

        assert_eq!(
            told,
            [(2, "DE-000001".to_owned()), (4, "row 3".to_owned()), (5, "row 2".to_owned())]
        );
    }
}
