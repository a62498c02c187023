//! The server's own description of its socket (`/api/asyncapi.json`), held against what is really said: every event and answer that
//! a tab gets has exactly the described fields, and so has every request that was granted. Called by `tab`.

use std::{collections::HashMap, sync::LazyLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// What is described, by the names of the document's messages, ready to be held against frames.
static MESSAGES: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let document = parlor::http::asyncapi::document();
    let mut strict = document["components"]["schemas"].clone();
    forbid_others(&mut strict, &document["components"]["schemas"]);
    let messages = document["components"]["messages"].as_object().expect("messages");
    let compiled = messages.iter().map(|(name, message)| {
        // A client may send more than is described: it is ignored. A server says all that it means.
        let asked = message["payload"]["properties"].get("id").is_some();
        let schemas = if asked {
            &document["components"]["schemas"]
        } else {
            &strict
        };
        let mut schema = message["payload"].clone();
        schema["components"] = json!({ "schemas": schemas });
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap_or_else(|error| panic!("the schema of {name}: {error}"));
        (name.clone(), validator)
    });
    compiled.collect()
});

/// What is not described is not there. An `allOf` becomes one object, since each of its parts knows only its own fields.
fn forbid_others(schema: &mut Value, components: &Value) {
    if let Some(Value::Array(parts)) = schema.get("allOf") {
        *schema = merged(parts, components);
    }
    match schema {
        Value::Object(keys) => {
            keys.values_mut().for_each(|inner| forbid_others(inner, components));
            if keys.get("properties").is_some_and(Value::is_object) && !keys.contains_key("additionalProperties") {
                keys.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| forbid_others(schema, components)),
        _ => {}
    }
}

fn merged(parts: &[Value], components: &Value) -> Value {
    let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
    for part in parts {
        let name = part["$ref"].as_str().and_then(|target| target.rsplit('/').next());
        let part = name.map_or(part, |name| &components[name]);
        properties.extend(part["properties"].as_object().expect("parts are objects").clone());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// Whether `frame` is what the description says of the message `name`; otherwise what is wrong with it.
pub fn check(name: &str, frame: &Value) -> Result<(), String> {
    let validator = MESSAGES.get(name).ok_or_else(|| format!("{name} is not described"))?;
    let wrong: Vec<String> = validator
        .iter_errors(frame)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("not as {name} is described: {}\n  {frame}", wrong.join("; ")))
    }
}

#[test]
fn what_is_not_described_is_found() {
    let read = |data: Value| check("message_read", &json!({"event": "message_read", "data": data}));
    let chat = "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f";
    let good = json!({"conversationId": chat, "userId": "u", "lastReadSeq": 3, "readAt": "2026-01-17T23:44:37.120Z"});
    assert_eq!(read(good.clone()), Ok(()));
    for (field, bad) in [
        ("conversationId", json!("no uuid")),
        ("lastReadSeq", json!("3")),
        ("readAt", json!("yesterday")),
        ("more", json!(1)),
    ] {
        let mut data = good.clone();
        data[field] = bad;
        assert!(read(data).is_err(), "{field}");
    }
    let mut less = good;
    less.as_object_mut().expect("an object").remove("userId");
    assert!(read(less).is_err());
    assert!(check("unheard_of", &json!({})).is_err());
}
