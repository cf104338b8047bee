//! Notices of CDPH: written, changed, ended, found.

use diesel::prelude::*;

use crate::domain::{
    AccountId, Audience, NoticeLevel, NoticeText, Refusal, Scope, SystemNotice, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::schema::system_notice;
use crate::store::{Deed, Store, StoreError};

/// Notices that are shown at one time at most.
const MOST: i64 = 10;

type Row = (
    i64,
    String,
    String,
    NoticeLevel,
    String,
    Timestamp,
    Timestamp,
    AccountId,
    Timestamp,
    Option<Timestamp>,
    Option<Timestamp>,
);

fn from_row(row: Row) -> Result<SystemNotice, StoreError> {
    let audience = row.4.parse::<Audience>();
    let audience = audience.map_err(|_unknown| StoreError::NotFound("such audience".to_owned()))?;
    Ok(SystemNotice {
        id: row.0,
        says: NoticeText {
            title: row.1,
            text: row.2,
            level: row.3,
            audience,
            begins_at: row.5,
            ends_at: row.6,
        },
        written_by: row.7,
        written_at: row.8,
        changed_at: row.9,
        ended_at: row.10,
    })
}

fn object(id: i64) -> String {
    format!("notice {id}")
}

/// What a notice says, as the audit trail tells it.
fn told(says: &NoticeText) -> String {
    format!(
        "{} for {}, {} to {}: {}",
        says.level,
        says.audience.word(),
        says.begins_at,
        says.ends_at,
        says.title
    )
}

/// The columns of what a notice says.
macro_rules! columns {
    ($says:expr) => {
        (
            system_notice::title.eq(&$says.title),
            system_notice::text.eq(&$says.text),
            system_notice::level.eq($says.level),
            system_notice::audience.eq($says.audience.word()),
            system_notice::begins_at.eq($says.begins_at),
            system_notice::ends_at.eq($says.ends_at),
        )
    };
}

fn by_id(conn: &mut DbConnection, id: i64, scope: &Scope) -> Result<SystemNotice, StoreError> {
    let missing = || StoreError::NotFound(object(id));
    let row = system_notice::table.find(id).first::<Row>(conn).optional()?;
    let found = from_row(row.ok_or_else(missing)?)?;
    if scope.covers(found.says.audience.region()) { Ok(found) } else { Err(missing()) }
}

/// A notice that may still be changed.
fn by_id_alive(
    conn: &mut DbConnection,
    id: i64,
    scope: &Scope,
    now: Timestamp,
) -> Result<SystemNotice, StoreError> {
    let found = by_id(conn, id, scope)?;
    if found.state(now) == crate::domain::NoticeState::Over {
        return Err(Refusal("the notice is over: write another one".to_owned()).into());
    }
    Ok(found)
}

impl Store {
    /// The notices that are shown now, the latest first.
    pub async fn notice_current(&self, now: Timestamp) -> Result<Vec<SystemNotice>, StoreError> {
        self.read(move |conn| {
            let rows = system_notice::table
                .filter(system_notice::ends_at.gt(now))
                .filter(system_notice::begins_at.le(now))
                .filter(system_notice::ended_at.is_null())
                .order(system_notice::id.desc())
                .limit(MOST)
                .load::<Row>(conn)?;
            rows.into_iter().map(from_row).collect()
        })
        .await
    }

    /// The notices of a scope, the latest first, before one of this number.
    pub async fn notice_list(
        &self,
        scope: Scope,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<SystemNotice>, StoreError> {
        self.read(move |conn| {
            let mut query =
                system_notice::table.order(system_notice::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(system_notice::id.lt(before));
            }
            match &scope {
                Scope::All => {}
                Scope::Nowhere => return Ok(vec![]),
                Scope::Regions(regions) => {
                    let codes: Vec<_> = regions.iter().map(ToString::to_string).collect();
                    query = query.filter(system_notice::audience.eq_any(codes));
                }
            }
            query.load::<Row>(conn)?.into_iter().map(from_row).collect()
        })
        .await
    }

    /// A notice, when it lies in a scope; else it is as unknown as none.
    pub async fn notice_in_view(&self, id: i64, scope: Scope) -> Result<SystemNotice, StoreError> {
        self.read(move |conn| by_id(conn, id, &scope)).await
    }

    /// Writes a notice; gives its number.
    pub async fn notice_add(
        &self,
        says: NoticeText,
        who: AccountId,
        deed: Deed,
    ) -> Result<i64, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let id = diesel::insert_into(system_notice::table)
                .values((
                    columns!(says),
                    system_notice::written_by.eq(who),
                    system_notice::written_at.eq(doing.now),
                ))
                .returning(system_notice::id)
                .get_result::<i64>(conn)?;
            doing.end(conn, "notice.write", &object(id), None, Some(&told(&says)))?;
            Ok(id)
        })
        .await
    }

    /// Changes what a notice says, to whom or when.
    ///
    /// # Errors
    /// When it is over.
    pub async fn notice_change(
        &self,
        id: i64,
        scope: Scope,
        says: NoticeText,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = by_id_alive(conn, id, &scope, doing.now)?;
            diesel::update(system_notice::table.find(id))
                .set((columns!(says), system_notice::changed_at.eq(Some(doing.now))))
                .execute(conn)?;
            let (before, after) = (told(&before.says), told(&says));
            doing.end(conn, "notice.change", &object(id), Some(&before), Some(&after))?;
            Ok(())
        })
        .await
    }

    /// Ends a notice before its time.
    ///
    /// # Errors
    /// When it is over.
    pub async fn notice_end(&self, id: i64, scope: Scope, deed: Deed) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = by_id_alive(conn, id, &scope, doing.now)?;
            diesel::update(system_notice::table.find(id))
                .set(system_notice::ended_at.eq(Some(doing.now)))
                .execute(conn)?;
            doing.end(conn, "notice.end", &object(id), Some(&told(&before.says)), None)?;
            Ok(())
        })
        .await
    }
}
