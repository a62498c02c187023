//! What every answer has, whatever the route: its id, its headers, the form of a refusal. With handlers made up for it, so
//! that no store is needed; the routes themselves are tried from outside, by `tests/`.

use std::time::Duration;

use actix_web::{
    App, HttpResponse,
    http::{Method, StatusCode, header::HeaderMap},
    test::{TestRequest, call_service, init_service, read_body},
    web::{self, Json, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    access::{Access, guarded},
    error::{configure_extractors, no_such_path},
    extract::{Auth, PageSize},
    observe::{Observer, observe},
};
use crate::{
    domain::{Clock, ConversationId, Entropy},
    metrics::Metrics,
    protocol::ApiError,
};

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    limit: PageSize<20>,
}

async fn echo(body: Json<Value>) -> Json<Value> {
    body
}

async fn show(id: Path<ConversationId>, page: Query<Page>) -> Json<Value> {
    Json(json!({"id": id.to_string(), "limit": page.limit.0}))
}

async fn limited() -> Result<HttpResponse, ApiError> {
    Err(ApiError::rate_limited(1500))
}

async fn sleepy() -> HttpResponse {
    tokio::time::sleep(Duration::from_secs(60)).await;
    HttpResponse::Ok().finish()
}

async fn clumsy() -> HttpResponse {
    panic!("a test asked for it")
}

async fn misplaced(_auth: Auth) -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn own_words() -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({"status": "draining"}))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// It is a refusal in the contract's form, of this status and code.
    #[track_caller]
    fn refused(&self, status: u16, code: &str) {
        let error = &self.body["error"];
        assert_eq!(
            (self.status, error["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
        assert_eq!(error["requestId"].as_str(), Some(self.header("x-request-id")));
        assert!(error["message"].as_str().is_some_and(|words| !words.is_empty()));
        assert!(error["retryable"].is_boolean());
    }
}

async fn ask(metrics: &Metrics, request: TestRequest) -> Answer {
    let observer = Observer::new(Clock::System, Entropy::seeded(7), metrics.clone());
    let app = App::new()
        .app_data(web::Data::new(observer))
        .configure(configure_extractors)
        .route("/echo", guarded(web::post().to(echo), Access::Open))
        .route("/show/{id}", guarded(web::get().to(show), Access::Open))
        .route("/limited", guarded(web::get().to(limited), Access::Open))
        .service(web::resource("/sleepy").route(guarded(web::get().to(sleepy), Access::Open)))
        .route("/clumsy", guarded(web::get().to(clumsy), Access::Open))
        .route("/misplaced", guarded(web::get().to(misplaced), Access::Open))
        .route("/own-words", guarded(web::get().to(own_words), Access::Open))
        .default_service(web::to(no_such_path))
        .wrap(actix_web::middleware::from_fn(observe));
    // A worker has one too: handlers run on their own feet.
    let local = tokio::task::LocalSet::new();
    let answered = local.run_until(async {
        let response = call_service(&init_service(app).await, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read_body(response).await;
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    });
    answered.await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(body: impl Into<web::Bytes>) -> TestRequest {
    let request = TestRequest::post().uri("/echo").set_payload(body);
    request.insert_header(("content-type", "application/json"))
}

#[tokio::test]
async fn an_answer_has_an_id_of_its_own_and_is_no_page() {
    let metrics = Metrics::default();
    let answer = ask(&metrics, post(r#"{"a":1}"#)).await;
    assert_eq!((answer.status, answer.body.clone()), (200, json!({"a": 1})));
    let id = uuid::Uuid::parse_str(answer.header("x-request-id")).unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    let counted = metrics.http_requests.get_or_create(&[("status", "2xx")]).get();
    assert_eq!(counted, 1);
}

#[tokio::test]
async fn bodies_are_refused_in_the_form_of_the_contract() {
    let metrics = Metrics::default();
    for bad in ["", "{", "{}}", "\u{feff}{}"] {
        ask(&metrics, post(bad)).await.refused(400, "VALIDATION_ERROR");
    }
    let limit = 128 * 1024;
    let fits = format!("\"{}\"", "a".repeat(limit - 2));
    assert_eq!(ask(&metrics, post(fits)).await.status, 200);
    let large = format!("\"{}\"", "a".repeat(limit - 1));
    ask(&metrics, post(large)).await.refused(413, "PAYLOAD_TOO_LARGE");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "nonsense"] {
        let request = TestRequest::post().uri("/echo").set_payload("{}");
        let answer = ask(&metrics, request.insert_header(("content-type", kind))).await;
        answer.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let without = TestRequest::post().uri("/echo").set_payload("{}");
    ask(&metrics, without).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let refused = metrics.refused.get_or_create(&[("code", "VALIDATION_ERROR")]).get();
    assert_eq!(refused, 4);
}

#[tokio::test]
async fn paths_and_queries_too() {
    const ID: &str = "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f";
    let metrics = Metrics::default();
    let answer = ask(&metrics, get(&format!("/show/{ID}"))).await;
    assert_eq!(answer.body, json!({"id": ID, "limit": 20}));
    for bad in [
        "/show/7".to_owned(),
        format!("/show/{ID}?limit=0"),
        format!("/show/{ID}?limit=x"),
    ] {
        ask(&metrics, get(&bad)).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_takes_another_method() {
    let metrics = Metrics::default();
    ask(&metrics, get("/nowhere")).await.refused(404, "NOT_FOUND");
    let answer = ask(&metrics, TestRequest::default().method(Method::PUT).uri("/sleepy")).await;
    answer.refused(405, "VALIDATION_ERROR");
    assert_eq!(answer.header("allow"), "GET");
    assert_eq!(answer.body["error"]["message"], "this path takes GET");
}

#[tokio::test]
async fn whoever_is_too_fast_is_told_when_to_come_back() {
    let answer = ask(&Metrics::default(), get("/limited")).await;
    answer.refused(429, "RATE_LIMITED");
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(answer.body["error"]["retryAfterMs"], 1500);
    assert_eq!(answer.body["error"]["retryable"], true);
}

#[tokio::test]
async fn a_handler_that_panics_or_takes_too_long_is_answered_for() {
    let metrics = Metrics::default();
    ask(&metrics, get("/clumsy")).await.refused(500, "INTERNAL");
    ask(&metrics, get("/misplaced")).await.refused(500, "INTERNAL");
    tokio::time::pause();
    ask(&metrics, get("/sleepy")).await.refused(503, "UNAVAILABLE");
}

#[tokio::test]
async fn what_a_handler_words_itself_stays() {
    let answer = ask(&Metrics::default(), get("/own-words")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE.as_u16());
    assert_eq!(answer.body, json!({"status": "draining"}));
}
