//! Socket.IO by hand, packet by packet, from the public protocol texts (Engine.IO 4, Socket.IO 5) and the contract: what a
//! stock client never does, or never shows. What stock clients do is tested by them, in `tests/socketio/`.

mod closing;
mod engine;
mod polling;
