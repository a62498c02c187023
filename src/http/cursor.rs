//! The cursor of the conversation list as clients carry it: 22 characters of the base64url alphabet, opaque to them.
//! Called by `conversations` only. Not signed: whoever makes one up sees another page of their own list.

use crate::{
    db::ListCursor,
    domain::{ConversationKey, Invalid, Timestamp},
};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 128 bits, six a character.
const CHARS: usize = 22;

/// `cursor` as text.
pub fn encode(cursor: ListCursor) -> String {
    let number = u128::from(cursor.active_at.millis() as u64) << 64 | u128::from(cursor.key.0 as u64);
    let digits = (0..CHARS).rev().map(|place| number >> (6 * place) & 63);
    digits.map(|digit| char::from(ALPHABET[digit as usize])).collect()
}

/// The cursor that a client gave back.
pub fn decode(text: &str) -> Result<ListCursor, Invalid> {
    let invalid = || Invalid::new("cursor", "must be the nextCursor of an answer");
    if text.len() != CHARS {
        return Err(invalid());
    }
    let mut number: u128 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte).ok_or_else(invalid)?;
        // The first of the 22 characters has but two bits to say.
        number = number.checked_mul(64).ok_or_else(invalid)? | digit as u128;
    }
    Ok(ListCursor {
        active_at: Timestamp::from_millis((number >> 64) as u64 as i64),
        key: ConversationKey(number as u64 as i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        for (millis, key) in [(0, 1), (1_768_693_477_120, 7), (-1, i64::MAX), (i64::MAX, -1)] {
            let cursor = ListCursor {
                active_at: Timestamp::from_millis(millis),
                key: ConversationKey(key),
            };
            let text = encode(cursor);
            assert_eq!(text.len(), CHARS);
            assert_eq!(decode(&text), Ok(cursor));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "abc",
            &"A".repeat(21),
            &"A".repeat(23),
            &"_".repeat(22),
            &"=".repeat(22),
            &"ä".repeat(11),
        ] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
