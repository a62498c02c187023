//! Queries that every backend shares, each a function that gives an expression and runs nothing. Called by the stores.

pub mod conversations;
pub mod messages;
pub mod uploads;
pub mod users;
pub mod webhooks;
