//! What a session does with each request: to a room, or to a command that answers when it is done.

use actix::{AsyncContext, Context, WrapFuture, fut::ActorFutureExt};
use serde::Serialize;
use utoipa::ToSchema;

use super::Session;
use crate::{
    actors::{
        commands::{self, Caller},
        reply::{self, Reply},
        room::{Request, Typing},
    },
    domain::ConversationId,
    protocol::{ApiError, CloseCode, Command, ErrorCode, command, envelope},
};

/// Requests in a row that come too fast, after which the connection is closed with 4429.
const FLOOD: u32 = 100;

impl Session {
    pub(super) fn on_text(&mut self, text: &str, ctx: &mut Context<Self>) {
        match envelope::open(text) {
            Ok(request) => self.on_request(&request.event, request.id, request.data, ctx),
            Err(error) => self.bad_frame(&error),
        }
    }

    /// A request, whichever envelope it came in.
    pub(super) fn on_request(&mut self, event: &str, id: Option<i64>, data: &str, ctx: &mut Context<Self>) {
        self.bad_frames = 0;
        // The name outlives the frame: it is one of ours, or nobody will be told of it but in this turn.
        let name = command::NAMES.iter().find(|name| **name == event).copied();
        let parsed = self.check_rate(name).and_then(|()| Command::parse(event, data));
        match (parsed, name) {
            (Ok(command), Some(name)) => self.dispatch(command, id, name, ctx),
            (Err(error), _) => self.refuse(&error, id, event),
            (Ok(_), None) => {}
        }
    }

    /// A request that its envelope refuses; it counts as one.
    pub(super) fn on_refused(&mut self, event: &str, id: Option<i64>, error: &ApiError) {
        let paced = self.check_rate(None);
        self.refuse(paced.as_ref().err().unwrap_or(error), id, event);
    }

    /// Answers at once, in the order of reading.
    fn refuse(&mut self, error: &ApiError, id: Option<i64>, event: &str) {
        self.node
            .metrics
            .refused
            .get_or_create(&[("code", error.code.as_str())])
            .inc();
        let frame = reply::frame::<()>(id, event, Err(error));
        self.entry.outbox.borrow_mut().push(None, frame.unwrap_or_default());
    }

    fn check_rate(&mut self, name: Option<&str>) -> Result<(), ApiError> {
        let user = self.entry.user.borrow().key;
        let checked = match name {
            Some("send_message") => self.node.rates.check_message(user),
            _ => self.node.rates.check_event(user),
        };
        match &checked {
            Ok(()) => self.too_fast = 0,
            Err(_) => {
                self.too_fast += 1;
                if self.too_fast >= FLOOD {
                    self.entry.close(CloseCode::Flood);
                }
            }
        }
        checked
    }

    pub(super) fn caller(&self) -> Caller {
        Caller {
            user: self.entry.user.borrow().clone(),
            admin: self.admin,
            session: Some(self.entry.at),
        }
    }

    pub(super) fn reply(&self, id: Option<i64>, event: &'static str) -> Reply {
        self.entry.unanswered.set(self.entry.unanswered.get() + 1);
        Reply::to_session(&self.node, self.entry.at, id, event)
    }

    fn dispatch(&mut self, command: Command, id: Option<i64>, event: &'static str, ctx: &mut Context<Self>) {
        match command {
            Command::SendMessage { conversation, draft } => {
                #[cfg(feature = "faults")]
                assert!(
                    draft.content.as_str() != "!!parlor-fault-panic-session",
                    "a test asked this session to panic"
                );
                self.submit(conversation, Request::Send(draft), id, event, ctx);
            }
            Command::EditMessage {
                conversation,
                message,
                content,
            } => self.submit(conversation, Request::Edit(message, content), id, event, ctx),
            Command::React {
                conversation,
                message,
                emoji,
                add,
            } => match self.node.settings.reactions.find(&emoji) {
                Ok(emoji) => self.submit(conversation, Request::React(message, emoji, add), id, event, ctx),
                Err(unknown) => self.refuse(&unknown.into(), id, event),
            },
            Command::DeleteMessage { conversation, message } => {
                self.submit(conversation, Request::Delete(message), id, event, ctx);
            }
            Command::MarkRead { conversation, upto } => {
                self.submit(conversation, Request::MarkRead(upto), id, event, ctx);
            }
            Command::TypingStart { conversation } => self.typing(conversation, true, id, event, ctx),
            Command::TypingStop { conversation } => self.typing(conversation, false, id, event, ctx),
            Command::LeaveConversation { conversation } => {
                let (node, caller) = (self.node.clone(), self.caller());
                self.local.unview(&self.entry, conversation);
                self.answer_with(id, event, ctx, async move {
                    commands::leave_conversation(&node, &caller, conversation).await
                });
            }
            Command::JoinConversation { conversation, after } => self.join(conversation, after, id, event, ctx),
            Command::GetPresence { users } => {
                let node = self.node.clone();
                self.answer_with(
                    id,
                    event,
                    ctx,
                    async move { commands::get_presence(&node, users).await },
                );
            }
            Command::Sync { cursors, limit } => {
                let (node, caller) = (self.node.clone(), self.caller());
                let (local, entry) = (self.local.clone(), self.entry.clone());
                self.answer_with(id, event, ctx, async move {
                    let mut synced = commands::sync(&node, &caller, cursors, limit).await?;
                    // Whoever was removed while the store was read gets nothing of it.
                    synced.withhold(|id| !local.subscribed(&entry, id));
                    Ok(synced)
                });
            }
            Command::Authenticate { token } => self.authenticate(token, id, event, ctx),
        }
    }

    fn typing(
        &mut self,
        conversation: ConversationId,
        typing: bool,
        id: Option<i64>,
        event: &'static str,
        ctx: &mut Context<Self>,
    ) {
        let reply = self.reply(id, event);
        let (node, caller) = (self.node.clone(), self.caller());
        let subscribed = self.local.subscribed(&self.entry, conversation);
        ctx.spawn(
            async move {
                if !subscribed && let Err(error) = commands::require_member(&node, &caller, conversation).await {
                    return reply.refuse(error);
                }
                let room = node.rooms.open(&node, conversation);
                // A full mailbox drops the notice, and with it the reply, which then says `UNAVAILABLE`.
                let _ = room.try_send(Typing {
                    user: caller.user,
                    typing,
                    reply,
                });
            }
            .into_actor(self),
        );
    }

    fn join(
        &mut self,
        conversation: ConversationId,
        after: Option<crate::domain::Seq>,
        id: Option<i64>,
        event: &'static str,
        ctx: &mut Context<Self>,
    ) {
        let (node, caller) = (self.node.clone(), self.caller());
        let (local, entry) = (self.local.clone(), self.entry.clone());
        entry.viewing.borrow_mut().insert(conversation);
        self.answer_with(id, event, ctx, async move {
            let joined = commands::join_conversation(&node, &caller, conversation, after).await;
            // Whoever was removed while the store was read gets nothing of it.
            if joined.is_ok() {
                if local.view(&entry, conversation) {
                    return joined;
                }
                let _ = commands::leave_conversation(&node, &caller, conversation).await;
            }
            if !local.subscribed(&entry, conversation) {
                entry.viewing.borrow_mut().swap_remove(&conversation);
            }
            joined.and(Err(ApiError::not_member()))
        });
    }

    /// Runs a command and answers with what comes of it, within the time that the contract promises.
    fn answer_with<T: Serialize + 'static>(
        &mut self,
        id: Option<i64>,
        event: &'static str,
        ctx: &mut Context<Self>,
        command: impl Future<Output = Result<T, ApiError>> + 'static,
    ) {
        self.entry.unanswered.set(self.entry.unanswered.get() + 1);
        ctx.spawn(
            commands::in_time(command)
                .into_actor(self)
                .map(move |result, session, _| {
                    session.entry.answered();
                    match &result {
                        Ok(data) => {
                            if let Some(frame) = reply::frame(id, event, Ok(data)) {
                                session.entry.send(frame);
                            }
                        }
                        Err(error) => {
                            session.refuse(error, id, event);
                            session.entry.flush();
                        }
                    }
                }),
        );
    }

    fn authenticate(&mut self, token: String, id: Option<i64>, event: &'static str, ctx: &mut Context<Self>) {
        let (node, entry) = (self.node.clone(), self.entry.clone());
        self.answer_with(id, event, ctx, async move {
            let identity = node.authenticator.authenticate(&token).await?;
            if identity.user.id != entry.user.borrow().id {
                return Err(ApiError::new(ErrorCode::Forbidden, "this token is somebody else's"));
            }
            identity.apply(&entry);
            Ok(Authenticated {
                expires_at: identity.expires_at,
            })
        });
    }
}

/// The answer to `authenticate`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authenticated {
    /// When the new token ends.
    expires_at: crate::domain::Timestamp,
}
