//! The black-box suite: every test starts the real `parlor` program, speaks to it as people do, and is written from
//! the contract (`docs/PROTOCOL.md`) alone. Run it with `cargo test --features faults`.
//!
//! `harness` is the vocabulary, `checker` decides the invariants from the clients' own logs, the rest are the tests.

mod harness;

mod acting;
mod asyncapi;
mod auth;
mod channels;
mod checker;
mod cli;
mod config;
mod converge;
mod conversations;
mod corpus;
mod drain;
mod drawings;
mod edits;
mod expiry;
mod failures;
mod groups;
mod history;
mod invites;
mod keys;
mod kill;
mod layers;
mod limits;
mod mentions;
mod messages;
mod openapi;
mod operators;
mod outage;
mod panics;
mod permissions;
#[path = "../ports/mod.rs"]
mod ports;
#[path = "../postgres/mod.rs"]
mod postgres;
mod presence;
mod proxy;
mod rates;
mod reactions;
mod receipts;
mod refused;
mod replica;
mod replies;
mod retention;
mod roles;
mod rooms;
mod search;
mod settings;
mod sim;
mod slow;
mod slowmode;
mod socketio;
mod swarm;
mod sync;
mod typing;
mod uploads;
mod web;
mod webhooks;
