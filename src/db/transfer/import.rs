//! Reading lines back. The caller has begun the transaction that everything is written in, and commits it when this ends
//! well.

use std::io::BufRead;

use diesel::{sql_query, sql_types::Text};
use serde::Deserialize;

use super::{
    COPIED, Carried, Checksum, FORMAT, LINEAGE, ROWS_A_REPORT, TransferError, sql,
    tables::{TABLES, Table, table},
};
use crate::db::run::{Db, Dialect, Run};

/// Rows that are written at once, and the bytes of them.
const ROWS_A_STEP: usize = 1000;
const BYTES_A_STEP: usize = 4 << 20;
/// No line of an export is longer: a drawing has 64 KiB, which escapes may make six times as long.
const LINE_MAX: u64 = 2 << 20;

#[derive(Deserialize)]
struct First {
    parlor: String,
    format: u32,
    #[serde(rename = "atRest")]
    at_rest: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Mark {
    Table { table: String, columns: Vec<String> },
    End { rows: u64, sha256: String },
}

/// What is known of the file so far.
struct Reader<'a> {
    input: &'a mut dyn BufRead,
    line: u64,
    text: String,
}

impl Reader<'_> {
    fn wrong(&self, what: impl Into<String>) -> TransferError {
        TransferError::Format {
            line: self.line,
            what: what.into(),
        }
    }

    /// Reads the next line into `text`.
    fn next(&mut self) -> Result<(), TransferError> {
        use std::io::Read as _;
        self.line += 1;
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        let read = (&mut *self.input).take(LINE_MAX).read_until(b'\n', &mut bytes)? as u64;
        let whole = bytes.pop_if(|last| *last == b'\n').is_some();
        self.text = String::from_utf8(bytes).map_err(|_| match self.line {
            1 => self.wrong("this is no export of Parlor"),
            _ => self.wrong("the line is not UTF-8: the file was damaged"),
        })?;
        match whole {
            true => Ok(()),
            false if read == 0 => Err(self.wrong("the file ends here: its end is missing")),
            false if read == LINE_MAX => Err(self.wrong("the line is longer than any that an export has")),
            false => Err(self.wrong("the file ends in the middle of this line: its end is missing")),
        }
    }

    /// Refuses anything behind the end: two files in one, or what somebody added.
    fn ends(&mut self) -> Result<(), TransferError> {
        self.line += 1;
        if self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        Err(self.wrong("there is something behind the export's end"))
    }
}

/// Puts everything that `input` holds into the database, which must be empty. `keep_epoch` says whether clients may go on
/// from it; by default they may when the export was made at rest.
pub fn import<C: Db>(
    connection: &mut C,
    input: &mut dyn BufRead,
    keep_epoch: Option<bool>,
    progress: &mut dyn FnMut(String),
) -> Result<Carried, TransferError> {
    let mut reader = Reader {
        input,
        line: 0,
        text: String::new(),
    };
    reader.next()?;
    let first: First = serde_json::from_str(&reader.text).map_err(|_| reader.wrong("this is no export of Parlor"))?;
    if first.parlor != "export" || first.format != FORMAT {
        return Err(reader.wrong("this is no export that this version can read"));
    }
    clear_meta(connection)?;
    let mut checksum = Checksum::default();
    checksum.add(&reader.text);
    let mut carried = Carried::default();
    let mut into: Option<&'static Table> = None;
    let mut waiting = Waiting::default();
    let end = loop {
        reader.next()?;
        if reader.text.starts_with('[') {
            let table = into.ok_or_else(|| reader.wrong("a row without a table"))?;
            waiting.add(&reader.text);
            carried.rows += 1;
            if waiting.is_full() {
                waiting.write(connection, table).map_err(|error| reader.wrong(error))?;
            }
            if carried.rows % ROWS_A_REPORT == 0 {
                progress(format!("{} rows read, now {}", carried.rows, table.name));
            }
            checksum.add(&reader.text);
            continue;
        }
        if let Some(table) = into {
            waiting.write(connection, table).map_err(|error| reader.wrong(error))?;
        }
        match serde_json::from_str(&reader.text) {
            Ok(Mark::Table { table: name, columns }) => {
                let found = table(&name).ok_or_else(|| reader.wrong(format!("there is no table {name:?}")))?;
                if !found
                    .columns
                    .iter()
                    .map(|(name, _)| *name)
                    .eq(columns.iter().map(String::as_str))
                {
                    return Err(reader.wrong(format!("{name} has other columns in this version")));
                }
                into = Some(found);
            }
            Ok(Mark::End { rows, sha256 }) => break (rows, sha256),
            Err(_) => return Err(reader.wrong("this line is none of an export's")),
        }
        checksum.add(&reader.text);
    };
    if end != (carried.rows, checksum.hex()) {
        return Err(reader.wrong("the checksum does not match: the file was damaged"));
    }
    reader.ends()?;
    progress(format!("{} rows read; the checksum matches", carried.rows));
    let goes_on = first.at_rest && !is_copy(connection)?;
    finish(connection, &mut carried, keep_epoch.unwrap_or(goes_on))?;
    Ok(carried)
}

/// Rows of one table that were read and not written.
#[derive(Default)]
struct Waiting {
    rows: usize,
    /// `[row,row`: without its end.
    text: String,
}

impl Waiting {
    fn add(&mut self, row: &str) {
        self.text.push(if self.rows == 0 { '[' } else { ',' });
        self.text.push_str(row);
        self.rows += 1;
    }

    fn is_full(&self) -> bool {
        self.rows >= ROWS_A_STEP || self.text.len() >= BYTES_A_STEP
    }

    fn write<C: Db>(&mut self, connection: &mut C, table: &Table) -> Result<(), String> {
        if self.rows == 0 {
            return Ok(());
        }
        self.text.push(']');
        let rows = std::mem::take(&mut self.text);
        let written = sql_query(sql::insert(C::DIALECT, table))
            .bind::<Text, _>(rows)
            .execute(connection)
            .map_err(|error| format!("{}: {error}", table.name))?;
        if written != self.rows {
            return Err(format!("{}: {written} of {} rows were written", table.name, self.rows));
        }
        self.rows = 0;
        Ok(())
    }
}

/// The epoch that was made with the empty store gives way to the export's. Anything else means that it is not empty.
fn clear_meta<C: Db>(connection: &mut C) -> Result<(), TransferError> {
    for table in TABLES.iter().filter(|table| table.name != "meta") {
        let some: Vec<Found> = sql_query(format!("SELECT 1 AS found FROM {} LIMIT 1", table.name)).load(connection)?;
        if !some.is_empty() {
            return Err(TransferError::NotEmpty);
        }
    }
    sql_query("DELETE FROM meta").execute(connection)?;
    Ok(())
}

/// Whether what was read is a backup, behind which the original may have gone on.
fn is_copy<C: Db>(connection: &mut C) -> Result<bool, TransferError> {
    let query = format!("SELECT 1 AS found FROM meta WHERE name = '{COPIED}'");
    let some: Vec<Found> = sql_query(query).load(connection)?;
    Ok(!some.is_empty())
}

#[derive(diesel::QueryableByName)]
struct Found {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    #[expect(dead_code, reason = "that there is a row is all that matters")]
    found: i32,
}

/// What follows from the rows: who gives out the next keys, and whether the history is another one.
fn finish<C: Db>(connection: &mut C, carried: &mut Carried, keep_epoch: bool) -> Result<(), TransferError> {
    // Which cluster it came from says nothing about where it is now.
    sql_query(format!("DELETE FROM meta WHERE name IN ('{LINEAGE}', '{COPIED}')")).execute(connection)?;
    if !keep_epoch {
        sql_query("DELETE FROM meta WHERE name = 'epoch'").execute(connection)?;
        carried.new_epoch = true;
    }
    if C::DIALECT == Dialect::Postgres {
        for table in TABLES.iter().filter(|table| table.counted) {
            let (name, column) = (table.name, table.columns[0].0);
            connection.batch(&format!(
                "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), max({column})) FROM {name}"
            ))?;
        }
    }
    // Of ours only: not all that is in the database may belong to who imports.
    for table in TABLES {
        connection.batch(&format!("ANALYZE {}", table.name))?;
    }
    Ok(())
}
