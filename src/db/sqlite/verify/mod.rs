//! Whether a file keeps what the store promises: `parlor verify`. Reads only, in one snapshot; may run beside a server,
//! whose write-ahead log then grows until this ends.

mod beside;
mod checks;
mod walk;

use std::{path::Path, time::Duration};

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, dsl::sql, sql_types::BigInt};

use super::{OpenError, connection, migrations};

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

/// Looks at the whole file, so the time it takes grows with it. `progress` gets a line now and then. An error
/// means that nothing could be said: no such file, no schema of ours.
pub fn verify(path: &Path, progress: &mut dyn FnMut(String)) -> Result<Report, OpenError> {
    std::fs::metadata(path).map_err(|error| OpenError::Io {
        path: path.to_owned(),
        error,
    })?;
    let mut connection = connection::plain(path, Duration::from_secs(4))?;
    connection
        .batch_execute("PRAGMA query_only = ON")
        .map_err(OpenError::database)?;
    let missing = migrations::missing_of_existing(&mut connection)?;
    if !missing.is_empty() {
        return Err(OpenError::Pending(missing));
    }
    let mut report = Report::default();
    connection
        .transaction(|connection| {
            count(connection, &mut report)?;
            progress(format!(
                "{} conversations, {} messages",
                report.conversations, report.messages
            ));
            checks::pages(connection, &mut report);
            progress("the file's pages are read".to_owned());
            checks::rows(connection, &mut report, progress);
            checks::slugs(connection, &mut report);
            walk::changes(connection, &mut report, progress);
            Ok(report)
        })
        .map_err(|error: diesel::result::Error| OpenError::database(error))
}

fn count(connection: &mut SqliteConnection, report: &mut Report) -> diesel::QueryResult<()> {
    let mut of = |table: &str| -> diesel::QueryResult<u64> {
        let count: i64 =
            diesel::select(sql::<BigInt>(&format!("(SELECT count(*) FROM {table})"))).get_result(connection)?;
        Ok(count as u64)
    };
    (report.users, report.conversations, report.members) = (of("users")?, of("conversations")?, of("members")?);
    (report.messages, report.changes) = (of("messages")?, of("changes")?);
    Ok(())
}
