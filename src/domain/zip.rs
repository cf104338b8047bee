//! stub
use crate::domain::County;
/// stub
pub fn counties_of_zip(zip: &str) -> Vec<&'static County> {
    if zip.starts_with("945") { County::find("Alameda").into_iter().collect() } else { vec![] }
}
