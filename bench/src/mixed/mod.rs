//! A chat as it is used: people send, type, read, react, edit and look back, all at once. The scenario `mixed` calls `run`.
//! It has a shard and a judge of its own: those of `send` and `fanout` are made for messages alone, and for millions of them.
//! Never provisions and never reports.

mod change;
mod drive;
mod figures;
mod frame;
mod history;
mod judge;
mod mix;
mod shard;

pub use drive::{Run, run};
pub use figures::{Figure, Figures};
pub use history::AT_ONCE as REST_AT_ONCE;
pub use mix::{Mix, USUAL};
pub use shard::Load;
