//! The contract of the store, for every database: what `Store` and `Log` promise, each test on a fresh store in a real
//! file or, with `PARLOR_TEST_DATABASE=postgres`, on a real server. One module per area; `world` is what they speak.

mod batches;
mod blocks;
mod carrying;
mod entry;
mod failures;
mod leftovers;
mod log;
mod membership;
mod migrating;
mod model;
mod moving;
#[path = "../ports/mod.rs"]
mod ports;
#[path = "../postgres/mod.rs"]
mod postgres;
mod reads;
mod retention;
mod search;
mod servers;
mod settings;
mod talk;
mod uploads;
mod users;
mod verify;
mod webhooks;
mod world;
