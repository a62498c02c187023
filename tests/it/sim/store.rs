//! The store and the log of a run: conversations in memory behind the real seams, with faults drawn from the seed. What the
//! simulation never asks for answers `Unavailable`. Called by the actors only, and by `world` at the beginning and the end.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use parlor::{
    db::{
        Account, Appended, Behind, Change, ConversationAppend, Credentials, Door, Doorway, DuePage, EndpointKey,
        History, HistoryAt, ListCursor, Log, LogError, Membership, NewAccount, NewConversation, NewUpload, News,
        Receipt, Refusal, RetentionStore, RoomState, Search, SearchStore, Store, StoreError, SweepFrom, Swept,
        SyncPage, TokenUser, Told, UploadStore, Version, WebhookStore,
    },
    domain::{
        Conversation, ConversationId, ConversationKey, Kind, Member, MessageId, Role, Seq, Timestamp, UploadName, User,
        UserId, UserKey,
        conversation::{ChannelView, ConversationView, Policies},
    },
};

use super::{
    faults::{Fate, Faults, Sabotage},
    history::Chat,
};

type Found<T> = Result<T, StoreError>;

/// Everything that survives a crash, and what may go wrong with it.
pub struct Memory {
    pub faults: Faults,
    pub sabotage: Sabotage,
    pub appends: u32,
    pub users: Vec<Arc<User>>,
    /// In the order of their keys.
    pub chats: Vec<Chat>,
    /// Missed changes beyond which `sync` resets.
    pub reset_after: u32,
}

impl Memory {
    fn chat(&self, id: ConversationId) -> Option<&Chat> {
        self.chats.iter().find(|chat| chat.conversation.id == id && !chat.ended)
    }

    fn user(&self, key: UserKey) -> Arc<User> {
        let found = self.users.iter().find(|user| user.key == key);
        found.expect("a user of this run").clone()
    }

    fn seat(&self, key: UserKey, role: Role, at: Timestamp) -> Member {
        Member {
            user: self.user(key),
            role,
            joined_at: at,
            last_read_seq: Seq(0),
        }
    }

    /// Most sabotage is rare, or it would be no art to notice it.
    fn sabotage_of_this_append(&mut self) -> Sabotage {
        self.appends += 1;
        match self.sabotage {
            Sabotage::ForgetsClientIds => Sabotage::ForgetsClientIds,
            rare if self.appends.is_multiple_of(9) => rare,
            _ => Sabotage::None,
        }
    }

    pub fn create(&mut self, group: NewConversation) -> Conversation {
        let conversation = Conversation {
            key: ConversationKey(self.chats.len() as i64),
            id: group.id,
            kind: Kind::Group,
            name: Some(group.name),
            slug: None,
            invite_code: None,
            policies: Policies::default(),
            created_at: group.at,
        };
        let owner = std::iter::once(self.seat(group.owner, Role::Owner, group.at));
        let others = group.members.iter().map(|key| self.seat(*key, Role::Member, group.at));
        let members = owner.chain(others).collect();
        self.chats.push(Chat::new(conversation.clone(), members));
        conversation
    }
}

/// The one store of a run, as everybody holds it.
#[derive(Clone)]
pub struct FakeStore(Arc<Mutex<Memory>>);

impl FakeStore {
    pub fn new(memory: Memory) -> FakeStore {
        FakeStore(Arc::new(Mutex::new(memory)))
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("nothing panics over the memory")
    }

    /// Takes its time, and may fail before it did anything.
    async fn ask<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> Found<T> {
        let (delay, fails) = self.memory().faults.read();
        sleep(delay.before).await;
        if fails {
            return Err(StoreError::Unavailable("a fault of the simulation".into()));
        }
        let found = look(&mut self.memory());
        sleep(delay.after).await;
        Ok(found)
    }
}

async fn sleep(time: std::time::Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[async_trait]
impl Log for FakeStore {
    async fn append(&mut self, batch: Vec<ConversationAppend>) -> Vec<Result<Appended, LogError>> {
        let (delay, fate) = self.memory().faults.append();
        sleep(delay.before).await;
        let applied = {
            let memory = &mut *self.memory();
            let apply = matches!(fate, Fate::Committed | Fate::Unknown { applied: true });
            apply.then(|| {
                let sabotage = memory.sabotage_of_this_append();
                let one = |append: &ConversationAppend| {
                    Ok(memory.chats[append.conversation.0 as usize].append(&append.ops, sabotage))
                };
                batch.iter().map(one).collect()
            })
        };
        sleep(delay.after).await;
        let error = match (fate, applied) {
            (Fate::Committed, Some(applied)) => return applied,
            (Fate::Unknown { .. }, _) => LogError::Unknown("a fault of the simulation".into()),
            _ => LogError::Unavailable("a fault of the simulation".into()),
        };
        vec![Err(error); batch.len()]
    }
}

fn not_simulated<T>() -> Found<T> {
    Err(StoreError::Unavailable("the simulation has no such thing".into()))
}

#[async_trait]
impl UploadStore for FakeStore {
    async fn unposted_uploads(&self, _: UserKey) -> Found<usize> {
        not_simulated()
    }

    async fn record_upload(&self, _: NewUpload, _: usize) -> Found<bool> {
        not_simulated()
    }

    async fn recorded_uploads(&self, _: &[UploadName]) -> Found<Vec<UploadName>> {
        not_simulated()
    }

    async fn sweep_uploads(&self, _: Timestamp, _: usize) -> Found<Vec<UploadName>> {
        not_simulated()
    }
}

#[async_trait]
impl WebhookStore for FakeStore {
    async fn webhook_endpoint(&self, _: &str, _: Timestamp) -> Found<(EndpointKey, bool)> {
        not_simulated()
    }

    async fn webhooks_behind(&self, _: EndpointKey, _: Option<ConversationKey>, _: usize) -> Found<Behind> {
        not_simulated()
    }

    async fn webhook_news(&self, _: EndpointKey, _: ConversationKey, _: Option<Seq>, _: usize) -> Found<Option<News>> {
        not_simulated()
    }

    async fn webhooks_told(&self, _: &[Told]) -> Found<()> {
        not_simulated()
    }
}

#[async_trait]
impl SearchStore for FakeStore {
    async fn search(&self, _: UserKey, _: Search) -> Found<parlor::db::Found> {
        not_simulated()
    }

    fn search_backlog(&self) -> u64 {
        0
    }
}

#[async_trait]
impl RetentionStore for FakeStore {
    async fn due(&self, _: Timestamp, _: Option<ConversationKey>, _: usize) -> Found<DuePage> {
        let (due, next) = (Vec::new(), None);
        Ok(DuePage { due, next })
    }

    async fn purge(&self, _: ConversationKey, _: Timestamp, _: u32) -> Found<bool> {
        not_simulated()
    }

    async fn sweep_read_marks(&self, _: Option<SweepFrom>, _: Timestamp, _: usize) -> Found<Swept> {
        let (forgotten, next) = (0, None);
        Ok(Swept { forgotten, next })
    }
}

#[async_trait]
impl Store for FakeStore {
    fn epoch(&self) -> &str {
        "the only epoch"
    }

    async fn check(&self) -> Found<()> {
        Ok(())
    }

    fn backend(&self) -> &'static str {
        "simulated"
    }

    fn pool(&self) -> (u32, u32) {
        (0, 1)
    }

    async fn create_account(&self, _: NewAccount) -> Found<Option<Arc<User>>> {
        not_simulated()
    }

    async fn credentials(&self, _: &str) -> Found<Option<Credentials>> {
        not_simulated()
    }

    async fn set_password(&self, _: &str, _: &str) -> Found<bool> {
        not_simulated()
    }

    async fn set_admin(&self, _: &UserId, _: bool) -> Found<bool> {
        not_simulated()
    }

    async fn record_token_user(&self, _: TokenUser) -> Found<Account> {
        not_simulated()
    }

    async fn put_product_user(&self, _: TokenUser) -> Found<Account> {
        not_simulated()
    }

    async fn account(&self, id: &UserId) -> Found<Option<Account>> {
        let account = |user: &Arc<User>| Account {
            user: user.clone(),
            admin: false,
            local: false,
            last_seen_at: None,
            told: None,
        };
        self.ask(|memory| memory.users.iter().find(|user| user.id == *id).map(account))
            .await
    }

    async fn users(&self, ids: &[UserId]) -> Found<Vec<Arc<User>>> {
        let known = |user: &&Arc<User>| ids.contains(&user.id);
        self.ask(|memory| memory.users.iter().filter(known).cloned().collect())
            .await
    }

    async fn search_users(&self, _: &str, _: usize) -> Found<Vec<Arc<User>>> {
        not_simulated()
    }

    async fn update_profile(&self, _: UserKey, _: Option<&str>, _: Option<Option<&str>>) -> Found<Arc<User>> {
        not_simulated()
    }

    async fn set_last_seen(&self, _: &[(UserKey, Timestamp)]) -> Found<()> {
        self.ask(|_| ()).await
    }

    async fn last_seen(&self, ids: &[UserId]) -> Found<Vec<(UserId, Option<Timestamp>)>> {
        self.ask(|_| ids.iter().map(|id| (id.clone(), None)).collect()).await
    }

    async fn revoke_token(&self, _: &str, _: Timestamp) -> Found<()> {
        not_simulated()
    }

    async fn revoked_tokens(&self, _: Timestamp) -> Found<Vec<(String, Timestamp)>> {
        Ok(Vec::new())
    }

    async fn find_or_create_direct(
        &self,
        _: UserKey,
        _: UserKey,
        _: ConversationId,
        _: Timestamp,
    ) -> Found<(Conversation, bool)> {
        not_simulated()
    }

    async fn create_conversation(&self, new: NewConversation) -> Found<Result<Conversation, Refusal>> {
        self.ask(|memory| Ok(memory.create(new))).await
    }

    async fn door(&self, _: &Doorway, _: UserKey) -> Found<Option<Door>> {
        not_simulated()
    }

    async fn channels(
        &self,
        _: UserKey,
        _: &str,
        _: usize,
        _: Option<&str>,
    ) -> Found<(Vec<ChannelView>, Option<String>)> {
        not_simulated()
    }

    async fn conversation(&self, id: ConversationId) -> Found<Option<Conversation>> {
        self.ask(|memory| memory.chat(id).map(|chat| chat.conversation.clone()))
            .await
    }

    async fn room_state(&self, id: ConversationId) -> Found<Option<RoomState>> {
        let state = |chat: &Chat| RoomState {
            conversation: chat.conversation.clone(),
            members: chat.members.clone(),
            head: chat.head,
            expired: Seq(0),
        };
        self.ask(|memory| memory.chat(id).map(state)).await
    }

    async fn membership(&self, id: ConversationId, user: UserKey) -> Found<Option<(Conversation, Option<Role>)>> {
        let standing = |chat: &Chat| (chat.conversation.clone(), chat.member(user).map(|member| member.role));
        self.ask(|memory| memory.chat(id).map(standing)).await
    }

    async fn memberships(&self, user: UserKey) -> Found<Vec<Membership>> {
        let membership = |chat: &Chat| {
            let Conversation { key, id, kind, .. } = chat.conversation;
            chat.member(user).filter(|_| !chat.ended).map(|_| Membership {
                key,
                id,
                kind,
                expired: Seq(0),
            })
        };
        self.ask(|memory| memory.chats.iter().filter_map(membership).collect())
            .await
    }

    async fn heads(&self, keys: &[ConversationKey]) -> Found<Vec<Seq>> {
        self.ask(|memory| keys.iter().map(|key| memory.chats[key.0 as usize].head).collect())
            .await
    }

    async fn conversation_view(&self, id: ConversationId, user: UserKey) -> Found<Option<ConversationView>> {
        self.ask(|memory| memory.chat(id).and_then(|chat| chat.view(user)))
            .await
    }

    async fn conversation_list(
        &self,
        user: UserKey,
        limit: usize,
        _: Option<ListCursor>,
    ) -> Found<(Vec<ConversationView>, Option<ListCursor>)> {
        let views = |memory: &mut Memory| -> Vec<ConversationView> {
            let chats = memory.chats.iter().filter(|chat| !chat.ended);
            let views = chats.filter_map(|chat| chat.view(user));
            views.take(limit).collect()
        };
        Ok((self.ask(views).await?, None))
    }

    async fn members(&self, conversation: ConversationKey) -> Found<Vec<Member>> {
        self.ask(|memory| memory.chats[conversation.0 as usize].members.clone())
            .await
    }

    async fn history(&self, _: &Conversation, _: HistoryAt, _: usize) -> Found<Option<History>> {
        not_simulated()
    }

    async fn sync(&self, conversation: &Conversation, after: Seq, limit: usize) -> Found<SyncPage> {
        self.ask(|memory| {
            let chat = &memory.chats[conversation.key.0 as usize];
            chat.sync(after, limit, memory.reset_after, memory.sabotage)
        })
        .await
    }

    async fn changes(&self, conversation: &Conversation, after: Seq, limit: usize) -> Found<Vec<Change>> {
        self.ask(|memory| memory.chats[conversation.key.0 as usize].changes(after, limit))
            .await
    }

    async fn receipts(&self, _: &Conversation, _: MessageId) -> Found<Option<Vec<Receipt>>> {
        not_simulated()
    }

    async fn versions(&self, _: &Conversation, _: MessageId) -> Found<Option<Vec<Version>>> {
        not_simulated()
    }
}
