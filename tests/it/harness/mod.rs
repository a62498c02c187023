//! The vocabulary of the suite: a server as a child process, people with tokens, their tabs (WebSocket connections)
//! with a full log of what came, hostile bytes, and the store's file. Tests import `harness::*` and nothing deeper.
//!
//! Nothing here sleeps: one waits for a thing to be seen, with a deadline that ends in a failure showing the log.

mod described;
mod http;
mod log;
pub mod packets;
mod person;
mod picture;
mod place;
pub mod raw;
mod receiver;
mod server;
mod shape;
mod store;
mod tab;
mod token;

use std::time::Duration;

pub use http::{Answer, Call};
pub use log::{Log, What};
pub use packets::arguments;
pub use person::{Chat, Person, chat};
pub use picture::{Part, form, picture, png, png_chunk, png_of};
pub use place::Place;
pub use raw::{Raw, RawFrame, op};
pub use receiver::{Hook, Mood, Receiver, WEBHOOK_SECRET};
pub use server::{Server, Setup, need_faults};
pub use shape::{assert_has, assert_shape};
pub use store::{Session, Store};
pub use tab::{DURABLE, Dial, Tab, read, refused};
pub use token::{Key, SECRET, Token};

/// How long a test waits for what must come before it fails with the log. Far above what the contract promises, so
/// that a busy machine does not fail a right server; tests of a promised time measure that time themselves.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The contract's promise 6: every request is answered within ten seconds, whatever fails. A locked database takes the
/// server eight of them; the five more are for what a busy machine keeps from the server and from the test's clock.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
