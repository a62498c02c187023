//! Writing everything as lines. The caller has begun the transaction that everything is read in.

use std::io::Write;

use diesel::{prelude::QueryableByName, sql_query, sql_types::Text};
use serde_json::{Value, json};

use super::{
    Carried, Checksum, FORMAT, LINEAGE, ROWS_A_REPORT, TransferError, sql,
    tables::{TABLES, Table},
};
use crate::db::run::{Db, Run};

/// Rows that are read at once.
const ROWS_A_STEP: usize = 2000;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Writes it all to `out`. `at_rest`: no server can add anything to what is written here, so that clients may go on from
/// it. `progress` gets a line now and then.
pub fn export<C: Db>(
    connection: &mut C,
    at_rest: bool,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(String),
) -> Result<Carried, TransferError> {
    let mut file = Lines {
        out,
        checksum: Checksum::default(),
    };
    file.put(&json!({"parlor": "export", "format": FORMAT, "atRest": at_rest}).to_string())?;
    let mut rows = 0;
    for table in TABLES {
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        file.put(&json!({"table": table.name, "columns": columns}).to_string())?;
        let mut after: Option<Vec<Value>> = None;
        loop {
            let query = sql::select(C::DIALECT, table, after.as_deref(), ROWS_A_STEP);
            let some: Vec<Line> = sql_query(query).load(connection)?;
            for row in &some {
                // One database puts spaces between the values, the other none.
                let values: Vec<Value> = serde_json::from_str(&row.line).map_err(std::io::Error::from)?;
                let line = serde_json::to_string(&values).map_err(std::io::Error::from)?;
                if !stays(table, &values) {
                    file.put(&line)?;
                    rows += 1;
                    if rows % ROWS_A_REPORT == 0 {
                        progress(format!("{rows} rows written, now {}", table.name));
                    }
                }
                after = Some(values);
            }
            if let Some(last) = &mut after {
                last.truncate(table.key);
            }
            if some.len() < ROWS_A_STEP {
                break;
            }
        }
    }
    let end = json!({"end": true, "rows": rows, "sha256": file.checksum.hex()});
    writeln!(file.out, "{end}")?;
    file.out.flush()?;
    Ok(Carried { rows, new_epoch: false })
}

/// Whether a row says where the store is, not what is in it: an export is the same wherever it is made.
fn stays(table: &Table, values: &[Value]) -> bool {
    table.name == "meta" && values.first().is_some_and(|name| name == LINEAGE)
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    checksum: Checksum,
}

impl Lines<'_> {
    fn put(&mut self, line: &str) -> std::io::Result<()> {
        self.checksum.add(line);
        writeln!(self.out, "{line}")
    }
}
