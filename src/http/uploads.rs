//! Pictures over HTTP: taking one as a form, and showing it to whoever knows its name. Only parses and words; what is taken is
//! decided in `actors::commands`.

use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::header::{
        CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    },
    web::{Data, Path, Payload},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, future::ready, stream};
use serde::Serialize;
use tokio::{task::spawn_blocking, time::timeout};
use utoipa::ToSchema;

use super::{State, error::ErrorBody, extract::Auth};
use crate::{
    actors::commands,
    domain::{ImageType, Invalid, UploadName, limits},
    protocol::{ApiError, ErrorCode},
};

/// How long the body of an upload may take to arrive: 2 MB at 35 KB/s.
pub const ARRIVES_WITHIN: Duration = Duration::from_secs(60);
/// What is read of a form that is refused already, so that its sender gets to read why before the connection closes.
const READ_ON: usize = 4 * limits::IMAGE_BYTES;
/// What the head of a field counts as, so that a form of nothing but heads ends, too.
const HEAD: usize = 1024;
/// The one field of the form that is looked at.
const FIELD: &str = "image";
/// Read from disk at once.
const PIECE: usize = 64 * 1024;
/// How long a picture may be kept by whoever was shown it, in seconds. Its bytes never change, but its message may be deleted.
const KEPT_SECONDS: u32 = 86_400;
/// Not in the list of headers that actix-web has names for.
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A picture to upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read piece by piece")]
pub struct UploadForm {
    /// PNG, JPEG, GIF or WebP, at most 2 MB, with its type as the part's `Content-Type`. Other fields are ignored.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// Where an upload is.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"url": "/uploads/mnkd3jyeckmfgcz5nhdqeqq2xa.png"}))]
pub struct Uploaded {
    /// To be the content of a message of the type `image`.
    url: String,
}

/// Upload an image
///
/// For a message of the caller's: until one shows it, it is kept for 50 hours. Whatever does not belong to the picture (where
/// it was taken, with what) is removed; which way up it is stays.
#[utoipa::path(post, path = "/api/uploads", request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "Kept", body = Uploaded),
        (status = 409, description = "LIMIT_REACHED: too many uploads were never posted", body = ErrorBody),
        (status = 413, description = "PAYLOAD_TOO_LARGE: more than 2 MB", body = ErrorBody),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE: no form, or not an image of the type that it says it is",
            body = ErrorBody),
    ))]
pub async fn upload_image(
    state: Data<State>,
    auth: Auth,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, ApiError> {
    let _place = commands::begin_upload(&state.node, &state.uploads, &auth.caller).await?;
    if announced(&request).is_some_and(|bytes| bytes > READ_ON) {
        return Err(too_large());
    }
    let form = Multipart::new(request.headers(), body);
    let (declared, file) = timeout(ARRIVES_WITHIN, read_form(form))
        .await
        .map_err(|_| Invalid::new("body", "did not arrive in time"))??;
    let taken = commands::upload_image(&state.node, &state.uploads, &auth.caller, declared, file);
    let name = commands::in_time(taken).await?;
    Ok(HttpResponse::Created().json(Uploaded { url: name.url() }))
}

fn announced(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::PayloadTooLarge,
        format!("an image may have {} bytes at the most", limits::IMAGE_BYTES),
    )
}

/// The one image of a form. Goes on reading what it has refused already, within bounds.
async fn read_form(mut form: Multipart) -> Result<(ImageType, Bytes), ApiError> {
    let mut found = None;
    let mut read = 0;
    while let Some(field) = form.try_next().await.map_err(|error| bad_form(&error))? {
        read += HEAD;
        let is_image = field.name() == Some(FIELD);
        if is_image && found.is_none() {
            found = Some(read_image(field, &mut read).await?);
        } else {
            // What else upload widgets send along is of no use here, and no harm.
            skip(field, &mut read).await?;
            if is_image {
                found = Some(Err(Invalid::new(FIELD, "may be there only once").into()));
            }
        }
        if read > READ_ON {
            let refused = found.and_then(Result::err);
            return Err(refused.unwrap_or_else(too_large));
        }
    }
    found.unwrap_or_else(|| Err(Invalid::new(FIELD, "is missing").into()))
}

type Image = Result<(ImageType, Bytes), ApiError>;

/// The outer error: the form cannot be read on.
async fn read_image(mut field: Field, read: &mut usize) -> Result<Image, ApiError> {
    let declared = field.content_type().map(|mime| mime.essence_str().to_owned());
    let declared = declared.and_then(|mime| ImageType::from_mime(&mime));
    let Some(declared) = declared else {
        skip(field, read).await?;
        return Ok(Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "image: must say that it is image/png, image/jpeg, image/gif or image/webp",
        )));
    };
    let mut file = BytesMut::new();
    while let Some(piece) = field.try_next().await.map_err(|error| bad_form(&error))? {
        *read += piece.len();
        if file.len() + piece.len() > limits::IMAGE_BYTES {
            drop(file);
            skip(field, read).await?;
            return Ok(Err(too_large()));
        }
        file.extend_from_slice(&piece);
    }
    if file.is_empty() {
        return Ok(Err(Invalid::new(FIELD, "is empty").into()));
    }
    Ok(Ok((declared, file.freeze())))
}

/// Reads to the end of a field, or as far as is read of what is refused.
async fn skip(mut field: Field, read: &mut usize) -> Result<(), ApiError> {
    while *read <= READ_ON
        && let Some(piece) = field.try_next().await.map_err(|error| bad_form(&error))?
    {
        *read += piece.len();
    }
    Ok(())
}

fn bad_form(error: &MultipartError) -> ApiError {
    match error {
        MultipartError::ContentTypeMissing
        | MultipartError::ContentTypeParse
        | MultipartError::ContentTypeIncompatible => ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "the body must be a form, sent as multipart/form-data",
        ),
        _ => Invalid::new("body", "is no form that can be read").into(),
    }
}

/// An uploaded image
///
/// Needs no token: the name is known only to those who were shown it. It never changes; gone soon after its message is.
#[utoipa::path(get, path = "/uploads/{name}", params(("name" = String, Path, description = "As the upload was answered")),
    responses(
        (status = 200, description = "The image", body = Vec<u8>, content_type = "image/png"),
        (status = 304, description = "The same that `If-None-Match` names"),
        (status = 404, description = "NOT_FOUND: there is no such upload (any more)", body = ErrorBody),
    ))]
pub async fn show_upload(
    state: Data<State>,
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let name = UploadName::parse(&name).map_err(|_| ApiError::not_found("upload"))?;
    let (files, wanted) = (state.uploads.files.clone(), name.clone());
    let found = spawn_blocking(move || files.begin(&wanted, PIECE)).await;
    let found = found.map_err(|_| ApiError::internal())?.map_err(|error| {
        log::error!(target: "parlor::uploads", "an upload cannot be read: {error}");
        ApiError::new(ErrorCode::Unavailable, "this upload cannot be read right now")
    })?;
    let (size, first) = found.ok_or_else(|| ApiError::not_found("upload"))?;
    let tag = format!("\"{name}\"");
    let known = is_known(&request, &tag);
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, format!("private, max-age={KEPT_SECONDS}, immutable")))
        // Whatever somebody finds to make a browser see in it: it runs nothing, loads nothing, and belongs to no origin.
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        // Products show it on pages of their own origin; and no cookie is asked for here that they could be tricked with.
        .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
    if known {
        return Ok(answer.finish());
    }
    answer.insert_header((CONTENT_TYPE, name.kind().mime()));
    Ok(answer.body(SizedStream::new(size, pieces(state, name, size, first.into()))))
}

/// Whether there is an uploaded image
///
/// As the GET, without the image.
#[utoipa::path(head, path = "/uploads/{name}", params(("name" = String, Path, description = "As the upload was answered")),
    responses(
        (status = 200, description = "There is"),
        (status = 304, description = "The same that `If-None-Match` names"),
        (status = 404, description = "There is no such upload (any more)"),
    ))]
pub async fn head_upload(
    state: Data<State>,
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    show_upload(state, request, name).await
}

/// Whether `If-None-Match` names `tag`.
pub(super) fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let known = request.headers().get_all(IF_NONE_MATCH);
    known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}

/// The file piece by piece, as fast as its reader reads: a slow one costs one piece of memory and no open file.
fn pieces(state: Data<State>, name: UploadName, size: u64, first: Bytes) -> impl Stream<Item = std::io::Result<Bytes>> {
    let read = first.len() as u64;
    let rest = stream::try_unfold(read, move |offset| {
        let (files, name) = (state.uploads.files.clone(), name.clone());
        async move {
            let length = (size - offset).min(PIECE as u64) as usize;
            if length == 0 {
                return Ok(None);
            }
            let piece = spawn_blocking(move || files.read(&name, offset, length)).await;
            let piece = piece.map_err(std::io::Error::other)??;
            Ok(Some((Bytes::from(piece), offset + length as u64)))
        }
    });
    stream::once(ready(Ok(first))).chain(rest)
}
