//! The description of what is said over `/ws`: every request with its answer, every event, as AsyncAPI 3.0. Events come from the
//! type that is sent (`protocol::Event`), requests from the table here, which a test compares with `command::NAMES`. Served by
//! `operators`; the frames of the end-to-end tests are checked against it, and the TypeScript client's types are made of it.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};
use utoipa::{ToSchema, openapi::RefOr, openapi::Schema};

use super::{
    messages::{Deleted, OneMessage},
    reactions::Reactions,
};
use crate::{
    actors::{
        commands::{Joined, Left, PresenceList, ReadState, Synced},
        session::Authenticated,
    },
    protocol::{
        ApiError, Event,
        command::{
            AuthenticateData, EditData, InConversation, JoinData, MessageData, PresenceData, ReactionData, ReadData,
            SendData, SyncData,
        },
    },
};

/// A request: its name, what it does, its data and its answer's.
struct Request {
    name: &'static str,
    summary: &'static str,
    data: Value,
    answer: Value,
}

/// Every request of a client, in the order of `command::NAMES`.
fn requests(schemas: &mut Schemas) -> Vec<Request> {
    vec![
        schemas.request::<JoinData, Joined>("join_conversation", "Opens a conversation, and says what is there"),
        schemas.request::<InConversation, Left>("leave_conversation", "Closes the view; the membership stays"),
        schemas.request::<SendData<'_>, OneMessage>("send_message", "Sends a message; answered after the commit"),
        schemas.request::<EditData<'_>, OneMessage>("edit_message", "Gives one's own text another content"),
        schemas.request::<ReactionData, Reactions>("add_reaction", "Reacts with an emoji"),
        schemas.request::<ReactionData, Reactions>("remove_reaction", "Takes a reaction back"),
        schemas.request::<MessageData, Deleted>("delete_message", "Deletes a message"),
        schemas.request::<ReadData, ReadState>("mark_read", "Moves the read cursor forward"),
        schemas.request::<InConversation, Left>("typing_start", "Says that one types"),
        schemas.request::<InConversation, Left>("typing_stop", "Says that one types no more"),
        schemas.request::<PresenceData, PresenceList>("get_presence", "Who is online"),
        schemas.request::<SyncData, Synced>("sync", "What changed after each cursor"),
        schemas.request::<AuthenticateData, Authenticated>("authenticate", "A new token of the same user"),
    ]
}

/// The document, as JSON. The same for as long as the process lives.
pub fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| document().to_string());
    &JSON
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let refusal = schemas.of::<ApiError>();
    let (mut messages, mut operations) = (Map::new(), Map::new());
    for request in requests(&mut schemas) {
        let Request {
            name,
            summary,
            data,
            answer,
        } = request;
        let answered = format!("{name}.answer");
        operations.insert(name.to_owned(), operation("receive", name, summary, Some(&answered)));
        messages.insert(
            name.to_owned(),
            message(name, summary, request_frame(name, &data), Some("id")),
        );
        messages.insert(
            answered.clone(),
            message(&answered, "The answer", answer_frame(&answer), Some("ack")),
        );
    }
    messages.insert(
        "refusal".to_owned(),
        message("refusal", "Why a request failed", refusal_frame(&refusal), Some("ack")),
    );
    for (name, summary, data) in events(&mut schemas) {
        let data = schemas.named(&name, data);
        operations.insert(name.clone(), operation("send", &name, &summary, None));
        messages.insert(name.clone(), message(&name, &summary, event_frame(&name, &data), None));
    }
    let on_socket: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")})))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parlor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is said over the WebSocket of a Parlor server, in text frames. Times are RFC 3339 in UTC.",
        },
        "defaultContentType": "application/json",
        "channels": {"socket": {"address": "/ws", "messages": on_socket}},
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas.into_components()},
    })
}

/// Every event of the server: its name, what it means, its data; out of the type that is sent.
fn events(schemas: &mut Schemas) -> Vec<(String, String, Value)> {
    schemas.collect::<Event<'_>>();
    let mut event = written(&<Event<'_> as utoipa::PartialSchema>::schema());
    let variants = event["oneOf"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let read = |mut variant: Value| {
        let name = variant["properties"]["event"]["enum"][0].as_str()?.to_owned();
        let summary = variant["description"].as_str().unwrap_or_default().to_owned();
        Some((name, summary, variant["properties"]["data"].take()))
    };
    variants.into_iter().filter_map(read).collect()
}

/// The types that messages refer to, by name.
#[derive(Default)]
struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    fn request<D: ToSchema, A: ToSchema>(&mut self, name: &'static str, summary: &'static str) -> Request {
        let (data, answer) = (self.of::<D>(), self.of::<A>());
        Request {
            name,
            summary,
            data,
            answer,
        }
    }

    /// A reference to `T`, which is described from now on.
    fn of<T: ToSchema>(&mut self) -> Value {
        self.collect::<T>();
        let name = T::name().into_owned();
        self.0.insert(name.clone(), written(&T::schema()));
        reference(&name)
    }

    /// Describes what `T` is made of.
    fn collect<T: ToSchema>(&mut self) {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        for (name, schema) in parts {
            self.0.insert(name, written(&schema));
        }
    }

    /// A reference to the data of an event: what is not a type of its own gets the event's name.
    fn named(&mut self, event: &str, data: Value) -> Value {
        if data.get("$ref").is_some() {
            return data;
        }
        let words = event.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        let name = words.chain(["Event".to_owned()]).collect::<String>();
        self.0.insert(name.clone(), data);
        reference(&name)
    }

    fn into_components(self) -> Value {
        self.0.into_iter().collect::<Map<_, _>>().into()
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A schema as JSON, its fields named as they are sent: the derive does not know serde's `rename_all_fields`.
fn written(schema: &RefOr<Schema>) -> Value {
    let mut value = serde_json::to_value(schema).unwrap_or_else(|error| {
        log::error!(target: "parlor::http", "a schema could not be written: {error}");
        Value::Null
    });
    in_camel_case(&mut value);
    value
}

fn in_camel_case(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            if let Some(Value::Object(fields)) = keys.get_mut("properties") {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, field)| (camel(&name), field))
                    .collect();
            }
            if let Some(Value::Array(required)) = keys.get_mut("required") {
                for name in required.iter_mut() {
                    *name = name.as_str().map(camel).into();
                }
            }
            keys.values_mut().for_each(in_camel_case);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(in_camel_case),
        _ => {}
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words
        .filter(|word| !word.is_empty())
        .fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

fn frame(fields: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false})
}

fn request_frame(event: &str, data: &Value) -> Value {
    let id = json!({"type": "integer", "description": "Asks for an answer, which bears it as `ack`."});
    let mut request = frame(
        json!({"event": {"const": event}, "id": id, "data": data}),
        &["event", "data"],
    );
    request["additionalProperties"] = true.into();
    request
}

fn answer_frame(data: &Value) -> Value {
    frame(
        json!({"ack": {"type": "integer"}, "ok": {"const": true}, "data": data}),
        &["ack", "ok", "data"],
    )
}

fn refusal_frame(error: &Value) -> Value {
    frame(
        json!({"ack": {"type": "integer"}, "ok": {"const": false}, "error": error}),
        &["ack", "ok", "error"],
    )
}

fn event_frame(event: &str, data: &Value) -> Value {
    frame(json!({"event": {"const": event}, "data": data}), &["event", "data"])
}

fn message(name: &str, summary: &str, payload: Value, number: Option<&str>) -> Value {
    let mut message = json!({"name": name, "summary": summary, "payload": payload});
    if let Some(number) = number {
        message["correlationId"] = json!({"location": format!("$message.payload#/{number}")});
    }
    message
}

fn operation(action: &str, name: &str, summary: &str, answer: Option<&str>) -> Value {
    let on_socket = |name: &str| json!({"$ref": format!("#/channels/socket/messages/{name}")});
    let channel = json!({"$ref": "#/channels/socket"});
    let mut operation =
        json!({"action": action, "channel": channel, "summary": summary, "messages": [on_socket(name)]});
    if let Some(answer) = answer {
        operation["reply"] = json!({"channel": channel, "messages": [on_socket(answer), on_socket("refusal")]});
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::command;

    #[test]
    fn every_request_is_described_once() {
        let described = requests(&mut Schemas::default());
        let names: Vec<_> = described.iter().map(|request| request.name).collect();
        assert_eq!(
            names,
            command::NAMES,
            "a new request needs its row in `requests`, at its place"
        );
    }

    #[test]
    fn every_event_is_described_with_its_data() {
        let events = events(&mut Schemas::default());
        let data = |wanted: &str| events.iter().find(|(name, ..)| name == wanted).map(|(.., data)| data);
        assert!(events.len() >= 19, "{events:?}");
        let message = data("new_message").expect("an event");
        assert_eq!(message["$ref"], reference("Message")["$ref"]);
        let read = data("message_read").expect("an event");
        assert_eq!(
            read["required"],
            json!(["conversationId", "userId", "lastReadSeq", "readAt"])
        );
        assert!(
            events
                .iter()
                .all(|(_, summary, data)| !summary.is_empty() && data.is_object()),
            "{events:?}"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut seen = 0;
        each_reference(&document, &mut |target| {
            seen += 1;
            assert!(document.pointer(&target[1..]).is_some(), "{target} leads nowhere");
        });
        assert!(seen > 50);
    }

    fn each_reference(value: &Value, check: &mut impl FnMut(&str)) {
        match value {
            Value::Object(fields) => {
                fields
                    .get("$ref")
                    .and_then(Value::as_str)
                    .into_iter()
                    .for_each(&mut *check);
                fields.values().for_each(|value| each_reference(value, check));
            }
            Value::Array(values) => values.iter().for_each(|value| each_reference(value, check)),
            _ => {}
        }
    }
}
