//! What a search takes for a word: the same for the index, for what somebody looks for and for the marks in what was found.
//! Letters and digits of all scripts; upper and lower case, accents and vowel points, wide and narrow forms are one. Scripts
//! that are written without blanks (Chinese, Japanese, Thai, …) give a word for each character: a run of them that somebody
//! looks for must stand together. Pure; called by `http` (parsing) and `db` (the index, the marks). There are no operators.

use serde::Serialize;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};
use utoipa::ToSchema;

use super::{Invalid, limits};

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it is compared: never empty, letters, digits and what belongs to them.
    pub folded: String,
    /// Where it stands, in bytes.
    start: usize,
    end: usize,
    /// Whether it follows the word before with nothing in between.
    joined: bool,
    /// Whether it is a character of a script without blanks. Of two words in a [`Phrase`] that follow each other, one is.
    pub alone: bool,
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word> {
    let mut cut = Cut::default();
    for (at, c) in text.char_indices() {
        cut.take(at, c);
    }
    cut.finish();
    cut.words
}

#[derive(Default)]
struct Cut {
    words: Vec<Word>,
    open: Option<Word>,
    /// Whether the open word is a character of a script without blanks.
    alone: bool,
    /// Whether the last character belonged to a word.
    joined: bool,
}

impl Cut {
    fn take(&mut self, at: usize, c: char) {
        let end = at + c.len_utf8();
        match class(c) {
            Class::Between => {
                self.finish();
                self.joined = false;
            }
            Class::Within => {
                if let Some(open) = &mut self.open {
                    fold(c, &mut open.folded);
                    open.end = end;
                }
            }
            class @ (Class::Letter | Class::Alone) => {
                let alone = class == Class::Alone;
                if alone || self.alone {
                    self.finish();
                }
                let joined = self.joined;
                let open = self.open.get_or_insert_with(|| Word {
                    folded: String::new(),
                    start: at,
                    end,
                    joined,
                    alone,
                });
                fold(c, &mut open.folded);
                open.end = end;
                (self.alone, self.joined) = (alone, true);
            }
        }
    }

    fn finish(&mut self) {
        self.alone = false;
        self.words
            .extend(self.open.take().filter(|word| !word.folded.is_empty()));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Part of a word.
    Letter,
    /// A word of its own.
    Alone,
    /// Belongs to the letter before, if there is one: accents, joiners.
    Within,
    /// Everything else.
    Between,
}

fn class(c: char) -> Class {
    match c {
        _ if c.is_ascii_alphanumeric() => Class::Letter,
        _ if c.is_ascii() => Class::Between,
        // Soft hyphen, joiners, the Arabic stretch.
        '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{640}' => Class::Within,
        _ if is_combining_mark(c) => Class::Within,
        _ if !c.is_alphanumeric() => Class::Between,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Class::Alone,
        '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' => Class::Alone,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => Class::Alone,
        '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}' => Class::Alone,
        _ => Class::Letter,
    }
}

/// Appends a character as it is compared: lower case, taken apart, without its accents.
fn fold(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    decompose_compatible(c, |part| {
        for part in part.to_lowercase() {
            match part {
                'ß' => out.push_str("ss"),
                'ς' => out.push('σ'),
                _ if is_accent(part) => {}
                _ if part.is_alphanumeric() || is_combining_mark(part) => out.push(part),
                _ => {}
            }
        }
    });
}

/// What people leave out when they type: accents, Hebrew and Arabic vowel points, variants of a picture, the Arabic stretch. Marks of
/// other scripts make another letter, and stay.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{e0100}'..='\u{e01ef}')
}

/// What somebody looks for: phrases that a text must have, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    phrases: Vec<Phrase>,
}

/// Words that must follow each other: one, but for what is written without blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// As they are compared; at least one.
    pub words: Vec<String>,
    /// Whether the last one may go on: what is typed last is perhaps not typed to its end.
    pub open: bool,
}

/// A piece of a text that was found. All pieces one behind the other are the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Segment {
    /// What it says, as it was sent: not HTML.
    pub text: String,
    /// Whether this is what was looked for.
    #[serde(rename = "match")]
    pub matches: bool,
}

impl Sought {
    /// Parses what is looked for: 1 to [`limits::SEARCH_CHARS`] code points. Every character is taken literally; without a
    /// letter or a digit among them there is nothing to find.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.chars().count() > limits::SEARCH_CHARS {
            let rule = format!("must be 1 to {} characters", limits::SEARCH_CHARS);
            return Err(Invalid::new("q", rule));
        }
        let mut phrases: Vec<Phrase> = Vec::new();
        for word in words(text) {
            match phrases.last_mut().filter(|_| word.joined) {
                Some(phrase) => phrase.words.push(word.folded),
                None => phrases.push(Phrase {
                    words: vec![word.folded],
                    open: false,
                }),
            }
        }
        if let Some(last) = phrases.last_mut() {
            last.open = true;
        }
        Ok(Self { phrases })
    }

    /// What a text must have.
    pub fn phrases(&self) -> &[Phrase] {
        &self.phrases
    }

    /// The text in pieces, with what was looked for marked; `None` when a phrase is not there.
    pub fn marks(&self, text: &str) -> Option<Vec<Segment>> {
        let words = words(text);
        let mut marked: Vec<(usize, usize)> = Vec::new();
        for phrase in &self.phrases {
            let before = marked.len();
            for found in words.windows(phrase.words.len()) {
                marked.extend(phrase.covers(found, text));
            }
            if marked.len() == before {
                return None;
            }
        }
        marked.sort_unstable();
        Some(segments(text, &marked))
    }
}

impl Phrase {
    /// From where to where these words (as many as the phrase has) are what is looked for.
    fn covers(&self, found: &[Word], text: &str) -> Option<(usize, usize)> {
        let (last, others) = self.words.split_last()?;
        let (found_last, found_others) = found.split_last()?;
        let others_fit = others
            .iter()
            .zip(found_others)
            .all(|(word, found)| *word == found.folded);
        if !others_fit || !(found_last.folded == *last || self.open && found_last.folded.starts_with(last.as_str())) {
            return None;
        }
        Some((found.first()?.start, found_last.end_of(last.len(), text)))
    }
}

impl Word {
    /// Where the character ends with which so many bytes of the folded word are complete, and what belongs to it.
    fn end_of(&self, bytes: usize, text: &str) -> usize {
        let mut folded = String::new();
        for (at, c) in text[self.start..self.end].char_indices() {
            if folded.len() >= bytes && class(c) != Class::Within {
                return self.start + at;
            }
            fold(c, &mut folded);
        }
        self.end
    }
}

/// The text in pieces; `marked` is in order, and may overlap.
fn segments(text: &str, marked: &[(usize, usize)]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut add = |piece: &str, matches| match segments.last_mut() {
        _ if piece.is_empty() => {}
        Some(last) if last.matches == matches => last.text.push_str(piece),
        _ => segments.push(Segment {
            text: piece.to_owned(),
            matches,
        }),
    };
    let mut at = 0;
    for &(start, end) in marked {
        if start > at {
            add(&text[at..start], false);
        }
        add(&text[start.max(at).min(end)..end], true);
        at = at.max(end);
    }
    add(&text[at..], false);
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    /// The text with what is found in brackets.
    fn marked(sought: &str, text: &str) -> Option<String> {
        let segments = Sought::parse(sought).unwrap().marks(text)?;
        assert_eq!(segments.iter().map(|s| s.text.as_str()).collect::<String>(), text);
        let show = |s: &Segment| {
            if s.matches {
                format!("[{}]", s.text)
            } else {
                s.text.clone()
            }
        };
        Some(segments.iter().map(show).collect())
    }

    #[test]
    fn words_are_letters_and_digits_of_all_scripts_folded() {
        for (text, expected) in [
            ("Hello, World! 42", &["hello", "world", "42"][..]),
            ("Ünïcödé é e\u{301}", &["unicode", "e", "e"]),
            ("STRASSE Straße", &["strasse", "strasse"]),
            ("ΟΔΟΣ οδός", &["οδοσ", "οδοσ"]),
            ("İstanbul", &["istanbul"]),
            ("ｆｕｌｌ 𝓱𝓲 ﬁn ½", &["full", "hi", "fin", "12"]),
            ("don't e-mail_me", &["don", "t", "e", "mail", "me"]),
            ("🎉❤️👨‍👩‍👧 1️⃣", &["1"]),
            ("שָׁלוֹם مَرْحَبًا مـرحبا", &["שלום", "مرحبا", "مرحبا"]),
            ("می\u{200c}خواهم so\u{ad}ft", &["میخواهم", "soft"]),
            ("हिन्दी", &["हिन्दी"]),
            ("私は東京 2026年", &["私", "は", "東", "京", "2026", "年"]),
            ("\u{301}\u{200d}\u{fe0f} \u{0}\u{202e}", &[]),
        ] {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn all_that_is_looked_for_is_marked_and_must_be_there() {
        for (sought, text, expected) in [
            ("hel", "Hello, hell!", Some("[Hel]lo, [hel]l!")),
            ("hello wor", "the World says: hello", Some("the [Wor]ld says: [hello]")),
            ("hell world", "hello world", None),
            ("world hell", "hello world", Some("[hell]o [world]")),
            ("cafe", "Ein Cafe\u{301} hier", Some("Ein [Cafe\u{301}] hier")),
            ("caf", "Cafe\u{301}", Some("[Caf]e\u{301}")),
            ("strass", "Straße", Some("[Straß]e")),
            ("東京", "私は東京に", Some("私は[東京]に")),
            ("京東", "私は東京に", None),
            ("a aa", "aa a", Some("[aa] [a]")),
            ("\"AND\" NEAR(", "near AND far", Some("[near] [AND] far")),
            ("x", "", None),
        ] {
            assert_eq!(marked(sought, text).as_deref(), expected, "{sought} in {text}");
        }
    }

    #[test]
    fn what_is_looked_for_has_a_length() {
        assert!(Sought::parse("").is_err());
        assert!(Sought::parse(&"ä".repeat(200)).is_ok());
        assert!(Sought::parse(&"ä".repeat(201)).is_err());
        assert!(Sought::parse("🎉 *").unwrap().phrases().is_empty());
    }

    proptest! {
        #[test]
        fn every_text_is_found_by_itself_and_its_pieces_are_the_text(text in "\\PC{1,60}") {
            let sought = Sought::parse(&text).unwrap();
            let segments = sought.marks(&text).expect("a text has its own words");
            prop_assert_eq!(segments.iter().map(|s| s.text.as_str()).collect::<String>(), text.as_str());
            prop_assert_eq!(segments.iter().any(|s| s.matches), !sought.phrases().is_empty());
            for word in words(&text) {
                prop_assert!(!word.folded.is_empty() && !word.folded.contains([' ', '"', '.', '*', ':', '(', ')', '\0']));
                prop_assert!(word.folded.chars().all(|c| c.is_alphanumeric() || is_combining_mark(c)), "{:?}", word);
            }
        }
    }
}
