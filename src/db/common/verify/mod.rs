//! Whether a database keeps what the store promises: `parlor verify`. Reads only, in one snapshot; may run beside a server.
//! (A file's write-ahead log then grows until this ends; so does what a PostgreSQL server cannot clear away.)

mod beside;
mod checks;
mod walk;

use diesel::{sql_query, sql_types::BigInt};

use crate::db::{StoreError, run::*};

/// Findings that are told in words; of more, only how many.
pub const FINDINGS_MAX: usize = 100;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Users there are.
    pub users: u64,
    /// Conversations, deleted ones too.
    pub conversations: u64,
    /// Memberships.
    pub members: u64,
    /// Messages, deleted ones too.
    pub messages: u64,
    /// Changes that are not a new message.
    pub changes: u64,
    /// What is wrong, a sentence each; at most [`FINDINGS_MAX`].
    pub findings: Vec<String>,
    /// How many more there were.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, finding: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding.into());
        } else {
            self.more += 1;
        }
    }
}

/// Looks at everything, so the time it takes grows with it. The caller has begun the transaction. `structure` says what is
/// wrong with the database itself. `progress` gets a line now and then.
pub fn verify<C: Db>(
    connection: &mut C,
    structure: impl FnOnce(&mut C) -> Vec<String>,
    progress: &mut dyn FnMut(String),
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    count(connection, &mut report)?;
    progress(format!(
        "{} conversations, {} messages",
        report.conversations, report.messages
    ));
    structure(connection).into_iter().for_each(|found| report.find(found));
    if C::DIALECT == Dialect::Sqlite {
        progress("the file's pages are read".to_owned());
    }
    checks::rows(connection, &mut report, progress);
    checks::slugs(connection, &mut report);
    walk::changes(connection, &mut report, progress);
    Ok(report)
}

/// What is looked at, for the operator.
pub fn looked_at() -> impl Iterator<Item = &'static str> {
    let whole = [
        "the file's own structure (SQLite)",
        "positions without a gap",
        "ids",
        "slugs",
    ];
    whole.into_iter().chain(checks::names())
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(connection: &mut impl Db, report: &mut Report) -> Result<(), StoreError> {
    let mut of = |table: &str| -> Result<u64, StoreError> {
        let found: Count = sql_query(format!("SELECT count(*) AS count FROM {table}")).get_result(connection)?;
        Ok(found.count as u64)
    };
    (report.users, report.conversations, report.members) = (of("users")?, of("conversations")?, of("members")?);
    (report.messages, report.changes) = (of("messages")?, of("changes")?);
    Ok(())
}
