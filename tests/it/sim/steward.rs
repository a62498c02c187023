//! The owner of a conversation, at work over REST: makes it, adds and removes members, one change after the other, each
//! until it is decided. After the curfew lets back in whoever has a send there that is not decided.

use std::{rc::Rc, sync::Arc, time::Duration};

use parlor::{
    actors::commands::{self, Caller, CreateRequest},
    domain::{ConversationId, ConversationName, Kind, Role, Settings, User, UserId},
    protocol::{ApiError, ErrorCode},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use super::world::World;
use crate::checker::{Act, Log};

pub struct Steward {
    world: Rc<World>,
    caller: Caller,
    rng: StdRng,
    acts: Vec<(u64, Act)>,
    conversation: Option<ConversationId>,
    /// Only what is made during the run is deleted during the run.
    may_end: bool,
}

impl Steward {
    /// Of a conversation that is there already, or of one that it will make.
    pub fn new(world: &Rc<World>, owner: &Arc<User>, conversation: Option<ConversationId>, seed: u64) -> Steward {
        Steward {
            world: world.clone(),
            caller: Caller {
                user: owner.clone(),
                admin: false,
                session: None,
            },
            rng: StdRng::seed_from_u64(seed),
            acts: Vec::new(),
            conversation,
            may_end: conversation.is_none(),
        }
    }

    pub async fn works(mut self) -> Log {
        while Instant::now() < self.world.end {
            sleep(Duration::from_millis(self.rng.random_range(50..1200))).await;
            if Instant::now() >= self.world.curfew {
                self.lets_back_in().await;
            } else if let Some(conversation) = self.conversation {
                self.changes(conversation).await;
            } else {
                self.founds().await;
            }
        }
        let user = self.caller.user.id.to_string();
        Log { user, acts: self.acts }
    }

    fn notes(&mut self, act: Act) {
        let tick = self.world.tick();
        self.acts.push((tick, act));
    }

    fn somebody_else(&mut self) -> UserId {
        let others: Vec<_> = self
            .world
            .users
            .iter()
            .filter(|user| user.id != self.caller.user.id)
            .collect();
        others[self.rng.random_range(0..others.len())].id.clone()
    }

    async fn founds(&mut self) {
        let request = CreateRequest {
            kind: Kind::Group,
            slug: None,
            password_hash: None,
            name: ConversationName::parse("a new group").expect("a name"),
            members: vec![self.somebody_else()],
            max_members: None,
            retention_seconds: None,
            slow_mode_seconds: None,
        };
        let made = commands::create_conversation(&self.world.node, &self.caller, request).await;
        self.conversation = made.ok().map(|view| view.id);
    }

    async fn changes(&mut self, conversation: ConversationId) {
        self.caller.user = self.world.owner(conversation);
        let user = self.somebody_else();
        match self.rng.random_range(0..20) {
            0..2 => return self.renames(conversation).await,
            2..5 => return self.gives_a_role(conversation, user).await,
            5 if self.may_end => return self.ends(conversation).await,
            _ => {}
        }
        if self.world.is_member(conversation, &user) {
            self.removes(conversation, user).await;
        } else {
            self.adds(conversation, user).await;
        }
    }

    async fn renames(&mut self, conversation: ConversationId) {
        let name = ConversationName::parse(&format!("a name of {}", self.rng.random_range(0..9))).expect("a name");
        let settings = Settings {
            name: Some(name),
            ..Settings::default()
        };
        let renaming = commands::update_conversation(&self.world.node, &self.caller, conversation, settings);
        let renamed = commands::in_time(renaming).await.map(drop);
        self.is_decided(renamed).await;
    }

    /// Now and then the owner's own, and is an admin from then on.
    async fn gives_a_role(&mut self, conversation: ConversationId, user: UserId) {
        let role = [Role::Member, Role::Admin, Role::Admin, Role::Owner][self.rng.random_range(0..4)];
        let giving = commands::set_role(&self.world.node, &self.caller, conversation, &user, role);
        let given = commands::in_time(giving).await.map(drop);
        self.is_decided(given).await;
    }

    async fn ends(&mut self, conversation: ConversationId) {
        loop {
            let ending = commands::delete_conversation(&self.world.node, &self.caller, conversation);
            let ended = commands::in_time(ending).await;
            if self.is_decided(ended).await {
                break;
            }
        }
        if self.world.is_ended(conversation) {
            self.conversation = None;
        }
    }

    async fn lets_back_in(&mut self) {
        let Some(conversation) = self.conversation else { return };
        let stuck = {
            let stuck = self.world.stuck.borrow();
            stuck.iter().find(|(of, _)| *of == conversation).cloned()
        };
        if let Some((_, user)) = stuck {
            self.caller.user = self.world.owner(conversation);
            self.adds(conversation, user.clone()).await;
            self.world.stuck.borrow_mut().remove(&(conversation, user));
        }
    }

    async fn adds(&mut self, conversation: ConversationId, user: UserId) {
        loop {
            self.notes(Act::Adds {
                conversation: conversation.to_string(),
                user: user.to_string(),
            });
            let adding = commands::add_member(&self.world.node, &self.caller, conversation, &user);
            if self.is_decided(commands::in_time(adding).await.map(drop)).await {
                return;
            }
        }
    }

    async fn removes(&mut self, conversation: ConversationId, user: UserId) {
        loop {
            let removing = commands::remove_member(&self.world.node, &self.caller, conversation, &user);
            let removed = commands::in_time(removing).await;
            if removed.is_ok() {
                self.notes(Act::RemovalAnswered {
                    conversation: conversation.to_string(),
                    user: user.to_string(),
                });
            }
            if self.is_decided(removed).await {
                return;
            }
        }
    }

    /// Done, or refused for good; otherwise it is worth another try after a moment.
    async fn is_decided(&mut self, result: Result<(), ApiError>) -> bool {
        match result.map_err(|error| error.code) {
            Ok(()) | Err(ErrorCode::Conflict | ErrorCode::NotFound | ErrorCode::Forbidden) => true,
            Err(ErrorCode::Unavailable | ErrorCode::RateLimited) => {
                sleep(Duration::from_millis(self.rng.random_range(10..300))).await;
                Instant::now() >= self.world.end
            }
            Err(code) => {
                self.world
                    .complain(format!("a change of membership is refused with {}", code.as_str()));
                true
            }
        }
    }
}
