//! Who is meant by `@name`: an index of the members' names, and the search for them in a text. A room keeps the index and
//! asks it; nothing here knows who may be mentioned where.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{User, limits};

/// The names of a conversation's members, whatever their case.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// By name in lower case. Several members may have the same one.
    users: BTreeMap<String, Vec<Arc<User>>>,
    /// The longest of these names, in bytes.
    longest: usize,
}

impl Names {
    /// Of these members.
    pub fn of<'a>(members: impl Iterator<Item = &'a Arc<User>>) -> Self {
        let mut names = Self::default();
        for user in members {
            // Character by character, as the text is folded: a final sigma is none of another kind.
            let name: String = user.name.chars().flat_map(char::to_lowercase).collect();
            names.longest = names.longest.max(name.len());
            names.users.entry(name).or_default().push(user.clone());
        }
        names
    }

    /// The members whom a text mentions: those whose name stands behind an `@`, in any case, the longest name that fits; in
    /// the order of the text, each once, at most [`limits::MENTIONS`].
    ///
    /// A name ends where a word ends: `@ann` is not in `@anna`, `@ann_b`, `@ann.b` or `@ann@example.org`, but in `@ann.`. Nor is
    /// an `@` inside a word one: `bob@ann` is an address.
    pub fn mentioned(&self, text: &str) -> Vec<Arc<User>> {
        let mut found: Vec<Arc<User>> = Vec::new();
        for (at, _) in text.match_indices('@') {
            let inside = |c: char| is_word(c) || c == '@';
            if text[..at].chars().next_back().is_some_and(inside) {
                continue;
            }
            for user in self.named_at(&text[at + 1..]) {
                if found.len() >= limits::MENTIONS {
                    return found;
                }
                if !found.iter().any(|known| known.key == user.key) {
                    found.push(user.clone());
                }
            }
        }
        found
    }

    /// Those with the longest name that `text` begins with.
    fn named_at(&self, text: &str) -> &[Arc<User>] {
        // The lower case of the beginning, and where each of its characters ends in it and in the text.
        let (mut folded, mut ends) = (String::new(), Vec::new());
        for (at, c) in text.char_indices() {
            if folded.len() >= self.longest {
                break;
            }
            folded.extend(c.to_lowercase());
            ends.push((folded.len(), at + c.len_utf8()));
        }
        // Of the names that are not above the text, the greatest is a beginning of it, or all beginnings of it are among
        // those that are beginnings of what the two have in common.
        let mut known = folded.as_str();
        while !known.is_empty() {
            let below = (Bound::Unbounded, Bound::Included(known));
            let Some((name, users)) = self.users.range::<str, _>(below).next_back() else {
                break;
            };
            let common = common(name, known);
            if common == name.len() {
                let end = ends.iter().find(|(folded, _)| *folded == common);
                if end.is_some_and(|(_, end)| word_ends(&text[*end..])) {
                    return users;
                }
                let shorter = name.chars().next_back().map_or(0, char::len_utf8);
                known = &known[..common - shorter];
            } else {
                known = &known[..common];
            }
        }
        &[]
    }
}

/// How many bytes two texts have in common at their beginning; whole characters.
fn common(one: &str, other: &str) -> usize {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    same.map(|(c, _)| c.len_utf8()).sum()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the name before `rest` is not only the beginning of a longer one.
fn word_ends(rest: &str) -> bool {
    let mut chars = rest.chars();
    match chars.next() {
        None => true,
        Some('.' | '-') => !chars.next().is_some_and(is_word),
        Some(c) => !is_word(c) && c != '@',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{UserId, UserKey};

    fn names(names: &[&str]) -> Names {
        let users: Vec<Arc<User>> = names
            .iter()
            .zip(0..)
            .map(|(name, key)| {
                Arc::new(User {
                    key: UserKey(key),
                    id: UserId::parse(&format!("u-{key}")).unwrap(),
                    name: (*name).to_owned(),
                    display_name: "Somebody".to_owned(),
                    avatar_url: None,
                })
            })
            .collect();
        Names::of(users.iter())
    }

    fn mentioned(names: &Names, text: &str) -> Vec<String> {
        let found = names.mentioned(text).into_iter();
        found.map(|user| format!("{}{}", user.name, user.key.0)).collect()
    }

    #[test]
    fn a_name_behind_an_at_is_a_mention_in_any_case_and_the_longest_wins() {
        let names = names(&["ann", "Anna", "ann.b", "ann b", "Özgür", "ann"]);
        for (text, expected) in [
            ("@ann", &["ann0", "ann5"][..]),
            ("hi @ANN!", &["ann0", "ann5"]),
            ("(@Anna)", &["Anna1"]),
            ("@anna,@ann", &["Anna1", "ann0", "ann5"]),
            ("@ann.b and @ann b.", &["ann.b2", "ann b3"]),
            ("@ann. Be quick", &["ann0", "ann5"]),
            ("@ann-", &["ann0", "ann5"]),
            ("@ÖZGÜR @özgür", &["Özgür4"]),
            ("@ann @ann @ANN", &["ann0", "ann5"]),
            ("/@anna", &["Anna1"]),
            ("@ann b", &["ann b3"]),
            ("@ann bo", &["ann0", "ann5"]),
        ] {
            assert_eq!(mentioned(&names, text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_name_is_none() {
        let names = names(&["ann", "bob"]);
        for text in [
            "",
            "@",
            "ann",
            "@ ann",
            "bob@ann",
            "bob@ann.example",
            "x_@ann",
            "@@ann",
            "@annab",
            "@ann_b",
            "@ann.b",
            "@ann-b",
            "@ann9",
            "@annä",
            "@ann@example.org",
            "@carl",
            "@an",
        ] {
            assert!(mentioned(&names, text).is_empty(), "{text}");
        }
        assert!(Names::default().mentioned("@ann").is_empty());
    }

    #[test]
    fn a_message_mentions_so_many_and_no_more() {
        let many: Vec<String> = (0..60).map(|n| format!("n{n}")).collect();
        let names = names(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let text: String = many.iter().map(|name| format!("@{name} ")).collect();
        let found = mentioned(&names, &text);
        assert_eq!((found.len(), found[49].as_str()), (50, "n4949"));
    }

    #[test]
    fn lower_case_that_is_longer_than_upper_case_shifts_nothing() {
        let names = names(&["İx", "y"]);
        assert_eq!(mentioned(&names, "@İX @y"), ["İx0", "y1"]);
        assert_eq!(mentioned(&names, "@İxa"), [""; 0]);
    }
}
