//! The words of the trade: Sites, Regions, credentials, messages, deliveries.
//!
//! Pure values: no SQL, no HTTP, no clock and no randomness of their own (both are arguments). May import `hl7` only.
//! A type that holds a secret or patient data prints its shape, never its content.

mod access;
mod access_level;
mod account;
mod agreement;
mod alert;
mod api_key;
mod audit;
mod certificate;
mod clinician;
mod content;
mod county;
mod credential;
mod criteria;
mod delivery;
mod destination;
mod diagnostic;
mod draft;
mod email;
mod failure;
pub mod form;
mod health;
mod ids;
mod letter;
mod letter_wish;
mod map;
mod message;
mod note_template;
mod organization;
mod pacific;
mod passphrase;
pub mod questions;
mod region;
mod registry;
mod request;
mod retry;
mod secret;
mod session;
mod site;
mod site_event;
mod site_link;
mod stage;
mod statement;
mod system_notice;
mod tally;
mod timestamp;
mod token;
mod told;
mod webhook;
mod zip;

pub use access::{Permission, Principal, Scope, SecondFactor, Standing};
pub use access_level::{AccessLevel, OrganizationState};
pub use account::{
    Account, AccountState, Course, Membership, MembershipState, Role, StaffGrant, StaffRole,
    TrainingNeed, wait_after,
};
pub use agreement::{AGREEMENT, AgreementText, ENROLMENT_AGREEMENT};
pub use alert::{
    Alert, AlertCall, AlertKind, AlertNews, AlertStep, Observation, Reading, RecentOutcomes,
    step as alert_step,
};
pub use api_key::{ApiKey, ApiScope};
pub use audit::{AuditRecord, By, csv_row, harmless_cell};
pub use certificate::certificate_end;
pub use clinician::{Clinician, ClinicianState};
pub use content::{Content, Element, Scenario, Scenarios, Timeliness};
pub use county::{COUNTIES, County};
pub use credential::{
    CREDENTIAL_PURPOSE, Credential, CredentialState, Environment, IssuedCredential,
};
pub use criteria::{Criteria, Criterion, RECENT_TESTS, SiteProgress};
pub use delivery::{Delivery, DeliveryState, ReplyPolicy};
pub use destination::{Breaker, BreakerPolicy, Control, Destination, MaintenanceWindow, Stopped};
pub use diagnostic::{Diagnostic, DiagnosticRecord, Effect};
pub use draft::{Draft, DraftKind, DraftState};
pub use email::EmailAddress;
pub use failure::{Failure, FailureClass};
pub use health::{AlertLimits, Health, Light, PlaceFacts, lasting};
pub use ids::{
    AccountId, ClinicianId, CredentialId, MessageId, MessageIds, OrganizationId, PasskeyId,
    RequestId, SiteId, UnknownWord, UserId, WrongId,
};
pub use letter::{Letter, LetterLimits, LetterRecord, LetterState};
pub use letter_wish::{DigestKind, LetterWish, ProductionLetters, TestLetters};
pub use map::{MAP_VIEW_BOX, OUTLINES, Outline};
pub use message::{MessageRecord, MessageState};
pub use note_template::{NOTE_TEMPLATES, NoteTemplate};
pub use organization::Organization;
pub use passphrase::{Check, Owner, Passphrase, PassphraseHash, SALT, Weakness};
pub use region::{REGIONS, RegionCode, RegionFacts};
pub use registry::{
    DialectName, RegistrySecrets, RegistrySettings, RegistryVersion, VersionDeed, VersionState,
};
pub use request::{
    CLAIMED_SITE, Request, RequestKind, RequestNote, RequestNoteKind, RequestState, RequestStep,
    RequestViews,
};
pub use retry::{NextStep, RetryPolicy, Tried};
pub use secret::{ClientKeyPin, Password, SecretHash, ServerKey};
pub(crate) use secret::{from_hex, hex};
pub use session::Session;
pub use site::{Refusal, Site, SiteKind, SiteStatus};
pub use site_event::{SiteEvent, SiteEventKind};
pub use site_link::{LinkStatus, SiteLink};
pub use stage::{ReviewItem, ReviewMark, SiteReview, StageChange, StageEvent};
pub(crate) use statement::year_bounds;
pub use statement::{
    Declared, Engagement, SixtyDays, Span, StatementFacts, StatementRecord, StatementSources,
    TestFact, statement_years,
};
pub use system_notice::{
    Audience, NoticeLevel, NoticeReader, NoticeState, NoticeText, SystemNotice,
};
pub use tally::{Share, Tally, TallyScope, finding_place};
pub use timestamp::Timestamp;
pub use token::{
    ApiToken, LinkPurpose, OneTimeLink, OneTimeToken, RecoveryCode, SessionToken, StatementCode,
    WrongToken,
};
pub use told::{Told, ack_code};
pub use webhook::{
    CallState, CredentialNews, HookEvent, HookSecret, HookState, HookUrl, LinkNews, MessageNews,
    PING, PingNews, StageNews, Webhook, WebhookCall, WrongSecret,
};
pub use zip::{Zip, counties_of_zip, counties_of_zip_on};

/// Defines an enum whose variants each have one word, the same in columns, JSON, metrics and on the command line.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its place in [`Self::ALL`].
            #[allow(dead_code, clippy::allow_attributes, reason = "few of them are counted")]
            #[expect(clippy::as_conversions, reason = "the discriminant of a variant without fields")]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The word as it stands in columns, JSON and metrics.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.word()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::domain::UnknownWord { expected: &[$($word),+] }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words = [$($word),+];
                let schema = utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(words));
                schema.into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use words;
