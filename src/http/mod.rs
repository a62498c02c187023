//! The doors: REST and the WebSocket upgrade. Parses at the door, asks `actors::commands`, turns what comes back into
//! answers. The only place (with `app`) that knows actix-web; never touches the store but through commands and `Node`.

mod error;
pub mod routes;
pub mod server;
pub mod state;
pub mod ws;

pub use state::State;
