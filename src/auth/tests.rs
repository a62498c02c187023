//! Identities and revocation, over a store that holds accounts in memory.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use super::*;
use crate::{
    config::JwtConfig,
    db::{
        Account, Anew, Behind, Change, Credentials, Door, Doorway, DuePage, EndpointKey, Found, History, HistoryAt,
        ListCursor, Membership, NewAccount, NewConversation, NewUpload, News, Receipt, Refusal, RetentionStore,
        RoomState, Search, SearchStore, Store, StoreError, SweepFrom, Swept, SyncPage, TokenUser, Told, UploadStore,
        Version, WebhookStore,
    },
    domain::{
        Clock, Conversation, ConversationId, ConversationKey, Member, MessageId, Role, Seq, Timestamp, UploadName,
        User, UserId, UserKey,
        conversation::{ChannelView, ConversationView},
    },
    protocol::ErrorCode,
};

const NOW_MS: i64 = 1_768_693_477_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

/// Accounts and revoked tokens; everything else is not asked for here.
#[derive(Default)]
struct Accounts {
    accounts: Mutex<HashMap<UserId, Account>>,
    revoked: Mutex<Vec<(String, Timestamp)>>,
    recorded: Mutex<usize>,
}

impl Accounts {
    fn put(&self, id: &str, name: &str, local: bool, admin: bool) {
        let mut accounts = self.accounts.lock().unwrap();
        let key = UserKey(accounts.len() as i64 + 1);
        let id = UserId::parse(id).unwrap();
        let user = User {
            key,
            id: id.clone(),
            name: name.to_owned(),
            display_name: name.to_owned(),
            avatar_url: None,
        };
        let account = Account {
            user: Arc::new(user),
            admin,
            local,
            last_seen_at: None,
            told: None,
        };
        accounts.insert(id, account);
    }

    fn rename(&self, id: &str, display_name: &str) {
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.get_mut(&UserId::parse(id).unwrap()).unwrap();
        Arc::make_mut(&mut account.user).display_name = display_name.to_owned();
    }

    fn recorded(&self) -> usize {
        *self.recorded.lock().unwrap()
    }
}

fn not_here<T>() -> Result<T, StoreError> {
    Err(StoreError::Broken("not asked for here".to_owned()))
}

#[async_trait]
impl UploadStore for Accounts {
    async fn unposted_uploads(&self, _: UserKey) -> Result<usize, StoreError> {
        not_here()
    }

    async fn record_upload(&self, _: NewUpload, _: usize) -> Result<bool, StoreError> {
        not_here()
    }

    async fn recorded_uploads(&self, _: &[UploadName]) -> Result<Vec<UploadName>, StoreError> {
        not_here()
    }

    async fn sweep_uploads(&self, _: Timestamp, _: usize) -> Result<Vec<UploadName>, StoreError> {
        not_here()
    }
}

#[async_trait]
impl WebhookStore for Accounts {
    async fn webhook_endpoint(&self, _: &str, _: Timestamp) -> Result<(EndpointKey, bool), StoreError> {
        not_here()
    }
    async fn webhooks_behind(
        &self,
        _: EndpointKey,
        _: Option<ConversationKey>,
        _: usize,
    ) -> Result<Behind, StoreError> {
        not_here()
    }
    async fn webhook_news(
        &self,
        _: EndpointKey,
        _: ConversationKey,
        _: Option<Seq>,
        _: usize,
    ) -> Result<Option<News>, StoreError> {
        not_here()
    }
    async fn webhooks_told(&self, _: &[Told]) -> Result<(), StoreError> {
        not_here()
    }
}

#[async_trait]
impl SearchStore for Accounts {
    async fn search(&self, _: UserKey, _: Search) -> Result<Found, StoreError> {
        not_here()
    }

    fn search_backlog(&self) -> u64 {
        0
    }
}

#[async_trait]
impl RetentionStore for Accounts {
    async fn due(&self, _: Timestamp, _: Option<ConversationKey>, _: usize) -> Result<DuePage, StoreError> {
        not_here()
    }

    async fn purge(&self, _: ConversationKey, _: Timestamp, _: u32) -> Result<bool, StoreError> {
        not_here()
    }

    async fn sweep_read_marks(&self, _: Option<SweepFrom>, _: Timestamp, _: usize) -> Result<Swept, StoreError> {
        not_here()
    }
}

#[async_trait]
impl Store for Accounts {
    async fn account(&self, id: &UserId) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts.lock().unwrap().get(id).cloned())
    }
    async fn record_token_user(&self, said: TokenUser) -> Result<Account, StoreError> {
        *self.recorded.lock().unwrap() += 1;
        if self.account(&said.id).await?.is_none() {
            self.put(said.id.as_str(), said.id.as_str(), false, false);
        }
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.get_mut(&said.id).unwrap();
        let anew = Anew::of(&said, account.told.as_deref()).unwrap();
        let said = anew.only(&said);
        account.told = Some(anew.told);
        let user = Arc::make_mut(&mut account.user);
        user.name = said.name.unwrap_or(std::mem::take(&mut user.name));
        user.display_name = said.display_name.unwrap_or(std::mem::take(&mut user.display_name));
        user.avatar_url = said.avatar_url.or(user.avatar_url.take());
        Ok(account.clone())
    }
    async fn put_product_user(&self, _: TokenUser) -> Result<Account, StoreError> {
        not_here()
    }
    async fn revoke_token(&self, jti: &str, expires_at: Timestamp) -> Result<(), StoreError> {
        self.revoked.lock().unwrap().push((jti.to_owned(), expires_at));
        Ok(())
    }
    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let revoked = self.revoked.lock().unwrap();
        Ok(revoked.iter().filter(|(_, until)| *until > now).cloned().collect())
    }
    fn epoch(&self) -> &str {
        "none"
    }
    async fn check(&self) -> Result<(), StoreError> {
        not_here()
    }
    fn backend(&self) -> &'static str {
        "memory"
    }
    fn pool(&self) -> (u32, u32) {
        (0, 0)
    }
    async fn create_account(&self, _: NewAccount) -> Result<Option<Arc<User>>, StoreError> {
        not_here()
    }
    async fn credentials(&self, _: &str) -> Result<Option<Credentials>, StoreError> {
        not_here()
    }
    async fn set_password(&self, _: &str, _: &str) -> Result<bool, StoreError> {
        not_here()
    }
    async fn set_admin(&self, _: &UserId, _: bool) -> Result<bool, StoreError> {
        not_here()
    }
    async fn users(&self, _: &[UserId]) -> Result<Vec<Arc<User>>, StoreError> {
        not_here()
    }
    async fn search_users(&self, _: &str, _: usize) -> Result<Vec<Arc<User>>, StoreError> {
        not_here()
    }
    async fn update_profile(
        &self,
        _: UserKey,
        _: Option<&str>,
        _: Option<Option<&str>>,
    ) -> Result<Arc<User>, StoreError> {
        not_here()
    }
    async fn set_last_seen(&self, _: &[(UserKey, Timestamp)]) -> Result<(), StoreError> {
        not_here()
    }
    async fn last_seen(&self, _: &[UserId]) -> Result<Vec<(UserId, Option<Timestamp>)>, StoreError> {
        not_here()
    }
    async fn find_or_create_direct(
        &self,
        _: UserKey,
        _: UserKey,
        _: ConversationId,
        _: Timestamp,
    ) -> Result<(Conversation, bool), StoreError> {
        not_here()
    }
    async fn create_conversation(&self, _: NewConversation) -> Result<Result<Conversation, Refusal>, StoreError> {
        not_here()
    }
    async fn door(&self, _: &Doorway, _: UserKey) -> Result<Option<Door>, StoreError> {
        not_here()
    }
    async fn channels(
        &self,
        _: UserKey,
        _: &str,
        _: usize,
        _: Option<&str>,
    ) -> Result<(Vec<ChannelView>, Option<String>), StoreError> {
        not_here()
    }
    async fn conversation(&self, _: ConversationId) -> Result<Option<Conversation>, StoreError> {
        not_here()
    }
    async fn room_state(&self, _: ConversationId) -> Result<Option<RoomState>, StoreError> {
        not_here()
    }
    async fn membership(
        &self,
        _: ConversationId,
        _: UserKey,
    ) -> Result<Option<(Conversation, Option<Role>)>, StoreError> {
        not_here()
    }
    async fn memberships(&self, _: UserKey) -> Result<Vec<Membership>, StoreError> {
        not_here()
    }
    async fn heads(&self, _: &[ConversationKey]) -> Result<Vec<Seq>, StoreError> {
        not_here()
    }
    async fn conversation_view(&self, _: ConversationId, _: UserKey) -> Result<Option<ConversationView>, StoreError> {
        not_here()
    }
    async fn conversation_list(
        &self,
        _: UserKey,
        _: usize,
        _: Option<ListCursor>,
    ) -> Result<(Vec<ConversationView>, Option<ListCursor>), StoreError> {
        not_here()
    }
    async fn members(&self, _: ConversationKey) -> Result<Vec<Member>, StoreError> {
        not_here()
    }
    async fn history(&self, _: &Conversation, _: HistoryAt, _: usize) -> Result<Option<History>, StoreError> {
        not_here()
    }
    async fn sync(&self, _: &Conversation, _: Seq, _: usize) -> Result<SyncPage, StoreError> {
        not_here()
    }
    async fn changes(&self, _: &Conversation, _: Seq, _: usize) -> Result<Vec<Change>, StoreError> {
        not_here()
    }
    async fn receipts(&self, _: &Conversation, _: MessageId) -> Result<Option<Vec<Receipt>>, StoreError> {
        not_here()
    }
    async fn versions(&self, _: &Conversation, _: MessageId) -> Result<Option<Vec<Version>>, StoreError> {
        not_here()
    }
}

/// Everything that knows who somebody is.
struct Desk {
    store: Arc<Accounts>,
    tokens: Arc<Tokens>,
    revoked: Arc<Revoked>,
    authenticator: Authenticator,
}

impl Desk {
    async fn open() -> Self {
        let clock = Clock::virtual_from(now());
        let config = JwtConfig {
            secret: Some("0123456789abcdef0123456789abcdef".to_owned()),
            public_key: None,
            jwks: None,
            issuer: None,
            audience: None,
            ttl: Duration::from_secs(60),
        };
        let store = Arc::new(Accounts::default());
        let tokens = Arc::new(Tokens::open(&config, Path::new("/no/such/place"), clock.clone()).unwrap());
        let revoked = Arc::new(Revoked::load(store.clone(), clock.clone()).await.unwrap());
        Self {
            authenticator: Authenticator::new(tokens.clone(), store.clone(), revoked.clone(), clock),
            store,
            tokens,
            revoked,
        }
    }

    /// A token of the product for `id`, who is called `display_name`.
    fn product_token(&self, id: &str, display_name: Option<&str>) -> String {
        let claims = Claims {
            display_name: display_name.map(str::to_owned),
            ..Claims::of(UserId::parse(id).unwrap(), now().plus(Duration::from_secs(60)))
        };
        self.tokens.mint(&claims).unwrap()
    }

    fn local_token(&self, id: &str) -> String {
        self.tokens.mint_local(&UserId::parse(id).unwrap()).unwrap().token
    }

    async fn shown(&self, token: &str) -> String {
        self.authenticator
            .authenticate(token)
            .await
            .unwrap()
            .user
            .display_name
            .clone()
    }

    async fn refusal(&self, token: &str) -> ErrorCode {
        self.authenticator.authenticate(token).await.unwrap_err().code
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_of_the_product_is_recorded_when_their_token_says_something_new() {
    let desk = Desk::open().await;
    let token = desk.product_token("alice", Some("Alice"));
    assert_eq!(desk.shown(&token).await, "Alice");
    assert_eq!(desk.shown(&token).await, "Alice");
    assert_eq!(desk.store.recorded(), 1);
    assert_eq!(desk.shown(&desk.product_token("alice", None)).await, "Alice");
    assert_eq!(desk.store.recorded(), 1, "a token that says nothing changes nothing");
    assert_eq!(desk.shown(&desk.product_token("alice", Some("Alicia"))).await, "Alicia");
    assert_eq!(desk.store.recorded(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_user_changes_here_holds_until_the_product_says_something_new() {
    let desk = Desk::open().await;
    let token = desk.product_token("alice", Some("Alice"));
    desk.shown(&token).await;
    desk.store.rename("alice", "Queen Alice");
    assert_eq!(desk.shown(&token).await, "Queen Alice");
    assert_eq!(desk.shown(&desk.product_token("alice", None)).await, "Queen Alice");
    assert_eq!(desk.store.recorded(), 1);
    assert_eq!(desk.shown(&desk.product_token("alice", Some("Alicia"))).await, "Alicia");
}

#[tokio::test(start_paused = true)]
async fn who_registered_here_is_not_made_by_a_token_nor_renamed() {
    let desk = Desk::open().await;
    assert_eq!(desk.refusal(&desk.local_token("bob")).await, ErrorCode::Unauthorized);
    desk.store.put("bob", "Bob", true, false);
    assert_eq!(desk.shown(&desk.local_token("bob")).await, "Bob");
    assert_eq!(desk.shown(&desk.product_token("bob", Some("Robert"))).await, "Bob");
    assert_eq!(desk.store.recorded(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_admin_is_whom_the_token_or_the_store_calls_one() {
    let desk = Desk::open().await;
    desk.store.put("root", "Root", true, true);
    let root = desk
        .authenticator
        .authenticate(&desk.local_token("root"))
        .await
        .unwrap();
    assert!(root.admin);
    let claims = Claims {
        admin: true,
        ..Claims::of(UserId::parse("ops").unwrap(), root.expires_at)
    };
    let ops = desk
        .authenticator
        .authenticate(&desk.tokens.mint(&claims).unwrap())
        .await
        .unwrap();
    assert!(ops.admin);
    let other = desk
        .authenticator
        .authenticate(&desk.product_token("ops", None))
        .await
        .unwrap();
    assert!(!other.admin, "nothing of it stays");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_refused_also_after_a_restart_and_no_other_one() {
    let desk = Desk::open().await;
    desk.store.put("bob", "Bob", true, false);
    let (phone, laptop, product) = (
        desk.local_token("bob"),
        desk.local_token("bob"),
        desk.product_token("alice", None),
    );
    for token in [&phone, &product] {
        let identity = desk.authenticator.authenticate(token).await.unwrap();
        desk.revoked
            .revoke(&identity.token_key, identity.expires_at)
            .await
            .unwrap();
        assert_eq!(desk.refusal(token).await, ErrorCode::Unauthorized);
    }
    assert_eq!(desk.shown(&laptop).await, "Bob");

    let clock = Clock::virtual_from(now());
    let reloaded = Revoked::load(desk.store.clone(), clock.clone()).await.unwrap();
    let claims = desk.tokens.verify(&phone).unwrap();
    assert!(reloaded.contains(&token_key(&phone, &claims).unwrap()));
    tokio::time::advance(Duration::from_secs(60)).await;
    reloaded.sweep();
    assert!(!reloaded.contains(&token_key(&phone, &claims).unwrap()));
    assert_eq!(desk.refusal(&phone).await, ErrorCode::TokenExpired);
}
