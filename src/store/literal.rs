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
