//! The store: the only place that knows diesel. Everybody else sees the two traits here, [`Store`] and [`Log`], and plain
//! values. Called by `actors`, `http`, `auth` and `cli`; opened by `app`.

mod append;
mod common;
mod error;
mod open;
mod position;
pub mod postgres;
mod query;
mod rows;
mod run;
mod schema;
pub mod sqlite;
mod statement;
mod store;
mod transfer;
mod types;

pub use append::{Appended, ConversationAppend, Log, LogError, NewMessage, Op, Outcome, Refusal};
pub use error::StoreError;
pub use open::{Closer, Location, OpenError, Opened, Purpose};
pub use store::{
    Account, Change, Credentials, History, HistoryAt, ListCursor, Membership, NewAccount, NewGroup, RoomState, Store,
    SyncPage, TokenUser,
};
pub use transfer::{Carried, TransferError};
