//! `parlor.toml`: top-level keys, each a setting of the table. `load` calls it. Knows texts and lines only; what they mean is
//! for the table.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{SETTINGS, Setting, similar};

/// A setting that the file gives.
pub(super) struct Given {
    pub setting: &'static Setting,
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// The settings of a file's text. `path` is what messages call it.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Given>, String> {
    let path = path.display();
    let line_of = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        format!("{path}, line {line}: is not TOML: {}", error.message())
    })?;
    let mut given = Vec::new();
    for (key, value) in table.into_inner() {
        let line = line_of(key.span().start);
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.key == key.get_ref().as_ref())
            .ok_or_else(|| unknown(key.get_ref(), value.get_ref(), &format!("{path}, line {line}")))?;
        let text = text_of(value.get_ref())
            .ok_or_else(|| format!("{path}, line {line}: {}: must be a text or a whole number", setting.key))?;
        given.push(Given { setting, text, line });
    }
    Ok(given)
}

fn unknown(key: &str, value: &DeValue<'_>, place: &str) -> String {
    let hint = match similar::nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(near) => format!("did you mean {near}?"),
        None if value.is_table() => "settings stand at the top level, without [sections]".to_owned(),
        None => "see parlor config for all there are".to_owned(),
    };
    format!("{place}: unknown setting {key}: {hint}")
}

/// The value as an environment variable would say it; a list is comma separated. `None` for tables, dates and fractions.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            i64::from_str_radix(digits, number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| text_of(item.get_ref())).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
