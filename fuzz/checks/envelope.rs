//! What must hold for any text that a client sends: it is a request or it is refused by name, what is a request keeps the
//! contract's limits, and written anew it is the same request. Called by the fuzz target `envelope` and, with the committed
//! seeds, by `tests/it/corpus.rs`; panics when something does not hold.

use parlor::{
    domain::{MessageType, UploadName, limits},
    protocol::{Command, ErrorCode, command, envelope},
};
use serde_json::{Value, json};

/// Bytes that are no text never get this far: the door closes with 1007.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let request = match envelope::open(text) {
        Ok(request) => request,
        Err(error) => return assert_eq!(error.code, ErrorCode::ValidationError, "{error}"),
    };
    let parsed = Command::parse(&request.event, request.data);
    match &parsed {
        Ok(command) => {
            assert!(command::NAMES.contains(&request.event.as_ref()), "{:?}", request.event);
            keeps_the_limits(command);
        }
        Err(error) => assert_eq!(error.code, ErrorCode::ValidationError, "{error}"),
    }
    // What we don't look at may be what no other reader takes (numbers out of range, half a surrogate pair).
    let Ok(data) = serde_json::from_str::<Value>(request.data) else {
        return;
    };
    let mut anew = json!({"event": request.event, "data": data});
    if let Some(id) = request.id {
        anew["id"] = id.into();
    }
    let anew = anew.to_string();
    let again = envelope::open(&anew).expect("what was opened opens again");
    assert_eq!((&again.event, again.id), (&request.event, request.id));
    match &parsed {
        // A drawing is kept as it was written, so written anew it is another one, and may be longer than it was.
        Ok(Command::SendMessage { draft, .. }) if draft.kind == MessageType::Drawing => {
            let parsed = Command::parse(&again.event, again.data);
            assert!(parsed.is_ok() || anew.len() > limits::DRAWING_BYTES, "{parsed:?}");
        }
        Ok(_) => assert_eq!(Command::parse(&again.event, again.data), parsed),
        Err(_) => {}
    }
}

fn keeps_the_limits(command: &Command) {
    match command {
        Command::SendMessage { draft, .. } => {
            let text = draft.content.as_str();
            match draft.kind {
                MessageType::Text => {
                    assert_eq!(text, text.trim());
                    assert!((1..=limits::TEXT_CHARS).contains(&text.chars().count()));
                }
                MessageType::Drawing => assert!(text.len() <= limits::DRAWING_BYTES),
                MessageType::Image => assert_eq!(UploadName::from_url(text).expect("a name").url(), text),
                MessageType::System => panic!("only the server says that"),
            }
            let client_id = draft.client_id.as_ref().map(|id| id.as_str().chars().count());
            assert!(client_id.is_none_or(|chars| (1..=limits::CLIENT_ID_CHARS).contains(&chars)));
        }
        Command::EditMessage { content, .. } => {
            let text = content.as_str();
            assert_eq!(text, text.trim());
            assert!((1..=limits::TEXT_CHARS).contains(&text.chars().count()));
        }
        Command::GetPresence { users } => assert!(users.len() <= limits::PRESENCE_USERS),
        Command::Sync { cursors, limit } => {
            assert!(cursors.len() <= limits::SYNC_CURSORS);
            assert!((1..=limits::SYNC_PAGE_MAX).contains(limit));
        }
        Command::JoinConversation { .. }
        | Command::LeaveConversation { .. }
        | Command::DeleteMessage { .. }
        | Command::React { .. }
        | Command::MarkRead { .. }
        | Command::TypingStart { .. }
        | Command::TypingStop { .. }
        | Command::Authenticate { .. } => {}
    }
}
