//! The doors: REST and the WebSocket upgrade. Parses at the door, asks `actors::commands`, turns what comes back into
//! answers. The only place (with `app`) that knows actix-web; never touches the store but through commands and `Node`.

pub mod state;

pub use state::State;
