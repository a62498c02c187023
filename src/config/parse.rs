//! The texts of settings as values. The `settings` table calls it. Errors say what is allowed and never repeat the text:
//! it may be a secret.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use super::Registration;

/// Puts a parsed value into its place.
pub(super) fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

/// An empty text is no value.
pub(super) fn optional<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "must be an IP address and a port, like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080".to_owned())
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("must be a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

pub(super) fn public_key_file(text: &str) -> Result<PathBuf, String> {
    if text.contains("-----BEGIN") {
        return Err("must be the path of a PEM file, not the key itself".to_owned());
    }
    path(text)
}

/// `postgres://…` as it is (the database reads it), `sqlite://PATH` in its long form; `None` for `sqlite://` alone, which means
/// the default.
pub(super) fn database_url(text: &str) -> Result<Option<String>, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(Some(text.to_owned()));
    }
    let path = text
        .strip_prefix("sqlite://")
        .or_else(|| text.strip_prefix("sqlite:"))
        .ok_or("must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE")?;
    if path.contains(":memory:") || path.contains('?') {
        return Err("must be sqlite://PATH: a file, without options".to_owned());
    }
    Ok((!path.is_empty()).then(|| format!("sqlite://{path}")))
}

pub(super) fn redis_url(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    Err("several nodes arrive with a later version; leave it unset to run this one node".to_owned())
}

pub(super) fn node_id(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err("must be 1 to 64 characters of A-Z a-z 0-9 _ . -".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn seconds(text: &str, range: RangeInclusive<u64>) -> Result<Duration, String> {
    number(text, range).map(Duration::from_secs)
}

/// How many threads; for 0, as many as there are cores.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    Ok(match number(text, 0..=1024)? {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    })
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

pub(super) fn registration(text: &str) -> Result<Registration, String> {
    match text.to_ascii_lowercase().as_str() {
        "open" => Ok(Registration::Open),
        "closed" => Ok(Registration::Closed),
        _ => Err("must be open or closed".to_owned()),
    }
}
