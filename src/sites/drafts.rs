//! Filling in a registration or an enrolment: begun, answered page by page, kept.

use crate::domain::form::{Answers, FieldErrors, Page};
use crate::domain::{Draft, DraftKind, DraftState, Password, SecretHash, Timestamp};
use crate::sites::Sites;
use crate::store::StoreError;

/// Purpose of the hash of a draft's key.
const DRAFT_KEY: &str = "draft";

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It must be mended.
    #[error("{} answers must be mended", .0.0.len())]
    Fields(FieldErrors),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sites {
    /// Begins a draft with what is known already; gives the key for the visitor's cookie.
    pub async fn draft_begin(
        &self,
        kind: DraftKind,
        answers: Answers,
        now: Timestamp,
    ) -> Result<Password, StoreError> {
        let key = Self::new_secret()?;
        self.store.draft_create(kind, self.draft_hash(&key), answers, now).await?;
        Ok(key)
    }

    /// The draft of this kind that a key opens.
    pub async fn draft(&self, kind: DraftKind, key: &str) -> Result<Option<Draft>, StoreError> {
        let hash = self.draft_hash(&Password::from(key.to_owned()));
        Ok(self.store.draft_by_key(hash).await?.filter(|draft| draft.kind == kind))
    }

    /// Takes the answers to one page.
    ///
    /// # Errors
    /// When they must be mended, or the draft was sent off already.
    pub async fn draft_answer(
        &self,
        draft: &Draft,
        page: &Page,
        posted: &Answers,
        now: Timestamp,
    ) -> Result<Draft, AnswerError> {
        let answers = page.read(posted, now.utc().date_naive()).map_err(AnswerError::Fields)?;
        Ok(self.store.draft_answer(draft.id, answers, now).await?)
    }

    /// A new key for a draft that is open; the one before opens nothing any more.
    pub(super) async fn draft_reopen(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Result<Option<(Draft, Password)>, StoreError> {
        let draft = self.store.draft_by_id(id).await?;
        if draft.state != DraftState::Open {
            return Ok(None);
        }
        let key = Self::new_secret()?;
        self.store.draft_rekey(id, self.draft_hash(&key), now).await?;
        Ok(Some((draft, key)))
    }

    fn draft_hash(&self, key: &Password) -> SecretHash {
        self.key.hash(DRAFT_KEY, key.reveal())
    }
}
