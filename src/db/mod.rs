//! The store: the only place that knows diesel. Everybody else sees the two traits here, [`Store`] and [`Log`], and plain
//! values. Called by `actors`, `http`, `auth` and `cli`; opened by `app`.

mod append;
mod error;
mod position;
mod query;
mod retention;
mod rows;
mod schema;
mod search;
pub mod sqlite;
mod store;
mod types;
mod uploads;
mod webhooks;

pub use append::{Appended, ConversationAppend, Log, LogError, NewMessage, Op, Outcome, Pass, Refusal};
pub use error::StoreError;
pub use retention::{DueConversation, DuePage, RetentionStore, SweepFrom, Swept};
pub use search::{Before, Found, Hit, Search, SearchStore};
pub use store::{
    Account, Change, Credentials, Door, Doorway, History, HistoryAt, ListCursor, Membership, NewAccount,
    NewConversation, Receipt, RoomState, Store, SyncPage, TokenUser, Version,
};
pub use uploads::{NewUpload, UploadStore};
pub use webhooks::{Behind, EndpointKey, News, Told, WebhookStore};
