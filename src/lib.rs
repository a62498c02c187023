//! Parlor: a self-hosted messaging engine. See `docs/ARCHITECTURE.md` for the map; `app` puts the parts together.
#![forbid(unsafe_code)]
// What a client or a database sends never ends the process; tests may say what they expect.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod actors;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod http;
pub mod metrics;
pub mod protocol;
pub mod uploads;
pub mod webhooks;

// What starts a PostgreSQL server for tests calls us by name, from wherever it is used.
#[cfg(test)]
extern crate self as parlor;
