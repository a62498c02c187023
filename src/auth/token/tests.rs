//! Every way in which a token can be wrong, and every kind of key. The keys are those of `tests/keys`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(super) const NOW: i64 = 1_768_693_477;

fn key_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

pub(super) fn key(name: &str) -> (Algorithm, EncodingKey) {
    let pem = std::fs::read(key_path(name)).unwrap();
    match &name[..2] {
        "rs" => (Algorithm::RS256, EncodingKey::from_rsa_pem(&pem).unwrap()),
        "ec" => (Algorithm::ES256, EncodingKey::from_ec_pem(&pem).unwrap()),
        _ => (Algorithm::EdDSA, EncodingKey::from_ed_pem(&pem).unwrap()),
    }
}

pub(super) fn nothing() -> JwtConfig {
    JwtConfig {
        secret: None,
        public_key: None,
        jwks: None,
        issuer: None,
        audience: None,
        ttl: Duration::from_secs(3600),
    }
}

fn with_secret() -> JwtConfig {
    JwtConfig {
        secret: Some(SECRET.to_owned()),
        ..nothing()
    }
}

fn with_public_key(name: &str) -> JwtConfig {
    JwtConfig {
        public_key: Some(key_path(name)),
        ..nothing()
    }
}

/// At `NOW`; needs a runtime, whose clock it follows.
pub(super) fn open(config: &JwtConfig) -> Result<Tokens, String> {
    let clock = Clock::virtual_from(Timestamp::from_seconds(NOW));
    Tokens::open(config, std::path::Path::new("/no/such/place"), clock)
}

pub(super) fn sign(algorithm: Algorithm, key: &EncodingKey, kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

pub(super) fn by_secret(claims: &Value) -> String {
    sign(
        Algorithm::HS256,
        &EncodingKey::from_secret(SECRET.as_bytes()),
        None,
        claims,
    )
}

pub(super) fn good() -> Value {
    json!({"sub": "alice", "exp": NOW + 60})
}

/// `good` with `name` as `value`; `null` takes it away.
pub(super) fn good_but(name: &str, value: Value) -> Value {
    let mut claims = good();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

pub(super) fn code(result: Result<Claims, ApiError>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}

#[tokio::test(start_paused = true)]
async fn what_is_minted_is_verified() {
    let tokens = open(&with_secret()).unwrap();
    let claims = Claims {
        jti: Some("t-1".to_owned()),
        name: Some("al".to_owned()),
        display_name: Some("Al".to_owned()),
        picture: Some("https://a/b.png".to_owned()),
        admin: true,
        local: false,
        ..Claims::of(UserId::parse("alice").unwrap(), Timestamp::from_seconds(NOW + 60))
    };
    assert_eq!(tokens.verify(&tokens.mint(&claims).unwrap()).unwrap(), claims);

    let minted = tokens.mint_local(&claims.sub).unwrap();
    let verified = tokens.verify(&minted.token).unwrap();
    assert_eq!(minted.expires_at, Timestamp::from_seconds(NOW + 3600));
    assert_eq!(verified.expires_at, minted.expires_at);
    assert!(verified.local && !verified.admin && verified.jti.is_some());
    let again = tokens.mint_local(&claims.sub).unwrap();
    assert_ne!(tokens.verify(&again.token).unwrap().jti, verified.jti);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_when_it_says() {
    let tokens = open(&with_secret()).unwrap();
    let token = by_secret(&good());
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert!(tokens.verify(&token).is_ok());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(code(tokens.verify(&token)), Some(ErrorCode::TokenExpired));
}

#[tokio::test(start_paused = true)]
async fn claims_are_checked() {
    let config = JwtConfig {
        issuer: Some("us".to_owned()),
        audience: Some("chat".to_owned()),
        ..with_secret()
    };
    let tokens = open(&config).unwrap();
    let fitting = |name, value| {
        let mut claims = good_but(name, value);
        let object = claims.as_object_mut().unwrap();
        object.entry("iss").or_insert(json!("us"));
        object.entry("aud").or_insert(json!(["web", "chat"]));
        by_secret(&claims)
    };
    for (name, value) in [
        ("exp", json!(NOW as f64 + 0.5 + 60.0)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(NOW + 5)),
        ("aud", json!("chat")),
        ("name", json!(7)),
        ("jti", json!({})),
        ("sub", json!("auth0|5f@x:y.z-_")),
    ] {
        let verified = tokens.verify(&fitting(name, value.clone()));
        assert!(verified.is_ok(), "{name} {value}: {verified:?}");
    }
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("nbf", json!(NOW + 6)),
        ("nbf", json!("x")),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("a b")),
        ("sub", json!(7)),
        ("iss", json!("them")),
        ("iss", json!(["us"])),
        ("aud", json!("other")),
        ("aud", json!(["other"])),
        ("aud", json!([])),
    ] {
        let verified = tokens.verify(&fitting(name, value.clone()));
        assert_eq!(code(verified), Some(ErrorCode::Unauthorized), "{name} {value}");
    }
    for absent in ["iss", "aud"] {
        let mut claims = json!({"sub": "alice", "exp": NOW + 60, "iss": "us", "aud": "chat"});
        claims.as_object_mut().unwrap().remove(absent);
        assert_eq!(
            code(tokens.verify(&by_secret(&claims))),
            Some(ErrorCode::Unauthorized),
            "{absent}"
        );
    }
    let expired_elsewhere = fitting("aud", json!("other"));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(
        code(tokens.verify(&expired_elsewhere)),
        Some(ErrorCode::Unauthorized),
        "never was good here"
    );
    let ours = tokens.mint_local(&UserId::parse("alice").unwrap()).unwrap();
    assert!(tokens.verify(&ours.token).is_ok(), "ours say what is configured");
}

#[tokio::test(start_paused = true)]
async fn what_a_token_says_of_a_user_is_made_fit_to_show() {
    let tokens = open(&with_secret()).unwrap();
    let mut claims = good();
    claims["name"] = json!(" a\u{7}l ");
    claims["displayName"] = json!("x".repeat(100));
    claims["picture"] = json!("javascript:alert(1)");
    claims["role"] = json!("owner");
    let verified = tokens.verify(&by_secret(&claims)).unwrap();
    assert_eq!(verified.name.as_deref(), Some("al"));
    assert_eq!(verified.display_name, Some("x".repeat(64)));
    assert_eq!(verified.picture, None);
    assert!(!verified.admin);
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_refused() {
    let tokens = open(&with_secret()).unwrap();
    let part = |value: Value| base64url::encode(value.to_string().as_bytes());
    let unsigned = |header: Value| format!("{}.{}.", part(header), part(good()));
    let mut tampered = by_secret(&good()).split('.').map(str::to_owned).collect::<Vec<_>>();
    tampered[1] = part(good_but("sub", json!("mallory")));
    let critical = {
        let mut header = Header::new(Algorithm::HS256);
        header.crit = Some(vec!["exp".to_owned()]);
        jsonwebtoken::encode(&header, &good(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    let other = EncodingKey::from_secret(b"another secret of some length ...");
    for bad in [
        String::new(),
        "a".to_owned(),
        "a.b.c".to_owned(),
        "....".to_owned(),
        unsigned(json!({"alg": "none"})),
        unsigned(json!({"alg": "NONE"})),
        unsigned(json!({"alg": "HS256"})),
        unsigned(json!({"typ": "JWT"})),
        tampered.join("."),
        critical,
        sign(Algorithm::HS256, &other, None, &good()),
        sign(
            Algorithm::HS512,
            &EncodingKey::from_secret(SECRET.as_bytes()),
            None,
            &good(),
        ),
        by_secret(&good_but("padding", json!("x".repeat(9000)))),
    ] {
        assert_eq!(code(tokens.verify(&bad)), Some(ErrorCode::Unauthorized), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_public_key_verifies_its_own_algorithm_only() {
    let signers = ["rsa.pem", "ec.pem", "ed.pem"];
    let publics = ["rsa.pub.pem", "ec.pub.pem", "ed.pub.pem", "rsa.pkcs1.pub.pem"];
    for public in publics {
        let tokens = open(&with_public_key(public)).unwrap();
        assert!(!tokens.can_mint());
        let minted = tokens.mint_local(&UserId::parse("alice").unwrap());
        assert_eq!(minted.unwrap_err().code, ErrorCode::Forbidden);
        for signer in signers {
            let (algorithm, key) = key(signer);
            let token = sign(algorithm, &key, Some("any"), &good());
            let fits = public[..2] == signer[..2];
            assert_eq!(tokens.verify(&token).is_ok(), fits, "{public} {signer}");
        }
        assert!(tokens.verify(&by_secret(&good())).is_err());
    }
    let other = open(&with_public_key("ec.pub.pem")).unwrap();
    let (algorithm, key) = key("ec2.pem");
    assert!(
        other.verify(&sign(algorithm, &key, None, &good())).is_err(),
        "another key of the same kind"
    );
}

#[tokio::test(start_paused = true)]
async fn a_public_key_is_never_taken_for_a_secret() {
    for public in ["rsa.pub.pem", "ec.pub.pem", "ed.pub.pem"] {
        let only_public = open(&with_public_key(public)).unwrap();
        let both = open(&JwtConfig {
            secret: Some(SECRET.to_owned()),
            ..with_public_key(public)
        })
        .unwrap();
        let pem = std::fs::read(key_path(public)).unwrap();
        for as_secret in [pem.as_slice(), pem.trim_ascii()] {
            let forged = sign(Algorithm::HS256, &EncodingKey::from_secret(as_secret), None, &good());
            assert!(only_public.verify(&forged).is_err());
            assert!(both.verify(&forged).is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_our_secret_makes_a_token_local() {
    let tokens = open(&JwtConfig {
        secret: Some(SECRET.to_owned()),
        ..with_public_key("ed.pub.pem")
    })
    .unwrap();
    let claims = good_but("parlor_local", json!(true));
    let (algorithm, key) = key("ed.pem");
    assert!(!tokens.verify(&sign(algorithm, &key, None, &claims)).unwrap().local);
    assert!(tokens.verify(&by_secret(&claims)).unwrap().local);
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_right_are_refused_at_the_start() {
    for (name, why) in [
        ("rsa.pem", "is a private key"),
        ("ec.pem", "is a private key"),
        ("rsa1024.pub.pem", "has 1024 bits"),
        ("ec384.pub.pem", "is on another curve than P-256"),
        ("README.md", "holds no key"),
        ("none.pem", "No such file"),
    ] {
        let error = open(&with_public_key(name)).unwrap_err();
        assert!(error.starts_with("jwt_public_key: ") && error.contains(why), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_may_hold_several_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.pem");
    let text = ["rsa.pub.pem", "ed.pub.pem"].map(|name| std::fs::read_to_string(key_path(name)).unwrap());
    std::fs::write(&file, format!("the old one\n{}the new one\n{}", text[0], text[1])).unwrap();
    let tokens = open(&JwtConfig {
        public_key: Some(file),
        ..nothing()
    })
    .unwrap();
    for signer in ["rsa.pem", "ed.pem"] {
        let (algorithm, key) = key(signer);
        assert!(tokens.verify(&sign(algorithm, &key, None, &good())).is_ok(), "{signer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_secret_is_refused() {
    let short = |length: usize| JwtConfig {
        secret: Some("x".repeat(length)),
        ..nothing()
    };
    let error = open(&short(15)).unwrap_err();
    assert!(
        error.starts_with("jwt_secret (PARLOR_JWT_SECRET): must be at least 16 bytes"),
        "{error}"
    );
    assert!(open(&short(16)).is_ok());
}

#[cfg(unix)]
#[test]
fn the_secret_is_made_once_and_for_us_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/data");
    let alice = UserId::parse("alice").unwrap();
    let first = Tokens::open(&nothing(), &data, Clock::System).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("jwt.secret")), 0o600);
    let names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["jwt.secret"], "nothing is left beside it");
    let text = std::fs::read_to_string(data.join("jwt.secret")).unwrap();
    assert_eq!(text.trim().len(), 43, "32 bytes as base64url");

    let second = Tokens::open(&nothing(), &data, Clock::System).unwrap();
    let minted = first.mint_local(&alice).unwrap();
    assert!(second.verify(&minted.token).is_ok());
    let given = JwtConfig {
        secret: Some(text.trim().to_owned()),
        ..nothing()
    };
    let third = Tokens::open(&given, &data, Clock::System).unwrap();
    assert!(third.verify(&minted.token).is_ok(), "the trimmed text is the key");
    assert!(!format!("{first:?} {minted:?} {given:?}").contains(text.trim()));
}

#[test]
fn two_processes_that_start_at_once_agree_on_the_secret() {
    let dir = tempfile::tempdir().unwrap();
    let secrets: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| secret::read_or_make(dir.path())))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    std::fs::write(dir.path().join("jwt.secret"), "").unwrap();
    assert!(
        secret::read_or_make(dir.path()).is_err(),
        "an empty one is not silently used"
    );
}

#[tokio::test(start_paused = true)]
async fn revocation_knows_a_token_by_its_id_or_by_what_was_signed() {
    let tokens = open(&with_secret()).unwrap();
    let key_of = |token: &str| token_key(token, &tokens.verify(token).unwrap()).unwrap();
    assert_eq!(key_of(&by_secret(&good_but("jti", json!("t-1")))), "t-1");
    let (one, two) = (by_secret(&good()), by_secret(&good_but("sub", json!("bob"))));
    assert_eq!(key_of(&one).len(), 43);
    assert_ne!(key_of(&one), key_of(&two));
    let long = by_secret(&good_but("jti", json!("x".repeat(65))));
    assert_eq!(key_of(&long).len(), 43);
    let claims = tokens.verify(&one).unwrap();
    let (signed, _) = one.rsplit_once('.').unwrap();
    let other_form = token_key(&format!("{signed}.another-valid-signature"), &claims).unwrap();
    assert_eq!(other_form, key_of(&one));
}
