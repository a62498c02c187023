//! A refusal on its way out: [`ApiError`] as an HTTP answer, at this one place. Handlers and extractors return `ApiError`;
//! `observe` calls [`shaped`] for every answer, since only there the request's id is known. Never says what broke inside.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    error::{JsonPayloadError, PathError, QueryPayloadError},
    http::{
        StatusCode,
        header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
    web::{self, ServiceConfig},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{Invalid, json::in_words, limits},
    protocol::{ApiError, ErrorCode},
};

/// What every refusal looks like.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"error": {"code": "NOT_FOUND", "message": "there is no such conversation", "retryable": false,
    "requestId": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f"}}))]
pub struct ErrorBody {
    error: ErrorDetails,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorDetails {
    #[serde(flatten)]
    error: ApiError,
    /// As in the header `x-request-id`: what to tell the operator.
    request_id: String,
}

/// The JSON of a refusal.
pub fn body(error: ApiError, request_id: &str) -> Vec<u8> {
    let request_id = request_id.to_owned();
    let details = ErrorDetails { error, request_id };
    serde_json::to_vec(&ErrorBody { error: details }).unwrap_or_default()
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without a body: `shaped` finds this error in the answer and writes it.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// Gives a failed answer the contract's form, whoever made it, and says what it was refused for. An answer that a handler
/// has written itself stays (`/readyz` has a form of its own).
pub fn shaped(response: ServiceResponse<BoxBody>, request_id: &str) -> (ServiceResponse<BoxBody>, Option<ErrorCode>) {
    let Some(error) = refusal(&response) else {
        return (response, None);
    };
    let code = error.code;
    let retry_after = error.retry_after_ms.map(|ms| ms.div_ceil(1000).max(1));
    let json = body(error, request_id);
    let mut response = response.map_body(|_, _| BoxBody::new(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    (response, Some(code))
}

fn refusal(response: &ServiceResponse<BoxBody>) -> Option<ApiError> {
    let status = response.status();
    if status.as_u16() < 400 {
        return None;
    }
    match response.response().error() {
        Some(error) => match error.as_error::<ApiError>() {
            Some(error) => Some(error.clone()),
            None => Some(foreign(status, error.to_string(), response)),
        },
        None if response.headers().contains_key(CONTENT_TYPE) => None,
        None => Some(foreign(status, String::new(), response)),
    }
}

/// What actix-web refuses by itself. The contract has no code for a wrong method: it breaks a rule of the contract.
fn foreign(status: StatusCode, words: String, response: &ServiceResponse<BoxBody>) -> ApiError {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::NotFound, "there is no such path".to_owned()),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = response.headers().get(ALLOW).and_then(|methods| methods.to_str().ok());
            let allowed = allowed.unwrap_or("other methods");
            (ErrorCode::ValidationError, format!("this path takes {allowed}"))
        }
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::PayloadTooLarge, too_large()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (ErrorCode::UnsupportedMediaType, not_json()),
        status if status.is_server_error() => return ApiError::internal(),
        _ if words.is_empty() => (ErrorCode::ValidationError, "this request cannot be read".to_owned()),
        _ => (ErrorCode::ValidationError, words),
    };
    ApiError::new(code, message)
}

fn too_large() -> String {
    format!("the body may have {} bytes at the most", limits::FRAME_BYTES)
}

fn not_json() -> String {
    "the body must be JSON, sent as application/json".to_owned()
}

/// Makes extractors refuse in the contract's form: to be part of every app.
pub fn configure_extractors(config: &mut ServiceConfig) {
    config
        .app_data(
            web::JsonConfig::default()
                .limit(limits::FRAME_BYTES)
                .error_handler(|error, _| bad_body(&error).into()),
        )
        .app_data(web::QueryConfig::default().error_handler(|error, _| bad_query(&error).into()))
        .app_data(web::PathConfig::default().error_handler(|error, _| bad_path(&error).into()));
}

fn bad_body(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            ApiError::new(ErrorCode::PayloadTooLarge, too_large())
        }
        JsonPayloadError::ContentType => ApiError::new(ErrorCode::UnsupportedMediaType, not_json()),
        JsonPayloadError::Deserialize(error) => Invalid::new("body", in_words(error, "")).into(),
        _ => Invalid::new("body", "could not be read").into(),
    }
}

fn bad_query(error: &QueryPayloadError) -> ApiError {
    let why = match error {
        // Our own types name the field.
        QueryPayloadError::Deserialize(error) => error.to_string(),
        _ => "the query could not be read".to_owned(),
    };
    ApiError::new(ErrorCode::ValidationError, why)
}

fn bad_path(error: &PathError) -> ApiError {
    let why = match error {
        PathError::Deserialize(error) => error.to_string(),
        _ => "the path could not be read".to_owned(),
    };
    ApiError::new(ErrorCode::ValidationError, why)
}

/// What is answered where no route is.
pub async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    if request.path() == "/ws" {
        return Err(Invalid::new("upgrade", "is missing: /ws is a WebSocket").into());
    }
    Err(ApiError::new(ErrorCode::NotFound, "there is no such path"))
}
