//! Searches that people keep: a name for an address, each person's own.

use diesel::prelude::*;

use crate::domain::{AccountId, Refusal};
use crate::store::schema::saved_search;
use crate::store::{Deed, Store, StoreError};

/// Searches that one person keeps in one place.
const MOST: i64 = 30;

/// A search that somebody keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSearch {
    /// Its number; 0 before it is kept.
    pub id: i64,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is used, such as `organization 12` or `staff`.
    pub place: String,
    /// How its owner calls it.
    pub name: String,
    /// Parameters of the address.
    pub query: String,
}

impl Store {
    /// The searches of somebody in a place, by name.
    pub async fn saved_search_list(
        &self,
        account: AccountId,
        place: String,
    ) -> Result<Vec<SavedSearch>, StoreError> {
        self.read(move |conn| {
            let rows = saved_search::table
                .filter(saved_search::account_id.eq(account))
                .filter(saved_search::place.eq(&place))
                .order((saved_search::name.asc(), saved_search::id.asc()))
                .select((saved_search::id, saved_search::name, saved_search::query))
                .load::<(i64, String, String)>(conn)?;
            let search =
                |(id, name, query)| SavedSearch { id, account, place: place.clone(), name, query };
            Ok(rows.into_iter().map(search).collect())
        })
        .await
    }

    /// Keeps a search; gives its number.
    ///
    /// # Errors
    /// A refusal when there are too many.
    pub async fn saved_search_create(
        &self,
        search: SavedSearch,
        deed: Deed,
    ) -> Result<i64, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let known = saved_search::table
                .filter(saved_search::account_id.eq(search.account))
                .filter(saved_search::place.eq(&search.place))
                .count()
                .get_result::<i64>(conn)?;
            if known >= MOST {
                return Err(Refusal(format!("{MOST} searches are kept already; delete one")).into());
            }
            let id = diesel::insert_into(saved_search::table)
                .values((
                    saved_search::account_id.eq(search.account),
                    saved_search::place.eq(&search.place),
                    saved_search::name.eq(&search.name),
                    saved_search::query.eq(&search.query),
                    saved_search::created_at.eq(doing.now),
                ))
                .returning(saved_search::id)
                .get_result::<i64>(conn)?;
            let object = format!("search {id}");
            doing.end(conn, "search.save", &object, None, Some(&search.place))?;
            Ok(id)
        })
        .await
    }

    /// Forgets a search of this owner and place; what is another's is as unknown as what is not there.
    pub async fn saved_search_delete(
        &self,
        search: SavedSearch,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let gone = diesel::delete(
                saved_search::table
                    .filter(saved_search::id.eq(search.id))
                    .filter(saved_search::account_id.eq(search.account))
                    .filter(saved_search::place.eq(&search.place)),
            )
            .execute(conn)?;
            if gone == 0 {
                return Err(StoreError::NotFound(format!("search {}", search.id)));
            }
            let object = format!("search {}", search.id);
            doing.end(conn, "search.delete", &object, Some(&search.place), None)?;
            Ok(())
        })
        .await
    }
}
