//! A fresh store for a test, and the words the tests speak in. Which database it is stands here only: `World::fresh` makes
//! what `PARLOR_TEST_DATABASE` asks for.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use crate::postgres::{self, Cluster, Database};
use diesel::{RunQueryDsl, connection::SimpleConnection, dsl::sql, sql_types::BigInt};
use parlor::{
    db::{
        Appended, Closer, ConversationAppend, Location, Log, LogError, NewAccount, NewConversation, NewMessage,
        NewUpload, Op, OpenError, Opened, Outcome, Purpose, Refusal, Report, Store,
        sqlite::{self, SqliteOptions},
    },
    domain::{
        ClientId, Content, Conversation, ConversationId, ConversationName, Emoji, ImageType, InviteCode, Kind,
        MessageId, MessageType, Role, Seq, Settings, Slug, Timestamp, UploadName, User, UserId, UserKey,
        message::Draft,
    },
    protocol::command::ReadUpTo,
};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A store with nobody in it.
pub struct World {
    pub store: Arc<dyn Store>,
    pub log: Mutex<Box<dyn Log>>,
    pub closer: Option<Closer>,
    pub dir: Arc<TempDir>,
    /// `None`: it is a file in `dir`.
    pub database: Option<Arc<Database<'static>>>,
    clock: AtomicI64,
    random: AtomicU64,
}

/// What a test says that a message is.
pub fn words(text: &str) -> Draft {
    Draft {
        kind: MessageType::Text,
        content: Content::text(text).unwrap(),
        client_id: None,
        reply_to: None,
    }
}

/// A message that shows an upload.
pub fn shows(name: &UploadName) -> Draft {
    Draft {
        kind: MessageType::Image,
        content: Content::image(&name.url()).unwrap(),
        ..words("replaced")
    }
}

/// The same under a client id.
pub fn named(text: &str, client_id: &str) -> Draft {
    Draft {
        client_id: Some(ClientId::parse(client_id).unwrap()),
        ..words(text)
    }
}

impl World {
    pub async fn fresh() -> Self {
        let database = postgres::wanted().then(|| Arc::new(Cluster::shared().database()));
        Self::opened(Arc::new(tempfile::tempdir().unwrap()), database)
    }

    /// The file in `dir`, opened as `change` says.
    pub fn at(dir: Arc<TempDir>, change: impl FnOnce(&mut SqliteOptions)) -> Result<Self, OpenError> {
        let mut options = SqliteOptions::new(dir.path().join("parlor.sqlite3"));
        change(&mut options);
        Ok(Self::on(sqlite::open(options)?, dir, None))
    }

    fn on(opened: Opened, dir: Arc<TempDir>, database: Option<Arc<Database<'static>>>) -> Self {
        let Opened { store, log, closer, .. } = opened;
        Self {
            store,
            log: Mutex::new(log),
            closer: Some(closer),
            dir,
            database,
            clock: AtomicI64::new(1_768_693_477_120),
            random: AtomicU64::new(1),
        }
    }

    /// The database that `PARLOR_TEST_DATABASE` asks for, opened again.
    pub fn opened(dir: Arc<TempDir>, database: Option<Arc<Database<'static>>>) -> Self {
        let Some(postgres) = &database else {
            return Self::at(dir, |_| {}).unwrap();
        };
        let purpose = Purpose::Serve {
            migrate: true,
            readers: 3,
        };
        let opened = Location::Postgres(postgres.url()).open(purpose).unwrap();
        Self::on(opened, dir, database)
    }

    /// This database, which is not fresh.
    pub fn on_database(database: Database<'static>) -> Self {
        Self::on_shared(Arc::new(database))
    }

    /// The same, which others use too.
    pub fn on_shared(database: Arc<Database<'static>>) -> Self {
        Self::opened(Arc::new(tempfile::tempdir().unwrap()), Some(database))
    }

    /// A fresh file, whatever the other tests run on.
    pub fn on_sqlite() -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), |_| {}).unwrap()
    }

    pub fn location(&self) -> Location {
        match &self.database {
            Some(database) => Location::Postgres(database.url()),
            None => Location::Sqlite(self.path()),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("parlor.sqlite3")
    }

    /// Closes the store and gives back where it is.
    pub fn close(mut self) -> Arc<TempDir> {
        self.closer.take().unwrap().close();
        self.dir.clone()
    }

    /// Closes and opens it again.
    pub fn reopened(self) -> Self {
        let database = self.database.clone();
        Self::opened(self.close(), database)
    }

    /// A moment later than every one before.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.fetch_add(1, Ordering::Relaxed))
    }

    pub fn random(&self) -> u64 {
        self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    pub fn new_id(&self) -> ConversationId {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.random().to_le_bytes());
        ConversationId::generate(self.now(), bytes)
    }

    pub fn account(&self, name: &str) -> NewAccount {
        NewAccount {
            id: UserId::parse(&format!("id-{name}")).unwrap(),
            name: name.to_owned(),
            folded: name.to_ascii_lowercase(),
            display_name: format!("The {name}"),
            password_hash: format!("hash of {name}"),
            admin: false,
            at: self.now(),
        }
    }

    pub async fn user(&self, name: &str) -> Arc<User> {
        self.store
            .create_account(self.account(name))
            .await
            .unwrap()
            .expect("the name is free")
    }

    pub async fn users<const N: usize>(&self, names: [&str; N]) -> [Arc<User>; N] {
        let mut users = Vec::new();
        for name in names {
            users.push(self.user(name).await);
        }
        users.try_into().unwrap()
    }

    /// A name that nobody has.
    pub fn new_name(&self) -> UploadName {
        let mut bytes = [0; 26];
        bytes[..8].copy_from_slice(&self.random().to_le_bytes());
        UploadName::new(bytes, ImageType::Png)
    }

    /// Runs statements on the database itself.
    pub fn sql(&self, statements: &str) -> Vec<String> {
        match &self.database {
            Some(database) => database.runs(statements),
            None => {
                crate::failures::raw(&self.path()).batch_execute(statements).unwrap();
                Vec::new()
            }
        }
    }

    /// How many rows there are (`messages`, `heads WHERE …`).
    pub fn count(&self, of: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {of}");
        match &self.database {
            Some(database) => database.runs(&query)[0].parse().unwrap(),
            None => sql::<BigInt>(&query)
                .get_result(&mut crate::failures::raw(&self.path()))
                .unwrap(),
        }
    }

    /// What `verify` says.
    pub fn report(&self) -> Report {
        let location = self.location();
        location.verify(&mut |_| {}).unwrap()
    }

    /// `verify` finds nothing.
    pub fn is_sound(&self) {
        let report = self.report();
        assert_eq!(report.findings, Vec::<String>::new());
    }

    /// Somebody uploads a picture that is to be swept after a thousand moments.
    pub async fn uploads(&self, user: &User) -> UploadName {
        let (name, at) = (self.new_name(), self.now());
        let upload = NewUpload {
            name: name.clone(),
            user: user.key,
            bytes: 77,
            width: 4,
            height: 3,
            at,
            sweep_at: Timestamp::from_millis(at.millis() + 1000),
        };
        assert!(self.store.record_upload(upload, 1000).await.unwrap());
        name
    }

    pub fn group_of(&self, owner: &User, members: &[&User]) -> NewConversation {
        let members = members.iter().map(|user| user.key).collect();
        let group = NewConversation::group(self.new_id(), "friends", owner.key, self.now());
        NewConversation { members, ..group }
    }

    pub fn channel_of(&self, owner: &User, name: &str) -> NewConversation {
        let parsed = ConversationName::parse(name).unwrap();
        NewConversation {
            kind: Kind::Channel,
            slug: Some(Slug::of(&parsed).unwrap()),
            ..NewConversation::group(self.new_id(), name, owner.key, self.now())
        }
    }

    /// With the code that [`code`] makes of the conversation's id.
    pub fn room_of(&self, owner: &User, members: &[&User]) -> NewConversation {
        let group = self.group_of(owner, members);
        NewConversation {
            kind: Kind::Room,
            invite_code: Some(code(group.id)),
            ..group
        }
    }

    /// Makes what must not be refused.
    pub async fn makes(&self, new: NewConversation) -> Conversation {
        self.store.create_conversation(new).await.unwrap().unwrap()
    }

    pub async fn group(&self, owner: &User, members: &[&User]) -> Conversation {
        self.makes(self.group_of(owner, members)).await
    }

    pub fn send(&self, sender: &Arc<User>, draft: Draft) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::Send(Arc::new(NewMessage {
            sender: sender.clone(),
            draft,
            mentions: Vec::new(),
            at,
            random,
            pause_seconds: None,
        }))
    }

    /// The same, calling these by name.
    pub fn calls(&self, sender: &Arc<User>, draft: Draft, mentions: &[&Arc<User>]) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::Send(Arc::new(NewMessage {
            sender: sender.clone(),
            draft,
            mentions: mentions.iter().map(|user| Arc::clone(user)).collect(),
            at,
            random,
            pause_seconds: None,
        }))
    }

    pub fn edit(&self, by: &Arc<User>, message: MessageId, text: &str, mentions: &[&Arc<User>]) -> Op {
        Op::Edit {
            message,
            by: by.clone(),
            content: Content::text(text).unwrap(),
            mentions: mentions.iter().map(|user| Arc::clone(user)).collect(),
            at: self.now(),
        }
    }

    pub fn react(&self, by: &Arc<User>, message: MessageId, emoji: &str, add: bool) -> Op {
        Op::React {
            message,
            by: by.clone(),
            emoji: Emoji::parse(emoji).unwrap(),
            add,
            at: self.now(),
        }
    }

    /// The same at a time of the test's choosing, where slow mode is on.
    pub fn sends_at(&self, sender: &Arc<User>, draft: Draft, at: i64, pause_seconds: Option<u32>) -> Op {
        Op::Send(Arc::new(NewMessage {
            sender: sender.clone(),
            draft,
            mentions: Vec::new(),
            at: Timestamp::from_millis(at),
            random: self.random(),
            pause_seconds,
        }))
    }

    pub fn delete(&self, by: &Arc<User>, message: MessageId, moderator: bool) -> Op {
        Op::Delete {
            message,
            by: by.clone(),
            moderator,
            at: self.now(),
        }
    }

    pub fn add(&self, actor: &Arc<User>, user: &Arc<User>) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::AddMember {
            actor: actor.clone(),
            user: user.clone(),
            role: Role::Member,
            pass: None,
            note: note("came"),
            at,
            random,
        }
    }

    pub fn remove(&self, actor: &Arc<User>, user: &Arc<User>, heir: Option<UserKey>) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::RemoveMember {
            actor: actor.clone(),
            user: user.clone(),
            heir,
            note: note("went"),
            at,
            random,
        }
    }

    pub fn gives(&self, actor: &Arc<User>, user: &Arc<User>, role: Role) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::SetRole {
            actor: actor.clone(),
            user: user.clone(),
            role,
            note: note("is something else"),
            at,
            random,
        }
    }

    pub fn configures(&self, actor: &Arc<User>, settings: Settings) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::Configure {
            actor: actor.clone(),
            settings: Box::new(settings),
            note: note("changed"),
            at,
            random,
        }
    }

    pub fn ends(&self, actor: &Arc<User>) -> Op {
        let (at, random) = (self.now(), self.random());
        Op::End {
            actor: actor.clone(),
            note: note("deleted"),
            at,
            random,
        }
    }

    pub fn read(&self, user: &User, upto: u32) -> Op {
        Op::MarkRead {
            user: user.key,
            upto: ReadUpTo::Seq(Seq(upto)),
            at: self.now(),
        }
    }

    pub async fn try_append(&self, to: &Conversation, ops: Vec<Op>) -> Result<Appended, LogError> {
        let batch = vec![ConversationAppend {
            conversation: to.key,
            ops,
        }];
        let mut answers = self.log.lock().await.append(batch).await;
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    /// What must not fail, of several conversations at once.
    pub async fn appends(&self, batch: Vec<ConversationAppend>) -> Vec<Appended> {
        let asked = batch.len();
        let answers = self.log.lock().await.append(batch).await;
        assert_eq!(answers.len(), asked);
        answers.into_iter().map(Result::unwrap).collect()
    }

    pub async fn append(&self, to: &Conversation, ops: Vec<Op>) -> Appended {
        let asked = ops.len();
        let answer = self.try_append(to, ops).await.unwrap();
        assert_eq!(answer.outcomes.len(), asked);
        answer
    }

    /// One op's outcome.
    pub async fn does(&self, to: &Conversation, op: Op) -> Result<Outcome, Refusal> {
        self.append(to, vec![op]).await.outcomes.remove(0)
    }

    /// Somebody says something; where it stands.
    pub async fn says(&self, to: &Conversation, sender: &Arc<User>, text: &str) -> (MessageId, Seq) {
        match self.does(to, self.send(sender, words(text))).await {
            Ok(Outcome::Sent { id, seq, .. }) => (id, seq),
            other => panic!("{other:?}"),
        }
    }
}

/// An invite code that is easy to know.
pub fn code(id: ConversationId) -> InviteCode {
    InviteCode::generate(*id.0.as_bytes())
}

pub fn note(text: &str) -> Content {
    Content::Json(serde_json::value::to_raw_value(&serde_json::json!({ "text": text })).unwrap())
}
