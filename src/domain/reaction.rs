//! The emoji that people react with: the set that an operator configures, and one of it. Parsed by `config` (the set) and at
//! the doors (one); the log keeps an emoji as text.

use std::{fmt, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Invalid, limits};

/// One of the configured set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[schema(value_type = String)]
pub struct Emoji(Arc<str>);

impl Emoji {
    /// Parses what may stand in a set: a name of 1 to 32 of `a-z 0-9 _ + -`, or a short text that is no ASCII, like the emoji
    /// itself.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name_max, text_max) = limits::EMOJI_CHARS;
        let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_+-".contains(&b);
        let is_name = (1..=name_max).contains(&text.len()) && text.bytes().all(in_name);
        // It is a segment of a path and a part of a list, too.
        let in_text = |c: char| !c.is_control() && !c.is_whitespace() && !"/,\\\"".contains(c);
        let is_text = !text.is_ascii() && text.chars().count() <= text_max && text.chars().all(in_text);
        if is_name || is_text {
            return Ok(Self(text.into()));
        }
        Err(Invalid::new(
            "emoji",
            format!("must be a name of 1 to {name_max} characters of a-z 0-9 _ + -, or an emoji"),
        ))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The emoji that may be used, each once, in the operator's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReactionSet(Arc<[Emoji]>);

impl ReactionSet {
    /// Parses a comma-separated list of 1 to [`limits::EMOJI`] emoji; the error is a sentence for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name_max, _) = limits::EMOJI_CHARS;
        let allowed = format!(
            "must be 1 to {} different emoji, comma separated: names of 1 to {name_max} characters of a-z 0-9 _ + -, or the \
             emoji themselves",
            limits::EMOJI
        );
        let mut set: Vec<Emoji> = Vec::new();
        for one in text.split(',') {
            match Emoji::parse(one.trim()) {
                Ok(emoji) if !set.contains(&emoji) => set.push(emoji),
                _ => return Err(allowed),
            }
        }
        if set.len() > limits::EMOJI {
            return Err(allowed);
        }
        Ok(Self(set.into()))
    }

    /// The one of the set that `text` names.
    ///
    /// # Errors
    /// One that lists the set.
    pub fn find(&self, text: &str) -> Result<Emoji, Invalid> {
        let found = self.0.iter().find(|emoji| emoji.as_str() == text);
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(Emoji::as_str).collect();
            Invalid::new("emoji", format!("must be one of {}", names.join(" ")))
        })
    }

    /// All of them.
    pub fn all(&self) -> &[Emoji] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_names_and_emoji_each_once() {
        let set = ReactionSet::parse("heart, +1,👍🏽 ,👨‍👩‍👧‍👦").unwrap();
        let all: Vec<&str> = set.all().iter().map(Emoji::as_str).collect();
        assert_eq!(all, ["heart", "+1", "👍🏽", "👨‍👩‍👧‍👦"]);
        assert_eq!(set.find("+1").unwrap().as_str(), "+1");
        for unknown in ["", "Heart", "heart ", "👍"] {
            let refusal = set.find(unknown).unwrap_err();
            assert_eq!(refusal.reason, "must be one of heart +1 👍🏽 👨‍👩‍👧‍👦");
        }
        let long = "a".repeat(33);
        for bad in [
            "",
            ",",
            "heart,",
            "heart,heart",
            "a b",
            "Heart",
            "é f",
            "é/f",
            "\u{85}",
            &long,
            &"é".repeat(17),
        ] {
            assert!(ReactionSet::parse(bad).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..=limits::EMOJI).map(|n| format!("e{n}")).collect();
        assert!(ReactionSet::parse(&many.join(",")).is_err());
        assert!(ReactionSet::parse(&many[1..].join(",")).is_ok());
    }
}
