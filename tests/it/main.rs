//! The black-box suite: every test starts the real `parlor` program, speaks to it as people do, and is written from
//! the contract (`docs/PROTOCOL.md`) alone. Run it with `cargo test --features faults`.
//!
//! `harness` is the vocabulary, `checker` decides the invariants from the clients' own logs, the rest are the tests.

mod harness;

mod asyncapi;
mod auth;
mod checker;
mod cli;
mod config;
mod conversations;
mod corpus;
mod drain;
mod expiry;
mod failures;
mod groups;
mod history;
mod keys;
mod kill;
mod layers;
mod limits;
mod messages;
mod openapi;
mod operators;
mod panics;
mod permissions;
mod presence;
mod rates;
mod roles;
mod settings;
mod sim;
mod slow;
mod swarm;
mod sync;
mod typing;
