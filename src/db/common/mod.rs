//! What is the same on every database: what a batch of the log becomes (`append`), and what the store reads and writes
//! (`store`). Written once, for any connection (`run::Db`); each database brings its connections, its threads, and the few
//! statements of the log that it wants to be asked differently (`append::Ledger`).

pub mod append;
pub mod backlog;
pub mod index;
pub mod store;
pub mod verify;
