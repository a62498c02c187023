//! Tokens: minted with our secret, verified with our secret and the product's public keys. `identify` calls it for every
//! token that comes in, `http` and `cli` to mint. Looks nothing up in the store, knows nothing of revocation, and logs neither
//! tokens nor keys.

mod claims;
mod jwks;
#[cfg(test)]
mod jwks_tests;
mod keys;
mod secret;
#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::{TryRng, rngs::SysRng};

pub use claims::Claims;
use claims::{Expected, Wire};
use jwks::Jwks;
use keys::VerifyKey;

use super::base64url;
use crate::{
    config::JwtConfig,
    domain::{Clock, Timestamp, UserId},
    protocol::{ApiError, ErrorCode},
};

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES: usize = 8 * 1024;
/// Longest `jti` that revocation keeps as it is, in bytes.
const JTI_BYTES: usize = 64;

/// Who may sign tokens, and how ours are made.
///
/// The algorithm belongs to the key, never to the token: a token only chooses among the keys that are configured, by the
/// algorithm and key id that it claims, and a key verifies nothing but its own algorithm.
pub struct Tokens {
    clock: Clock,
    expected: Expected,
    ttl: Duration,
    /// `None` when only public keys are configured: then nothing is minted here.
    own: Option<Own>,
    /// The keys of the PEM file.
    pinned: Vec<VerifyKey>,
    jwks: Option<Jwks>,
}

/// Our own secret, both ways.
struct Own {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// A token made here.
#[derive(Clone)]
pub struct Minted {
    /// The JWT.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rejected {
    /// Not a JWT, or none that we could ever take.
    Malformed,
    /// No key of ours is meant by it: fetching the JWKS anew may help.
    UnknownKey,
    /// The key that is meant did not sign it.
    Signature,
    /// Signed, but this claim is missing or wrong.
    Claim(&'static str),
    /// Signed, and not valid yet.
    NotYet,
    /// Signed, and no longer valid.
    Expired,
}

impl Tokens {
    /// Reads the keys, makes the secret if there has to be one (in `data_dir`), fetches the JWKS. Blocks: call it before
    /// the event loops run, or on a blocking thread.
    ///
    /// Errors: a line for the operator, which names the setting. A JWKS URL that does not answer is a warning only: it is
    /// asked again when a token needs it.
    pub fn open(config: &JwtConfig, data_dir: &Path, clock: Clock) -> Result<Self, String> {
        let pinned = match &config.public_key {
            Some(path) => keys::read_pem(path)?,
            None => Vec::new(),
        };
        let jwks = match &config.jwks {
            Some(place) => Some(Jwks::open(place, clock.clone())?),
            None => None,
        };
        let secret = match &config.secret {
            Some(secret) => Some(secret::checked(secret.clone(), "jwt_secret (PARLOR_JWT_SECRET)")?),
            None if pinned.is_empty() && jwks.is_none() => Some(secret::read_or_make(data_dir)?),
            None => {
                log::info!(
                    target: "parlor::auth",
                    "only tokens of public keys are taken: without jwt_secret nobody can register or log in here"
                );
                None
            }
        };
        Ok(Self {
            clock,
            expected: Expected {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
            },
            ttl: config.ttl,
            own: secret.map(|text| Own {
                encoding: EncodingKey::from_secret(text.as_bytes()),
                decoding: DecodingKey::from_secret(text.as_bytes()),
            }),
            pinned,
            jwks,
        })
    }

    /// Whether tokens are made here: not when only public keys are configured.
    pub fn can_mint(&self) -> bool {
        self.own.is_some()
    }

    /// A token of register or login for a user of this server, marked local, for as long as configured.
    ///
    /// Errors: as [`Self::mint`].
    pub fn mint_local(&self, user: &UserId) -> Result<Minted, ApiError> {
        let expires_at = Timestamp::from_seconds(self.clock.now().plus(self.ttl).seconds());
        let claims = Claims {
            jti: Some(new_token_id()?),
            local: true,
            ..Claims::of(user.clone(), expires_at)
        };
        let token = self.mint(&claims)?;
        Ok(Minted { token, expires_at })
    }

    /// Signs `claims` with our secret (HS256); `iss` and `aud` are what is configured. Its end is cut to whole seconds.
    ///
    /// Errors: `FORBIDDEN` when only public keys are configured.
    pub fn mint(&self, claims: &Claims) -> Result<String, ApiError> {
        let Some(own) = &self.own else {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "this server makes no tokens: it takes those of its product",
            ));
        };
        let wire = Wire::new(claims, &self.expected, self.clock.now());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &wire, &own.encoding).map_err(|error| {
            log::error!(target: "parlor::auth", "a token could not be signed: {error}");
            ApiError::internal()
        })
    }

    /// What a token says, if it is good now: its signature, `exp` (no leeway), `nbf` (5 s of leeway), `iss`, `aud`, `sub`.
    /// Whether it was revoked is for [`super::Authenticator`], which is what to call for tokens of clients.
    ///
    /// Errors: `TOKEN_EXPIRED` for one that was good once, `UNAUTHORIZED` for everything else.
    pub fn verify(&self, token: &str) -> Result<Claims, ApiError> {
        self.check(token).map_err(ApiError::from)
    }

    /// As [`Self::verify`], with the JWKS fetched anew before, when it is an hour old, and once more (at most every 30 s)
    /// when the token names a key that it does not hold. Needs a tokio runtime; the fetch takes at most 5 s.
    pub async fn verify_fresh(&self, token: &str) -> Result<Claims, ApiError> {
        if let Some(jwks) = &self.jwks {
            jwks.refresh_when_old().await;
        }
        let mut checked = self.check(token);
        if let (Err(Rejected::UnknownKey), Some(jwks)) = (&checked, &self.jwks) {
            jwks.refresh_for_unknown_key().await;
            checked = self.check(token);
        }
        checked.map_err(ApiError::from)
    }

    fn check(&self, token: &str) -> Result<Claims, Rejected> {
        if token.len() > TOKEN_BYTES {
            return Err(Rejected::Malformed);
        }
        // "none" and whatever else jsonwebtoken does not know ends here.
        let header = jsonwebtoken::decode_header(token).map_err(|_| Rejected::Malformed)?;
        if header.crit.is_some() {
            // RFC 7515, 4.1.11: who does not understand an extension marked critical must refuse the token; we know none.
            return Err(Rejected::Malformed);
        }
        let (wire, by_own_secret) = match header.alg {
            Algorithm::HS256 => (self.by_own_secret(token)?, true),
            algorithm => (self.by_public_key(token, algorithm, header.kid.as_deref())?, false),
        };
        let claims = wire.into_claims(&self.expected, self.clock.now())?;
        // Only our own secret can say that a token is ours.
        let local = claims.local && by_own_secret;
        Ok(Claims { local, ..claims })
    }

    fn by_own_secret(&self, token: &str) -> Result<Wire, Rejected> {
        let own = self.own.as_ref().ok_or(Rejected::Signature)?;
        signed_by(token, &own.decoding, Algorithm::HS256)
    }

    fn by_public_key(&self, token: &str, algorithm: Algorithm, kid: Option<&str>) -> Result<Wire, Rejected> {
        let fetched = self.jwks.as_ref().map(Jwks::keys);
        let candidates: Vec<&VerifyKey> = (self.pinned.iter())
            .chain(fetched.iter().flat_map(|keys| keys.iter()))
            .filter(|key| key.algorithm == algorithm)
            .collect();
        let named: Vec<&VerifyKey> = (candidates.iter().copied())
            .filter(|key| kid.is_some() && key.kid.as_deref() == kid)
            .collect();
        if !named.is_empty() {
            return first_that_signed(token, &named).unwrap_or(Err(Rejected::Signature));
        }
        // A key without a name may be meant by any token; a token without a name may mean any key.
        let unnamed: Vec<&VerifyKey> = (candidates.into_iter())
            .filter(|key| kid.is_none() || key.kid.is_none())
            .collect();
        first_that_signed(token, &unnamed).unwrap_or(Err(Rejected::UnknownKey))
    }
}

/// What the key that signed `token` makes of it; `None` when none of `keys` did.
fn first_that_signed(token: &str, keys: &[&VerifyKey]) -> Option<Result<Wire, Rejected>> {
    keys.iter()
        .map(|key| signed_by(token, &key.key, key.algorithm))
        .find(|wire| !matches!(wire, Err(Rejected::Signature)))
}

/// The claims of `token` if `key` signed it with `algorithm`; nothing in them is checked here.
fn signed_by(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Wire, Rejected> {
    let mut signature_only = Validation::new(algorithm);
    // Its own checks ask the machine's clock; ours ask `Clock`.
    signature_only.validate_exp = false;
    signature_only.validate_nbf = false;
    signature_only.validate_aud = false;
    signature_only.required_spec_claims.clear();
    jsonwebtoken::decode::<Wire>(token, key, &signature_only)
        .map(|data| data.claims)
        .map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::Json(_) => Rejected::Claim("sub or exp"),
            _ => Rejected::Signature,
        })
}

/// What revocation knows a verified token by: its `jti`, or a digest of what was signed. The signature is left out of the
/// digest: an ECDSA signature has a second form that is as valid, which would be another token then.
pub fn token_key(token: &str, claims: &Claims) -> Result<String, ApiError> {
    let fits = |jti: &&String| jti.len() <= JTI_BYTES && !jti.contains(char::is_control);
    if let Some(jti) = claims.jti.as_ref().filter(fits) {
        return Ok(jti.clone());
    }
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    // HMAC-SHA-256 under a fixed key is the SHA-256 that we have at hand without another dependency; its key is no secret.
    let fixed = EncodingKey::from_secret(b"parlor token without a jti");
    jsonwebtoken::crypto::sign(signed.as_bytes(), &fixed, Algorithm::HS256).map_err(|_| ApiError::internal())
}

/// A `jti` that no other token has: 128 random bits of the operating system, as text.
pub fn new_token_id() -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
        log::error!(target: "parlor::auth", "the operating system gives no random bytes: {error}");
        ApiError::internal()
    })?;
    Ok(base64url::encode(&bytes))
}

impl From<Rejected> for ApiError {
    fn from(rejected: Rejected) -> Self {
        let why = match rejected {
            Rejected::Malformed => "this is not a token that can be used here".to_owned(),
            Rejected::UnknownKey | Rejected::Signature => {
                "the token is not signed by anybody whom this server trusts".to_owned()
            }
            Rejected::Claim(name) => format!("the token's {name} is missing or not what it must be here"),
            Rejected::NotYet => "the token is not valid yet".to_owned(),
            Rejected::Expired => return Self::new(ErrorCode::TokenExpired, "the token has expired"),
        };
        Self::new(ErrorCode::Unauthorized, why)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
