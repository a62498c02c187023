//! Tokens verified with public keys: PEM files and key sets, from a file or a URL; and that the algorithm is the
//! configuration's choice, never the token's.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::*;

async fn me(server: &Server, token: &str) -> Answer {
    server.call("GET", "/api/me").bearer(token).send().await
}

fn with_key(name: &str, text: &str, variable: &str) -> Setup {
    let setup = Server::with();
    let place = std::sync::Arc::new(Place::new());
    let file = place.write(name, text);
    setup
        .without_env("PARLOR_JWT_SECRET")
        .in_place(&place)
        .env(variable, file.to_str().expect("a plain path"))
}

#[tokio::test]
async fn a_pem_file_verifies_tokens_of_its_algorithm_only() {
    for (key, others) in [
        (Key::Rs256, [Key::Es256, Key::EdDsa]),
        (Key::Es256, [Key::Rs256, Key::EdDsa]),
        (Key::EdDsa, [Key::Rs256, Key::Es256]),
    ] {
        let server = with_key("public.pem", key.public_pem(), "PARLOR_JWT_PUBLIC_KEY")
            .start()
            .await;
        let token = || Person::token_of("alice");
        assert_eq!(me(&server, &token().signed_by(&key)).await.ok(200)["id"], "u-alice");
        server.dial("alice").bearer(&token().signed_by(&key)).open().await;
        // The oldest trick: what is public, taken for a shared secret.
        let pem = key.public_pem();
        let secrets = [
            pem.as_bytes().to_vec(),
            pem.trim_end().as_bytes().to_vec(),
            SECRET.as_bytes().to_vec(),
        ];
        for secret in secrets {
            let forged = token().signed_by(&Key::Secret(secret));
            me(&server, &forged).await.refused(401, "UNAUTHORIZED");
            server
                .dial("mallory")
                .bearer(&forged)
                .refused()
                .await
                .refused(401, "UNAUTHORIZED");
        }
        me(&server, &token().signed_by(&Key::Nobody))
            .await
            .refused(401, "UNAUTHORIZED");
        for other in others {
            me(&server, &token().signed_by(&other))
                .await
                .refused(401, "UNAUTHORIZED");
        }
        me(&server, &token().ttl(-10).signed_by(&key))
            .await
            .refused(401, "TOKEN_EXPIRED");
    }
}

#[tokio::test]
async fn a_key_set_verifies_by_key_id() {
    let server = with_key("jwks.json", Key::key_set(), "PARLOR_JWKS").start().await;
    knows_all_three(&server).await;
}

async fn knows_all_three(server: &Server) {
    let token = || Person::token_of("alice");
    for key in [Key::Rs256, Key::Es256, Key::EdDsa] {
        me(server, &token().key_id(key.id()).signed_by(&key)).await.ok(200);
    }
    // Under another's id, or one that is in no set.
    me(server, &token().key_id("ec-1").signed_by(&Key::Rs256))
        .await
        .refused(401, "UNAUTHORIZED");
    me(server, &token().key_id("unknown").signed_by(&Key::Rs256))
        .await
        .refused(401, "UNAUTHORIZED");
    let public = Key::Secret(Key::Rs256.public_pem().into());
    me(server, &token().key_id("rsa-1").signed_by(&public))
        .await
        .refused(401, "UNAUTHORIZED");
    let set = Key::Secret(Key::key_set().into());
    me(server, &token().key_id("rsa-1").signed_by(&set))
        .await
        .refused(401, "UNAUTHORIZED");
    me(server, &token().key_id("rsa-1").signed_by(&Key::Nobody))
        .await
        .refused(401, "UNAUTHORIZED");
}

/// A web server that knows one answer.
async fn serves(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/jwks.json")
}

#[tokio::test]
async fn a_key_set_may_come_from_a_url() {
    let url = serves(Key::key_set()).await;
    let server = Server::with()
        .without_env("PARLOR_JWT_SECRET")
        .env("PARLOR_JWKS", &url)
        .start()
        .await;
    knows_all_three(&server).await;
}

#[tokio::test]
async fn a_key_that_is_none_is_a_clear_error_at_the_start() {
    let refused = with_key("public.pem", "not a key", "PARLOR_JWT_PUBLIC_KEY")
        .ends()
        .await;
    refused.failed_naming(&["public.pem"]);
    let refused = with_key("jwks.json", "{}", "PARLOR_JWKS").ends().await;
    refused.failed_naming(&["jwks.json"]);
    let setup = Server::with()
        .without_env("PARLOR_JWT_SECRET")
        .env("PARLOR_JWT_PUBLIC_KEY", "/no/such/key.pem");
    setup.ends().await.failed_naming(&["/no/such/key.pem"]);
}

#[tokio::test]
async fn a_private_key_is_not_taken_for_a_public_one_in_any_message() {
    // Whoever points it at the private key gets an error or a working server, but never the key in the output.
    let private = include_str!("fixtures/eddsa.private.pem");
    let secret_line = private.lines().nth(1).expect("a key has a second line");
    let ended = with_key("private.pem", private, "PARLOR_JWT_PUBLIC_KEY").ends().await;
    assert!(
        !format!("{}{}", ended.stdout, ended.stderr).contains(secret_line),
        "{ended:#?}"
    );
    ended.failed_naming(&["private.pem"]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_secret_is_made_once_and_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let mut server = Server::with().without_env("PARLOR_JWT_SECRET").start().await;
    let file = server.place().data().join("jwt.secret");
    let mode = std::fs::metadata(&file)
        .expect("the secret is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read(&file).expect("the secret can be read");
    assert!(secret.len() >= 32, "{} bytes are too short for HS256", secret.len());
    let body = serde_json::json!({"username": "dora", "password": "correct horse battery"});
    let registered = server
        .call("POST", "/api/auth/register")
        .json(&body)
        .send()
        .await
        .ok(201);
    let token = registered["token"].as_str().expect("a token").to_owned();
    let (stdout, stderr) = server.output();
    let shown = String::from_utf8_lossy(&secret).trim().to_owned();
    assert!(
        !stdout.contains(&shown) && !stderr.contains(&shown),
        "the secret is in the output"
    );
    server.stop().await;
    server.restart().await;
    assert_eq!(std::fs::read(&file).expect("the secret can be read"), secret);
    me(&server, &token).await.ok(200);
    // Another server made another one.
    let other = Server::with().without_env("PARLOR_JWT_SECRET").start().await;
    me(&other, &token).await.refused(401, "UNAUTHORIZED");
}
