//! [`Store`] on one file: reads go to the pool, writes to the writer. What each does is in the file of its noun.

pub mod assemble;
mod bounded;
mod channels;
mod conversations;
mod list;
mod messages;
mod retention;
mod search;
pub mod unread;
mod uploads;
mod users;
mod webhooks;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use diesel::{RunQueryDsl, connection::SimpleConnection, dsl::sql, sql_types::Integer};

use super::{readers::Readers, writer::WriterHandle};
use crate::{
    db::{
        Account, Behind, Change, Credentials, Door, Doorway, EndpointKey, History, HistoryAt, ListCursor, Membership,
        NewAccount, NewConversation, News, Receipt, Refusal, RoomState, Store, StoreError, SyncPage, TokenUser, Told,
        Version, WebhookStore,
    },
    domain::{
        Conversation, ConversationId, ConversationKey, Member, MessageId, Role, Seq, Timestamp, User, UserId, UserKey,
        conversation::{ChannelView, ConversationView},
    },
};

pub use self::conversations::{rooms_of, slug_is_taken};

type Result<T> = std::result::Result<T, StoreError>;

#[cfg(test)]
pub use self::{
    list::Views,
    messages::Readers as MessageReaders,
    retention::Retained,
    search::{AllPlaces, OnePlace, TimeFrom},
    unread::{Count, CountMentions},
};

/// The store's end of an open file.
pub struct SqliteStore {
    readers: Readers,
    writer: WriterHandle,
    epoch: String,
}

impl SqliteStore {
    /// On these connections; `epoch` is what `meta` says.
    pub fn new(readers: Readers, writer: WriterHandle, epoch: String) -> Self {
        Self { readers, writer, epoch }
    }
}

/// A commit this young shows that the database can be written to.
const FRESH: Duration = Duration::from_secs(1);

#[async_trait]
impl Store for SqliteStore {
    fn epoch(&self) -> &str {
        &self.epoch
    }

    async fn check(&self) -> Result<()> {
        self.readers
            .read(|c| Ok(diesel::select(sql::<Integer>("1")).get_result::<i32>(c).map(drop)?))
            .await?;
        if self.writer.committed_within(FRESH) {
            return Ok(());
        }
        // Writes a page, so that a full or broken disk shows.
        self.writer
            .write(|c| Ok(c.batch_execute("UPDATE meta SET value = value WHERE name = 'epoch'")?))
            .await
    }

    fn backend(&self) -> &'static str {
        "sqlite"
    }

    fn pool(&self) -> (u32, u32) {
        self.readers.state()
    }

    async fn create_account(&self, account: NewAccount) -> Result<Option<Arc<User>>> {
        self.writer.write(move |c| users::create(c, &account)).await
    }

    async fn credentials(&self, folded: &str) -> Result<Option<Credentials>> {
        let folded = folded.to_owned();
        self.readers.read(move |c| users::credentials(c, &folded)).await
    }

    async fn set_password(&self, folded: &str, hash: &str) -> Result<bool> {
        let (folded, hash) = (folded.to_owned(), hash.to_owned());
        self.writer.write(move |c| users::set_password(c, &folded, &hash)).await
    }

    async fn set_admin(&self, id: &UserId, admin: bool) -> Result<bool> {
        let id = id.clone();
        self.writer
            .write(move |c| users::set_admin(c, id.as_str(), admin))
            .await
    }

    async fn record_token_user(&self, user: TokenUser) -> Result<Account> {
        // Nearly every token says what is known: that costs a read, not a commit.
        if let Some(account) = self.account(&user.id).await?
            && users::is_recorded(&account, &user)
        {
            return Ok(account);
        }
        self.writer.write(move |c| users::record(c, &user)).await
    }

    async fn account(&self, id: &UserId) -> Result<Option<Account>> {
        let id = id.clone();
        self.readers.read(move |c| users::account(c, id.as_str())).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>> {
        let ids = ids.to_vec();
        self.readers.read(move |c| users::by_ids(c, &ids)).await
    }

    async fn search_users(&self, query: &str, limit: usize) -> Result<Vec<Arc<User>>> {
        let query = query.to_owned();
        self.readers.read(move |c| users::search(c, &query, limit)).await
    }

    async fn update_profile(
        &self,
        user: UserKey,
        display_name: Option<&str>,
        avatar_url: Option<Option<&str>>,
    ) -> Result<Arc<User>> {
        let display_name = display_name.map(str::to_owned);
        let avatar_url = avatar_url.map(|url| url.map(str::to_owned));
        self.writer
            .write(move |c| {
                let avatar_url = avatar_url.as_ref().map(Option::as_deref);
                users::update_profile(c, user, display_name.as_deref(), avatar_url)
            })
            .await
    }

    async fn set_last_seen(&self, seen: &[(UserKey, Timestamp)]) -> Result<()> {
        let seen = seen.to_vec();
        self.writer.write(move |c| users::set_last_seen(c, &seen)).await
    }

    async fn last_seen(&self, ids: &[UserId]) -> Result<Vec<(UserId, Option<Timestamp>)>> {
        let ids = ids.to_vec();
        self.readers.read(move |c| users::last_seen(c, &ids)).await
    }

    async fn revoke_token(&self, jti: &str, expires_at: Timestamp) -> Result<()> {
        let jti = jti.to_owned();
        self.writer.write(move |c| users::revoke(c, &jti, expires_at)).await
    }

    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>> {
        self.writer.write(move |c| users::revoked(c, now)).await
    }

    async fn find_or_create_direct(
        &self,
        one: UserKey,
        other: UserKey,
        id: ConversationId,
        at: Timestamp,
    ) -> Result<(Conversation, bool)> {
        // Finding costs a read, not a commit.
        if let Some(found) = self.readers.read(move |c| conversations::direct(c, one, other)).await? {
            return Ok((found, false));
        }
        self.writer
            .write(move |c| conversations::find_or_create_direct(c, one, other, id, at))
            .await
    }

    async fn create_conversation(&self, new: NewConversation) -> Result<std::result::Result<Conversation, Refusal>> {
        self.writer.write(move |c| conversations::create(c, &new)).await
    }

    async fn door(&self, by: &Doorway, user: UserKey) -> Result<Option<Door>> {
        let by = by.clone();
        self.readers.read(move |c| channels::door(c, &by, user)).await
    }

    async fn channels(
        &self,
        user: UserKey,
        folded: &str,
        limit: usize,
        after: Option<&str>,
    ) -> Result<(Vec<ChannelView>, Option<String>)> {
        let (folded, after) = (folded.to_owned(), after.map(str::to_owned));
        self.readers
            .read(move |c| channels::page(c, user, &folded, limit, after.as_deref()))
            .await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>> {
        self.readers.read(move |c| conversations::by_id(c, id)).await
    }

    async fn room_state(&self, id: ConversationId) -> Result<Option<RoomState>> {
        self.readers.read(move |c| conversations::room_state(c, id)).await
    }

    async fn membership(&self, id: ConversationId, user: UserKey) -> Result<Option<(Conversation, Option<Role>)>> {
        self.readers.read(move |c| conversations::membership(c, id, user)).await
    }

    async fn memberships(&self, user: UserKey) -> Result<Vec<Membership>> {
        self.readers.read(move |c| conversations::memberships(c, user)).await
    }

    async fn heads(&self, keys: &[ConversationKey]) -> Result<Vec<Seq>> {
        let keys = keys.to_vec();
        self.readers.read(move |c| conversations::heads(c, &keys)).await
    }

    async fn conversation_view(&self, id: ConversationId, user: UserKey) -> Result<Option<ConversationView>> {
        self.readers.read(move |c| list::one(c, id, user)).await
    }

    async fn conversation_list(
        &self,
        user: UserKey,
        limit: usize,
        cursor: Option<ListCursor>,
    ) -> Result<(Vec<ConversationView>, Option<ListCursor>)> {
        self.readers.read(move |c| list::page(c, user, limit, cursor)).await
    }

    async fn members(&self, conversation: ConversationKey) -> Result<Vec<Member>> {
        self.readers
            .read(move |c| conversations::members(c, conversation))
            .await
    }

    async fn history(&self, conversation: &Conversation, at: HistoryAt, limit: usize) -> Result<Option<History>> {
        let conversation = conversation.clone();
        self.readers
            .read(move |c| messages::history(c, &conversation, at, limit))
            .await
    }

    async fn sync(&self, conversation: &Conversation, after: Seq, limit: usize) -> Result<SyncPage> {
        let conversation = conversation.clone();
        self.readers
            .read(move |c| messages::sync(c, &conversation, after, limit))
            .await
    }

    async fn changes(&self, conversation: &Conversation, after: Seq, limit: usize) -> Result<Vec<Change>> {
        let conversation = conversation.clone();
        self.readers
            .read(move |c| messages::changes(c, &conversation, after, limit))
            .await
    }

    async fn receipts(&self, conversation: &Conversation, message: MessageId) -> Result<Option<Vec<Receipt>>> {
        let conversation = conversation.clone();
        self.readers
            .read(move |c| messages::receipts(c, &conversation, message))
            .await
    }

    async fn versions(&self, conversation: &Conversation, message: MessageId) -> Result<Option<Vec<Version>>> {
        let conversation = conversation.clone();
        self.readers
            .read(move |c| messages::versions(c, &conversation, message))
            .await
    }
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn webhook_endpoint(&self, url: &str, at: Timestamp) -> Result<(EndpointKey, bool)> {
        let url = url.to_owned();
        self.writer.write(move |c| webhooks::find_or_record(c, &url, at)).await
    }

    async fn webhooks_behind(
        &self,
        endpoint: EndpointKey,
        after: Option<ConversationKey>,
        look_at: usize,
    ) -> Result<Behind> {
        self.readers
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
        self.readers
            .read(move |c| webhooks::news(c, endpoint, conversation, told, limit))
            .await
    }

    async fn webhooks_told(&self, told: &[Told]) -> Result<()> {
        let told = told.to_vec();
        self.writer.write(move |c| webhooks::told(c, &told)).await
    }
}
