//! What finds a conversation and opens it: the slug of a channel, invite codes, the hash of a password. Used by whoever
//! makes conversations and lets people in; decides nothing about who may.

use std::fmt;

use serde::{Serialize, Serializer};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{ConversationName, Invalid, limits};

/// What a channel is found by: its name in lower case with `-` for spaces; letters, digits, `-` and `_` only, of any
/// script, at most 100 code points. In the normal form NFKC, so that what looks alike is alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// The slug of a channel of this name.
    ///
    /// # Errors
    /// The name holds something else than letters, digits, spaces, `-` and `_`, or neither a letter nor a digit.
    pub fn of(name: &ConversationName) -> Result<Self, Invalid> {
        let slug = Self::folded(name.as_str());
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_') || is_combining_mark(c);
        let says_something = slug.chars().any(char::is_alphanumeric);
        if !says_something || !slug.chars().all(allowed) || slug.chars().count() > limits::CONVERSATION_NAME_CHARS {
            return Err(Invalid::new(
                "name",
                "must be letters, digits, spaces, - and _, as the name of a channel, at least one a letter or digit",
            ));
        }
        Ok(Self(slug))
    }

    /// The form in which slugs are compared, of whatever somebody types who looks for one; a part of one stays a part.
    pub fn folded(text: &str) -> String {
        let lower: String = text.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect();
        lower.split_whitespace().collect::<Vec<_>>().join("-")
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What lets in who knows it: 128 random bits as 26 characters of Crockford's base 32, which read well aloud: no I, L, O, U.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteCode(String);

/// Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits, five a character.
const CODE_CHARS: u32 = 26;

impl InviteCode {
    /// A new one; `random` from the clock's neighbour, `Entropy`.
    pub fn generate(random: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(random);
        let digits = (0..CODE_CHARS).rev().map(|place| number >> (5 * place) & 31);
        Self(digits.map(|digit| char::from(DIGITS[digit as usize])).collect())
    }

    /// What somebody typed, in whichever case, with hyphens and spaces wherever they like, and I, L and O for what they look
    /// like. `None` for what can't be a code.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = String::with_capacity(CODE_CHARS as usize);
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            if code.len() == CODE_CHARS as usize || !u8::try_from(c).is_ok_and(|c| DIGITS.contains(&c)) {
                return None;
            }
            code.push(c);
        }
        (code.len() == CODE_CHARS as usize).then_some(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(…)")
    }
}

/// The hash of a conversation's password (a PHC string, made by `auth`). Shown nowhere, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Of a PHC string.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// For what is given or taken away but nobody is to see: whether there is one from now on.
pub(super) fn whether<T, S: Serializer>(secret: &Option<Option<T>>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Option::is_some).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(name: &str) -> Option<String> {
        let name = ConversationName::parse(name).unwrap();
        Slug::of(&name).ok().map(|slug| slug.as_str().to_owned())
    }

    #[test]
    fn a_slug_is_the_name_as_people_would_type_it() {
        for (name, expected) in [
            ("Tea", "tea"),
            ("  Tea   Room ", "tea-room"),
            ("tea\u{a0}room", "tea-room"),
            ("snake_case-42", "snake_case-42"),
            ("Äpfel & Öl".replace(" & ", " ").as_str(), "äpfel-öl"),
            ("ΟΔΟΣ", "οδοσ"),
            ("日本語 チャンネル", "日本語-チャンネル"),
            ("हिन्दी", "हिन्दी"),
            ("ห้องชา", "ห้องชา"),
            ("Ｔｅａ", "tea"),
            ("cafe\u{301}", "café"),
        ] {
            assert_eq!(slug(name).as_deref(), Some(expected), "{name}");
        }
        for name in [
            "Q&A",
            "#tea",
            "tea!",
            "a/b",
            "a.b",
            "🍵",
            "-",
            "_ _",
            "tea\u{200b}room",
            "\u{301}",
        ] {
            assert_eq!(slug(name), None, "{name:?}");
        }
        // One code point that becomes eighteen.
        assert_eq!(slug(&"\u{fdfa}".repeat(10)), None);
    }

    #[test]
    fn a_slug_stays_what_it_is() {
        for name in ["Tea Room", "İstanbul", "ΟΔΟΣ", "ǅ", "ﬃ", "K", "ẞ"] {
            let once = slug(name).expect("a slug");
            assert_eq!(slug(&once).as_deref(), Some(once.as_str()), "{name}");
        }
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = InviteCode::generate(*b"0123456789abcdef");
        assert_eq!(code.as_str().len(), 26);
        assert_eq!(InviteCode::parse(code.as_str()), Some(code.clone()));
        let spelled = code.as_str().to_lowercase().replace('0', "o").replace('1', "l");
        let spelled = format!(" {}-{} ", &spelled[..13], &spelled[13..]);
        assert_eq!(InviteCode::parse(&spelled), Some(code.clone()));
        for bad in [
            "",
            "x",
            &code.as_str()[1..],
            &format!("{}0", code.as_str()),
            &"U".repeat(26),
            &"é".repeat(26),
        ] {
            assert_eq!(InviteCode::parse(bad), None, "{bad}");
        }
        let all: Vec<_> = [[0; 16], [255; 16]].map(InviteCode::generate).into();
        assert_eq!(all[0].as_str(), "0".repeat(26));
        assert_eq!(all[1].as_str(), format!("7{}", "Z".repeat(25)));
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let code = InviteCode::generate([7; 16]);
        assert!(!format!("{code:?}").contains(code.as_str()));
        let hash = PasswordHash::new("$argon2id$".to_owned());
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }
}
