//! Whole answers compared with what the contract gives: JSON in which `"<time>"`, `"<uuid>"` … stand for what
//! differs from run to run. Used wherever a test would otherwise pick single fields and miss a new or lost one.

use serde_json::Value;

/// `actual` has exactly the keys and values of `expected`.
#[track_caller]
pub fn assert_shape(actual: &Value, expected: &Value) {
    if let Err(difference) = compare(actual, expected, true, "$") {
        panic!("{difference}\n  actual:   {actual}\n  expected: {expected}");
    }
}

/// `actual` has at least the keys of `expected`, where the contract leaves room for more.
#[track_caller]
pub fn assert_has(actual: &Value, expected: &Value) {
    if let Err(difference) = compare(actual, expected, false, "$") {
        panic!("{difference}\n  actual:   {actual}\n  expected at least: {expected}");
    }
}

fn compare(actual: &Value, expected: &Value, whole: bool, path: &str) -> Result<(), String> {
    match (actual, expected) {
        (_, Value::String(pattern)) if pattern.starts_with('<') && pattern.ends_with('>') => {
            if fits(actual, pattern) {
                Ok(())
            } else {
                Err(format!("{path} is {actual}, which is no {pattern}"))
            }
        }
        (Value::Object(actual), Value::Object(expected)) => {
            for (key, wanted) in expected {
                let value = actual.get(key).ok_or_else(|| format!("{path}.{key} is missing"))?;
                compare(value, wanted, whole, &format!("{path}.{key}"))?;
            }
            match actual.keys().find(|key| whole && !expected.contains_key(*key)) {
                Some(key) => Err(format!("{path}.{key} is there and should not be")),
                None => Ok(()),
            }
        }
        (Value::Array(actual), Value::Array(expected)) => {
            if actual.len() != expected.len() {
                return Err(format!(
                    "{path} has {} elements instead of {}",
                    actual.len(),
                    expected.len()
                ));
            }
            let mut pairs = actual.iter().zip(expected).enumerate();
            pairs.try_for_each(|(at, (value, wanted))| compare(value, wanted, whole, &format!("{path}[{at}]")))
        }
        _ if actual == expected => Ok(()),
        _ => Err(format!("{path} is {actual} instead of {expected}")),
    }
}

fn fits(value: &Value, pattern: &str) -> bool {
    match pattern {
        "<any>" => true,
        "<text>" => value.as_str().is_some_and(|text| !text.is_empty()),
        "<uuid>" => value.as_str().is_some_and(|text| uuid::Uuid::parse_str(text).is_ok()),
        "<time>" => value.as_str().is_some_and(is_time),
        "<time?>" => value.is_null() || value.as_str().is_some_and(is_time),
        "<count>" => value.as_u64().is_some(),
        "<bool>" => value.is_boolean(),
        other => panic!("no such pattern: {other}"),
    }
}

/// RFC 3339, UTC, milliseconds: `2026-01-17T23:44:37.120Z`.
fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000Z";
    text.len() == form.len()
        && text
            .bytes()
            .zip(form.bytes())
            .all(|(is, wanted)| is == wanted || wanted == b'0' && is.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differs(actual: Value, expected: Value) -> String {
        compare(&actual, &expected, true, "$").expect_err("these differ")
    }

    #[test]
    fn a_whole_answer_is_compared() {
        let expected = json!({"id": "<uuid>", "at": "<time>", "n": "<count>", "list": [1, {"a": null}]});
        let actual = json!({"id": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f", "at": "2026-01-17T23:44:37.120Z", "n": 3,
            "list": [1, {"a": null}]});
        assert_shape(&actual, &expected);
        assert_has(&actual, &json!({"n": 3}));
    }

    #[test]
    fn every_difference_is_named() {
        assert_eq!(differs(json!({"a": 1}), json!({"a": 2})), "$.a is 1 instead of 2");
        assert_eq!(differs(json!({}), json!({"a": 2})), "$.a is missing");
        assert_eq!(
            differs(json!({"a": 1, "b": 2}), json!({"a": 1})),
            "$.b is there and should not be"
        );
        assert_eq!(differs(json!([1]), json!([1, 2])), "$ has 1 elements instead of 2");
        assert_eq!(
            differs(json!({"a": [{"b": null}]}), json!({"a": [{"b": 0}]})),
            "$.a[0].b is null instead of 0"
        );
    }

    #[test]
    fn times_have_milliseconds_and_are_utc() {
        for wrong in [
            "2026-01-17T23:44:37Z",
            "2026-01-17T23:44:37.120+00:00",
            "2026-01-17 23:44:37.120Z",
            "",
        ] {
            assert!(!is_time(wrong), "{wrong}");
        }
    }
}
