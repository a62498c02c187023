//! Drawings: what a client may send as `{operations, width, height}`. Checked without being built up in memory and kept as
//! it was written: what an operation means is between clients. Called by `message`.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Invalid, json::in_words, limits};

/// Checks a drawing: at most 64 KiB as it is written, exactly the three fields, at most 10,000 operations, each an object or
/// an array, sides of 1 to 8192, eight levels at the most, every number one that a double can hold.
pub fn check(content: &RawValue) -> Result<(), Invalid> {
    let text = content.get();
    if text.len() > limits::DRAWING_BYTES {
        return Err(Invalid::new(
            "content",
            format!("a drawing has at most {} bytes", limits::DRAWING_BYTES),
        ));
    }
    serde_json::from_str::<Drawing>(text).map(drop).map_err(|error| {
        let words = in_words(&error, text);
        Invalid::new(
            "content",
            format!("is no drawing {{operations, width, height}}: {words}"),
        )
    })
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only that it can be read matters")]
struct Drawing {
    operations: Operations,
    width: Side,
    height: Side,
}

struct Side;

impl<'de> Deserialize<'de> for Side {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1..=limits::DRAWING_SIDE => Ok(Self),
            _ => Err(de::Error::custom(format_args!(
                "width and height are whole numbers of 1 to {}",
                limits::DRAWING_SIDE
            ))),
        }
    }
}

struct Operations;

impl<'de> Deserialize<'de> for Operations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Operations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Operations, A::Error> {
                // The drawing is the first level, the list the second.
                let operation = || Part {
                    level: 3,
                    scalars: false,
                };
                let mut count = 0;
                while list.next_element_seed(operation())?.is_some() {
                    count += 1;
                    if count > limits::DRAWING_OPERATIONS {
                        return Err(de::Error::custom(format_args!(
                            "more than {} operations",
                            limits::DRAWING_OPERATIONS
                        )));
                    }
                }
                Ok(Operations)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Something inside of a drawing.
#[derive(Clone, Copy)]
struct Part {
    /// How deep it stands if it is an object or an array.
    level: usize,
    /// Whether it may be something else.
    scalars: bool,
}

impl Part {
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        if self.level > limits::DRAWING_LEVELS {
            return Err(E::custom(format_args!(
                "more than {} levels deep",
                limits::DRAWING_LEVELS
            )));
        }
        Ok(Self {
            level: self.level + 1,
            scalars: true,
        })
    }

    fn scalar<E: de::Error>(self) -> Result<(), E> {
        if self.scalars {
            Ok(())
        } else {
            Err(E::custom("an operation is an object or an array"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // A number that no double can hold is refused by serde_json itself.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while list.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while map.next_key::<IgnoredKey>()?.is_some() {
            map.next_value_seed(inside)?;
        }
        Ok(())
    }
}

/// A key: any text.
struct IgnoredKey;

impl<'de> Deserialize<'de> for IgnoredKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `IgnoredAny` would let half of a surrogate pair pass, which no client could read.
        let _: std::borrow::Cow<'de, str> = Deserialize::deserialize(deserializer)?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Result<(), String> {
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        check(raw).map_err(|invalid| invalid.to_string())
    }

    fn nested(levels: usize) -> String {
        // The drawing and the list are two of them.
        let inside = levels - 2;
        format!(
            r#"{{"operations":[{}{}],"width":1,"height":1}}"#,
            "[".repeat(inside),
            "]".repeat(inside)
        )
    }

    #[test]
    fn drawings_are_taken() {
        for good in [
            r#"{"operations":[],"width":1,"height":8192}"#,
            r##"{"height":600,"operations":[{"tool":"pen","color":"#f00","points":[[0,0],[1.5,-2e3]],"fill":null,"on":true}],"width":800}"##,
            r#" {"operations" : [ ["line", 1, 2] ] , "width":10,"height":10} "#,
            r#"{"operations":[{"text":"\u00e4\ud83d\ude00"}],"width":10,"height":10}"#,
            &nested(8),
        ] {
            assert_eq!(check_text(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let with = |operations: &str| format!(r#"{{"operations":{operations},"width":1,"height":1}}"#);
        let sides = |width: &str| format!(r#"{{"operations":[],"width":{width},"height":1}}"#);
        for bad in [
            "null".to_owned(),
            "[]".to_owned(),
            r#""drawing""#.to_owned(),
            "{}".to_owned(),
            r#"{"operations":[],"width":1}"#.to_owned(),
            r#"{"operations":[],"width":1,"height":1,"name":"x"}"#.to_owned(),
            r#"{"operations":[],"width":1,"width":1,"height":1}"#.to_owned(),
            with("{}"),
            with("null"),
            with("[1]"),
            with("[null]"),
            with(r#"["line"]"#),
            with(r#"[{"x":1e999}]"#),
            with(r#"[{"x":"\ud800"}]"#),
            with(r#"[{"\ud800":1}]"#),
            sides("0"),
            sides("-1"),
            sides("8193"),
            sides("1.5"),
            sides("1.0"),
            sides("99999999999"),
            sides(r#""1""#),
            sides("null"),
            nested(9),
            with(&format!(
                "[{}{}]",
                r#"{"a":"#.repeat(7),
                "1".to_owned() + &"}".repeat(7)
            )),
        ] {
            let refused = check_text(&bad).expect_err(&bad);
            assert!(refused.starts_with("content: "), "{refused}");
            assert!(!refused.contains("line 1"), "{refused}");
        }
        let long = check_text(&format!(r#"{{"{}":1}}"#, "ä".repeat(20_000))).unwrap_err();
        assert!(long.chars().count() < 200, "{long}");
    }

    #[test]
    fn the_bounds_are_those_of_the_contract() {
        let many = |count: usize| {
            let operations = vec!["[]"; count].join(",");
            format!(r#"{{"operations":[{operations}],"width":1,"height":1}}"#)
        };
        assert_eq!(check_text(&many(10_000)), Ok(()));
        assert!(check_text(&many(10_001)).is_err());
        let long = |bytes: usize| {
            let frame = r#"{"operations":[{"a":""}],"width":1,"height":1}"#;
            frame.replace(r#""""#, &format!(r#""{}""#, "x".repeat(bytes - frame.len())))
        };
        assert_eq!(long(65_536).len(), 65_536);
        assert_eq!(check_text(&long(65_536)), Ok(()));
        assert!(check_text(&long(65_537)).unwrap_err().contains("65536"));
    }
}
