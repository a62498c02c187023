//! The annotated default: what `parlor config` prints. Derived from the table alone; reads nothing.

use std::fmt::Write;

use super::SETTINGS;

const HEAD: &str = "\
# Parlor's settings, each at its default: take the # away from what you change.
# Save as parlor.toml where the server is started, or name it: --config FILE, PARLOR_CONFIG.
# Later wins: these defaults, this file, environment variables, flags.
# Relative paths start where the server is started. An empty text (\"\") is no value.
";

/// A valid `parlor.toml` that changes nothing: every setting with its help, its other names, and its default as a comment.
pub fn annotated() -> String {
    let mut text = HEAD.to_owned();
    for setting in SETTINGS {
        text.push('\n');
        for line in wrapped(setting.help) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# --{} {}, {}", setting.flag, setting.value_name, setting.env);
        let _ = writeln!(text, "#{} = {}", setting.key, literal(setting.default));
    }
    text
}

/// The default as TOML: numbers bare, texts in quotes (no default needs an escape).
fn literal(default: &str) -> String {
    if default.parse::<u64>().is_ok() {
        default.to_owned()
    } else {
        format!("\"{default}\"")
    }
}

/// The text in lines of at most 100 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
