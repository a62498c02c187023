//! Statements whose text never changes, so that each is prepared once a connection, on either database. Used by `common`.
//!
//! diesel keeps a prepared statement only for a query type with a static `QueryId`; what its `update` and `insert_into` make
//! has none as soon as a value is optional, which cost a third of the throughput.

use diesel::{backend::Backend, pg::Pg, sqlite::Sqlite};

use super::run::Dialect;

/// A backend that statements are written for.
pub trait Speaks: Backend {
    /// Which it is.
    const DIALECT: Dialect;
}

impl Speaks for Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;
}

impl Speaks for Pg {
    const DIALECT: Dialect = Dialect::Postgres;
}

/// Defines a statement: its fields, each with its SQL type, and its text with `{field}` where the field is bound, and
/// `["SQLite's" | "PostgreSQL's"]` where the two differ. With `-> (types)` it gives rows.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $rust:ty as $sql_type:ty),* $(,)? } $(-> $row:ty)?,
        $($text:tt)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, diesel::query_builder::QueryId)]
        pub struct $name {
            $(pub $field: $rust,)*
        }

        impl<DB> diesel::query_builder::QueryFragment<DB> for $name
        where
            DB: $crate::db::statement::Speaks,
            $(
                DB: diesel::sql_types::HasSqlType<$sql_type>,
                $rust: diesel::serialize::ToSql<$sql_type, DB>,
            )*
        {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, DB>,
            ) -> diesel::QueryResult<()> {
                $crate::db::statement::walk!(self, out, DB, $($text)*);
                Ok(())
            }
        }

        impl $name {
            $(
                fn $field<'b, DB>(
                    &'b self,
                    out: &mut diesel::query_builder::AstPass<'_, 'b, DB>,
                ) -> diesel::QueryResult<()>
                where
                    DB: diesel::backend::Backend + diesel::sql_types::HasSqlType<$sql_type>,
                    $rust: diesel::serialize::ToSql<$sql_type, DB>,
                {
                    out.push_bind_param::<$sql_type, _>(&self.$field)
                }
            )*
        }

        $(
            impl diesel::query_builder::Query for $name {
                type SqlType = $row;
            }
        )?

        impl<C> diesel::RunQueryDsl<C> for $name {}
    };
}

/// The text of a statement, piece by piece.
macro_rules! walk {
    ($self:ident, $out:ident, $db:ident,) => {};
    ($self:ident, $out:ident, $db:ident, $sql:literal $($rest:tt)*) => {
        $out.push_sql($sql);
        $crate::db::statement::walk!($self, $out, $db, $($rest)*);
    };
    ($self:ident, $out:ident, $db:ident, {$bind:ident} $($rest:tt)*) => {
        $self.$bind(&mut $out)?;
        $crate::db::statement::walk!($self, $out, $db, $($rest)*);
    };
    ($self:ident, $out:ident, $db:ident, [$sqlite:literal | $postgres:literal] $($rest:tt)*) => {
        $out.push_sql(match <$db as $crate::db::statement::Speaks>::DIALECT {
            $crate::db::run::Dialect::Sqlite => $sqlite,
            $crate::db::run::Dialect::Postgres => $postgres,
        });
        $crate::db::statement::walk!($self, $out, $db, $($rest)*);
    };
}

/// Makes a statement of a type that borrows: its text on either database, as `walk_ast` would write it. The type needs a
/// `QueryId` of its own.
macro_rules! fragment {
    ($name:ty, $self:ident, $out:ident => { $($body:tt)* }) => {
        $crate::db::statement::fragment!(@ diesel::sqlite::Sqlite, $name, $self, $out => { $($body)* });
        $crate::db::statement::fragment!(@ diesel::pg::Pg, $name, $self, $out => { $($body)* });
        impl<C> diesel::RunQueryDsl<C> for $name {}
    };
    (@ $backend:ty, $name:ty, $self:ident, $out:ident => { $($body:tt)* }) => {
        impl diesel::query_builder::QueryFragment<$backend> for $name {
            fn walk_ast<'q>(
                &'q $self,
                mut $out: diesel::query_builder::AstPass<'_, 'q, $backend>,
            ) -> diesel::QueryResult<()> {
                $($body)*
            }
        }
    };
}

pub(crate) use {fragment, statement, walk};
