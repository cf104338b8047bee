//! What a question is called away from its page, where "First name" alone would not say whose.

use crate::domain::form::{Field, Page};
use crate::domain::questions::account::{CLINICIAN, LEVEL, other_pages};
use crate::domain::questions::claim::CLAIM;
use crate::domain::questions::enrolment::ENROLMENT;
use crate::domain::questions::registration::REGISTRATION;

/// How the names of fields begin, and about whom or what they ask.
const ABOUT: [(&str, &str); 10] = [
    ("clinician_", "Clinician"),
    ("exchange_contact_", "Data Exchange Contact"),
    ("mailing_", "Mailing address"),
    ("other_contact_", "Other contact"),
    ("primary_contact_", "Primary CAIR contact"),
    ("site_contact_", "Site Contact"),
    ("technical_contact_", "Technical contact"),
    ("vaccine_coordinator_", "Vaccine coordinator"),
    ("vendor_contact_", "EHR support contact"),
    ("vfc_contact_", "VFC contact"),
];

/// A question of any catalogue by the name of its field.
pub fn question(name: &str) -> Option<&'static Field> {
    let other =
        || other_pages().into_iter().flat_map(|page| page.fields).find(|field| field.name == name);
    LEVEL
        .fields
        .iter()
        .find(|field| field.name == name)
        .or_else(|| REGISTRATION.field(name))
        .or_else(|| ENROLMENT.field(name))
        .or_else(|| CLAIM.field(name))
        .or_else(other)
        .or_else(|| CLINICIAN.fields.iter().find(|field| field.name == name))
}

/// The label of a question, with whom it is about: `Clinician: first name`. A name that no question has is given as words.
pub fn label(name: &str) -> String {
    let Some(field) = question(name) else { return name.replace('_', " ") };
    let label = field.short_label();
    match whom(name) {
        Some(whom) => format!("{whom}: {}", inside(label)),
        None => label.to_owned(),
    }
}

/// About whom a field asks.
fn whom(name: &str) -> Option<String> {
    let number = name.strip_prefix("user_").and_then(|rest| rest.split_once('_'));
    if let Some((number, _)) = number {
        return Some(format!("User {number}"));
    }
    ABOUT.iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, whom)| (*whom).to_owned())
}

/// A label inside a sentence: its first letter small, unless it is a name or an abbreviation.
fn inside(label: &str) -> String {
    let mut letters = label.chars();
    let first = letters.next().map(|one| one.to_ascii_lowercase());
    let is_name =
        label.starts_with("California") || label.chars().nth(1).is_some_and(char::is_uppercase);
    match first {
        Some(first) if !is_name => format!("{first}{}", letters.as_str()),
        _ => label.to_owned(),
    }
}

/// What the answers to a page are called where they are shown, once nothing is asked any more.
pub fn part_title(page: &Page) -> String {
    let title = match page.slug {
        "access-level" | "level" => "Access level",
        "agreement" => "Agreement",
        "child-care" => "Child-care license",
        "clinical" => "Immunizations",
        "clinician" => "Clinician",
        "county" => "County",
        "ehr" => "EHR system",
        "exchange-contact" => "Data Exchange Contact",
        "facility-site" | "organization" => "Organization",
        "meaningful-use" => "Meaningful use",
        "other-contact" => "Other contact",
        "primary-contact" => "Primary CAIR contact",
        "reporting-period" => "90-day reporting period",
        "sending-facility" => "Sending Facility",
        "site" => "Organization and Site",
        "site-contact" => "Site Contact",
        "technical-contact" => "Technical contact",
        "type" => "Type of Site",
        "vaccine-coordinator" => "Vaccine coordinator",
        "vaccines" => "Vaccines",
        "vendor-contact" => "EHR support contact",
        "vfc-contact" => "VFC contact",
        slug => match slug.strip_prefix("user-") {
            Some(number) => return format!("User {number}"),
            None => page.title,
        },
    };
    title.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_whose_it_is() {
        for (name, label_of_it) in [
            ("clinician_first_name", "Clinician: first name"),
            ("clinician_npi", "Clinician: NPI"),
            ("clinician_license", "Clinician: California license number"),
            ("user_12_role", "User 12: what will this person do?"),
            ("mailing_city", "Mailing address: city"),
            ("organization_name", "Name of the organization"),
            ("access_level", "Access level"),
            ("fax", "Fax"),
            ("license_type", "Type of license"),
            ("no_such_field", "no such field"),
        ] {
            assert_eq!(label(name), label_of_it);
        }
    }
}
