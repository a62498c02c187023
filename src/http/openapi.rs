//! The description of every route, made of what the handlers say of themselves and of what the table of `routes` says of
//! them: who may call, which refusals follow from that. Served by `operators`; describes nothing that is not in the table.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::http::Method;
use utoipa::{
    IntoResponses, OpenApi,
    openapi::{
        ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
        info::InfoBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    access::{Access, Pace},
    routes::{Described, ROUTES, Route},
};
use crate::protocol::ErrorCode;

/// The refusals that many routes share: name, status, what it means.
const REFUSALS: &[(&str, ErrorCode, &str)] = &[
    (
        "Invalid",
        ErrorCode::ValidationError,
        "VALIDATION_ERROR: the request breaks a rule; the message names the field",
    ),
    (
        "Unauthorized",
        ErrorCode::Unauthorized,
        "UNAUTHORIZED: no good token; TOKEN_EXPIRED: it was good once",
    ),
    (
        "Forbidden",
        ErrorCode::Forbidden,
        "FORBIDDEN: for administrators of the server; acting for others is too",
    ),
    (
        "NotMember",
        ErrorCode::NotMember,
        "NOT_MEMBER: not a member of this conversation; FORBIDDEN: a member, but not allowed",
    ),
    (
        "NotFound",
        ErrorCode::NotFound,
        "NOT_FOUND: there is no such conversation, message or user",
    ),
    (
        "PayloadTooLarge",
        ErrorCode::PayloadTooLarge,
        "PAYLOAD_TOO_LARGE: more than 128 KiB",
    ),
    (
        "UnsupportedMediaType",
        ErrorCode::UnsupportedMediaType,
        "UNSUPPORTED_MEDIA_TYPE: not application/json",
    ),
    (
        "RateLimited",
        ErrorCode::RateLimited,
        "RATE_LIMITED: too fast; retryAfterMs and the header Retry-After say when to try again",
    ),
    ("Internal", ErrorCode::Internal, "INTERNAL: a defect of the server"),
    (
        "Unavailable",
        ErrorCode::Unavailable,
        "UNAVAILABLE: the store cannot answer or commit right now; try again",
    ),
];

/// The header by which administrators act for others, on every route with a caller.
const ACT_AS: &str = "ActAs";

/// What whoever is not a member is answered, and where there is no such conversation.
pub struct MembersOnly;

impl IntoResponses for MembersOnly {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("403", "NotMember"), ("404", "NotFound")]
            .map(|(status, name)| (status.to_owned(), Ref::from_response_name(name).into()))
            .into()
    }
}

/// What an open route that limits its callers itself may answer.
pub struct Limited;

impl IntoResponses for Limited {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("429".to_owned(), Ref::from_response_name("RateLimited").into())].into()
    }
}

/// The document, as JSON. The same for as long as the process lives.
pub fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        document().to_json().unwrap_or_else(|error| {
            log::error!(target: "parlor::http", "the OpenAPI document could not be written: {error}");
            "{}".to_owned()
        })
    });
    &JSON
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Described::openapi();
    document.info = InfoBuilder::new()
        .title("Parlor")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The REST side of a Parlor server. Every answer carries `x-request-id`; times are RFC 3339 in UTC.",
        ))
        .build();
    let components = document.components.get_or_insert_default();
    for (name, code, meaning) in REFUSALS {
        components
            .responses
            .insert((*name).to_owned(), refusal(*code, meaning).into());
    }
    for (name, scheme) in security_schemes() {
        components.security_schemes.insert(name.to_owned(), scheme.into());
    }
    components.parameters.insert(ACT_AS.to_owned(), act_as().into());
    for route in ROUTES {
        let item = document.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation(item, &route.method)) {
            complete(operation, route);
        }
    }
    document
}

fn refusal(code: ErrorCode, meaning: &str) -> Response {
    let schema = Ref::from_schema_name("ErrorBody");
    let mut error = serde_json::json!({"code": code, "message": "a sentence for people", "retryable": code.retryable(),
        "requestId": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f"});
    if code == ErrorCode::RateLimited {
        error["retryAfterMs"] = 100.into();
    }
    let example = serde_json::json!({ "error": error });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .example(Some(example))
        .build();
    ResponseBuilder::new()
        .description(meaning)
        .content("application/json", content)
        .build()
}

fn security_schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    let cookie = ApiKeyValue::with_description("token", "Honoured from an allowed origin only");
    let query = ApiKeyValue::with_description("token", "For those who can set no header");
    [
        ("bearer", SecurityScheme::Http(bearer)),
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("query", SecurityScheme::ApiKey(ApiKey::Query(query))),
    ]
}

fn act_as() -> Parameter {
    let schema = Ref::from_schema_name("UserId");
    ParameterBuilder::new()
        .name("Parlor-Act-As")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(schema))
        .description(Some(
            "For administrators of the server: the user for whom this is. The request is judged as if they had sent it. \
             FORBIDDEN without administrator's rights, NOT_FOUND for nobody",
        ))
        .build()
}

fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    let found = match method.as_str() {
        "GET" => &mut item.get,
        "POST" => &mut item.post,
        "PUT" => &mut item.put,
        "PATCH" => &mut item.patch,
        "DELETE" => &mut item.delete,
        "HEAD" => &mut item.head,
        _ => return None,
    };
    found.as_mut()
}

/// Adds what follows from the table; what a handler says itself stays.
fn complete(operation: &mut Operation, route: &Route) {
    if route.access != Access::Open {
        let header = Ref::new(format!("#/components/parameters/{ACT_AS}"));
        operation.parameters.get_or_insert_default().push(RefOr::Ref(header));
    }
    let mut refused = |status: &str, name: &str| {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| Ref::from_response_name(name).into());
    };
    if operation.request_body.is_some() || operation.parameters.is_some() {
        refused("400", "Invalid");
    }
    if operation.request_body.is_some() {
        refused("413", "PayloadTooLarge");
        refused("415", "UnsupportedMediaType");
    }
    if route.access != Access::Open {
        refused("401", "Unauthorized");
    }
    if route.access != Access::Open {
        refused("403", "Forbidden");
        refused("404", "NotFound");
    }
    if matches!(route.access, Access::User(pace) | Access::Admin(pace) if pace != Pace::Free) {
        refused("429", "RateLimited");
    }
    if route.access != Access::Open || operation.request_body.is_some() {
        refused("500", "Internal");
        refused("503", "Unavailable");
    }
    let needs = |scheme| SecurityRequirement::new(scheme, [""; 0]);
    operation.security = Some(match route.access {
        Access::Open => Vec::new(),
        _ => vec![needs("bearer"), needs("cookie"), needs("query")],
    });
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn the_document_describes_the_table_and_nothing_else() {
        let document = oas3::from_json(json()).expect("an OpenAPI document");
        assert_eq!(document.info.version, env!("CARGO_PKG_VERSION"));
        document.validate_version().expect("a version that is known");
        let described: BTreeSet<String> = document
            .operations()
            .map(|(path, method, _)| format!("{method} {path}"))
            .collect();
        let routes: BTreeSet<String> = ROUTES
            .iter()
            .filter(|route| route.described)
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(described, routes);
        let pages = ROUTES.iter().filter(|route| !route.described);
        for page in pages {
            assert!(matches!(page.method, Method::GET | Method::HEAD), "{page:?} is no page");
        }
        let paths: BTreeSet<(&str, &str)> = ROUTES.iter().map(|route| (route.method.as_str(), route.path)).collect();
        assert_eq!(paths.len(), ROUTES.len(), "a route stands in the table twice");
    }

    #[test]
    fn operations_have_names_of_their_own_and_say_who_may_and_what_may_go_wrong() {
        let document = oas3::from_json(json()).expect("an OpenAPI document");
        let mut names = BTreeSet::new();
        for (path, method, operation) in document.operations() {
            let shown = format!("{method} {path}");
            let name = operation.operation_id.clone().unwrap_or_default();
            assert!(names.insert(name), "{shown}: its operationId is another's");
            assert!(operation.summary.is_some(), "{shown}: no summary");
            let route = ROUTES
                .iter()
                .find(|route| route.method.as_str() == method.as_str() && route.path == path);
            let open = route.is_some_and(|route| route.access == Access::Open);
            let responses = operation.responses.clone().unwrap_or_default();
            assert_eq!(
                !responses.contains_key("401"),
                open && path != "/api/auth/login",
                "{shown}"
            );
            assert!(responses.keys().any(|status| status.starts_with('2')), "{shown}");
        }
        let conversation =
            |(path, _, _): &(String, _, &oas3::spec::Operation)| path.starts_with("/api/conversations/{id}");
        for (path, method, operation) in document.operations().filter(conversation) {
            let responses = operation.responses.clone().unwrap_or_default();
            for status in ["400", "401", "403", "404", "500", "503"] {
                assert!(responses.contains_key(status), "{method} {path}: no {status}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(json()).expect("JSON");
        let mut references = BTreeMap::new();
        collect(&document, &mut references);
        assert!(references.len() > 20);
        for (reference, ()) in references {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    fn collect(value: &serde_json::Value, into: &mut BTreeMap<String, ()>) {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(serde_json::Value::as_str) {
                    into.insert(reference.to_owned(), ());
                }
                fields.values().for_each(|value| collect(value, into));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
}
