//! A JWKS: which key a token means, how a rotation is noticed, and what happens while the keys cannot be fetched.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};

use super::{
    tests::{NOW, SECRET, by_secret, code, good, good_but, key, nothing, open, sign},
    *,
};

fn with_jwks(place: &str) -> JwtConfig {
    JwtConfig {
        jwks: Some(place.to_owned()),
        ..nothing()
    }
}

/// A JWKS of public halves: (file, kid).
fn set_of(keys: &[(&str, Option<&str>)]) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(name, kid)| {
            let (algorithm, key) = key(name);
            let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
            jwk.as_object_mut().unwrap().remove("alg");
            if let Some(kid) = kid {
                jwk["kid"] = json!(kid);
            }
            jwk
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

/// A server that answers every request with what stands in `body` (an empty one: 500) and counts them.
struct KeyServer {
    url: String,
    body: Mutex<String>,
    asked: AtomicUsize,
}

impl KeyServer {
    fn start(body: String) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Arc::new(Self {
            url: format!("http://{}/jwks.json", listener.local_addr().unwrap()),
            body: Mutex::new(body),
            asked: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&server);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = Vec::new();
                let mut chunk = [0; 1024];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut chunk) {
                        Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                        _ => break,
                    }
                }
                serving.asked.fetch_add(1, Ordering::SeqCst);
                let body = serving.body.lock().unwrap().clone();
                let status = if body.is_empty() { "500 No" } else { "200 OK" };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        server
    }

    fn now_says(&self, body: String) {
        *self.body.lock().unwrap() = body;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn named(signer: &str, kid: Option<&str>) -> String {
    let (algorithm, key) = key(signer);
    sign(algorithm, &key, kid, &good_but("exp", json!(NOW + 100_000)))
}

#[tokio::test(start_paused = true)]
async fn a_key_is_found_by_its_name_or_its_kind() {
    let set = set_of(&[("rsa.pem", Some("r")), ("ec.pem", Some("e")), ("ed.pem", None)]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, set).unwrap();
    let tokens = open(&with_jwks(file.to_str().unwrap())).unwrap();
    for (signer, kid, good) in [
        ("rsa.pem", Some("r"), true),
        ("rsa.pem", None, true),
        ("rsa.pem", Some("e"), false),
        ("ec.pem", Some("e"), true),
        ("ed.pem", Some("anything"), true),
        ("ed.pem", None, true),
        ("ec2.pem", Some("e"), false),
        ("ec2.pem", None, false),
    ] {
        assert_eq!(tokens.verify(&named(signer, kid)).is_ok(), good, "{signer} {kid:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_a_token_names_it_but_not_for_everybody_at_once() {
    let server = KeyServer::start(set_of(&[("ec.pem", Some("one"))]));
    let tokens = open(&with_jwks(&server.url)).unwrap();
    assert!(tokens.verify_fresh(&named("ec.pem", Some("one"))).await.is_ok());
    assert_eq!(server.asked(), 1);

    server.now_says(set_of(&[("ec2.pem", Some("two"))]));
    let rotated = named("ec2.pem", Some("two"));
    assert!(
        tokens.verify_fresh(&rotated).await.is_err(),
        "30 s must have passed since the last fetch"
    );
    assert_eq!(server.asked(), 1);
    tokio::time::advance(Duration::from_secs(30)).await;
    let (one, two) = tokio::join!(tokens.verify_fresh(&rotated), tokens.verify_fresh(&rotated));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(server.asked(), 2, "both waited for one fetch");
    assert!(
        tokens.verify_fresh(&named("ec.pem", Some("one"))).await.is_err(),
        "the old key is gone"
    );
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_set_is_fetched_anew_and_kept_when_that_fails() {
    let server = KeyServer::start(set_of(&[("ec.pem", Some("one"))]));
    let tokens = open(&with_jwks(&server.url)).unwrap();
    let token = named("ec.pem", Some("one"));
    for broken in ["", "no JSON", "{\"keys\":[]}", &"x".repeat(300_000)] {
        server.now_says(broken.to_owned());
        tokio::time::advance(Duration::from_secs(3600)).await;
        let before = server.asked();
        assert!(tokens.verify_fresh(&token).await.is_ok());
        assert_eq!(server.asked(), before + 1);
        assert!(tokens.verify_fresh(&token).await.is_ok());
        assert_eq!(server.asked(), before + 1, "not asked again within 30 s");
    }
    server.now_says(set_of(&[("ec2.pem", Some("two"))]));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(
        code(tokens.verify_fresh(&token).await),
        Some(ErrorCode::Unauthorized),
        "taken back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_at_the_start_is_asked_again() {
    let server = KeyServer::start(String::new());
    let tokens = open(&with_jwks(&server.url)).unwrap();
    server.now_says(set_of(&[("ec.pem", Some("one"))]));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(tokens.verify_fresh(&named("ec.pem", Some("one"))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_for_something_else_are_skipped() {
    let mut set: Value = serde_json::from_str(&set_of(&[("ec.pem", Some("e"))])).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    let rsa: Value = serde_json::from_str(&set_of(&[("rsa.pem", Some("r"))])).unwrap();
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("d", json!("AQAB")),
        ("key_ops", json!(["encrypt"])),
    ] {
        let mut odd = rsa["keys"][0].clone();
        odd[name] = value;
        keys.push(odd);
    }
    keys.push(json!({"kty": "oct", "k": base64url::encode(SECRET.as_bytes())}));
    keys.push(json!({"kty": "OKP", "crv": "Ed25519", "x": "AQ"}));
    keys.push(json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}));
    keys.push(json!({"kty": "EC", "crv": "P-384", "x": "AQ", "y": "AQ"}));
    keys.push(json!("no key"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, set.to_string()).unwrap();
    let tokens = open(&with_jwks(file.to_str().unwrap())).unwrap();
    assert_eq!(tokens.jwks.as_ref().unwrap().keys().len(), 1);
    assert!(tokens.verify(&named("rsa.pem", Some("r"))).is_err());
    assert!(
        tokens.verify(&by_secret(&good())).is_err(),
        "a secret in a JWKS is none"
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_that_cannot_be_right_is_refused() {
    for bad in [
        "http://keys.example/jwks.json",
        "http://127.0.0.1@keys.example/",
        "http://127.0.0.1.keys.example/",
        "ftp://127.0.0.1/",
        "/no/such/file.json",
    ] {
        assert!(open(&with_jwks(bad)).unwrap_err().starts_with("jwks: "), "{bad}");
    }
}
