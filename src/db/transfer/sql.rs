//! The statements that read and write rows as JSON arrays, whose texts follow from the list of tables. Numbers and UUIDs
//! look the same from both databases.

use serde_json::Value;

use super::tables::{Kind, Table};
use crate::db::run::Dialect;

/// The rows behind `after` (the values of the key of the row before), each as a JSON array of its columns.
pub fn select(dialect: Dialect, table: &Table, after: Option<&[Value]>, limit: usize) -> String {
    let array = match dialect {
        Dialect::Sqlite => "json_array",
        Dialect::Postgres => "json_build_array",
    };
    let columns: Vec<String> = table.columns.iter().map(|column| read(dialect, *column)).collect();
    let keys: Vec<&str> = table.columns[..table.key].iter().map(|(name, _)| *name).collect();
    let keys = keys.join(", ");
    let behind = after.map_or_else(String::new, |after| {
        let values: Vec<String> = after.iter().map(literal).collect();
        format!(" WHERE ({keys}) > ({})", values.join(", "))
    });
    format!(
        "SELECT CAST({array}({}) AS TEXT) AS line FROM {}{behind} ORDER BY {keys} LIMIT {limit}",
        columns.join(", "),
        table.name
    )
}

fn read(dialect: Dialect, (name, kind): (&str, Kind)) -> String {
    match (kind, dialect) {
        (Kind::Int | Kind::Text, _) | (Kind::Bool, Dialect::Sqlite) => name.to_owned(),
        (Kind::Bool, Dialect::Postgres) => format!("{name}::int"),
        (Kind::Uuid, Dialect::Sqlite) => format!("CASE WHEN {name} IS NULL THEN NULL ELSE lower(hex({name})) END"),
        (Kind::Uuid, Dialect::Postgres) => format!("replace({name}::text, '-', '')"),
    }
}

/// A value as it stands in a statement.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// Inserts the rows of a JSON array of arrays, which is bound.
pub fn insert(dialect: Dialect, table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| write(dialect, at, *kind))
        .collect();
    let from = match dialect {
        Dialect::Sqlite => "json_each(?)",
        Dialect::Postgres => "json_array_elements($1::json) AS rows (value)",
    };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM {from}",
        table.name,
        names.join(", "),
        values.join(", ")
    )
}

fn write(dialect: Dialect, at: usize, kind: Kind) -> String {
    match (dialect, kind) {
        (Dialect::Sqlite, Kind::Uuid) => format!("unhex(json_extract(value, '$[{at}]'))"),
        (Dialect::Sqlite, _) => format!("json_extract(value, '$[{at}]')"),
        (Dialect::Postgres, Kind::Int) => format!("(value->>{at})::bigint"),
        (Dialect::Postgres, Kind::Bool) => format!("(value->>{at})::int::boolean"),
        (Dialect::Postgres, Kind::Text) => format!("value->>{at}"),
        (Dialect::Postgres, Kind::Uuid) => format!("(value->>{at})::uuid"),
    }
}
