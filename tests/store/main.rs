//! The contract of the store, for every database: what `Store` and `Log` promise, each test on a fresh store in a real
//! file. One module per area; `world` is what they speak.

mod entry;
mod failures;
mod log;
mod membership;
mod model;
mod reads;
mod retention;
mod search;
mod settings;
mod talk;
mod uploads;
mod users;
mod verify;
mod webhooks;
mod world;
