//! Who has the conversation open and who types: volatile, never stored, told to the other viewers only.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use actix::{AsyncContext, Context, Handler, Message};
use tokio::time::Instant;

use super::Room;
use crate::{
    actors::{
        relay::{Audience, SessionRef, Tell},
        reply::{Answer, Reply},
    },
    domain::{User, UserKey, limits},
    protocol::{ApiError, Event, envelope},
};

/// A session opens the conversation. Answered when it is among the viewers.
#[derive(Message)]
#[rtype(result = "Result<(), ApiError>")]
pub struct View {
    /// Which session.
    pub session: SessionRef,
    /// Whose.
    pub user: Arc<User>,
}

/// A session closes it, or is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unview {
    /// Which session.
    pub session: SessionRef,
    /// Whose.
    pub user: UserKey,
}

/// A member types, or stops.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Typing {
    /// Who.
    pub user: Arc<User>,
    /// Whether they begin (or go on).
    pub typing: bool,
    /// Where the answer goes.
    pub reply: Reply,
}

struct Viewer {
    user: Arc<User>,
    sessions: HashSet<SessionRef>,
}

/// Who has the conversation open, and until when whose typing counts.
#[derive(Default)]
pub(super) struct Viewers {
    open: HashMap<UserKey, Viewer>,
    typing: HashMap<UserKey, (Arc<User>, Instant)>,
    /// Whether a timer runs that ends typing: there is one a room, since every timer costs each turn of the actor a little.
    watched: bool,
}

impl Viewers {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.typing.is_empty()
    }

    /// How many users have it open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Takes a viewer back in after a panic, telling nobody: nobody saw them go.
    pub(super) fn restore(&mut self, session: SessionRef, user: Arc<User>) {
        let viewer = self.open.entry(user.key).or_insert_with(|| Viewer {
            user,
            sessions: HashSet::new(),
        });
        viewer.sessions.insert(session);
    }
}

impl Room {
    fn tell_viewers(&self, about: UserKey, event: &Event<'_>) {
        let audience = Audience::Viewers {
            conversation: self.id,
            except: about,
        };
        self.tell(Tell {
            audience,
            frame: envelope::event(event),
        });
    }

    /// Ends somebody's typing, if they do.
    pub(super) fn stop_typing(&mut self, user: UserKey) {
        if let Some((user, _)) = self.viewers.typing.remove(&user) {
            self.tell_viewers(
                user.key,
                &Event::UserStoppedTyping {
                    conversation_id: self.id,
                    user_id: &user.id,
                    display_name: &user.display_name,
                },
            );
        }
    }

    /// Takes all sessions of a user from the viewers.
    pub(super) fn forget_viewer(&mut self, user: UserKey) {
        self.stop_typing(user);
        if let Some(viewer) = self.viewers.open.remove(&user) {
            self.tell_viewers(
                user,
                &Event::UserLeft {
                    conversation_id: self.id,
                    user: &viewer.user,
                },
            );
        }
    }

    /// Sees to it that no typing outlives its time.
    fn watch_typing(&mut self, ctx: &mut Context<Self>) {
        let first = self.viewers.typing.values().map(|(_, until)| *until).min();
        if let Some(until) = first
            && !std::mem::replace(&mut self.viewers.watched, true)
        {
            ctx.run_later(until.saturating_duration_since(Instant::now()), Self::expire_typing);
        }
    }

    /// Ends what was not renewed in time.
    fn expire_typing(&mut self, ctx: &mut Context<Self>) {
        self.viewers.watched = false;
        let now = Instant::now();
        let typing = self.viewers.typing.iter();
        let over: Vec<UserKey> = typing
            .filter(|(_, (_, until))| *until <= now)
            .map(|(user, _)| *user)
            .collect();
        for user in over {
            self.stop_typing(user);
        }
        self.watch_typing(ctx);
    }
}

impl Handler<View> for Room {
    type Result = Result<(), ApiError>;

    fn handle(&mut self, view: View, _: &mut Self::Context) -> Self::Result {
        self.seat(view.user.key)?;
        let user = view.user;
        let first = !self.viewers.open.contains_key(&user.key);
        self.viewers.restore(view.session, user.clone());
        if first {
            self.tell_viewers(
                user.key,
                &Event::UserJoined {
                    conversation_id: self.id,
                    user: &user,
                },
            );
        }
        Ok(())
    }
}

impl Handler<Unview> for Room {
    type Result = ();

    fn handle(&mut self, unview: Unview, _: &mut Self::Context) {
        let Some(viewer) = self.viewers.open.get_mut(&unview.user) else {
            return;
        };
        viewer.sessions.remove(&unview.session);
        if viewer.sessions.is_empty() {
            self.forget_viewer(unview.user);
        }
    }
}

impl Handler<Typing> for Room {
    type Result = ();

    fn handle(&mut self, typing: Typing, ctx: &mut Self::Context) {
        self.used = Instant::now();
        let Typing { user, typing, reply } = typing;
        if let Err(error) = self.seat(user.key) {
            return reply.refuse(error);
        }
        if typing {
            let until = Instant::now() + Duration::from_millis(limits::TYPING_MS);
            if self.viewers.typing.insert(user.key, (user.clone(), until)).is_none() {
                let key = user.key;
                self.tell_viewers(
                    key,
                    &Event::UserTyping {
                        conversation_id: self.id,
                        user_id: &user.id,
                        display_name: &user.display_name,
                    },
                );
                self.watch_typing(ctx);
            }
        } else {
            self.stop_typing(user.key);
        }
        reply.answer(Answer::Done {});
    }
}
