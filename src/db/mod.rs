//! The store: the only place that knows diesel. Everybody else sees the two traits here, [`Store`] and [`Log`], and plain
//! values. Called by `actors`, `http`, `auth` and `cli`; opened by `app`.

mod append;
mod common;
mod error;
#[cfg(test)]
mod hot;
mod open;
mod position;
pub mod postgres;
mod query;
mod retention;
mod rows;
mod run;
mod schema;
mod search;
pub mod sqlite;
mod statement;
mod store;
mod told;
mod transfer;
mod types;
mod uploads;
mod webhooks;

pub use append::{Appended, ConversationAppend, Log, LogError, NewMessage, Op, Outcome, Pass, Refusal};
pub use common::verify::{FINDINGS_MAX, Report, looked_at};
pub use error::StoreError;
pub use open::{Closer, Location, OpenError, Opened, Purpose};
pub use retention::{DueConversation, DuePage, RetentionStore, SweepFrom, Swept};
pub use search::{Before, Found, Hit, Search, SearchStore};
pub use store::{
    Account, Change, Credentials, Door, Doorway, History, HistoryAt, ListCursor, Membership, NewAccount,
    NewConversation, Receipt, RoomState, Store, SyncPage, TokenUser, Version,
};
pub use told::Anew;
pub use transfer::{Carried, TransferError};
pub use uploads::{NewUpload, UploadStore};
pub use webhooks::{Behind, EndpointKey, News, Told, WebhookStore};
