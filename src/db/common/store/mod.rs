//! [`Store`] on any database: reads go to its readers, writes to its writer. What each does is in the file of its noun.

pub mod assemble;
mod bounded;
mod channels;
mod conversations;
mod engine;
mod list;
mod messages;
mod retention;
mod search;
pub mod unread;
mod uploads;
mod users;
mod walk;
mod webhooks;

use crate::db::run::*;
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use diesel::sql_types::Integer;

use crate::{
    db::{
        Account, Behind, Change, Credentials, Door, Doorway, EndpointKey, History, HistoryAt, ListCursor, Membership,
        NewAccount, NewConversation, News, Receipt, Refusal, RoomState, Store, StoreError, SyncPage, TokenUser, Told,
        Version, WebhookStore, statement::statement,
    },
    domain::{
        Conversation, ConversationId, ConversationKey, Member, MessageId, Role, Seq, Timestamp, User, UserId, UserKey,
        conversation::{ChannelView, ConversationView},
    },
};

pub use self::{
    conversations::{rooms_of, slug_is_taken},
    engine::Engine,
};

type Result<T> = std::result::Result<T, StoreError>;

#[cfg(test)]
pub use self::{
    conversations::CountOfKind,
    list::Views,
    messages::Readers as MessageReaders,
    retention::Retained,
    search::{AllPlaces, OnePlace},
    unread::{Count, CountMentions},
};

/// The store's end of an open database.
pub struct Storage<E> {
    engine: E,
    epoch: String,
}

impl<E: Engine> Storage<E> {
    /// On this engine; `epoch` is what `meta` says.
    pub fn new(engine: E, epoch: String) -> Self {
        Self { engine, epoch }
    }
}

/// A commit this young shows that the database can be written to.
const FRESH: Duration = Duration::from_secs(1);

#[async_trait]
impl<E: Engine> Store for Storage<E> {
    fn epoch(&self) -> &str {
        &self.epoch
    }

    async fn check(&self) -> Result<()> {
        self.engine
            .read(|c| Ok(One {}.get_result::<i32, _>(c).map(drop)?))
            .await?;
        if self.engine.committed_within(FRESH) {
            return Ok(());
        }
        // Writes a page, so that a full or broken disk shows.
        self.engine
            .write(|c| Ok(c.batch("UPDATE meta SET value = value WHERE name = 'epoch'")?))
            .await
    }

    fn backend(&self) -> &'static str {
        E::NAME
    }

    fn pool(&self) -> (u32, u32) {
        self.engine.pool()
    }

    async fn create_account(&self, account: NewAccount) -> Result<Option<Arc<User>>> {
        self.engine.write(move |c| users::create(c, &account)).await
    }

    async fn credentials(&self, folded: &str) -> Result<Option<Credentials>> {
        let folded = folded.to_owned();
        self.engine.read(move |c| users::credentials(c, &folded)).await
    }

    async fn set_password(&self, folded: &str, hash: &str) -> Result<bool> {
        let (folded, hash) = (folded.to_owned(), hash.to_owned());
        self.engine.write(move |c| users::set_password(c, &folded, &hash)).await
    }

    async fn set_admin(&self, id: &UserId, admin: bool) -> Result<bool> {
        let id = id.clone();
        self.engine
            .write(move |c| users::set_admin(c, id.as_str(), admin))
            .await
    }

    async fn record_token_user(&self, user: TokenUser) -> Result<Account> {
        self.engine.write(move |c| users::record(c, &user)).await
    }

    async fn put_product_user(&self, user: TokenUser) -> Result<Account> {
        // A product that tells of all its users again and again costs reads, not commits.
        if let Some(account) = self.account(&user.id).await?
            && users::is_put(&account, &user)
        {
            return Ok(account);
        }
        self.engine.write(move |c| users::put(c, &user)).await
    }

    async fn account(&self, id: &UserId) -> Result<Option<Account>> {
        let id = id.clone();
        self.engine.read(move |c| users::account(c, id.as_str())).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>> {
        let ids = ids.to_vec();
        self.engine.read(move |c| users::by_ids(c, &ids)).await
    }

    async fn search_users(&self, query: &str, limit: usize) -> Result<Vec<Arc<User>>> {
        let query = query.to_owned();
        self.engine.read(move |c| users::search(c, &query, limit)).await
    }

    async fn update_profile(
        &self,
        user: UserKey,
        display_name: Option<&str>,
        avatar_url: Option<Option<&str>>,
    ) -> Result<Arc<User>> {
        let display_name = display_name.map(str::to_owned);
        let avatar_url = avatar_url.map(|url| url.map(str::to_owned));
        self.engine
            .write(move |c| {
                let avatar_url = avatar_url.as_ref().map(Option::as_deref);
                users::update_profile(c, user, display_name.as_deref(), avatar_url)
            })
            .await
    }

    async fn set_last_seen(&self, seen: &[(UserKey, Timestamp)]) -> Result<()> {
        let seen = seen.to_vec();
        self.engine.write(move |c| users::set_last_seen(c, &seen)).await
    }

    async fn last_seen(&self, ids: &[UserId]) -> Result<Vec<(UserId, Option<Timestamp>)>> {
        let ids = ids.to_vec();
        self.engine.read(move |c| users::last_seen(c, &ids)).await
    }

    async fn revoke_token(&self, jti: &str, expires_at: Timestamp) -> Result<()> {
        let jti = jti.to_owned();
        self.engine.write(move |c| users::revoke(c, &jti, expires_at)).await
    }

    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>> {
        self.engine.write(move |c| users::revoked(c, now)).await
    }

    async fn find_or_create_direct(
        &self,
        one: UserKey,
        other: UserKey,
        id: ConversationId,
        at: Timestamp,
    ) -> Result<(Conversation, bool)> {
        // Finding costs a read, not a commit.
        if let Some(found) = self.engine.read(move |c| conversations::direct(c, one, other)).await? {
            return Ok((found, false));
        }
        self.engine
            .write(move |c| conversations::find_or_create_direct(c, one, other, id, at))
            .await
    }

    async fn create_conversation(&self, new: NewConversation) -> Result<std::result::Result<Conversation, Refusal>> {
        self.engine.write(move |c| conversations::create(c, &new)).await
    }

    async fn door(&self, by: &Doorway, user: UserKey) -> Result<Option<Door>> {
        let by = by.clone();
        self.engine.read(move |c| channels::door(c, &by, user)).await
    }

    async fn channels(
        &self,
        user: UserKey,
        folded: &str,
        limit: usize,
        after: Option<&str>,
    ) -> Result<(Vec<ChannelView>, Option<String>)> {
        let (folded, after) = (folded.to_owned(), after.map(str::to_owned));
        self.engine
            .read(move |c| channels::page(c, user, &folded, limit, after.as_deref()))
            .await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>> {
        self.engine.read(move |c| conversations::by_id(c, id)).await
    }

    async fn room_state(&self, id: ConversationId) -> Result<Option<RoomState>> {
        self.engine.read(move |c| conversations::room_state(c, id)).await
    }

    async fn membership(&self, id: ConversationId, user: UserKey) -> Result<Option<(Conversation, Option<Role>)>> {
        self.engine.read(move |c| conversations::membership(c, id, user)).await
    }

    async fn memberships(&self, user: UserKey) -> Result<Vec<Membership>> {
        self.engine.read(move |c| conversations::memberships(c, user)).await
    }

    async fn heads(&self, keys: &[ConversationKey]) -> Result<Vec<Seq>> {
        let keys = keys.to_vec();
        self.engine.read(move |c| conversations::heads(c, &keys)).await
    }

    async fn conversation_view(&self, id: ConversationId, user: UserKey) -> Result<Option<ConversationView>> {
        self.engine.read(move |c| list::one(c, id, user)).await
    }

    async fn conversation_list(
        &self,
        user: UserKey,
        limit: usize,
        cursor: Option<ListCursor>,
    ) -> Result<(Vec<ConversationView>, Option<ListCursor>)> {
        self.engine.read(move |c| list::page(c, user, limit, cursor)).await
    }

    async fn members(&self, conversation: ConversationKey) -> Result<Vec<Member>> {
        self.engine.read(move |c| conversations::members(c, conversation)).await
    }

    async fn history(&self, conversation: &Conversation, at: HistoryAt, limit: usize) -> Result<Option<History>> {
        let conversation = conversation.clone();
        self.engine
            .read(move |c| messages::history(c, &conversation, at, limit))
            .await
    }

    async fn sync(&self, conversation: &Conversation, after: Seq, limit: usize) -> Result<SyncPage> {
        let conversation = conversation.clone();
        self.engine
            .read(move |c| messages::sync(c, &conversation, after, limit))
            .await
    }

    async fn changes(&self, conversation: &Conversation, after: Seq, limit: usize) -> Result<Vec<Change>> {
        let conversation = conversation.clone();
        self.engine
            .read(move |c| messages::changes(c, &conversation, after, limit))
            .await
    }

    async fn receipts(&self, conversation: &Conversation, message: MessageId) -> Result<Option<Vec<Receipt>>> {
        let conversation = conversation.clone();
        self.engine
            .read(move |c| messages::receipts(c, &conversation, message))
            .await
    }

    async fn versions(&self, conversation: &Conversation, message: MessageId) -> Result<Option<Vec<Version>>> {
        let conversation = conversation.clone();
        self.engine
            .read(move |c| messages::versions(c, &conversation, message))
            .await
    }
}

#[async_trait]
impl<E: Engine> WebhookStore for Storage<E> {
    async fn webhook_endpoint(&self, url: &str, at: Timestamp) -> Result<(EndpointKey, bool)> {
        let url = url.to_owned();
        self.engine.write(move |c| webhooks::find_or_record(c, &url, at)).await
    }

    async fn webhooks_behind(
        &self,
        endpoint: EndpointKey,
        after: Option<ConversationKey>,
        look_at: usize,
    ) -> Result<Behind> {
        self.engine
            .read(move |c| webhooks::behind(c, endpoint, after, look_at))
            .await
    }

    async fn webhook_news(
        &self,
        endpoint: EndpointKey,
        conversation: ConversationKey,
        told: Option<Seq>,
        limit: usize,
    ) -> Result<Option<News>> {
        self.engine
            .read(move |c| webhooks::news(c, endpoint, conversation, told, limit))
            .await
    }

    async fn webhooks_told(&self, told: &[Told]) -> Result<()> {
        let told = told.to_vec();
        self.engine.write(move |c| webhooks::told(c, &told)).await
    }
}

statement! {
    /// Whether somebody answers.
    One {} -> Integer,
    "SELECT 1"
}
