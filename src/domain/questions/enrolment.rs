//! Enrolment of an organization that sends no data by an EHR. Source: seed 003; domain notes 1.6, 1.7, 1.8 and 6.4.

use chrono::NaiveDate;

use crate::domain::County;
use crate::domain::form::{Answers, Choice, Field, FieldErrors, Form, Kind, Page, When};
use crate::domain::questions::registration::CHILD_CARE;
use crate::domain::questions::shared::{
    ADDRESS, ADDRESS_2, CITY, LICENSE_TYPES, ORGANIZATION_NAME, ORGANIZATION_TYPES, ZIP, person,
};

/// The most users that one enrolment asks for; more are added by the representative afterwards.
pub const MOST_USERS: usize = 20;

/// The access levels that are enrolled for here, as seed 003 explains them; the values are the words of
/// [`crate::domain::AccessLevel`].
pub const ENROLMENT_LEVELS: &[Choice] = &[
    Choice::hinted(
        "clinical",
        "Clinical",
        "Your organization administers vaccines and wants to enter patients and doses into CAIR manually.",
    ),
    Choice::hinted(
        "limited-clinical",
        "Limited Clinical",
        "Your organization does not administer vaccines, but needs to enter patients and historical doses into CAIR, e.g. WIC.",
    ),
    Choice::hinted(
        "read-only",
        "Read-Only",
        "Your organization does not administer vaccines, but needs to look up patients, e.g. to confirm immunization status (schools, child care facilities).",
    ),
];

const IS_CLINICAL: When = When::Is("access_level", &["clinical"]);
const IS_LIMITED: When = When::Is("access_level", &["limited-clinical"]);
const IS_READ_ONLY: When = When::Is("access_level", &["read-only"]);
const IS_VFC: When = When::All(&[IS_CLINICAL, When::Is("vfc", &["yes"])]);

/// The pages of an enrolment. Which of them are asked depends on the access level: see each page's `when`.
pub static ENROLMENT: Form = Form { pages: PAGES };

const LEVEL: Page = Page {
    slug: "level",
    title: "What will your organization do in CAIR?",
    lede: "Does your EHR send doses and patients to CAIR? Then register for data exchange instead.",
    fields: &[Field::new(
        "access_level",
        "Access level",
        Kind::Choice(ENROLMENT_LEVELS),
        "Choose what your organization will do in CAIR",
    )],
    when: When::Always,
    rule: None,
};

const COUNTY: Page = Page {
    slug: "county",
    title: "Which county is your organization in?",
    lede: "Seven regions enroll here. Some counties have registries of their own.",
    fields: &[
        ZIP,
        Field::new("county", "County", Kind::County, "Choose the county of your organization")
            .hint("A ZIP code may lie in two counties. Choose the one that you are in."),
    ],
    when: When::Always,
    rule: Some(county_may_enroll),
};

/// Source: seed 003: San Joaquin, San Diego and Imperial enroll with their local representatives.
fn county_may_enroll(answers: &Answers, _today: NaiveDate, errors: &mut FieldErrors) {
    if let Some(county) = County::find(answers.get("county"))
        && !county.online_enrolment
    {
        errors.add(
            "county",
            format!(
                "Organizations in {} County do not enroll here. Go to: {}",
                county.name, county.referral
            ),
        );
    }
}

const ORGANIZATION: Page = Page {
    slug: "organization",
    title: "What is your organization?",
    lede: "Health care providers, schools, child-care facilities, WIC and foster-care agencies may enroll. It costs nothing.",
    fields: &[
        ORGANIZATION_NAME,
        Field::new(
            "organization_type",
            "Type of organization",
            Kind::Select(ENROLLING_TYPES),
            "Choose the type of organization",
        ),
        ADDRESS,
        ADDRESS_2,
        CITY,
    ],
    when: When::Always,
    rule: None,
};

/// Who may enroll. Source: seed 003: "a healthcare provider, school, childcare facility, WIC facility, or Foster Care agency".
const ENROLLING_TYPES: &[Choice] = ORGANIZATION_TYPES.split_at(9).0;

const PRIMARY_CONTACT: Page = Page {
    slug: "primary-contact",
    title: "Who is your primary CAIR contact?",
    lede: "We send this person a link to confirm the email address. They become the authorized representative: they will manage the organization's account and its users.",
    fields: &person!("primary_contact", "the primary CAIR contact", When::Always),
    when: When::Always,
    rule: None,
};

const CLINICIAN: Page = Page {
    slug: "clinician",
    title: "Who is responsible for immunizations?",
    lede: "The clinician of record: the licensed person under whose responsibility your organization gives vaccines.",
    fields: &[
        Field::new(
            "clinician_first_name",
            "First name",
            Kind::Text(60),
            "Enter the first name of the clinician",
        )
        .hint("As it stands on the license"),
        Field::new(
            "clinician_last_name",
            "Last name",
            Kind::Text(60),
            "Enter the last name of the clinician",
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
        .hint("For example A12345"),
        Field::optional("clinician_npi", "NPI (optional)", Kind::Npi).hint("Ten digits"),
    ],
    when: IS_CLINICAL,
    rule: None,
};

const VACCINES: Page = Page {
    slug: "vaccines",
    title: "Which vaccines do you use?",
    lede: "",
    fields: &[
        Field::new(
            "state_vaccine",
            "Do you receive vaccine that the State supplies?",
            Kind::YesNo,
            "Choose whether you receive vaccine that the State supplies",
        ),
        Field::new(
            "vfc",
            "Are you in the Vaccines for Children (VFC) program?",
            Kind::YesNo,
            "Choose whether you are in the VFC program",
        ),
        Field::new("vfc_pin", "VFC PIN", Kind::VfcPin, "Enter the VFC PIN")
            .hint("Only for members of the VFC program")
            .when(When::Is("vfc", &["yes"])),
    ],
    when: IS_CLINICAL,
    rule: None,
};

const COORDINATOR: Page = Page {
    slug: "vaccine-coordinator",
    title: "Who is your vaccine coordinator?",
    lede: "The person who orders and looks after VFC vaccine.",
    fields: &person!("vaccine_coordinator", "the vaccine coordinator", When::Always),
    when: IS_VFC,
    rule: None,
};

const NOT_COORDINATOR: When = When::Not("vfc_contact_same", &["yes"]);

const VFC_CONTACT: Page = Page {
    slug: "vfc-contact",
    title: "Who is your primary VFC contact?",
    lede: "",
    fields: &{
        let [a, b, c, d, e, f, g] =
            person!("vfc_contact", "the primary VFC contact", NOT_COORDINATOR);
        let same = Field::optional(
            "vfc_contact_same",
            "The same person as the vaccine coordinator",
            Kind::Tick,
        )
        .hint("If so, leave the rest empty");
        [same, a, b, c, d, e, f, g]
    },
    when: IS_VFC,
    rule: None,
};

const NOT_PRIMARY: When = When::Not("technical_contact_same", &["yes"]);

const TECHNICAL_CONTACT: Page = Page {
    slug: "technical-contact",
    title: "Who is your CAIR technical contact?",
    lede: "Whom we ask about computers and browsers.",
    fields: &{
        let [a, b, c, d, e, f, g] =
            person!("technical_contact", "the technical contact", NOT_PRIMARY);
        let same = Field::optional(
            "technical_contact_same",
            "The same person as the primary CAIR contact",
            Kind::Tick,
        )
        .hint("If so, leave the rest empty");
        [same, a, b, c, d, e, f, g]
    },
    when: When::Always,
    rule: None,
};

const THERE_IS_ANOTHER: When = When::Is("other_contact", &["yes"]);

const OTHER_CONTACT: Page = Page {
    slug: "other-contact",
    title: "Is there another contact?",
    lede: "Somebody we may ask when the primary CAIR contact is away.",
    fields: &{
        let [a, b, c, d, e, f, g] = person!("other_contact", "the other contact", THERE_IS_ANOTHER);
        let is_there = Field::new(
            "other_contact",
            "There is another contact",
            Kind::YesNo,
            "Choose whether there is another contact",
        )
        .hint("If not, leave the rest empty");
        [is_there, a, b, c, d, e, f, g]
    },
    when: When::Always,
    rule: None,
};

/// What a user may be, by access level; the values are the words of [`crate::domain::Role`]. Source: domain notes 6.4.
const READ_ONLY: Choice = Choice::hinted(
    "read-only",
    "Read-Only",
    "Looks patients up. Watches training videos on the web.",
);
const REGULAR: Choice = Choice::hinted(
    "regular",
    "Regular",
    "Enters patients and doses. Attends a webinar or a class before the first sign-in.",
);
const POWER: Choice = Choice::hinted(
    "power",
    "Power",
    "As Regular, and keeps the vaccine inventory. Attends a webinar or a class before the first sign-in.",
);
const CLINICAL_ROLES: &[Choice] = &[READ_ONLY, REGULAR, POWER];
const LIMITED_ROLES: &[Choice] = &[READ_ONLY, REGULAR];

const USER_LEDE: &str =
    "One person per page. Each person gets a User ID of their own; accounts are never shared.";
const READ_ONLY_LEDE: &str = "One person per page. Each person gets a Read-Only account of their own; accounts are never shared.";

/// Whether there is a second user, a third one and so on.
const MORE: &[When] = &[
    When::Is("user_1_more", &["yes"]),
    When::Is("user_2_more", &["yes"]),
    When::Is("user_3_more", &["yes"]),
    When::Is("user_4_more", &["yes"]),
    When::Is("user_5_more", &["yes"]),
    When::Is("user_6_more", &["yes"]),
    When::Is("user_7_more", &["yes"]),
    When::Is("user_8_more", &["yes"]),
    When::Is("user_9_more", &["yes"]),
    When::Is("user_10_more", &["yes"]),
    When::Is("user_11_more", &["yes"]),
    When::Is("user_12_more", &["yes"]),
    When::Is("user_13_more", &["yes"]),
    When::Is("user_14_more", &["yes"]),
    When::Is("user_15_more", &["yes"]),
    When::Is("user_16_more", &["yes"]),
    When::Is("user_17_more", &["yes"]),
    When::Is("user_18_more", &["yes"]),
    When::Is("user_19_more", &["yes"]),
];

/// Asked when each user before the one of this number was followed by another.
const fn follows(number: usize) -> When {
    When::All(MORE.split_at(number - 1).0)
}

const fn name(name: &'static str, label: &'static str, missing: &'static str) -> Field {
    Field::new(name, label, Kind::Text(60), missing)
}

/// The fields of one user; `role` and `more` come between and after them.
macro_rules! user_fields {
    ($n:literal, [$($role:expr)?], [$($more:expr)?]) => {
        &[
            name(
                concat!("user_", $n, "_first_name"),
                "First name",
                "Enter the first name of the user",
            ),
            name(concat!("user_", $n, "_last_name"), "Last name", "Enter the last name of the user"),
            Field::new(
                concat!("user_", $n, "_email"),
                "Email address",
                Kind::Email,
                "Enter the email address of the user",
            )
            .hint("Their own, not one that several people read"),
            Field::new(
                concat!("user_", $n, "_email_again"),
                "The same email address once more",
                Kind::EmailAgain(concat!("user_", $n, "_email")),
                "Type the email address a second time",
            ),
            $(Field::new(
                concat!("user_", $n, "_role"),
                "What will this person do?",
                Kind::Choice($role),
                "Choose what this person will do",
            ),)?
            $(Field::new($more, "Add another user?", Kind::YesNo, "Choose whether to add another user"),)?
        ]
    };
}

/// The page of one user at one access level, which has its own roles.
macro_rules! user_page {
    ($n:literal, $number:literal, $more:tt, $level:ident, $lede:ident, $roles:tt) => {
        Page {
            slug: concat!("user-", $n),
            title: concat!("Who will use CAIR? User ", $n),
            lede: $lede,
            fields: user_fields!($n, $roles, $more),
            when: When::All(&[$level, follows($number)]),
            rule: None,
        }
    };
}

/// All pages in their order, those of the users between the others.
macro_rules! pages {
    ([$($before:ident)+] $($n:literal $number:literal $more:tt)+ [$($after:ident)+]) => {
        &[
            $($before,)+
            $(
                user_page!($n, $number, $more, IS_CLINICAL, USER_LEDE, [CLINICAL_ROLES]),
                user_page!($n, $number, $more, IS_LIMITED, USER_LEDE, [LIMITED_ROLES]),
                user_page!($n, $number, $more, IS_READ_ONLY, READ_ONLY_LEDE, []),
            )+
            $($after,)+
        ]
    };
}

const AGREEMENT: Page = Page {
    slug: "agreement",
    title: "Do you accept the access agreement?",
    lede: "Organization and Individual User Access Agreement. Your typed name and title are your signature.",
    fields: &[
        Field::new(
            "agreement",
            "I have read the agreement and accept it for the organization and its users",
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

#[rustfmt::skip]
const PAGES: &[Page] = pages! {
    [LEVEL COUNTY ORGANIZATION CHILD_CARE PRIMARY_CONTACT CLINICIAN VACCINES COORDINATOR VFC_CONTACT TECHNICAL_CONTACT OTHER_CONTACT]
    "1" 1 ["user_1_more"]
    "2" 2 ["user_2_more"]
    "3" 3 ["user_3_more"]
    "4" 4 ["user_4_more"]
    "5" 5 ["user_5_more"]
    "6" 6 ["user_6_more"]
    "7" 7 ["user_7_more"]
    "8" 8 ["user_8_more"]
    "9" 9 ["user_9_more"]
    "10" 10 ["user_10_more"]
    "11" 11 ["user_11_more"]
    "12" 12 ["user_12_more"]
    "13" 13 ["user_13_more"]
    "14" 14 ["user_14_more"]
    "15" 15 ["user_15_more"]
    "16" 16 ["user_16_more"]
    "17" 17 ["user_17_more"]
    "18" 18 ["user_18_more"]
    "19" 19 ["user_19_more"]
    "20" 20 []
    [AGREEMENT]
};

/// A person whom an enrolment asks an account for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedUser<'a> {
    /// First name.
    pub first_name: &'a str,
    /// Last name.
    pub last_name: &'a str,
    /// E-mail address.
    pub email: &'a str,
    /// Word of the role; empty where the access level has one role only.
    pub role: &'a str,
}

/// The users that settled answers ask for, in their order.
pub fn requested_users(answers: &Answers) -> Vec<RequestedUser<'_>> {
    (1..=MOST_USERS)
        .map(|number| {
            let answer = |what: &str| answers.get(&format!("user_{number}_{what}"));
            RequestedUser {
                first_name: answer("first_name"),
                last_name: answer("last_name"),
                email: answer("email"),
                role: answer("role"),
            }
        })
        .filter(|user| !user.email.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &[(&str, &str)]) -> Vec<&'static str> {
        let answers: Answers = answers.iter().copied().collect();
        ENROLMENT.asked(&answers).map(|page| page.slug).collect()
    }

    #[test]
    fn each_access_level_is_asked_its_own_pages() {
        let clinic = asked(&[("access_level", "clinical"), ("vfc", "yes")]);
        let school = asked(&[("access_level", "read-only"), ("vfc", "yes")]);

        for page in ["clinician", "vaccines", "vaccine-coordinator", "vfc-contact"] {
            assert!(clinic.contains(&page) && !school.contains(&page), "{page}");
        }
        assert_eq!(clinic.iter().filter(|slug| **slug == "user-1").count(), 1);
        assert!(asked(&[("access_level", "clinical")]).iter().all(|slug| *slug != "vfc-contact"));
    }

    #[test]
    fn a_user_is_asked_for_only_after_the_one_before() {
        let level = ("access_level", "limited-clinical");
        let three = asked(&[level, ("user_1_more", "yes"), ("user_2_more", "yes")]);
        let one = asked(&[level, ("user_1_more", "no"), ("user_2_more", "yes")]);

        assert!(three.contains(&"user-3") && !three.contains(&"user-4"));
        assert!(!one.contains(&"user-2") && !one.contains(&"user-3"));
    }

    #[test]
    fn an_excluded_county_is_told_where_to_go() {
        let page = ENROLMENT.page("county").unwrap();
        let answers: Answers = [("zip", "93301"), ("county", "San Joaquin")].into_iter().collect();
        let errors = page.read(&answers, NaiveDate::default()).unwrap_err();
        assert!(errors.of("county").unwrap().contains("San Joaquin"), "{errors:?}");
    }

    #[test]
    fn whoever_gives_no_vaccines_is_offered_no_role_that_needs_them() {
        let roles = |level: &str| {
            let answers: Answers = [("access_level", level)].into_iter().collect();
            let page = ENROLMENT.asked(&answers).find(|page| page.slug == "user-1").unwrap();
            let role = page.fields.iter().find(|field| field.name == "user_1_role");
            role.map_or(vec![], |role| role.kind.choices().iter().map(|one| one.value).collect())
        };

        assert_eq!(roles("clinical"), ["read-only", "regular", "power"]);
        assert_eq!(roles("limited-clinical"), ["read-only", "regular"]);
        assert!(roles("read-only").is_empty());
    }

    #[test]
    fn every_required_field_says_what_is_missing() {
        for page in ENROLMENT.pages {
            for field in page.fields {
                assert!(field.optional || !field.missing.is_empty(), "{}", field.name);
            }
        }
        assert!(ENROLLING_TYPES.iter().all(|one| one.value != "hie"));
        assert_eq!(ENROLLING_TYPES.last().map(|one| one.value), Some("foster-care"));
    }
}
