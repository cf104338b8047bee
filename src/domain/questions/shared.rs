//! Questions that more than one catalogue asks, and the lists of their answers.

use crate::domain::form::{Choice, Field, Kind};

/// How a Site takes part in data exchange; the values are the words of [`crate::domain::SiteKind`]. Source: seed 000, options 1 to 3.
pub const SITE_TYPES: &[Choice] = &[
    Choice::hinted(
        "direct",
        "Our EHR sends directly to the Gateway",
        "Option 1. Your own EHR system makes the connection.",
    ),
    Choice::hinted(
        "through-facility",
        "We send through a Sending Facility",
        "Option 2. An HIE or HIO, or the data warehouse of a vendor or a health plan, sends for you.",
    ),
    Choice::hinted(
        "sending-facility",
        "We are a Sending Facility",
        "Option 3. You send on behalf of other Sites. You may be anywhere in the United States.",
    ),
];

/// Kinds of organizations. Source: seeds 000 and 003; domain notes 1.3.
pub const ORGANIZATION_TYPES: &[Choice] = &[
    Choice::new("private-practice", "Private practice or medical group"),
    Choice::new("community-clinic", "Community clinic or FQHC (public organization)"),
    Choice::new("hospital", "Hospital or hospital system"),
    Choice::new("health-department", "Local health department (county organization)"),
    Choice::new("pharmacy", "Retail pharmacy"),
    Choice::new("school", "School or school district"),
    Choice::new("child-care", "Child-care facility"),
    Choice::new("wic", "WIC agency"),
    Choice::new("foster-care", "Foster-care agency"),
    Choice::new("hie", "Health information exchange or organization (HIE, HIO)"),
    Choice::new("vendor-warehouse", "Data warehouse of an EHR vendor"),
    Choice::new("plan-warehouse", "Data warehouse of a health plan"),
    Choice::new("other", "Something else"),
];

/// What a clinic does. Proposed: no source lists them; domain notes 1.3.
pub const SPECIALTIES: &[Choice] = &[
    Choice::new("pediatrics", "Pediatrics"),
    Choice::new("family", "Family medicine"),
    Choice::new("internal", "Internal medicine"),
    Choice::new("ob-gyn", "Obstetrics and gynecology"),
    Choice::new("pharmacy", "Pharmacy"),
    Choice::new("health-department", "Local health department"),
    Choice::new("hospital", "Hospital"),
    Choice::new("community-clinic", "Community clinic or FQHC"),
    Choice::new("school-based", "School-based clinic"),
    Choice::new("other", "Another specialty"),
];

/// Kinds of licences. Source: domain notes 1.3 (medical or pharmacist on the enrolment form; others from memory).
pub(super) const LICENSE_TYPES: &[Choice] = &[
    Choice::new("physician", "Physician and surgeon (MD)"),
    Choice::new("osteopath", "Osteopathic physician (DO)"),
    Choice::new("nurse-practitioner", "Nurse practitioner or registered nurse"),
    Choice::new("physician-assistant", "Physician assistant"),
    Choice::new("pharmacist", "Pharmacist"),
];

/// The states and territories of the United States.
pub(super) const STATES: &[Choice] = &[
    Choice::new("AL", "Alabama"),
    Choice::new("AK", "Alaska"),
    Choice::new("AZ", "Arizona"),
    Choice::new("AR", "Arkansas"),
    Choice::new("CA", "California"),
    Choice::new("CO", "Colorado"),
    Choice::new("CT", "Connecticut"),
    Choice::new("DE", "Delaware"),
    Choice::new("DC", "District of Columbia"),
    Choice::new("FL", "Florida"),
    Choice::new("GA", "Georgia"),
    Choice::new("HI", "Hawaii"),
    Choice::new("ID", "Idaho"),
    Choice::new("IL", "Illinois"),
    Choice::new("IN", "Indiana"),
    Choice::new("IA", "Iowa"),
    Choice::new("KS", "Kansas"),
    Choice::new("KY", "Kentucky"),
    Choice::new("LA", "Louisiana"),
    Choice::new("ME", "Maine"),
    Choice::new("MD", "Maryland"),
    Choice::new("MA", "Massachusetts"),
    Choice::new("MI", "Michigan"),
    Choice::new("MN", "Minnesota"),
    Choice::new("MS", "Mississippi"),
    Choice::new("MO", "Missouri"),
    Choice::new("MT", "Montana"),
    Choice::new("NE", "Nebraska"),
    Choice::new("NV", "Nevada"),
    Choice::new("NH", "New Hampshire"),
    Choice::new("NJ", "New Jersey"),
    Choice::new("NM", "New Mexico"),
    Choice::new("NY", "New York"),
    Choice::new("NC", "North Carolina"),
    Choice::new("ND", "North Dakota"),
    Choice::new("OH", "Ohio"),
    Choice::new("OK", "Oklahoma"),
    Choice::new("OR", "Oregon"),
    Choice::new("PA", "Pennsylvania"),
    Choice::new("PR", "Puerto Rico"),
    Choice::new("RI", "Rhode Island"),
    Choice::new("SC", "South Carolina"),
    Choice::new("SD", "South Dakota"),
    Choice::new("TN", "Tennessee"),
    Choice::new("TX", "Texas"),
    Choice::new("UT", "Utah"),
    Choice::new("VT", "Vermont"),
    Choice::new("VA", "Virginia"),
    Choice::new("WA", "Washington"),
    Choice::new("WV", "West Virginia"),
    Choice::new("WI", "Wisconsin"),
    Choice::new("WY", "Wyoming"),
];

/// Name of the organization.
pub(super) const ORGANIZATION_NAME: Field = Field::new(
    "organization_name",
    "Name of the organization",
    Kind::Text(100),
    "Enter the name of the organization",
)
.autocomplete("organization");

/// What kind of organization it is.
pub(super) const ORGANIZATION_TYPE: Field = Field::new(
    "organization_type",
    "Type of organization",
    Kind::Select(ORGANIZATION_TYPES),
    "Choose the type of organization",
);

/// First line of the street address.
pub(super) const ADDRESS: Field =
    Field::new("address_line1", "Street address", Kind::Text(100), "Enter the street address")
        .autocomplete("address-line1");

/// Second line of the address.
pub(super) const ADDRESS_2: Field =
    Field::optional("address_line2", "Suite, floor or PO box (optional)", Kind::Text(100))
        .autocomplete("address-line2");

/// Town.
pub(super) const CITY: Field =
    Field::new("city", "City", Kind::Text(60), "Enter the city").autocomplete("address-level2");

/// ZIP code of a place in California.
pub(super) const ZIP: Field =
    Field::new("zip", "ZIP code", Kind::ZipCalifornia, "Enter the ZIP code")
        .autocomplete("postal-code");

/// The questions about one person: name, position, telephone, e-mail (twice), prefixed.
macro_rules! person {
    ($who:literal, $whose:literal, $when:expr) => {
        [
            Field::new(
                concat!($who, "_first_name"),
                "First name",
                Kind::Text(60),
                concat!("Enter the first name of ", $whose),
            )
            .when($when),
            Field::new(
                concat!($who, "_last_name"),
                "Last name",
                Kind::Text(60),
                concat!("Enter the last name of ", $whose),
            )
            .when($when),
            Field::new(
                concat!($who, "_position"),
                "Position",
                Kind::Text(60),
                concat!("Enter the position of ", $whose),
            )
            .hint("For example: office manager")
            .when($when),
            Field::new(
                concat!($who, "_phone"),
                "Telephone",
                Kind::Phone,
                concat!("Enter the telephone number of ", $whose),
            )
            .when($when),
            Field::optional(concat!($who, "_extension"), "Extension (optional)", Kind::Text(10))
                .when($when),
            Field::new(
                concat!($who, "_email"),
                "Email address",
                Kind::Email,
                concat!("Enter the email address of ", $whose),
            )
            .when($when),
            Field::new(
                concat!($who, "_email_again"),
                "The same email address once more",
                Kind::EmailAgain(concat!($who, "_email")),
                "Type the email address a second time",
            )
            .when($when),
        ]
    };
}
pub(super) use person;
