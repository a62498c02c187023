//! Which server is measured and how one is let in: its address (loopback only), its secret, signed tokens.
//! `cli` parses into it, `provision` and `handshake` use it. Never talks to the network.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// Tokens outlive any run: nobody should see `token_expiring` in a measurement.
const TOKEN_SECONDS: u64 = 24 * 60 * 60;

pub struct Target {
    pub address: SocketAddr,
    /// Connections speak Socket.IO, on sockets from the start, instead of the plain envelope.
    pub socketio: bool,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    exp: u64,
}

impl Target {
    pub fn new(url: &str, secret: &[u8], socketio: bool) -> Result<Self, String> {
        Ok(Self {
            address: loopback(url)?,
            socketio,
            key: EncodingKey::from_secret(secret),
        })
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn token(&self, user: &str) -> Result<String, String> {
        self.sign(user, None)
    }

    /// For `/metrics`, which an administrator may read.
    pub fn admin_token(&self) -> Result<String, String> {
        self.sign("bench-admin", Some("admin"))
    }

    fn sign(&self, user: &str, role: Option<&'static str>) -> Result<String, String> {
        let claims = Claims {
            sub: user,
            name: user,
            role,
            exp: unix_seconds() + TOKEN_SECONDS,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

/// A load tool pointed at somebody else's machine is an attack: only loopback is accepted.
fn loopback(url: &str) -> Result<SocketAddr, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("the URL must begin with http:// (a plain loopback address)")?;
    let host = rest.trim_end_matches('/');
    let host = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut addresses = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    let address = addresses.next().ok_or_else(|| format!("{host} has no address"))?;
    if !address.ip().is_loopback() || addresses.any(|address| !address.ip().is_loopback()) {
        return Err(format!(
            "{host} is not a loopback address: this tool only loads a server on its own machine"
        ));
    }
    Ok(address)
}

/// The key's bytes: given, or the trimmed content of a file (the server's own is `<data-dir>/jwt.secret`).
pub fn secret(given: Option<&str>, file: Option<&Path>) -> Result<Vec<u8>, String> {
    let text = match (given, file) {
        (_, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| format!("the secret's file {}: {error}", path.display()))?
        }
        (Some(given), None) => given.to_owned(),
        (None, None) => {
            return Err(
                "the server's secret is needed to sign tokens: --secret-file <data-dir>/jwt.secret, --secret, \
                        or PARLOR_JWT_SECRET"
                    .into(),
            );
        }
    };
    match text.trim() {
        "" => Err("the secret is empty".into()),
        text => Ok(text.as_bytes().to_vec()),
    }
}

/// Wall-clock time, for the tokens' expiry and to name a run.
#[expect(
    clippy::disallowed_methods,
    reason = "a load tool signs real tokens; the server's clock is the wall clock"
)]
pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_loaded() {
        for fine in [
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/",
            "http://127.9.9.9:1",
            "http://[::1]:8080",
        ] {
            assert!(loopback(fine).is_ok(), "{fine}");
        }
        for refused in [
            "http://192.0.2.1:8080",
            "http://0.0.0.0:80",
            "https://127.0.0.1",
            "127.0.0.1:8080",
            "http://",
        ] {
            assert!(loopback(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_secret_is_trimmed() {
        assert_eq!(secret(Some(" key\n"), None), Ok(b"key".to_vec()));
        assert!(secret(Some(" \n"), None).is_err());
        assert!(secret(None, None).is_err());
    }
}
