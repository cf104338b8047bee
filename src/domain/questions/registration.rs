//! Registration of a Site for data exchange. Source: seed 000, section 1; domain notes 1.3.

use chrono::{Datelike as _, NaiveDate, TimeDelta};

use crate::domain::County;
use crate::domain::form::{Answers, Choice, Field, FieldErrors, Form, Kind, Page, When};
use crate::domain::questions::shared::{
    ADDRESS, ADDRESS_2, CITY, LICENSE_TYPES, ORGANIZATION_NAME, ORGANIZATION_TYPE, SITE_TYPES,
    SPECIALTIES, STATES, person,
};

/// The pages of a registration. The page `sending-facility` is asked of option 2 only, and so on: see each page's `when`.
pub static REGISTRATION: Form = Form {
    pages: &[
        TYPE,
        COUNTY,
        FACILITY,
        SITE,
        SENDER_SITE,
        CHILD_CARE,
        CLINICAL,
        CLINICIAN,
        SITE_CONTACT,
        EXCHANGE_CONTACT,
        EHR,
        VENDOR_CONTACT,
        MEANINGFUL_USE,
        MEANINGFUL_USE_PERIOD,
        AGREEMENT,
    ],
};

const IS_PROVIDER: When = When::Not("site_type", &["sending-facility"]);
const IS_SENDER: When = When::Is("site_type", &["sending-facility"]);

const TYPE: Page = Page {
    slug: "type",
    title: "How will your Site send its data?",
    lede: "Ask your EHR vendor if you are not sure. You choose one way for each Site.",
    fields: &[Field::new(
        "site_type",
        "Type of Site",
        Kind::Choice(SITE_TYPES),
        "Choose how your Site will send its data",
    )],
    when: When::Always,
    rule: None,
};

const COUNTY: Page = Page {
    slug: "county",
    title: "Which county is the Site in?",
    lede: "The county of the Site decides its regional registry, wherever its patients live.",
    fields: &[
        Field::new(
            "zip",
            "ZIP code of the Site",
            Kind::ZipCalifornia,
            "Enter the ZIP code of the Site",
        )
        .autocomplete("postal-code"),
        Field::new("county", "County", Kind::County, "Choose the county of the Site")
            .hint("A ZIP code may lie in two counties. Choose the one that the Site stands in."),
    ],
    when: IS_PROVIDER,
    rule: Some(county_may_register),
};

/// Source: seed 000: ten counties cannot use the Gateway.
pub(super) fn county_may_register(answers: &Answers, today: NaiveDate, errors: &mut FieldErrors) {
    if let Some(county) = County::on(answers.get("county"), today)
        && !county.gateway_registration
    {
        errors.add(
            "county",
            format!(
                "{} County does not register at this Gateway. Go to: {}",
                county.name, county.referral
            ),
        );
    }
}

const FACILITY: Page = Page {
    slug: "sending-facility",
    title: "Who sends for you?",
    lede: "Your Sending Facility has an ID that begins with SF. The link waits until the Sending Facility agrees to it.",
    fields: &[Field::new(
        "sending_facility",
        "ID or name of the Sending Facility",
        Kind::Text(100),
        "Enter the ID or the name of the Sending Facility",
    )
    .hint("For example SF-000001, or a part of its name")],
    when: When::Is("site_type", &["through-facility"]),
    rule: None,
};

const SITE: Page = Page {
    slug: "site",
    title: "Your organization and Site",
    lede: "One registration is for one Site: one place where patients are seen.",
    fields: &[
        ORGANIZATION_NAME,
        ORGANIZATION_TYPE,
        Field::new("site_name", "Name of the Site", Kind::Text(100), "Enter the name of the Site")
            .hint("As patients know it. It may be the same as the organization's."),
        ADDRESS,
        ADDRESS_2,
        CITY,
    ],
    when: IS_PROVIDER,
    rule: None,
};

const SENDER_SITE: Page = Page {
    slug: "facility-site",
    title: "Your organization",
    lede: "A Sending Facility may be anywhere in the United States.",
    fields: &[
        ORGANIZATION_NAME,
        ORGANIZATION_TYPE,
        Field::new(
            "site_name",
            "Name of the Sending Facility",
            Kind::Text(100),
            "Enter the name of the Sending Facility",
        )
        .hint("Sites will find you by this name."),
        ADDRESS,
        ADDRESS_2,
        CITY,
        Field::new("state", "State", Kind::Select(STATES), "Choose the state")
            .autocomplete("address-level1"),
        Field::new("zip", "ZIP code", Kind::Zip, "Enter the ZIP code").autocomplete("postal-code"),
    ],
    when: IS_SENDER,
    rule: None,
};

pub(super) const CHILD_CARE: Page = Page {
    slug: "child-care",
    title: "What is your child-care license?",
    lede: "",
    fields: &[Field::new(
        "child_care_license",
        "License number of the facility",
        Kind::License,
        "Enter the license number of the child-care facility",
    )],
    when: When::Is("organization_type", &["child-care"]),
    rule: None,
};

const CLINICAL: Page = Page {
    slug: "clinical",
    title: "Does the Site give immunizations?",
    lede: "A Site that gives immunizations is a clinical Site.",
    fields: &[Field::new(
        "clinical",
        "The Site gives immunizations",
        Kind::YesNo,
        "Choose yes if the Site gives immunizations",
    )],
    when: When::Always,
    rule: None,
};

const CLINICIAN: Page = Page {
    slug: "clinician",
    title: "The lead clinician",
    lede: "The person who is responsible for immunizations at the Site.",
    fields: &[
        Field::new(
            "clinician_first_name",
            "First name",
            Kind::Text(60),
            "Enter the first name of the lead clinician",
        )
        .hint("As it stands on the license"),
        Field::new(
            "clinician_last_name",
            "Last name",
            Kind::Text(60),
            "Enter the last name of the lead clinician",
        ),
        Field::new(
            "clinician_license_type",
            "Type of license",
            Kind::Select(LICENSE_TYPES),
            "Choose the type of license",
        ),
        Field::new(
            "clinician_license",
            "California license number",
            Kind::License,
            "Enter the California license number",
        )
        .hint("For example A12345. For a pharmacist, the number of the pharmacist license."),
        Field::optional("clinician_npi", "NPI (optional)", Kind::Npi).hint("Ten digits"),
        Field::new(
            "specialty",
            "Specialty of the clinic",
            Kind::Select(SPECIALTIES),
            "Choose the specialty of the clinic",
        ),
        Field::optional("vfc_pin", "VFC PIN (optional)", Kind::VfcPin)
            .hint("If the Site is in the Vaccines for Children program"),
    ],
    when: When::Is("clinical", &["yes"]),
    rule: None,
};

const SITE_CONTACT: Page = Page {
    slug: "site-contact",
    title: "The Site Contact",
    lede: "We send this person a link to confirm the email address. They will be able to manage the Site's account.",
    fields: &person!("site_contact", "the Site Contact", When::Always),
    when: When::Always,
    rule: None,
};

const DIFFERENT: When = When::Not("exchange_contact_same", &["yes"]);

const EXCHANGE_CONTACT: Page = Page {
    slug: "exchange-contact",
    title: "The Data Exchange Contact",
    lede: "The person who looks after the connection. They get the confirmation too, and can see credentials and messages.",
    fields: &{
        let [a, b, c, d, e, f, g] =
            person!("exchange_contact", "the Data Exchange Contact", DIFFERENT);
        let same = Field::optional(
            "exchange_contact_same",
            "The same person as the Site Contact",
            Kind::Tick,
        )
        .hint("If so, leave the rest empty");
        [same, a, b, c, d, e, f, g]
    },
    when: When::Always,
    rule: None,
};

const EHR: Page = Page {
    slug: "ehr",
    title: "Your EHR system",
    lede: "Your EHR vendor can help with these answers. You can send them a link to this part.",
    fields: &[
        Field::new(
            "ehr_product",
            "Product and version",
            Kind::Text(100),
            "Enter the EHR product and its version",
        )
        .hint("For example: ChartWell 7.2"),
        Field::new("ehr_vendor", "Vendor", Kind::Text(100), "Enter the vendor of the EHR"),
        Field::new(
            "ehr_certified",
            "Is it certified by ONC?",
            Kind::YesNo,
            "Choose whether the EHR is certified",
        ),
        Field::new(
            "ehr_hl7",
            "Can it send HL7 v2.5.1 messages?",
            Kind::YesNo,
            "Choose whether the EHR can send HL7 messages",
        ),
    ],
    when: When::Always,
    rule: None,
};

const VENDOR_CONTACT: Page = Page {
    slug: "vendor-contact",
    title: "EHR support contact",
    lede: "Whom we ask about the connection: a person at the vendor, or your own EHR support staff.",
    fields: &[
        Field::new(
            "vendor_contact_first_name",
            "First name",
            Kind::Text(60),
            "Enter the first name of the EHR support contact",
        ),
        Field::new(
            "vendor_contact_last_name",
            "Last name",
            Kind::Text(60),
            "Enter the last name of the EHR support contact",
        ),
        Field::new(
            "vendor_contact_company",
            "Company",
            Kind::Text(100),
            "Enter the company of the EHR support contact",
        ),
        Field::optional("vendor_contact_position", "Position (optional)", Kind::Text(60)),
        Field::new(
            "vendor_contact_phone",
            "Telephone",
            Kind::Phone,
            "Enter the telephone number of the EHR support contact",
        ),
        Field::new(
            "vendor_contact_email",
            "Email address",
            Kind::Email,
            "Enter the email address of the EHR support contact",
        ),
        Field::new(
            "vendor_contact_email_again",
            "The same email address once more",
            Kind::EmailAgain("vendor_contact_email"),
            "Type the email address a second time",
        ),
    ],
    when: When::Always,
    rule: None,
};

/// Stages of meaningful use. Source: seed 000 (Stage 1, Stage 2); Modified Stage 2 and Stage 3 from memory, domain notes 1.3.
const STAGES: &[Choice] = &[
    Choice::new("stage-1", "Stage 1"),
    Choice::new("stage-2", "Stage 2"),
    Choice::new("modified-stage-2", "Modified Stage 2"),
    Choice::new("stage-3", "Stage 3"),
    Choice::hinted("none", "None", "The Site does not take part in meaningful use this year."),
];

const MEANINGFUL_USE: Page = Page {
    slug: "meaningful-use",
    title: "Meaningful use",
    lede: "The stage that your Site attests to this year.",
    fields: &[Field::new(
        "mu_stage",
        "Stage",
        Kind::Choice(STAGES),
        "Choose the stage of meaningful use, or none",
    )],
    when: IS_PROVIDER,
    rule: None,
};

const MEANINGFUL_USE_PERIOD: Page = Page {
    slug: "reporting-period",
    title: "Your 90-day reporting period",
    lede: "90 days in a row within one program year.",
    fields: &[
        Field::new(
            "mu_period_start",
            "First day",
            Kind::Date,
            "Enter the first day of the reporting period",
        ),
        Field::new(
            "mu_period_end",
            "Last day",
            Kind::Date,
            "Enter the last day of the reporting period",
        )
        .hint("The 90th day: 89 days after the first"),
    ],
    when: When::Not("mu_stage", &["none", ""]),
    rule: Some(ninety_days),
};

/// Days of a reporting period. Source: seed 000.
const PERIOD_DAYS: i64 = 90;

/// First and last day of the program years that hold a day.
///
/// From memory, domain notes 1.3: a program year is a calendar year; for hospitals 2015 began on 1 October 2014.
pub fn program_years(day: NaiveDate) -> Vec<(NaiveDate, NaiveDate)> {
    let span = |from: (i32, u32), to: i32| {
        Some((NaiveDate::from_ymd_opt(from.0, from.1, 1)?, NaiveDate::from_ymd_opt(to, 12, 31)?))
    };
    let calendar = span((day.year(), 1), day.year());
    let hospitals = span((2014, 10), 2015).filter(|(first, last)| (*first..=*last).contains(&day));
    calendar.into_iter().chain(hospitals).collect()
}

fn ninety_days(answers: &Answers, _today: NaiveDate, errors: &mut FieldErrors) {
    let day = |name| NaiveDate::parse_from_str(answers.get(name), "%Y-%m-%d").ok();
    let (Some(first), Some(last)) = (day("mu_period_start"), day("mu_period_end")) else { return };
    let right = first + TimeDelta::days(PERIOD_DAYS - 1);
    if last != right {
        errors.add(
            "mu_period_end",
            format!(
                "The period must be exactly 90 days. One that begins on {} ends on {}",
                first.format("%B %-d, %Y"),
                right.format("%B %-d, %Y")
            ),
        );
    } else if !program_years(first).iter().any(|(_, end)| last <= *end) {
        errors.add(
            "mu_period_start",
            "The 90 days must lie within one program year (a calendar year)",
        );
    }
}

const AGREEMENT: Page = Page {
    slug: "agreement",
    title: "Access and confidentiality agreement",
    lede: "Read the agreement. Your typed name and title are your signature.",
    fields: &[
        Field::new(
            "agreement",
            "I have read the agreement and accept it for the organization",
            Kind::Agree,
            "Tick the box to accept the agreement",
        ),
        Field::new("agreement_name", "Your full name", Kind::Text(100), "Enter your full name")
            .autocomplete("name"),
        Field::new("agreement_title", "Your title", Kind::Text(100), "Enter your title")
            .autocomplete("organization-title"),
    ],
    when: When::Always,
    rule: None,
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2015, 11, 1).unwrap()
    }

    fn read(slug: &str, answers: &[(&str, &str)]) -> Result<Answers, FieldErrors> {
        let answers: Answers = answers.iter().copied().collect();
        REGISTRATION.page(slug).unwrap().read(&answers, today())
    }

    #[test]
    fn each_type_of_site_is_asked_its_own_pages() {
        let asked = |kind: &str| {
            let answers =
                Answers::from_iter([("site_type", kind), ("clinical", "no"), ("mu_stage", "none")]);
            REGISTRATION.asked(&answers).map(|page| page.slug).collect::<Vec<_>>()
        };

        assert!(
            asked("direct").contains(&"county") && !asked("direct").contains(&"sending-facility")
        );
        assert!(asked("through-facility").contains(&"sending-facility"));
        assert!(!asked("sending-facility").contains(&"county"));
        assert!(asked("sending-facility").contains(&"facility-site"));
    }

    #[test]
    fn an_excluded_county_is_told_where_to_go() {
        let errors = read("county", &[("county", "06073"), ("zip", "92101")]).unwrap_err();
        assert!(errors.of("county").unwrap().contains("San Diego"), "{errors:?}");
    }

    #[test]
    fn a_reporting_period_is_ninety_days_within_a_program_year() {
        let period = |first: &str, last: &str| {
            read("reporting-period", &[("mu_period_start", first), ("mu_period_end", last)])
        };

        assert!(period("2015-01-01", "2015-03-31").is_ok());
        assert!(period("2014-10-03", "2014-12-31").is_ok());
        assert!(period("2014-12-01", "2015-02-28").is_ok(), "a hospital's");
        assert!(
            period("2015-01-01", "2015-04-01")
                .unwrap_err()
                .of("mu_period_end")
                .unwrap()
                .contains("March 31, 2015")
        );
        assert!(period("2016-12-01", "2017-02-28").unwrap_err().of("mu_period_start").is_some());
    }

    #[test]
    fn the_same_person_needs_no_second_name() {
        let kept = read(
            "exchange-contact",
            &[("exchange_contact_same", "yes"), ("exchange_contact_email", "?")],
        )
        .unwrap();
        assert!(!kept.has("exchange_contact_email"));
        assert!(read("exchange-contact", &[]).is_err());
    }

    #[test]
    fn every_required_field_says_what_is_missing_and_no_name_is_used_for_two_things() {
        for page in REGISTRATION.pages {
            let mut names = BTreeSet::new();
            for field in page.fields {
                assert!(field.optional || !field.missing.is_empty(), "{}", field.name);
                assert!(names.insert(field.name), "{} twice on {}", field.name, page.slug);
            }
        }
    }
}
