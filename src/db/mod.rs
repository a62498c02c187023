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

pub use append::{Appended, ConversationAppend, Log, LogError, NewMessage, Op, Outcome, Refusal};
pub use error::StoreError;
pub use retention::{DueConversation, DuePage, RetentionStore, SweepFrom, Swept};
pub use search::{Before, Found, Hit, Search, SearchStore};
pub use store::{
    Account, Change, Credentials, History, HistoryAt, ListCursor, Membership, NewAccount, NewGroup, RoomState, Store,
    SyncPage, TokenUser,
};
