//! Bulk upload of Sites: a table of an organization's Sites, read through the fields of registration, all or nothing.

mod file;
mod rows;
mod sheet;

pub use file::{FileError, LARGEST_FILE, MOST_ROWS};
pub use rows::{CellError, INHERITED, SiteRow, columns};
pub use sheet::{TEMPLATE_XLSX, template_csv, to_csv};
