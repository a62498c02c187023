//! Identifiers. Ids (`…Id`) are what clients see; keys (`…Key`) are the store's own row numbers, opaque outside `db`,
//! carried along so that hot statements need no lookup. Never generated here without the caller's clock and entropy.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Invalid, Timestamp, limits};

/// Position of a durable change in its conversation: 1, 2, 3, … without a gap; 0 is "before the first".
///
/// 32 bits: a conversation ends at 4,294,967,295 changes (at ten a second: 13 years). See `docs/decisions/0002-position.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Seq(pub u32);

impl Seq {
    /// The change after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The store's row number of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub i64);

/// The store's row number of a conversation, below 2^31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey(pub i64);

/// Who somebody is, as clients and tokens say it: 1 to 64 characters of `[A-Za-z0-9_.:@|-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.:@|-]+$")]
pub struct UserId(Arc<str>);

impl UserId {
    /// Parses a user id.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:@|-".contains(&b);
        if text.is_empty() || text.len() > limits::USER_ID_CHARS || !text.bytes().all(allowed) {
            return Err(Invalid::new(
                "userId",
                "must be 1 to 64 characters of A-Z a-z 0-9 _ . : @ | -",
            ));
        }
        Ok(Self(text.into()))
    }

    /// A new id for a user who registers here: a UUIDv7.
    pub fn generate(at: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid_v7(at, random).to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn uuid_v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(at.millis().max(0) as u64, &random).into_uuid()
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid::new($field, "must be a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id!(
    /// A conversation, as clients name it.
    ConversationId,
    "conversationId"
);
uuid_id!(
    /// A message, as clients name it: a UUIDv7 (RFC 9562) whose bits 30 to 61 carry the message's `seq`, so
    /// that a message is found by its position and the table needs no second index. See `docs/decisions/0002-position.md`.
    MessageId,
    "messageId"
);
uuid_id!(
    /// One live connection.
    SessionId,
    "sessionId"
);

impl ConversationId {
    /// A new conversation's id.
    pub fn generate(at: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid_v7(at, random))
    }
}

impl SessionId {
    /// A new session's id.
    pub fn generate(at: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid_v7(at, random))
    }
}

impl MessageId {
    /// The id of the message that takes `seq`: time, 12 random bits, the seq, 30 random bits.
    pub fn at_seq(at: Timestamp, seq: Seq, random: u64) -> Self {
        let millis = (at.millis().max(0) as u64) & 0xffff_ffff_ffff;
        let high = (millis << 16) | 0x7000 | ((random >> 30) & 0xfff);
        let low = (0b10 << 62) | (u64::from(seq.0) << 30) | (random & 0x3fff_ffff);
        Self(Uuid::from_u64_pair(high, low))
    }

    /// When the message was sent, as the id claims; `None` for an id that is no UUIDv7.
    pub fn claimed_at(self) -> Option<Timestamp> {
        let (high, _) = self.0.as_u64_pair();
        (self.0.get_version_num() == 7).then(|| Timestamp::from_millis((high >> 16) as i64))
    }

    /// The seq that the id claims; whether a message of that id stands there is for the store to say.
    pub fn claimed_seq(self) -> Seq {
        let (_, low) = self.0.as_u64_pair();
        Seq(((low >> 30) & 0xffff_ffff) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_a_v7_uuid_that_carries_its_seq() {
        for seq in [1, 2, 77, u32::MAX] {
            let id = MessageId::at_seq(Timestamp::from_millis(1_768_693_477_120), Seq(seq), u64::MAX);
            assert_eq!(id.claimed_seq(), Seq(seq));
            assert_eq!(id.claimed_at(), Some(Timestamp::from_millis(1_768_693_477_120)));
            assert_eq!(id.0.get_version_num(), 7);
            assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(id.0.get_timestamp().unwrap().to_unix().0, 1_768_693_477);
        }
    }

    #[test]
    fn user_ids_refuse_what_the_contract_refuses() {
        for good in ["a", "0199-ab", "auth0|5f", "x@y.z", &"a".repeat(64)] {
            assert!(UserId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(UserId::parse(bad).is_err(), "{bad}");
        }
    }
}
