//! `parlor verify`: checks the store, prints what it finds, and says by its exit code how it stands. Changes nothing.

use super::{Failure, output};
use crate::{app::location, config::Config, db::Report};

/// The exit codes, which scripts rely on; 2, "cannot tell", is that of [`Failure::Usage`].
const SOUND: u8 = 0;
const DAMAGED: u8 = 1;

/// Checks the store of `config`: findings go to stdout, one a line, everything else to stderr.
pub(super) fn run(config: &Config) -> Result<u8, Failure> {
    let location = location(config);
    if !location.exists() {
        return Err(Failure::Usage(format!("{location}: there is no database")));
    }
    output::tell(&format!("checking {location}"));
    let report = location
        .verify(&mut |line| output::tell(&line))
        .map_err(|error| Failure::Usage(format!("cannot tell: {error}")))?;
    for finding in &report.findings {
        output::print(finding);
    }
    if report.more > 0 {
        output::print(&format!("and {} more", report.more));
    }
    output::tell(&summary(&report));
    Ok(if report.is_clean() { SOUND } else { DAMAGED })
}

fn summary(report: &Report) -> String {
    let Report {
        users,
        conversations,
        members,
        messages,
        changes,
        ..
    } = report;
    let looked_at = format!(
        "{users} users, {conversations} conversations, {members} members, {messages} messages, {changes} other changes"
    );
    if report.is_clean() {
        return format!("sound: {looked_at}");
    }
    let findings = report.findings.len() as u64 + report.more;
    format!("damaged: {findings} findings in {looked_at}")
}
