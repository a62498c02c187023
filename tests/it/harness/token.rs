//! Tokens as an embedding product signs them, and the keys they are signed with.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Map, Value, json};

/// What the harness gives every server as `PARLOR_JWT_SECRET`.
pub const SECRET: &str = "a-secret-of-the-tests-that-is-long-enough-0123456789";

/// Who signs. The key pairs lie in `tests/it/fixtures`.
#[derive(Clone)]
pub enum Key {
    Secret(Vec<u8>),
    Rs256,
    Es256,
    EdDsa,
    /// The algorithm `none`: an empty signature.
    Nobody,
}

impl Key {
    pub fn public_pem(&self) -> &'static str {
        match self {
            Key::Rs256 => include_str!("../fixtures/rs256.public.pem"),
            Key::Es256 => include_str!("../fixtures/es256.public.pem"),
            Key::EdDsa => include_str!("../fixtures/eddsa.public.pem"),
            Key::Secret(_) | Key::Nobody => panic!("it has no public half"),
        }
    }

    pub fn id(&self) -> &'static str {
        match self {
            Key::Rs256 => "rsa-1",
            Key::Es256 => "ec-1",
            Key::EdDsa => "ed-1",
            Key::Secret(_) | Key::Nobody => panic!("it is in no key set"),
        }
    }

    pub fn key_set() -> &'static str {
        include_str!("../fixtures/jwks.json")
    }
}

/// A token in the making: the claims of a user, an hour to live.
#[derive(Clone)]
pub struct Token {
    claims: Map<String, Value>,
    key_id: Option<String>,
}

impl Token {
    pub fn of(sub: &str) -> Token {
        let token = Token {
            claims: Map::new(),
            key_id: None,
        };
        // Every token is another one, also two of a user within a second: one of them can be revoked.
        token
            .claim("sub", sub)
            .claim("jti", uuid::Uuid::now_v7().to_string())
            .ttl(3600)
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Token {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub fn without(mut self, name: &str) -> Token {
        self.claims.remove(name);
        self
    }

    /// Seconds to live from now; negative for one that has expired.
    pub fn ttl(self, seconds: i64) -> Token {
        let now = now_seconds();
        self.claim("iat", now).claim("exp", now + seconds)
    }

    pub fn key_id(mut self, id: &str) -> Token {
        self.key_id = Some(id.to_owned());
        self
    }

    /// Signed with the secret that the harness gives its servers.
    pub fn signed(self) -> String {
        self.signed_by(&Key::Secret(SECRET.into()))
    }

    pub fn signed_by(self, key: &Key) -> String {
        let (algorithm, key) = match key {
            Key::Secret(secret) => (Algorithm::HS256, EncodingKey::from_secret(secret)),
            Key::Rs256 => (Algorithm::RS256, rsa(include_bytes!("../fixtures/rs256.private.pem"))),
            Key::Es256 => (Algorithm::ES256, ec(include_bytes!("../fixtures/es256.private.pem"))),
            Key::EdDsa => (Algorithm::EdDSA, ed(include_bytes!("../fixtures/eddsa.private.pem"))),
            Key::Nobody => return self.unsigned(),
        };
        let header = Header {
            kid: self.key_id,
            ..Header::new(algorithm)
        };
        encode(&header, &self.claims, &key).expect("a token can be signed")
    }

    /// The `exp` of a token that is signed with the harness's secret, expired or not.
    pub fn expiry(token: &str) -> i64 {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let claims = decode::<Value>(token, &key, &validation)
            .expect("a token signed with the secret")
            .claims;
        claims["exp"].as_i64().expect("exp is a whole number")
    }

    fn unsigned(self) -> String {
        let part = |value: &Value| base64_url(value.to_string().as_bytes());
        format!(
            "{}.{}.",
            part(&json!({"alg": "none", "typ": "JWT"})),
            part(&Value::Object(self.claims))
        )
    }
}

fn rsa(pem: &[u8]) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem).expect("the fixture is a key")
}

fn ec(pem: &[u8]) -> EncodingKey {
    EncodingKey::from_ec_pem(pem).expect("the fixture is a key")
}

fn ed(pem: &[u8]) -> EncodingKey {
    EncodingKey::from_ed_pem(pem).expect("the fixture is a key")
}

/// Seconds since 1970, as in `exp`.
fn now_seconds() -> i64 {
    jsonwebtoken::get_current_timestamp() as i64
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

#[test]
fn base64_url_is_rfc_4648_without_padding() {
    for (plain, coded) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("??>", "Pz8-"),
    ] {
        assert_eq!(base64_url(plain.as_bytes()), coded);
    }
}
