//! SQL as text. Diesel's own literals are prepared anew at each use; the statements of these are prepared once.

use diesel::backend::Backend;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Nullable, Text};

/// A condition that holds no value from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition(pub(super) &'static str);

/// The Site that another one sent a message for; none when the message is its sender's own. Written as in the index
/// `message_by_carried`, whose statistics tell `PostgreSQL` how many of these a Site has: a comparison of two columns
/// tells it nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct CarriedFor;

/// Beside [`CarriedFor`], so that both databases see that the partial index applies.
pub(super) const IS_CARRIED: Condition = Condition("message.site_id <> message.sender_id");

impl CarriedFor {
    const TEXT: &'static str =
        "CAST(CASE WHEN message.site_id <> message.sender_id THEN message.site_id END AS TEXT)";
}

macro_rules! literal {
    ($name:ident, $kind:ty, $text:expr) => {
        impl Expression for $name {
            type SqlType = $kind;
        }

        impl<Table> AppearsOnTable<Table> for $name {}

        impl<Table> SelectableExpression<Table> for $name {}

        impl<Group> ValidGrouping<Group> for $name {
            type IsAggregate = is_aggregate::Never;
        }

        /// The text decides which statement it is, not the type.
        impl QueryId for $name {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl<Db: Backend> QueryFragment<Db> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Db>) -> QueryResult<()> {
                let text: fn(&Self) -> &'static str = $text;
                out.push_sql(text(self));
                Ok(())
            }
        }
    };
}

literal!(Condition, Bool, |one| one.0);
literal!(CarriedFor, Nullable<Text>, |_one| CarriedFor::TEXT);

#[cfg(test)]
mod tests {
    use diesel::sqlite::{Sqlite, SqliteConnection};

    use super::*;
    use crate::domain::SiteId;
    use crate::store::connection::DbConnection;
    use crate::store::schema::message;

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    #[test]
    fn messages_sent_for_others_are_found_by_their_index() {
        let conn = SqliteConnection::establish(":memory:").unwrap();
        let mut conn = DbConnection::Sqlite(conn);
        crate::store::migrations::apply(&mut conn).unwrap();
        let site: SiteId = "DE-000001".parse().unwrap();
        let newest = message::table
            .filter(CarriedFor.eq(&site))
            .filter(IS_CARRIED)
            .order(message::id.desc())
            .select(message::id)
            .limit(20);
        let text = diesel::debug_query::<Sqlite, _>(&newest).to_string();
        let (text, _binds) = text.split_once(" -- ").unwrap();
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(&mut conn).unwrap();
        let plan: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
        assert!(plan[0].contains("INDEX message_by_carried"), "{plan:?}");
        assert_eq!(plan.len(), 1, "sorted by hand: {plan:?}");
    }
}
