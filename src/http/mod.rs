//! The doors: REST and the WebSocket upgrade. Parses at the door, asks `actors::commands`, turns what comes back into
//! answers. The only place (with `app`) that knows actix-web; never touches the store but through commands and `Node`.

pub mod access;
mod admin;
pub mod asyncapi;
mod auth;
mod conversations;
mod cursor;
mod drain;
pub mod entry;
mod error;
mod extract;
mod figures;
mod members;
mod messages;
pub mod observe;
pub mod openapi;
mod operators;
mod presence;
mod reactions;
mod receipts;
pub mod routes;
mod search;
pub mod server;
mod settings;
pub mod socketio;
pub mod state;
#[cfg(test)]
mod tests;
mod uploads;
mod users;
pub mod web;
pub mod ws;

pub use routes::app;
pub use state::State;
