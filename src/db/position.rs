//! Where a change stands among all conversations, in one number; and the number by which a client id is found. Used by
//! every statement on `messages` and `changes`. Pure arithmetic. See `docs/decisions/0002-position.md`.

use std::hash::Hasher;

use crate::domain::{ClientId, ConversationKey, Seq, UserKey};

/// The position of the change `seq` of a conversation: the key in the high half, the seq in the low one, so that the
/// positions of one conversation follow each other: they are those above `pack(key, 0)` up to `pack(key, u32::MAX)`.
///
/// Keys are at most [`KEY_MAX`] (the store makes them, and makes none above it), so a position is never negative.
pub fn pack(conversation: ConversationKey, seq: Seq) -> i64 {
    (conversation.0 << 32) | i64::from(seq.0)
}

/// The conversation and the seq of a position; the inverse of [`pack`].
pub fn unpack(position: i64) -> (ConversationKey, Seq) {
    (ConversationKey(position >> 32), Seq(position as u32))
}

/// The highest key that a conversation may have.
pub const KEY_MAX: i64 = i32::MAX as i64;

/// What `messages.client_hash` holds: the low 20 bits of the conversation's key, then the high 44 bits of SipHash-2-4 (keys
/// zero) over conversation key, sender key (eight bytes each, little endian) and client id. Kept in files, so it must never
/// change. Equal hashes are not yet equal client ids: whoever probes compares the row.
///
/// The conversation comes first so that those in use share pages of the index while the others rest. The rest is 44 bits
/// of SipHash, rather than something faster, because clients choose the id: one who could make thousands of theirs
/// collide would make each of their sends read thousands of rows.
pub fn client_hash(conversation: ConversationKey, sender: UserKey, client_id: &ClientId) -> i64 {
    #[expect(
        deprecated,
        reason = "its successor's algorithm may change between Rust versions; this one is SipHash-2-4"
    )]
    let mut hasher = std::hash::SipHasher::new();
    hasher.write(&conversation.0.to_le_bytes());
    hasher.write(&sender.0.to_le_bytes());
    hasher.write(client_id.as_str().as_bytes());
    ((conversation.0 as u64) << 44 | hasher.finish() >> 20) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_made_of_its_conversation_and_its_seq() {
        for key in [0, 1, 77, KEY_MAX] {
            for seq in [0, 1, 1 << 31, u32::MAX] {
                let position = pack(ConversationKey(key), Seq(seq));
                assert!(position >= 0);
                assert_eq!(unpack(position), (ConversationKey(key), Seq(seq)));
            }
        }
        assert!(pack(ConversationKey(1), Seq(u32::MAX)) < pack(ConversationKey(2), Seq(0)));
    }

    #[test]
    fn the_hash_of_a_client_id_stays() {
        let hash = |c, s, id| client_hash(ConversationKey(c), UserKey(s), &ClientId::parse(id).unwrap());
        assert_ne!(hash(1, 2, "c-1"), hash(2, 1, "c-1"));
        // Computed by another implementation.
        assert_eq!(hash(1, 2, "c-1"), 26_602_706_483_425);
        assert_eq!(hash(1 << 20, 2, "c-1") >> 44, 0);
    }
}
