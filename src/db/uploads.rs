//! The seam of the store for uploads: what is recorded of a picture besides its file. Part of [`super::Store`]; that a message
//! shows an upload is recorded by the log, with the message itself.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{Timestamp, UploadName, UserKey};

/// Records of uploads. Promises and bounds as of [`super::Store`].
///
/// An upload is to be swept from a moment on (`sweep_at`) until a message shows it. [`super::Log`] promises: a message of the
/// type image is appended only if its sender has that upload, and from then on it is not to be swept; when the last message
/// that shows it is deleted, or its conversation ended, it is to be swept at once.
#[async_trait]
pub trait UploadStore: Send + Sync {
    /// How many uploads of `user` no message shows.
    async fn unposted_uploads(&self, user: UserKey) -> Result<usize, StoreError>;
    /// Records an upload that no message shows, unless its user has `most` of them: false then, and nothing is recorded.
    async fn record_upload(&self, upload: NewUpload, most: usize) -> Result<bool, StoreError>;
    /// Those of `names` that are recorded, in no order.
    async fn recorded_uploads(&self, names: &[UploadName]) -> Result<Vec<UploadName>, StoreError>;
    /// Forgets at most `limit` of the uploads that are to be swept at `now`; those that were forgotten, whose files may go.
    /// There may be more, as long as there were some.
    async fn sweep_uploads(&self, now: Timestamp, limit: usize) -> Result<Vec<UploadName>, StoreError>;
}

/// A picture that was just kept.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// What it is called.
    pub name: UploadName,
    /// Whose it is.
    pub user: UserKey,
    /// Of its file.
    pub bytes: usize,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// When.
    pub at: Timestamp,
    /// From when on it may go if no message shows it.
    pub sweep_at: Timestamp,
}
