//! Statements about meaningful use: issued to a Site's own people, and looked up by anybody who holds the code.

use ring::rand::SystemRandom;

use crate::domain::{SiteId, StatementCode, StatementFacts, StatementRecord, statement_years};
use crate::sites::{AccountError, Browser, Delegate, Sites};
use crate::store::{Deed, StoreError};

/// A statement that was issued just now, with the code that nobody is told again.
#[derive(Debug)]
pub struct Issued {
    /// The statement.
    pub record: StatementRecord,
    /// The code by which it is found.
    pub code: StatementCode,
}

impl Sites {
    /// What a statement of this year would say, and which years there are; none: not of that year.
    pub async fn statement_preview(
        &self,
        member: &Delegate,
        id: SiteId,
        year: Option<i32>,
        browser: &Browser,
    ) -> Result<Option<(StatementFacts, Vec<i32>)>, StoreError> {
        let site = self.store.organization_site(member.organization(), id.clone()).await?;
        let years = statement_years(site.created_at, browser.now);
        let Some(year) = year.or_else(|| years.first().copied()) else { return Ok(None) };
        if !years.contains(&year) {
            return Ok(None);
        }
        Ok(Some((self.store.statement_facts(id, year).await?, years)))
    }

    /// Issues a statement.
    ///
    /// # Errors
    /// [`AccountError::Forbidden`] for staff who only look, and for a year that there is none of.
    pub async fn statement_issue(
        &self,
        member: &Delegate,
        (id, year): (SiteId, i32),
        browser: &Browser,
    ) -> Result<Issued, AccountError> {
        let known = self.statement_preview(member, id.clone(), Some(year), browser).await?;
        if known.is_none() || member.only_looks() {
            return Err(AccountError::Forbidden);
        }
        let code = StatementCode::generate(&SystemRandom::new())
            .map_err(|_unspecified| StoreError::Locked("no randomness"))?;
        let deed = Deed::from(member.by(browser));
        let hash = code.hash(&self.key);
        let record = self.store.statement_issue(id, year, hash, member.id(), deed).await?;
        Ok(Issued { record, code })
    }

    /// The statement that somebody has the code of, with the facts as they are now. A code that cannot be one is as unknown
    /// as any other.
    ///
    /// # Errors
    /// [`AccountError::TooMany`] when too many codes were tried from there.
    pub async fn statement_verify(
        &self,
        typed: &str,
        browser: &Browser,
    ) -> Result<Option<(StatementRecord, StatementFacts)>, AccountError> {
        if !self.verifiers.allow(browser) {
            return Err(AccountError::TooMany);
        }
        let Ok(code) = StatementCode::typed(typed) else { return Ok(None) };
        Ok(self.store.statement_by_code(code.hash(&self.key)).await?)
    }
}
