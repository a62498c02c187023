//! What a token said of a user, short enough to be kept with them: `auth` asks for every token whether it says anything new,
//! the store writes it down. Never what the user is called now: that may have been changed here since.

use sha2::{Digest, Sha256};

use super::{Account, TokenUser};

/// Stands for a part that no token said anything of.
const NOTHING: &str = "-";

/// Which parts of a token's words are news: they are taken over, the others stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anew {
    /// Its `name` is.
    pub name: bool,
    /// Its `displayName` is.
    pub display_name: bool,
    /// Its `picture` is.
    pub avatar_url: bool,
    /// What to write down, for the next token.
    pub told: String,
}

impl Anew {
    /// What of `said` is news, when the last token said `told`. `None`: nothing is.
    pub fn of(said: &TokenUser, told: Option<&str>) -> Option<Self> {
        let mut before = told.unwrap_or_default().split(' ');
        let mut kept = Vec::with_capacity(3);
        let mut is_news = |part: &Option<String>| {
            let before = before.next().filter(|digest| !digest.is_empty()).unwrap_or(NOTHING);
            // A token that says nothing of it takes nothing back.
            let now = part.as_deref().map_or_else(|| before.to_owned(), digest);
            let news = now != before;
            kept.push(now);
            news
        };
        let (name, display_name, avatar_url) = (
            is_news(&said.name),
            is_news(&said.display_name),
            is_news(&said.avatar_url),
        );
        let news = Self {
            name,
            display_name,
            avatar_url,
            told: kept.join(" "),
        };
        // Also that there was a token at all is written down.
        (told != Some(&news.told)).then_some(news)
    }
}

impl Anew {
    /// Of `said` only what is news.
    pub fn only(&self, said: &TokenUser) -> TokenUser {
        let part = |part: &Option<String>, news: bool| part.clone().filter(|_| news);
        TokenUser {
            name: part(&said.name, self.name),
            display_name: part(&said.display_name, self.display_name),
            avatar_url: part(&said.avatar_url, self.avatar_url),
            ..said.clone()
        }
    }
}

impl TokenUser {
    /// Whether recording it would change nothing, as far as `account` tells. Whoever registered here says themselves what
    /// they are called.
    pub fn is_old(&self, account: &Account) -> bool {
        account.local || Anew::of(self, account.told.as_deref()).is_none()
    }
}

/// 64 bits: one text is never tried against more than one other.
fn digest(text: &str) -> String {
    let sum = Sha256::digest(text);
    sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, UserId};

    fn said(name: Option<&str>, display_name: Option<&str>, picture: Option<&str>) -> TokenUser {
        let text = |part: Option<&str>| part.map(str::to_owned);
        TokenUser {
            id: UserId::parse("x").unwrap(),
            name: text(name),
            display_name: text(display_name),
            avatar_url: text(picture),
            at: Timestamp::from_millis(7),
        }
    }

    #[test]
    fn a_part_is_news_when_another_text_is_said_of_it() {
        let first = Anew::of(&said(Some("ann"), None, Some("")), None).unwrap();
        assert_eq!((first.name, first.display_name, first.avatar_url), (true, false, true));
        // The form that is kept must be the same in every version: SHA-256 of "ann" and of nothing.
        assert_eq!(first.told, "49915e0d7d4b402e - e3b0c44298fc1c14");
        let next = |name, display_name| Anew::of(&said(name, display_name, None), Some(&first.told));
        assert_eq!(next(Some("ann"), None), None);
        assert_eq!(next(None, None), None, "a token without a name takes nothing back");
        let second = next(None, Some("ann")).unwrap();
        assert_eq!(
            (second.name, second.display_name, second.avatar_url),
            (false, true, false)
        );
        assert_eq!(second.told, "49915e0d7d4b402e 49915e0d7d4b402e e3b0c44298fc1c14");
        assert!(next(Some("anne"), None).unwrap().name);
    }

    #[test]
    fn the_first_token_is_noted_even_if_it_says_nothing() {
        let first = Anew::of(&said(None, None, None), None).unwrap();
        assert_eq!(first.told, "- - -");
        assert_eq!(Anew::of(&said(None, None, None), Some("- - -")), None);
    }
}
