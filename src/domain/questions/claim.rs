//! What is asked of somebody who says that a registered Site is theirs.

use crate::domain::CLAIMED_SITE;
use crate::domain::form::{Field, Form, Kind, Page, When};

/// The questions of a claim.
pub static CLAIM: Form = Form { pages: &[CLAIM_PAGE] };

/// Its one page; the names begin as those of a person do.
pub const CLAIM_PAGE: Page = Page {
    slug: "claim",
    title: "Is this Site yours?",
    lede: "The Site is registered, but you cannot sign in to it? Say who you are. We mail you a link first; then our staff look at it.",
    fields: &[
        Field::new(CLAIMED_SITE, "Site ID", Kind::SiteId, "Enter the Site ID")
            .hint("For example DE-000123. It is in the email that confirmed the registration"),
        Field::new(
            "claimant_first_name",
            "Your first name",
            Kind::Text(60),
            "Enter your first name",
        )
        .autocomplete("given-name"),
        Field::new("claimant_last_name", "Your last name", Kind::Text(60), "Enter your last name")
            .autocomplete("family-name"),
        Field::new(
            "claimant_position",
            "Your position",
            Kind::Text(60),
            "Enter your position at the Site",
        )
        .hint("For example: office manager"),
        Field::new(
            "claimant_phone",
            "Your telephone number at work",
            Kind::Phone,
            "Enter your telephone number",
        )
        .autocomplete("tel"),
        Field::new("claimant_email", "Your email address", Kind::Email, "Enter your email address")
            .autocomplete("email"),
        Field::new(
            "claimant_email_again",
            "The same email address once more",
            Kind::EmailAgain("claimant_email"),
            "Type the email address a second time",
        ),
        Field::new(
            "claim_reason",
            "Why is the Site yours?",
            Kind::LongText(1000),
            "Say why the Site is yours",
        )
        .hint("For example: the person who registered it has left. Nothing about a patient."),
    ],
    when: When::Always,
    rule: None,
};
