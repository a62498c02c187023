//! What an operator says about webhooks: where to, signed with what, about what. The `settings` table calls the parsers; read
//! by `webhooks`, and by `cli` for making a secret.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{TryRng, rngs::SysRng};

/// What a secret begins with, as Standard Webhooks has it.
const PREFIX: &str = "whsec_";
/// Fewest and most bytes of a secret, and how many a new one has.
const SECRET_BYTES: (usize, usize, usize) = (24, 64, 32);

/// Everything about webhooks.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Where to, each once; none: webhooks are off.
    pub urls: Vec<String>,
    /// What every request is signed with: one, or several while receivers change over. Never empty when there are URLs.
    pub secrets: Vec<WebhookSecret>,
    /// About what.
    pub events: WebhookEvents,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// Longest pause between two tries.
    pub retry_max: Duration,
}

impl WebhookConfig {
    /// No webhooks.
    pub const OFF: Self = Self {
        urls: Vec::new(),
        secrets: Vec::new(),
        events: WebhookEvents {
            message: false,
            membership: false,
            presence: false,
        },
        timeout: Duration::ZERO,
        retry_max: Duration::ZERO,
    };
}

/// Which events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookEvents {
    /// What is said: `message.…`, `reaction.…`.
    pub message: bool,
    /// Who belongs where, and what the conversations are: `member.…`, `conversation.…`.
    pub membership: bool,
    /// Who is there: `user.online`, `user.offline`.
    pub presence: bool,
}

/// A key for signatures. Shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// `whsec_` and 24 to 64 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (least, most, _) = SECRET_BYTES;
        let key = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        key.filter(|key| (least..=most).contains(&key.len()))
            .map(Self)
            .ok_or_else(|| {
                format!("must be {PREFIX} and {least} to {most} bytes in base64 (parlor webhook-secret makes one)")
            })
    }

    /// A new one, as it is written.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn generate() -> Result<String, String> {
        let mut key = [0; SECRET_BYTES.2];
        SysRng
            .try_fill_bytes(&mut key)
            .map_err(|error| format!("no randomness from the system: {error}"))?;
        Ok(format!("{PREFIX}{}", STANDARD.encode(key)))
    }

    /// The key itself.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

pub(super) fn urls(text: &str) -> Result<Vec<String>, String> {
    let mut urls = Vec::new();
    for url in listed(text) {
        let url = url_of(url)?;
        if urls.contains(&url) {
            return Err("must name each URL once".to_owned());
        }
        urls.push(url);
    }
    Ok(urls)
}

fn url_of(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?']).next());
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
    match authority {
        Some(authority) if plain && !authority.is_empty() && !authority.contains('@') => Ok(text.to_owned()),
        _ => Err("must be http:// or https:// URLs without user names and fragments, comma separated".to_owned()),
    }
}

pub(super) fn secrets(text: &str) -> Result<Vec<WebhookSecret>, String> {
    listed(text).map(WebhookSecret::parse).collect()
}

pub(super) fn events(text: &str) -> Result<WebhookEvents, String> {
    let mut events = WebhookConfig::OFF.events;
    for name in listed(text) {
        match name {
            "message" => events.message = true,
            "membership" => events.membership = true,
            "presence" => events.presence = true,
            _ => return Err("must be some of message, membership, presence, comma separated".to_owned()),
        }
    }
    Ok(events)
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_those_of_standard_webhooks() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(secret.key().len(), 24);
        for bad in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ",
            "whsec_!!!!",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
        ] {
            let refusal = WebhookSecret::parse(bad).err().unwrap();
            assert!(!refusal.contains("MfKQ"), "{refusal}");
        }
        let made = WebhookSecret::generate().unwrap();
        assert_eq!(WebhookSecret::parse(&made).unwrap().key().len(), 32);
        assert_ne!(made, WebhookSecret::generate().unwrap());
    }

    #[test]
    fn urls_are_http_and_named_once() {
        assert_eq!(urls("").unwrap(), Vec::<String>::new());
        let two = "https://a.example/hooks?x=1, http://127.0.0.1:9000";
        assert_eq!(
            urls(two).unwrap(),
            ["https://a.example/hooks?x=1", "http://127.0.0.1:9000"]
        );
        for bad in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///x",
            "https://u:p@a.example/",
            "https://a.example/#x",
            "http://a b/",
            "http://a/,http://a/",
        ] {
            assert!(urls(bad).is_err(), "{bad}");
        }
    }
}
