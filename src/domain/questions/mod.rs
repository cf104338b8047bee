//! What the portal asks: the catalogues of questions, page by page.
//!
//! Source: domain notes 1.3 (registration), 1.7 (enrolment), 1.8 (users), from seeds 000 and 003 and the pages they link to.

mod shared;

mod account;
mod claim;
mod enrolment;
mod labels;
mod registration;

pub use account::{
    CLINICIAN, LEVEL, NEW_FACILITY, NEW_USER, OF_ORGANIZATION, REASON, USER, agreement_page,
    is_decided_by_staff, organization_answers, organization_pages, site_answers, site_pages,
};
pub use claim::{CLAIM, CLAIM_PAGE};
pub use enrolment::{ENROLMENT, ENROLMENT_LEVELS, MOST_USERS, RequestedUser, requested_users};
pub use labels::{label, part_title, question};
pub use registration::{REGISTRATION, program_years};
pub use shared::{ORGANIZATION_TYPES, SITE_TYPES, SPECIALTIES};
