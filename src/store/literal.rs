//! A condition as SQL text. Diesel's own literals are prepared anew at each use; this one's statement is prepared once.

use diesel::backend::Backend;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Bool;

/// A condition that holds no value from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition(pub(super) &'static str);

impl Expression for Condition {
    type SqlType = Bool;
}

impl<Table> AppearsOnTable<Table> for Condition {}

impl<Table> SelectableExpression<Table> for Condition {}

impl<Group> ValidGrouping<Group> for Condition {
    type IsAggregate = is_aggregate::Never;
}

/// The text decides which statement it is, not the type.
impl QueryId for Condition {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Db: Backend> QueryFragment<Db> for Condition {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Db>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}
