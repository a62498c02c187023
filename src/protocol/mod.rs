//! What clients see: commands, events, answers, error and close codes, envelopes. Serde types, each list once.
//! Called by `actors`, `http` and `db`; imports only `domain`; does no I/O.

pub mod close;
pub mod command;
pub mod engineio;
pub mod envelope;
pub mod error;
pub mod event;
pub mod frame;
pub mod recovery;
pub mod socketio;

pub use close::CloseCode;
pub use command::Command;
pub use error::{ApiError, ErrorCode};
pub use event::Event;
