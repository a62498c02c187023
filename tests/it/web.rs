//! The chat page over HTTP: who gets it, what a browser may keep of it and what it is told to allow. What is on it is told by the
//! stories in `web/e2e`. A server that was built without the page says so, and these tests hold it to what it says.

use crate::harness::*;

/// The page's own addresses: they answer alike.
const PAGES: [&str; 4] = ["/", "/admin", "/join/ABCDEFGH", "/join/no%20such%20code"];

/// Whether this server was built with a page.
async fn has_a_page(server: &Server) -> bool {
    server.call("GET", "/").send().await.status == 200
}

/// The addresses of scripts, styles and icons in a page.
fn assets(page: &str) -> Vec<String> {
    let quoted = page.split('"').filter(|part| part.starts_with("/assets/"));
    quoted.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_page_is_the_same_at_its_addresses_and_for_everybody() {
    let mut server = Server::start().await;
    let (alice, has_a_page) = (server.user("alice").await, has_a_page(&server).await);
    let status = if has_a_page { 200 } else { 404 };
    let first = server.call("GET", "/").send().await;
    assert_eq!(first.status, status, "{}", first.text);
    if !has_a_page {
        assert_eq!(first.text.lines().count(), 1);
        assert!(first.text.contains("has no chat page"), "{}", first.text);
    }
    for path in PAGES {
        for answer in [
            server.call("GET", path).send().await,
            alice.get(path).await,
            server.call("GET", path).bearer("not a token").send().await,
        ] {
            assert_eq!((answer.status, &answer.text), (status, &first.text), "{path}");
        }
        let head = server.call("HEAD", path).send().await;
        assert_eq!((head.status, head.text.as_str()), (status, ""), "{path}");
    }
    server.stop().await;
    let (said, logged) = server.output();
    let offered = said.lines().any(|line| line.trim_start().starts_with("chat "));
    let missed = logged.contains("this server has no chat page");
    assert_eq!((offered, missed), (has_a_page, !has_a_page), "{said}\n{logged}");
}

#[tokio::test]
async fn what_is_no_address_of_the_page_is_not_answered_with_it() {
    let server = Server::start().await;
    for path in [
        "/index.html",
        "/login",
        "/join",
        "/join/a/b",
        "/admin/x",
        "/api",
        "/api/nothing",
        "/assets/nothing.js",
        "/assets/",
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e%2findex.html",
        "/page.rs",
    ] {
        server.call("GET", path).send().await.refused(404, "NOT_FOUND");
    }
    server.call("POST", "/").send().await.refused(405, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_browser_keeps_what_never_changes_and_asks_for_the_rest() {
    let server = Server::start().await;
    if !has_a_page(&server).await {
        return;
    }
    let page = server.call("GET", "/").send().await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    let again = server.call("GET", "/").header("if-none-match", page.header("etag"));
    let again = again.send().await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.header("etag"), page.header("etag"));

    let assets = assets(&page.text);
    assert!(assets.iter().any(|path| path.ends_with(".js")), "{assets:?}");
    assert!(assets.iter().any(|path| path.ends_with(".css")), "{assets:?}");
    for path in assets {
        let plain = server.call("GET", &path).send().await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(plain.header("x-content-type-options"), "nosniff");
        let kind = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(plain.header("content-type"), kind, "{path}");
        for encoding in ["br", "gzip"] {
            let packed = server.call("GET", &path).header("accept-encoding", encoding);
            let packed = packed.send().await;
            assert_eq!(packed.header("content-encoding"), encoding, "{path}");
            assert!(packed.header("vary").to_ascii_lowercase().contains("accept-encoding"));
            assert!(packed.bytes.len() < plain.bytes.len(), "{path}");
            assert_ne!(packed.header("etag"), plain.header("etag"), "{path}");
        }
    }
}

#[tokio::test]
async fn the_page_runs_nothing_but_itself() {
    let server = Server::start().await;
    if !has_a_page(&server).await {
        return;
    }
    let page = server.call("GET", "/join/ABCDEFGH").send().await;
    assert!(
        !page.text.contains("<style") && !page.text.contains("<script>"),
        "{}",
        page.text
    );
    let policy = page.header("content-security-policy");
    for rule in [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(policy.split("; ").any(|part| part == rule), "{rule} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    assert!(page.header("permissions-policy").contains("camera=()"));
}
