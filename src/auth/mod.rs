//! Who somebody is: passwords, tokens, revocation, where a token may come from, and how fast anybody may be.
//! Called by `http` (register, login, every request), `actors` (a session's token and rates) and `cli`; put together by `app`.
//! Never speaks HTTP to clients, never logs a token, a secret or a password.

mod base64url;
mod guesses;
mod identify;
mod origin;
mod password;
mod rates;
mod revoked;
#[cfg(test)]
mod tests;
mod token;

pub use identify::{Authenticator, Identity};
pub use origin::{AllowedOrigins, TokenSource, find_token};
pub use password::Passwords;
pub use rates::RateLimits;
pub use revoked::Revoked;
pub use token::{Claims, Minted, Tokens, new_token_id, token_key};
