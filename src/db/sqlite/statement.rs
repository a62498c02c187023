//! Statements whose text never changes, so that each is prepared once a connection. Used by `append` and the store.
//!
//! diesel keeps a prepared statement only for a query type with a static `QueryId`; what its `update` and `insert_into` make
//! has none as soon as a value is optional, which cost a third of the throughput.

/// Defines a statement: its fields, each with its SQL type, and its text with `{field}` where the field is bound. With
/// `-> (types)` it gives rows.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $rust:ty as $sql_type:ty),* $(,)? } $(-> $row:ty)?,
        $($sql:literal $({$bind:ident})?)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, diesel::query_builder::QueryId)]
        pub struct $name {
            $(pub $field: $rust,)*
        }

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                $(
                    out.push_sql($sql);
                    $(self.$bind(&mut out)?;)?
                )*
                Ok(())
            }
        }

        impl $name {
            $(
                fn $field<'b>(
                    &'b self,
                    out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
                ) -> diesel::QueryResult<()> {
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

pub(crate) use statement;
