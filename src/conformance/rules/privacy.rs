//! Rules about what a reply must not tell.

use crate::conformance::request::escaped;
use crate::conformance::rules::{Judged, unless};

/// What only the invented patients of `messages.toml` have.
const CANARIES: [&str; 4] = ["Quillfeather", "Thistlewood", "17 Larkspur Lane", "5550142"];

/// In faults nothing of a patient; in an ACK nothing of a patient in its ERR segments.
pub(super) fn patient_not_told(judged: &Judged<'_>) -> Vec<String> {
    let told = match judged.returned() {
        Some(returned) => {
            let errors = returned.text.split(['\r', '\n']).filter(|line| line.starts_with("ERR"));
            errors.collect::<Vec<_>>().join(" ")
        }
        None => String::from_utf8_lossy(&judged.reply.body).into_owned(),
    };
    let found = CANARIES.into_iter().any(|canary| told.contains(canary));
    unless(!found, || "data of the invented patient came back".to_owned())
}

pub(super) fn secret_not_told(judged: &Judged<'_>) -> Vec<String> {
    let password = &judged.sender.password;
    let text = String::from_utf8_lossy(&judged.reply.body);
    let told = password.chars().count() >= 4
        && (text.contains(password.as_str()) || text.contains(&escaped(password)));
    unless(!told, || "the password came back".to_owned())
}

pub(super) fn script_escaped(judged: &Judged<'_>) -> Vec<String> {
    let text = String::from_utf8_lossy(&judged.reply.body).to_ascii_lowercase();
    unless(!text.contains("<script"), || "a script element came back as markup".to_owned())
}

pub(super) fn entity_not_expanded(judged: &Judged<'_>) -> Vec<String> {
    let text = String::from_utf8_lossy(&judged.reply.body);
    let expanded = text.contains("izportal-entity") || text.contains("root:x:0");
    unless(!expanded, || "the text of an entity came back".to_owned())
}
