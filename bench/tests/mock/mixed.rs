//! What the mock server does besides messages: joining, typing, reading, reactions and edits, for the scenario `mixed`.
//! Like the rest of it, it keeps the contract or breaks it in one way.

use serde_json::{Value, json};

use super::{Breach, Mock, Room};

/// Which edit and which reaction of a room is dealt with wrongly.
const AT: u64 = 3;

impl Mock {
    /// The answer's data, or the code of a refusal. Events go out first, as they may.
    pub(super) fn on_other(&self, user: &str, event: &str, data: &Value) -> Result<Value, &'static str> {
        let mut state = self.state.lock().unwrap();
        let room = state.rooms.get_mut(data["conversationId"].as_str().unwrap()).unwrap();
        match event {
            "join_conversation" => Ok(json!({"conversation": {}, "members": [], "messages": [], "seq": room.seq})),
            "typing_start" => {
                let typing = json!({"conversationId": data["conversationId"], "userId": user});
                room.tell(&json!({"event": "user_typing", "data": typing}), None);
                Ok(json!({}))
            }
            "mark_read" => {
                let seq = data["seq"].as_u64().unwrap() - u64::from(self.breach == Breach::WrongCursor);
                Ok(json!({"lastReadSeq": seq, "unreadCount": 0}))
            }
            "edit_message" => self.edit(room, data),
            "add_reaction" | "remove_reaction" => Ok(self.react(room, user, event == "add_reaction", data)),
            _ => Err("VALIDATION_ERROR"),
        }
    }

    fn edit(&self, room: &mut Room, data: &Value) -> Result<Value, &'static str> {
        if self.breach == Breach::RefuseEdits {
            return Err("FORBIDDEN");
        }
        room.edits += 1;
        let hit = room.edits == AT;
        let unavailable = self.breach == Breach::UnavailableEdits && room.edits.is_multiple_of(3);
        if unavailable && room.edits.is_multiple_of(2) {
            return Err("UNAVAILABLE");
        }
        let message = room.find(&data["messageId"]);
        message["content"] = data["content"].clone();
        let mut message = message.clone();
        let answer = json!({"message": message});
        if hit && self.breach == Breach::ForgetEdit {
            return Ok(answer);
        }
        if hit && self.breach == Breach::ChangeEdit {
            message["content"] = json!("what nobody wrote");
        }
        room.seq += 1;
        let edited = json!({"conversationId": data["conversationId"], "seq": room.seq, "message": message});
        room.tell(&json!({"event": "message_edited", "data": edited}), None);
        if unavailable { Err("UNAVAILABLE") } else { Ok(answer) }
    }

    fn react(&self, room: &mut Room, user: &str, add: bool, data: &Value) -> Value {
        room.reactions += 1;
        let hit = room.reactions == AT;
        let message = room.find(&data["messageId"]);
        let reactions = message["reactions"].as_array_mut().unwrap();
        let one = json!({"emoji": data["emoji"], "userIds": [user]});
        // One entry for each pair: the contract groups them by emoji, and a reader must not depend on it.
        reactions.retain(|other| *other != one);
        if add {
            reactions.push(one);
        }
        let reactions = message["reactions"].clone();
        let updated = |seq: u64| {
            let data = json!({"conversationId": data["conversationId"], "seq": seq,
                "messageId": data["messageId"], "reactions": reactions});
            json!({"event": "reaction_updated", "data": data})
        };
        if !(hit && self.breach == Breach::ForgetReaction) {
            room.seq += 1;
            room.tell(&updated(room.seq), None);
        }
        match self.breach {
            // The same once more, to one member.
            Breach::RepeatReaction if hit => room.tell(&updated(room.seq), Some(1)),
            // As if it were another one, to all.
            Breach::ReactionAgain if hit => {
                room.seq += 1;
                room.tell(&updated(room.seq), None);
            }
            _ => {}
        }
        json!({"reactions": reactions})
    }
}

impl Room {
    fn find(&mut self, id: &Value) -> &mut Value {
        self.history.iter_mut().find(|message| message["id"] == *id).unwrap()
    }

    /// To all members, or to one.
    fn tell(&self, event: &Value, only: Option<usize>) {
        for (index, (_, session)) in self.sessions.iter().enumerate() {
            if only.is_none_or(|only| only == index) {
                // A session that is gone gets nothing.
                drop(session.send(event.to_string()));
            }
        }
    }
}
