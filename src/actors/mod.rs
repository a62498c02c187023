//! The engine: every session, every conversation in use, the presence registry, the log's queue and each worker's relay is
//! an actor here; `commands` is what clients and REST may ask of them. Called by `http` and put together by `app`; knows
//! no HTTP, no SQL, no sockets (a session writes to a `Wire`).

pub mod commands;
pub mod janitor;
pub mod node;
pub mod outbox;
pub mod persistence;
pub mod presence;
pub mod relay;
pub mod reply;
pub mod retention;
pub mod room;
pub mod rooms;
pub mod session;
pub mod sweeper;

pub use node::Node;
