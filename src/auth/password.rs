//! Passwords: argon2id, on blocking threads, a few at a time. `http` calls it for register and login, `cli` for its users.
//! Never runs on an event loop, and takes as long for a name that nobody has as for one that somebody has.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rand::{TryRng, rngs::SysRng};
use tokio::sync::Semaphore;

use super::base64url;
use crate::{
    domain::{Password, limits},
    protocol::{ApiError, ErrorCode},
};

/// How long somebody waits for their turn before `UNAVAILABLE`: requests are answered within 10 s.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Hashes and checks passwords. One for the process.
pub struct Passwords {
    /// Each hash takes 19 MiB and a core for some 20 ms.
    turns: Arc<Semaphore>,
    /// What the password of nobody is checked against.
    nobody: Arc<str>,
}

impl Passwords {
    /// At most `parallel` hashes at once. Makes one hash, so it takes some 20 ms.
    ///
    /// Errors: the operating system gives no random bytes.
    pub fn new(parallel: usize) -> Result<Self, String> {
        let mut bytes = [0; 32];
        SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| format!("the operating system gives no random bytes: {error}"))?;
        let nobody = hash_now(&base64url::encode(&bytes))?;
        Ok(Self {
            turns: Arc::new(Semaphore::new(parallel.max(1))),
            nobody: nobody.into(),
        })
    }

    /// The hash to store (a PHC string: argon2id, 19 MiB, 2 passes, a salt of its own).
    ///
    /// Errors: `UNAVAILABLE` when it was not its turn within 5 s, `INTERNAL`.
    pub async fn hash(&self, password: &Password) -> Result<String, ApiError> {
        let password = password.clone();
        self.blocking(move || hash_now(password.expose()))
            .await?
            .map_err(|why| {
                log::error!(target: "parlor::auth", "a password could not be hashed: {why}");
                ApiError::internal()
            })
    }

    /// Whether `password`, as somebody typed it, is the one of `hash`; for `None`, a user who does not exist, false after
    /// the same time.
    ///
    /// Errors: as [`Self::hash`].
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, ApiError> {
        // No password is longer; cut so that a long one costs no more than a short one.
        let fits = password.len() <= limits::PASSWORD_BYTES.1;
        let password = if fits { password.to_owned() } else { String::new() };
        let known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.nobody), Arc::from);
        let matches = self.blocking(move || verify_now(&password, &hash)).await?;
        Ok(matches && known && fits)
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let turn = tokio::time::timeout(TURN_WITHIN, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(ApiError::new(
                ErrorCode::Unavailable,
                "too many logins at once: try again",
            ));
        };
        // The turn goes along, so that a caller who leaves does not let one more in while the hash still runs.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|error| {
            log::error!(target: "parlor::auth", "hashing broke off: {error}");
            ApiError::internal()
        })
    }
}

fn hash_now(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

fn verify_now(password: &str, hash: &str) -> bool {
    match PasswordHash::new(hash) {
        Ok(hash) => Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(),
        Err(error) => {
            log::error!(target: "parlor::auth", "the store holds a password hash that cannot be read: {error}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new(2).unwrap();
        let password = Password::parse("correct horse").unwrap();
        let (one, two) = (
            passwords.hash(&password).await.unwrap(),
            passwords.hash(&password).await.unwrap(),
        );
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two, "each hash has a salt of its own");
        assert!(passwords.verify("correct horse", Some(&one)).await.unwrap());
        assert!(!passwords.verify("battery staple", Some(&one)).await.unwrap());
        assert!(!passwords.verify("", Some(&one)).await.unwrap());
        assert!(!passwords.verify("correct horse", Some("no hash")).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_and_somebody_are_checked_with_the_same_work() {
        let passwords = Passwords::new(1).unwrap();
        assert!(!passwords.verify("correct horse", None).await.unwrap());
        let somebody = passwords
            .hash(&Password::parse("correct horse").unwrap())
            .await
            .unwrap();
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&passwords.nobody), cost(&somebody));
    }

    #[tokio::test]
    async fn a_password_beyond_the_bound_never_matches() {
        let passwords = Passwords::new(1).unwrap();
        let empty = hash_now("").unwrap();
        assert!(!passwords.verify(&"x".repeat(257), Some(&empty)).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_for_their_turn_is_told_so() {
        let passwords = Passwords::new(1).unwrap();
        let _turn = Arc::clone(&passwords.turns).try_acquire_owned().unwrap();
        let error = passwords.verify("x", None).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
    }
}
