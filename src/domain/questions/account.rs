//! What representatives change later: the pages of registration and enrolment again, and a few of their own. Source: domain
//! notes 1.8, 6.2 and 6.3.

use crate::domain::form::{Answers, Choice, Field, Form, Kind, Page, When};
use crate::domain::questions::enrolment::ENROLMENT;
use crate::domain::questions::registration::{CHILD_CARE, REGISTRATION, county_may_register};
use crate::domain::questions::shared::{
    ADDRESS, ADDRESS_2, CITY, LICENSE_TYPES, ORGANIZATION_NAME, ORGANIZATION_TYPE, STATES, ZIP,
};
use crate::domain::{AccessLevel, Site};

/// Whether a change of this answer waits for staff; every other acts at once.
///
/// Deduced: what says who an organization is, where it is, which licence it works under and whether it immunizes.
pub fn is_decided_by_staff(field: &str) -> bool {
    matches!(
        field,
        "access_level"
            | "child_care_license"
            | "clinical"
            | "clinician_first_name"
            | "clinician_last_name"
            | "clinician_license"
            | "clinician_license_type"
            | "county"
            | "organization_name"
            | "organization_type"
            | "site_name"
            | "state"
            | "zip"
    )
}

/// Pages of a registration or an enrolment that are not answered again.
const ONCE: &[&str] = &["type", "sending-facility", "agreement", "level", "another-user", "users"];

/// Questions that a Site's page shares with its organization, whose answers hold.
pub const OF_ORGANIZATION: &[&str] = &["organization_name", "organization_type"];

/// What is asked again of a Site with these answers.
pub fn site_pages(answers: &Answers) -> impl Iterator<Item = &'static Page> {
    REGISTRATION
        .asked(answers)
        .filter(|page| !ONCE.contains(&page.slug) && page.slug != "child-care")
        .chain([&MAILING])
}

/// What a Site answered, and what is recorded of it.
pub fn site_answers(site: &Site, mut answers: Answers) -> Answers {
    answers.set("site_type", site.kind.word());
    answers.set("site_name", &site.name);
    answers.set("clinical", if site.clinical { "yes" } else { "no" });
    if let Some(county) = &site.county {
        answers.set("county", county);
    }
    typed_twice(&REGISTRATION, answers)
}

/// What is asked again of an organization at an access level, with these answers.
pub fn organization_pages(level: AccessLevel, answers: &Answers) -> Vec<&'static Page> {
    let mut pages: Vec<&'static Page> = vec![];
    if level == AccessLevel::DataExchange {
        if answers.has("state") && !answers.has("county") {
            pages.push(&AFAR);
        } else {
            pages.push(&ORGANIZATION);
            pages.push(&COUNTY);
        }
        pages.extend(Some(&CHILD_CARE).filter(|page| page.when.holds(answers)));
    } else {
        let again = |page: &&Page| !ONCE.contains(&page.slug) && !page.slug.starts_with("user-");
        pages.extend(ENROLMENT.asked(answers).filter(again));
    }
    pages.push(&MAILING);
    pages
}

/// What an organization answered, and what is recorded of it.
pub fn organization_answers(name: &str, level: AccessLevel, mut answers: Answers) -> Answers {
    answers.set("organization_name", name);
    answers.set("access_level", level.word());
    typed_twice(&ENROLMENT, answers)
}

/// An e-mail address that was typed twice is kept once, and shown twice.
fn typed_twice(form: &Form, mut answers: Answers) -> Answers {
    for field in form.pages.iter().flat_map(|page| page.fields) {
        if let Kind::EmailAgain(first) = field.kind {
            let email = answers.get(first).to_owned();
            answers.set(field.name, email);
        }
    }
    answers
}

static ORGANIZATION: Page = Page {
    slug: "organization",
    title: "Your organization",
    lede: "A change of the name or the type waits until CDPH has looked at it.",
    fields: &[ORGANIZATION_NAME, ORGANIZATION_TYPE, ADDRESS, ADDRESS_2, CITY],
    when: When::Always,
    rule: None,
};

static COUNTY: Page = Page {
    slug: "county",
    title: "Which county is your organization in?",
    lede: "A change waits until CDPH has looked at it. Each Site has a county of its own, which decides its registry.",
    fields: &[
        ZIP,
        Field::new("county", "County", Kind::County, "Choose the county of your organization")
            .hint("A ZIP code may lie in two counties. Choose the one that you are in."),
    ],
    when: When::Always,
    rule: Some(county_may_register),
};

static AFAR: Page = Page {
    slug: "organization",
    title: "Your organization",
    lede: "A change of the name, the type, the state or the ZIP code waits until CDPH has looked at it.",
    fields: &[
        ORGANIZATION_NAME,
        ORGANIZATION_TYPE,
        ADDRESS,
        ADDRESS_2,
        CITY,
        Field::new("state", "State", Kind::Select(STATES), "Choose the state")
            .autocomplete("address-level1"),
        Field::new("zip", "ZIP code", Kind::Zip, "Enter the ZIP code").autocomplete("postal-code"),
    ],
    when: When::Always,
    rule: None,
};

/// Pages that neither a registration nor an enrolment has.
pub(super) fn other_pages() -> [&'static Page; 4] {
    [&ORGANIZATION, &COUNTY, &AFAR, &MAILING]
}

static MAILING: Page = Page {
    slug: "mailing",
    title: "Mailing address and fax",
    lede: "Only if emails go to another address.",
    fields: &[
        Field::optional("mailing_line1", "Street address or PO box (optional)", Kind::Text(100)),
        Field::optional("mailing_line2", "Suite or floor (optional)", Kind::Text(100)),
        Field::optional("mailing_city", "City (optional)", Kind::Text(60)),
        Field::optional("mailing_state", "State (optional)", Kind::Select(STATES)),
        Field::optional("mailing_zip", "ZIP code (optional)", Kind::Zip),
        Field::optional("fax", "Fax (optional)", Kind::Phone),
    ],
    when: When::Always,
    rule: None,
};

/// What is asked of a clinician. Source: domain notes 6.2 and 6.3: name, title, licence, NPI.
pub static CLINICIAN: Page = Page {
    slug: "clinician",
    title: "Clinician",
    lede: "Somebody who gives or orders immunizations. They need no account.",
    fields: &[
        Field::new("first_name", "First name", Kind::Text(60), "Enter the first name")
            .hint("As it stands on the license"),
        Field::new("last_name", "Last name", Kind::Text(60), "Enter the last name"),
        Field::optional("title", "Title (optional)", Kind::Text(20)).hint("For example MD, NP, RN"),
        Field::new(
            "license_type",
            "Type of license",
            Kind::Select(LICENSE_TYPES),
            "Choose the type of license",
        ),
        Field::new(
            "license",
            "California license number",
            Kind::License,
            "Enter the California license number",
        )
        .hint("For example A12345"),
        Field::optional("npi", "NPI (optional)", Kind::Npi).hint("Ten digits"),
    ],
    when: When::Always,
    rule: None,
};

/// What is asked of a new user; the roles are asked beside it, by access level.
pub static NEW_USER: Page = Page {
    slug: "user",
    title: "Add a user",
    lede: "One account is for one person. We mail them a link to set a password.",
    fields: &[USER_FIRST_NAME, USER_LAST_NAME, USER_EMAIL, USER_PHONE],
    when: When::Always,
    rule: None,
};

/// What is changed of a user. The User ID and the e-mail address are not: the address is the user's own to change.
pub static USER: Page = Page {
    slug: "user",
    title: "Change a user",
    lede: "",
    fields: &[USER_FIRST_NAME, USER_LAST_NAME, USER_PHONE],
    when: When::Always,
    rule: None,
};

const USER_FIRST_NAME: Field =
    Field::new("first_name", "First name", Kind::Text(60), "Enter the first name");
const USER_LAST_NAME: Field =
    Field::new("last_name", "Last name", Kind::Text(60), "Enter the last name");
const USER_EMAIL: Field =
    Field::new("email", "Email address", Kind::Email, "Enter the email address of the user");
const USER_PHONE: Field = Field::optional("phone", "Telephone (optional)", Kind::Phone);

/// What is asked before a link is declined or ended, or a request for one is.
pub static REASON: Page = Page {
    slug: "reason",
    title: "Why?",
    lede: "",
    fields: &[Field::new(
        "reason",
        "Reason",
        Kind::LongText(500),
        "Say why: the other side reads it",
    )
    .hint("The other side reads it. No names of patients.")],
    when: When::Always,
    rule: None,
};

/// What a type-2 Site is asked when it changes its Sending Facility.
pub static NEW_FACILITY: Page = Page {
    slug: "sending-facility",
    title: "Change the Sending Facility",
    lede: "The present one goes on sending until the new one agrees.",
    fields: &[Field::new(
        "sending_facility",
        "ID or name of the new Sending Facility",
        Kind::Text(100),
        "Enter the ID or the name of the Sending Facility",
    )
    .hint("For example SF-000001, or a part of its name")],
    when: When::Always,
    rule: None,
};

const LEVELS: &[Choice] = &[
    Choice::hinted("data-exchange", "Data Exchange", "Gives vaccines and sends them from its EHR."),
    Choice::hinted("clinical", "Clinical", "Gives vaccines and enters them by hand."),
    Choice::hinted(
        "limited-clinical",
        "Limited Clinical",
        "Gives no vaccines, but enters patients and doses that others gave.",
    ),
    Choice::hinted("read-only", "Read-Only", "Gives no vaccines and looks patients up."),
];

/// What is asked when an organization wants another access level.
pub static LEVEL: Page = Page {
    slug: "access-level",
    title: "Change the access level",
    lede: "CDPH decides. Roles that the new level does not have end when it is approved.",
    fields: &[Field::new(
        "access_level",
        "Access level",
        Kind::Choice(LEVELS),
        "Choose the access level that you need",
    )],
    when: When::Always,
    rule: None,
};

/// What is asked when a new version of the agreement is accepted.
pub fn agreement_page() -> Option<&'static Page> {
    REGISTRATION.page("agreement")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_where_and_under_which_licence_is_for_staff_and_contacts_are_not() {
        for field in ["site_name", "county", "zip", "clinician_license", "organization_type"] {
            assert!(is_decided_by_staff(field), "{field}");
        }
        for field in ["site_contact_phone", "site_contact_email", "fax", "ehr_product", "vfc_pin"] {
            assert!(!is_decided_by_staff(field), "{field}");
        }
    }

    #[test]
    fn a_site_is_asked_again_what_it_was_asked_but_not_what_it_is() {
        let answers = Answers::from_iter([("site_type", "direct"), ("clinical", "no")]);
        let slugs: Vec<_> = site_pages(&answers).map(|page| page.slug).collect();

        assert!(slugs.contains(&"county") && slugs.contains(&"ehr") && slugs.contains(&"mailing"));
        for once in ["type", "agreement", "sending-facility", "child-care", "clinician"] {
            assert!(!slugs.contains(&once), "{once}");
        }
    }

    #[test]
    fn each_page_is_found_by_its_slug_alone() {
        for level in AccessLevel::ALL {
            let answers = Answers::from_iter([("organization_type", "child-care")]);
            let pages = organization_pages(*level, &answers);
            let mut slugs: Vec<_> = pages.iter().map(|page| page.slug).collect();
            slugs.sort_unstable();
            slugs.dedup();
            assert_eq!(slugs.len(), pages.len(), "{level}");
        }
    }
}
