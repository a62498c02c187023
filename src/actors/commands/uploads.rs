//! Taking a picture: `http` asks for a place before the first byte is read, then hands the whole file over. What is answered
//! is on disk and recorded.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::Caller;
use crate::{
    actors::Node,
    db::NewUpload,
    domain::{ImageType, Invalid, UploadName, limits},
    protocol::{ApiError, ErrorCode},
    uploads::{FileError, Place, Unfit, UploadError, Uploads},
};

/// How long an upload is kept that no message shows.
const UNPOSTED: Duration = Duration::from_secs(limits::UPLOAD_UNPOSTED_HOURS * 3600);
/// How long a request waits for a place among those under way, its body unread.
const PLACE_WITHIN: Duration = Duration::from_secs(5);
/// When to ask again if none was free.
const BUSY_MS: u64 = 1000;

/// Whether the caller may upload now. The place is theirs until it is dropped.
///
/// # Errors
/// `RATE_LIMITED` when too many are under way, of theirs or of all; `LIMIT_REACHED` when too many of theirs were never posted;
/// `UNAVAILABLE`.
pub async fn begin_upload(node: &Node, uploads: &Uploads, caller: &Caller) -> Result<Place, ApiError> {
    if node.store.unposted_uploads(caller.user.key).await? >= limits::UPLOADS_UNPOSTED {
        return Err(too_many());
    }
    let place = timeout(PLACE_WITHIN, uploads.enter(caller.user.key)).await;
    place.map_err(|_| ApiError::rate_limited(BUSY_MS))
}

/// Takes the picture that the caller says is of the type `declared`; what it is called from now on.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE` when it is not of that type; `VALIDATION_ERROR` when it is none that can be shown;
/// `LIMIT_REACHED`; `UNAVAILABLE` when it cannot be kept.
pub async fn upload_image(
    node: &Node,
    uploads: &Uploads,
    caller: &Caller,
    declared: ImageType,
    file: Bytes,
) -> Result<UploadName, ApiError> {
    if ImageType::from_magic(&file) != Some(declared) {
        return Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            format!("image: this is no {}", declared.mime()),
        ));
    }
    let picture = uploads.inspect(file).await.map_err(refusal)?;
    let (bytes, width, height) = (picture.bytes.len(), picture.width, picture.height);
    let (name, written) = uploads.keep(picture).await.map_err(refusal)?;
    let at = node.clock.now();
    let upload = NewUpload {
        name: name.clone(),
        user: caller.user.key,
        bytes,
        width,
        height,
        at,
        sweep_at: at.plus(UNPOSTED),
    };
    // Of a commit whose outcome is unknown the file goes, too: nobody was told the name, and the record runs out.
    if !node.store.record_upload(upload, limits::UPLOADS_UNPOSTED).await? {
        return Err(too_many());
    }
    written.keep();
    node.metrics.uploads.inc();
    node.metrics.upload_bytes.inc_by(bytes as u64);
    Ok(name)
}

fn too_many() -> ApiError {
    let most = limits::UPLOADS_UNPOSTED;
    ApiError::new(
        ErrorCode::LimitReached,
        format!("{most} of your uploads were never posted: post some, or wait until they are forgotten"),
    )
}

fn refusal(error: UploadError) -> ApiError {
    match error {
        UploadError::Unfit(Unfit::NoPicture) => {
            ApiError::new(ErrorCode::UnsupportedMediaType, format!("image: {}", Unfit::NoPicture))
        }
        UploadError::Unfit(unfit) => Invalid::new("image", unfit.to_string()).into(),
        UploadError::File(FileError::Full) => {
            log::error!(target: "parlor::uploads", "{error}");
            ApiError::new(ErrorCode::Unavailable, "the server has no room for uploads right now")
        }
        UploadError::File(FileError::Io(_)) | UploadError::Broken(_) => {
            log::error!(target: "parlor::uploads", "{error}");
            ApiError::new(ErrorCode::Unavailable, "the server cannot keep uploads right now")
        }
    }
}
