//! The chat page: what `build.rs` embedded of `web/`, served to browsers with the headers that keep it to itself. In the
//! table of `routes`, apart from what programs call; `app` asks whether there is a page. Knows nothing of what is in it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY},
    web::Path,
};

use super::uploads::is_known;
use crate::protocol::ApiError;

/// A file of the page.
struct File {
    /// Its path below the page's root.
    name: &'static str,
    /// Changes with its content.
    tag: &'static str,
    plain: &'static [u8],
    /// The same compressed, where that is smaller.
    gzip: Option<&'static [u8]>,
    /// As `gzip`. Browsers ask for it over TLS, and from their own machine.
    brotli: Option<&'static [u8]>,
}

/// All files, or why there are none.
static PAGE: Result<&[File], &str> = include!(concat!(env!("OUT_DIR"), "/page.rs"));

const INDEX: &str = "index.html";
/// The folder of the files whose names change with their content.
const ASSETS: &str = "assets/";

const NEVER_CHANGES: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";

/// What a browser is told with every file. Nothing runs but the page's own files, nothing is loaded from or sent to elsewhere,
/// nobody frames it, and a string never becomes script: not even by a mistake of ours.
const GUARDS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    // A path may hold an invite code.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Why this server has no page, if it has none.
pub fn missing() -> Option<&'static str> {
    PAGE.err()
}

/// The page, whichever of its own addresses was asked for. Without one, a line that says so.
pub async fn show_page(request: HttpRequest) -> HttpResponse {
    match (find(INDEX), missing()) {
        (Some(file), _) => answer(&request, file, ASK_EACH_TIME),
        (None, why) => {
            let why = why.unwrap_or("it has no index.html");
            HttpResponse::NotFound()
                .content_type("text/plain; charset=utf-8")
                .body(format!(
                    "This Parlor server has no chat page: {why}. Its API is at /api/openapi.json.\n"
                ))
        }
    }
}

/// A file of the page whose name changes with its content.
pub async fn show_asset(request: HttpRequest, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let file = find(&format!("{ASSETS}{name}")).ok_or_else(|| ApiError::not_found("file"))?;
    Ok(answer(&request, file, NEVER_CHANGES))
}

fn find(name: &str) -> Option<&'static File> {
    PAGE.ok()?.iter().find(|file| file.name == name)
}

fn answer(request: &HttpRequest, file: &'static File, kept: &'static str) -> HttpResponse {
    let (encoding, body) = packed(request, file);
    let tag = format!("\"{}{}\"", file.tag, encoding.unwrap_or_default());
    let known = is_known(request, &tag);
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((CACHE_CONTROL, kept))
        .insert_header((VARY, ACCEPT_ENCODING.as_str()))
        .insert_header((ETAG, tag));
    for (name, value) in GUARDS {
        answer.insert_header((*name, *value));
    }
    if known {
        return answer.finish();
    }
    if let Some(encoding) = encoding {
        answer.insert_header((CONTENT_ENCODING, encoding));
    }
    answer.content_type(kind(file.name)).body(body)
}

/// The smallest form of the file that the browser takes, and how it is encoded.
fn packed(request: &HttpRequest, file: &File) -> (Option<&'static str>, &'static [u8]) {
    let accepted: Vec<&str> = request
        .headers()
        .get_all(ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(acceptable)
        .collect();
    [("br", file.brotli), ("gzip", file.gzip)]
        .into_iter()
        .filter(|(encoding, _)| accepted.contains(encoding))
        .find_map(|(encoding, body)| Some((Some(encoding), body?)))
        .unwrap_or((None, file.plain))
}

/// The encoding that a part of `Accept-Encoding` names, unless it is named to be refused (`br;q=0`).
fn acceptable(part: &str) -> Option<&str> {
    let mut parameters = part.split(';').map(str::trim);
    let encoding = parameters.next()?;
    let refused = parameters.any(|parameter| {
        let weight = parameter
            .strip_prefix("q=")
            .and_then(|weight| weight.parse::<f32>().ok());
        weight.is_some_and(|weight| weight <= 0.0)
    });
    (!refused).then_some(encoding)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        body::to_bytes,
        http::header::{HeaderName, IF_NONE_MATCH},
        test::TestRequest,
    };

    use super::*;

    static SCRIPT: File = File {
        name: "assets/chat-5f2c.js",
        tag: "5f2c",
        plain: b"plain",
        gzip: Some(b"gzip"),
        brotli: Some(b"brotli"),
    };
    static ICON: File = File {
        name: "assets/icon-77aa.png",
        gzip: None,
        brotli: None,
        ..SCRIPT
    };

    async fn asked(file: &'static File, name: HeaderName, value: &str) -> (u16, String, String) {
        let request = TestRequest::get().insert_header((name, value)).to_http_request();
        let answer = answer(&request, file, NEVER_CHANGES);
        let encoding = answer
            .headers()
            .get(CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body()).await.unwrap();
        (
            status,
            encoding.unwrap_or_default(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_browser_gets_the_smallest_form_that_it_takes() {
        for (accepted, encoding, body) in [
            ("gzip, deflate, br, zstd", "br", "brotli"),
            ("br;q=0, gzip;q=0.5", "gzip", "gzip"),
            ("gzip, deflate", "gzip", "gzip"),
            ("identity", "", "plain"),
            ("", "", "plain"),
            ("gzip; q=0.0", "", "plain"),
        ] {
            let got = asked(&SCRIPT, ACCEPT_ENCODING, accepted).await;
            assert_eq!(got, (200, encoding.to_owned(), body.to_owned()), "{accepted}");
        }
        assert_eq!(asked(&ICON, ACCEPT_ENCODING, "br").await.2, "plain");
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        assert_eq!(
            asked(&SCRIPT, IF_NONE_MATCH, "\"5f2c\"").await,
            (304, String::new(), String::new())
        );
        assert_eq!(asked(&SCRIPT, IF_NONE_MATCH, "\"5f2d\"").await.0, 200);
        // Another form of it is not what this browser would get.
        assert_eq!(asked(&SCRIPT, IF_NONE_MATCH, "\"5f2cbr\"").await.0, 200);
    }

    #[test]
    fn every_embedded_file_can_be_reached_and_has_a_type() {
        for file in PAGE.unwrap_or_default() {
            assert!(
                file.name == INDEX || file.name.starts_with(ASSETS),
                "{} is served nowhere",
                file.name
            );
            assert!(
                !file.name[ASSETS.len().min(file.name.len())..].contains('/'),
                "{} is served nowhere",
                file.name
            );
            assert_ne!(kind(file.name), "application/octet-stream", "{} has no type", file.name);
        }
    }
}
