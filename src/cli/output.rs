//! What goes to stdout and stderr. A closed pipe (`parlor config | head -1`) is no error.

use std::io::Write;

/// A line (or more) for whoever asked.
pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line of progress, or a question.
pub(super) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Why it did not work, in one line.
pub(super) fn complain(why: &str) {
    tell(&format!("parlor: {why}"));
}

/// Clap's paragraphs as one line: what is wrong, its tips, and where to read more.
pub(super) fn one_line(rendered: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in rendered.split("\n\n") {
        let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(wrong) = text.strip_prefix("error: ") {
            parts.push(wrong.to_owned());
        } else if let Some(tip) = text.strip_prefix("tip: ") {
            parts.push(tip.to_owned());
        }
    }
    parts.push("see --help".to_owned());
    parts.join("; ")
}
