//! Names that people and clients choose, each a type whose only constructor validates.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Invalid, limits};

/// A login name: 2 to 32 characters of `[A-Za-z0-9_.-]`, beginning with a letter or digit; unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, min_length = 2, max_length = 32)]
pub struct Username(String);

impl Username {
    /// Parses a login name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (min, max) = limits::USERNAME_CHARS;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if text.len() < min || text.len() > max || !starts || !text.bytes().all(allowed) {
            return Err(Invalid::new(
                "username",
                format!("must be {min} to {max} characters of A-Z a-z 0-9 _ . -, beginning with a letter or digit"),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that must be unique.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// A name for people to read: 1 to 64 code points after trimming, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 64)]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses a display name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        visible_text("displayName", text, limits::DISPLAY_NAME_CHARS).map(Self)
    }

    /// Makes a display name of whatever a token says, cutting rather than refusing; `None` when nothing is left.
    pub fn lenient(text: &str) -> Option<Self> {
        let kept: String = text
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(limits::DISPLAY_NAME_CHARS)
            .collect();
        Self::parse(&kept).ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a group, channel or room is called: 1 to 100 code points after trimming, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 100)]
pub struct ConversationName(String);

impl ConversationName {
    /// Parses a conversation's name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        visible_text("name", text, limits::CONVERSATION_NAME_CHARS).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn visible_text(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(Invalid::new(
            field,
            format!("must be 1 to {max} characters, none of them a control character"),
        ));
    }
    Ok(text.to_owned())
}

/// What makes a send idempotent: 1 to 64 characters chosen by the client, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 64)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// Parses a client id.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let chars = text.chars().count();
        if chars == 0 || chars > limits::CLIENT_ID_CHARS || text.chars().any(char::is_control) {
            return Err(Invalid::new(
                "clientId",
                "must be 1 to 64 characters, none of them a control character",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A password as it was typed: 8 to 256 bytes, or fewer for a conversation. Shown nowhere, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Parses a password that somebody wants to set.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (min, max) = limits::PASSWORD_BYTES;
        if text.len() < min || text.len() > max {
            return Err(Invalid::new("password", format!("must be {min} to {max} bytes long")));
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses a password that somebody wants to set on a conversation, to be told around: 1 to 256 bytes.
    pub fn shared(text: &str) -> Result<Self, Invalid> {
        let (min, max) = limits::ROOM_PASSWORD_BYTES;
        if text.len() < min || text.len() > max {
            return Err(Invalid::new("password", format!("must be {min} to {max} bytes long")));
        }
        Ok(Self(text.to_owned()))
    }

    /// The bytes to hash.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_at_the_door() {
        for good in ["al", "Alice", "a.b-c_9", "0x"] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "-ab", "a b", "äb", &"a".repeat(33)] {
            assert!(Username::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(DisplayName::parse("  Älice ").unwrap().as_str(), "Älice");
        assert!(DisplayName::parse("a\u{7}b").is_err());
        assert!(DisplayName::parse("   ").is_err());
        assert_eq!(DisplayName::lenient("a\u{7}b").unwrap().as_str(), "ab");
        assert!(ClientId::parse(&"x".repeat(65)).is_err());
        assert!(Password::parse("seven77").is_err());
        assert!(Password::shared("7").is_ok() && Password::shared("").is_err());
        assert!(Password::shared(&"7".repeat(257)).is_err());
    }

    #[test]
    fn a_password_does_not_show_itself() {
        assert_eq!(
            format!("{:?}", Password::parse("correct horse").unwrap()),
            "Password(…)"
        );
    }
}
