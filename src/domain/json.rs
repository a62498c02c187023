//! Why JSON was refused, in the words of whoever wrote it: serde's own speak of Rust's types, and quote what was sent. Used
//! wherever a client's JSON is parsed; never says anything of its content but the names of fields.

use serde_json::error::Category;

/// What is wrong with `json`, as a part of a sentence that begins with what it is: "content is missing".
pub fn in_words(error: &serde_json::Error, json: &str) -> String {
    let text = error.to_string();
    // The position means nothing to somebody whose data was inside an envelope.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    if error.classify() != Category::Data {
        return format!("is not valid JSON: {text}");
    }
    if let Some(field) = text.strip_prefix("missing field ") {
        return format!("{} is missing", field.trim_matches('`'));
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        return format!("{} is there twice", field.trim_matches('`'));
    }
    if text.starts_with("unknown field ") {
        let known = text
            .rsplit_once("expected ")
            .map_or("those that it needs", |(_, known)| known);
        return format!("may have no fields but {}", known.trim_start_matches("one of "));
    }
    let mistyped = [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown variant ",
    ];
    if !mistyped.iter().any(|begin| text.starts_with(begin)) {
        // Our own words, which name what they are about.
        return text.to_owned();
    }
    // Behind the last one: what was sent is quoted before it.
    let wanted = text
        .rsplit_once("expected ")
        .map_or("something else", |(_, wanted)| wanted);
    let rule = rule(wanted);
    match field_at(json, error.line(), error.column()) {
        Some(field) => format!("{field} {rule}"),
        None => rule,
    }
}

fn rule(wanted: &str) -> String {
    let plain = match wanted {
        "i64" | "i32" => "a whole number",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u8" | "u16" => "a whole number, 0 or more",
        "f64" | "f32" => "a number",
        "a borrowed string" | "string" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("must be {plain}")
}

/// The field whose value is refused at this place: the name before the last colon of the innermost object that is still open
/// there and has one.
fn field_at(json: &str, line: usize, column: usize) -> Option<&str> {
    let lines = json.split_inclusive('\n').take(line.checked_sub(1)?);
    let end = lines.map(str::len).sum::<usize>() + column;
    let before = json.as_bytes().get(..end.min(json.len()))?;
    let mut open: Vec<Option<&[u8]>> = Vec::new();
    let mut string: &[u8] = b"";
    let mut at = 0;
    while let Some(byte) = before.get(at) {
        match byte {
            b'"' => {
                string = string_at(&before[at + 1..]);
                at += string.len() + 1;
            }
            b':' => *open.last_mut()? = Some(string),
            b'{' | b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    let name = open.into_iter().rev().flatten().next()?;
    // Whatever else somebody uses as a name is not repeated.
    let plain = name.len() <= 40 && name.iter().all(u8::is_ascii_alphanumeric);
    std::str::from_utf8(name).ok().filter(|_| plain)
}

/// What stands before the quotation mark that ends a string.
fn string_at(json: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return &json[..at],
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only refusals are looked at")]
    struct Inner {
        seq: u32,
        on: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only refusals are looked at")]
    struct Data {
        name: String,
        id: Option<i64>,
        list: Option<Vec<Inner>>,
    }

    #[test]
    fn nobody_has_to_know_rust() {
        for (json, words) in [
            ("{}", "name is missing"),
            (r#"{"name":"a","name":"b"}"#, "name is there twice"),
            (r#"{"name":5}"#, "name must be a string"),
            (r#"{"name":null}"#, "name must be a string"),
            ("{\n \"id\":\n \"secret, expected i64\"}", "id must be a whole number"),
            (r#"{"name":"x: {","id":1.5}"#, "id must be a whole number"),
            (r#"{"name":"\\\"","list":{"seq":1}}"#, "list must be an array"),
            (
                r#"{"list":[{"seq":1},{"seq":-1}]}"#,
                "seq must be a whole number from 0 to 4294967295",
            ),
            (r#"{"list":[{"seq":1,"on":"yes"}]}"#, "on must be true or false"),
            (r#"{"list":["secret"]}"#, "list must be an object"),
            (r#"{"secret":1}"#, "may have no fields but `name`, `id`, `list`"),
            (r#""secret""#, "must be an object"),
            ("{", "is not valid JSON: EOF while parsing an object"),
        ] {
            let error = serde_json::from_str::<Data>(json).unwrap_err();
            assert_eq!(in_words(&error, json), words, "{json}: {error}");
        }
    }
}
