//! Public keys of whoever signs tokens, from a PEM file or a JWKS, each with the one algorithm it verifies. Called by `token`
//! and `jwks`. Never holds a private key: one given by mistake is refused.

use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, jwk};
use serde::Deserialize;

/// RSA moduli that are taken, in bytes: 2048 bits is what RFC 7518 asks for, 4096 the most that the `rsa` crate verifies.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// A key and what it is for.
pub(super) struct VerifyKey {
    /// What tokens call it; none in a PEM file.
    pub kid: Option<String>,
    /// The only algorithm that it verifies.
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// The public keys of a PEM file, at least one.
pub(super) fn read_pem(path: &Path) -> Result<Vec<VerifyKey>, String> {
    let place = format!("jwt_public_key: {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| format!("{place}: {error}"))?;
    let keys = pem_blocks(&text)
        .map(|block| pem_key(block).map_err(|why| format!("{place}: {why}")))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(format!("{place}: holds no key (no \"-----BEGIN PUBLIC KEY-----\")"));
    }
    Ok(keys)
}

/// The blocks of a PEM text, from BEGIN to END; what stands between them is commentary.
fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("-----BEGIN ").map(|(start, _)| {
        let rest = &text[start..];
        let end = rest.find("-----END ").map(|at| at + "-----END ".len());
        let line_end = end.and_then(|at| rest[at..].find('\n').map(|n| at + n));
        &rest[..line_end.unwrap_or(rest.len())]
    })
}

fn pem_key(block: &str) -> Result<VerifyKey, String> {
    let label = block.lines().next().unwrap_or_default();
    if label.contains("PRIVATE KEY") {
        return Err(
            "is a private key: whoever verifies tokens needs the public one (openssl pkey -in KEY -pubout)".to_owned(),
        );
    }
    if label.contains("CERTIFICATE") {
        return Err("is a certificate: give its public key (openssl x509 -in CERTIFICATE -pubkey -noout)".to_owned());
    }
    let pem = block.as_bytes();
    let (algorithm, key) = if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        (Algorithm::RS256, key)
    } else if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        (Algorithm::ES256, key)
    } else if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        (Algorithm::EdDSA, key)
    } else {
        return Err("is no public key of the kinds RSA, EC (P-256) or Ed25519".to_owned());
    };
    usable(None, algorithm, key)
}

/// One key of a JWKS, as far as it matters here (RFC 7517, RFC 7518, RFC 8037).
#[derive(Deserialize)]
pub(super) struct JsonKey {
    kty: String,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    /// There only in a private key.
    #[serde(default)]
    d: Option<serde_json::Value>,
}

impl JsonKey {
    /// The key to verify with. `Ok(None)`: it is for something else; `Err`: it is for this, and no good.
    pub fn into_key(self) -> Result<Option<VerifyKey>, String> {
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && (self.key_ops.as_ref()).is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures {
            return Ok(None);
        }
        let algorithm = match (self.kty.as_str(), self.crv.as_deref(), self.alg.as_deref()) {
            ("RSA", _, None | Some("RS256")) => Algorithm::RS256,
            ("EC", Some("P-256"), None | Some("ES256")) => Algorithm::ES256,
            ("OKP", Some("Ed25519"), None | Some("EdDSA" | "Ed25519")) => Algorithm::EdDSA,
            ("oct", ..) => return Err("a shared secret does not belong into a JWKS".to_owned()),
            _ => return Ok(None),
        };
        if self.d.is_some() {
            return Err("is a private key: publish the public one".to_owned());
        }
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let key = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_components(&part(&self.n), &part(&self.e)),
            Algorithm::ES256 => DecodingKey::from_ec_components(&part(&self.x), &part(&self.y)),
            _ => DecodingKey::from_ed_components(&part(&self.x)),
        };
        let key = key.map_err(|_| "has parts that are no base64url".to_owned())?;
        usable(self.kid, algorithm, key).map(Some)
    }

    /// What the key calls itself, to name it in a warning.
    pub fn name(&self) -> String {
        self.kid.clone().unwrap_or_else(|| "(without kid)".to_owned())
    }
}

/// Refuses a key that would only fail (or, for a short Ed25519 key, panic) when the first token comes.
fn usable(kid: Option<String>, algorithm: Algorithm, key: DecodingKey) -> Result<VerifyKey, String> {
    match algorithm {
        Algorithm::RS256 => {
            let bytes = rsa_modulus_bytes(&key).ok_or("is no RSA key that can be read")?;
            if !RSA_BYTES.contains(&bytes) {
                return Err(format!("has {} bits: RSA keys of 2048 to 4096 are taken", bytes * 8));
            }
        }
        Algorithm::ES256 if length(&key) != Some(65) => {
            return Err("is on another curve than P-256: only ES256 is taken of elliptic curves".to_owned());
        }
        Algorithm::EdDSA if length(&key) != Some(32) => return Err("is no Ed25519 key".to_owned()),
        _ => {}
    }
    // Any signature will do: what is asked is whether the key itself is a point of its curve.
    jsonwebtoken::crypto::verify("AA", b"", &key, algorithm).map_err(|_| "is no valid key".to_owned())?;
    Ok(VerifyKey { kid, algorithm, key })
}

fn length(key: &DecodingKey) -> Option<usize> {
    key.try_get_as_bytes().ok().map(<[u8]>::len)
}

fn rsa_modulus_bytes(key: &DecodingKey) -> Option<usize> {
    if let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() {
        return Some(n.iter().skip_while(|byte| **byte == 0).count());
    }
    match jwk::Jwk::from_decoding_key(key, None).ok()?.algorithm {
        // Base64url without padding: four characters for three bytes.
        jwk::AlgorithmParameters::RSA(rsa) => Some(rsa.n.len() * 3 / 4),
        _ => None,
    }
}
