//! What a token says: `Claims` for us, `Wire` as it stands in the JWT, and the rules between both. Called by `token` only,
//! after the signature was checked and before it was made; reads no clock.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

use super::Rejected;
use crate::domain::{DisplayName, Timestamp, UserId, limits};

/// How far a product's clock may run ahead of ours, in seconds: for `nbf`. `exp` gets none: an expired token is refused.
const LEEWAY_SECONDS: i64 = 5;
/// The end of the year 9999: what a token cannot outlive, so that its end stays a date.
const LAST_SECOND: i64 = 253_402_300_799;

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who.
    pub sub: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The token's own id, if it has one.
    pub jti: Option<String>,
    /// What the user is called; at most 64 characters, none a control character.
    pub name: Option<String>,
    /// What to show; as `name`.
    pub display_name: Option<String>,
    /// Their picture: an `http(s)` URL of at most 2048 bytes.
    pub picture: Option<String>,
    /// Whether it says `role: "admin"`.
    pub admin: bool,
    /// Whether register or login made it, so that the user must be in the store already.
    pub local: bool,
}

impl Claims {
    /// Nothing but who and until when.
    pub fn of(sub: UserId, expires_at: Timestamp) -> Self {
        Self {
            sub,
            expires_at,
            jti: None,
            name: None,
            display_name: None,
            picture: None,
            admin: false,
            local: false,
        }
    }
}

/// What `iss` and `aud` must be; `None` asks for nothing.
pub(super) struct Expected {
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

/// The claims set of the JWT. Optional claims of another type than ours are read as absent: products put what they like there.
#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    sub: String,
    exp: Number,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    name: Option<String>,
    #[serde(
        default,
        rename = "displayName",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text"
    )]
    display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    picture: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    role: Option<String>,
    /// Ours alone: see [`Claims::local`].
    #[serde(default, rename = "parlor_local", skip_serializing_if = "Option::is_none")]
    local: Option<Value>,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

impl Wire {
    /// What to sign for `claims`.
    pub fn new(claims: &Claims, expected: &Expected, now: Timestamp) -> Self {
        Self {
            sub: claims.sub.as_str().to_owned(),
            exp: claims.expires_at.seconds().into(),
            iat: Some(now.seconds().into()),
            nbf: None,
            iss: expected.issuer.clone().map(Value::String),
            aud: expected.audience.clone().map(Value::String),
            jti: claims.jti.clone(),
            name: claims.name.clone(),
            display_name: claims.display_name.clone(),
            picture: claims.picture.clone(),
            role: claims.admin.then(|| "admin".to_owned()),
            local: claims.local.then_some(Value::Bool(true)),
        }
    }

    /// Checks what the signature does not: time, issuer, audience, the form of `sub`.
    pub fn into_claims(self, expected: &Expected, now: Timestamp) -> Result<Claims, Rejected> {
        let exp = seconds(&self.exp).ok_or(Rejected::Claim("exp"))?;
        if let Some(nbf) = &self.nbf {
            let nbf = seconds(nbf).ok_or(Rejected::Claim("nbf"))?;
            if nbf > now.seconds() + LEEWAY_SECONDS {
                return Err(Rejected::NotYet);
            }
        }
        if let Some(issuer) = &expected.issuer
            && self.iss.as_ref().and_then(Value::as_str) != Some(issuer)
        {
            return Err(Rejected::Claim("iss"));
        }
        if let Some(audience) = &expected.audience
            && !holds(self.aud.as_ref(), audience)
        {
            return Err(Rejected::Claim("aud"));
        }
        let sub = UserId::parse(&self.sub).map_err(|_| Rejected::Claim("sub"))?;
        let expires_at = Timestamp::from_seconds(exp);
        // Last, so that TOKEN_EXPIRED means: good but for its age.
        if now >= expires_at {
            return Err(Rejected::Expired);
        }
        Ok(Claims {
            sub,
            expires_at,
            jti: self.jti.filter(|jti| !jti.is_empty()),
            name: visible(self.name),
            display_name: visible(self.display_name),
            picture: self.picture.filter(|url| is_picture(url)),
            admin: self.role.as_deref() == Some("admin"),
            local: self.local == Some(Value::Bool(true)),
        })
    }
}

/// A NumericDate (RFC 7519: it may have a fraction) in whole seconds; `None` before 1970.
fn seconds(number: &Number) -> Option<i64> {
    let seconds = match number.as_i64() {
        Some(seconds) => seconds,
        // Saturates; what is no number at all is 0 then.
        None => number.as_f64()? as i64,
    };
    (seconds >= 0).then_some(seconds.min(LAST_SECOND))
}

/// Whether `aud`, one text or a list of them, holds `audience`.
fn holds(aud: Option<&Value>, audience: &str) -> bool {
    match aud {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

fn visible(text: Option<String>) -> Option<String> {
    text.and_then(|text| DisplayName::lenient(&text))
        .map(|name| name.as_str().to_owned())
}

/// Clients put it into `src`: never a `javascript:` or `data:` URL.
fn is_picture(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() <= limits::AVATAR_URL_BYTES
        && !url.contains(|c: char| c.is_control() || c.is_whitespace())
}
