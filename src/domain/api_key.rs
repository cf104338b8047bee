//! Keys with which programs ask for a Site, by `/api/v1`.

use serde::Serialize;

use crate::domain::{AccountId, SiteId, Timestamp, words};

words! {
    /// What a key opens.
    ApiScope {
        /// The text of messages and of their answers; each sight is recorded.
        BodiesRead = "bodies-read",
        /// What became of messages, without their text.
        MessagesRead = "messages-read",
        /// The Site, and those that it sends for: stage, checklist, counts.
        SitesRead = "sites-read",
        /// Statements of meaningful use.
        StatementsRead = "statements-read",
        /// Judging messages without sending them.
        Validate = "validate",
    }
}

impl ApiScope {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::BodiesRead => "See the text of messages and answers",
            Self::MessagesRead => "See what became of messages, without their text",
            Self::SitesRead => "See Sites, their stage and their checklist",
            Self::StatementsRead => "See statements for meaningful use",
            Self::Validate => "Check messages without sending them",
        }
    }
}

/// A key of a Site, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its number.
    pub id: i64,
    /// For whom it asks.
    pub site: SiteId,
    /// What its people call it.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<ApiScope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: AccountId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, within a minute or so.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it opens anything at this moment.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}
