//! Links in mails: each serves one purpose once, and only its keyed hash is kept.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{By, LinkPurpose, OneTimeLink, SecretHash, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::schema::one_time_link;
use crate::store::{Deed, Store, StoreError};

/// Ended links are kept so long, to tell what became of one.
const KEPT: Duration = Duration::from_hours(24 * 7);

/// A link to be recorded; its secret is in the letter alone.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// Keyed hash of its secret.
    pub hash: SecretHash,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// What it is about, such as the number of an account.
    pub subject: String,
    /// What else it carries.
    pub detail: Option<String>,
    /// How long it lives.
    pub life: Duration,
}

/// The half of a link that whoever writes its letter knows before the other half is known.
#[derive(Debug, Clone, Copy)]
pub struct LinkSecret {
    /// Keyed hash of its secret.
    pub hash: SecretHash,
    /// How long it lives.
    pub life: Duration,
}

impl LinkSecret {
    /// The whole link.
    pub fn link(self, purpose: LinkPurpose, subject: String) -> NewLink {
        NewLink { hash: self.hash, purpose, subject, detail: None, life: self.life }
    }
}

/// Records a link; older ones of the same purpose and subject end.
pub(super) fn issue(
    conn: &mut DbConnection,
    new: &NewLink,
    now: Timestamp,
) -> Result<(), StoreError> {
    end(conn, new.purpose, &new.subject, now)?;
    diesel::insert_into(one_time_link::table)
        .values((
            one_time_link::hash.eq(new.hash),
            one_time_link::purpose.eq(new.purpose),
            one_time_link::subject.eq(&new.subject),
            one_time_link::detail.eq(&new.detail),
            one_time_link::created_at.eq(now),
            one_time_link::expires_at.eq(now.plus(new.life)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Ends the links of a purpose and subject that are still open.
pub(super) fn end(
    conn: &mut DbConnection,
    purpose: LinkPurpose,
    subject: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let open = one_time_link::table
        .filter(one_time_link::subject.eq(subject))
        .filter(one_time_link::purpose.eq(purpose))
        .filter(one_time_link::used_at.is_null());
    diesel::update(open).set(one_time_link::used_at.eq(Some(now))).execute(conn)?;
    Ok(())
}

/// Uses a link up, inside the transaction of what it is for; nothing when it is unknown, used, ended or of another purpose.
pub(super) fn consume(
    conn: &mut DbConnection,
    hash: SecretHash,
    purpose: LinkPurpose,
    now: Timestamp,
) -> Result<Option<OneTimeLink>, StoreError> {
    let open = one_time_link::table
        .find(hash)
        .filter(one_time_link::purpose.eq(purpose))
        .filter(one_time_link::used_at.is_null())
        .filter(one_time_link::expires_at.gt(now));
    // Of two who use it at one time the update of the second finds it used.
    if diesel::update(open).set(one_time_link::used_at.eq(Some(now))).execute(conn)? == 0 {
        return Ok(None);
    }
    Ok(find(conn, hash)?.map(|(link, _)| link))
}

/// What a link of a purpose was about and when it was used up; nothing when it was not.
pub(super) fn used(
    conn: &mut DbConnection,
    hash: SecretHash,
    purpose: LinkPurpose,
) -> Result<Option<(String, Timestamp)>, StoreError> {
    let found = find(conn, hash)?.filter(|(link, _)| link.purpose == purpose);
    Ok(found.and_then(|(link, used)| Some((link.subject, used?))))
}

/// A link and when it was used.
fn find(
    conn: &mut DbConnection,
    hash: SecretHash,
) -> Result<Option<(OneTimeLink, Option<Timestamp>)>, StoreError> {
    type Row = (LinkPurpose, String, Option<String>, Timestamp, Timestamp, Option<Timestamp>);
    let row = one_time_link::table
        .find(hash)
        .select((
            one_time_link::purpose,
            one_time_link::subject,
            one_time_link::detail,
            one_time_link::created_at,
            one_time_link::expires_at,
            one_time_link::used_at,
        ))
        .first::<Row>(conn)
        .optional()?;
    Ok(row.map(|(purpose, subject, detail, created_at, expires_at, used_at)| {
        (OneTimeLink { purpose, subject, detail, created_at, expires_at }, used_at)
    }))
}

impl Store {
    /// Records a link, with the letters that carry it. Tells whether they were posted.
    pub async fn link_issue(&self, link: NewLink, deed: Deed) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            issue(conn, &link, doing.now)?;
            let object = format!("link {} {}", link.purpose, link.subject);
            doing.end(conn, "link.issue", &object, None, None)
        })
        .await
    }

    /// Looks at a link without using it, to show a page.
    pub async fn link_peek(
        &self,
        hash: SecretHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<OneTimeLink>, StoreError> {
        self.read(move |conn| {
            Ok(find(conn, hash)?
                .filter(|(link, used_at)| {
                    link.purpose == purpose && used_at.is_none() && now < link.expires_at
                })
                .map(|(link, _)| link))
        })
        .await
    }

    /// Uses a link up for what is done outside the store; none when it is unknown, used, ended or of another purpose.
    pub async fn link_use(
        &self,
        hash: SecretHash,
        purpose: LinkPurpose,
        by: By,
    ) -> Result<Option<OneTimeLink>, StoreError> {
        let doing = self.doing(Deed::from(by));
        self.write(move |conn| {
            let Some(link) = consume(conn, hash, purpose, doing.now)? else { return Ok(None) };
            let object = format!("link {purpose} {}", link.subject);
            doing.end(conn, "link.use", &object, None, None)?;
            Ok(Some(link))
        })
        .await
    }
}

/// Removes links that ended long ago; gives how many.
pub(super) fn sweep(conn: &mut DbConnection, now: Timestamp) -> Result<usize, StoreError> {
    let ended = one_time_link::table.filter(one_time_link::expires_at.lt(now.minus(KEPT)));
    Ok(diesel::delete(ended).execute(conn)?)
}
