//! Uploads: each function is one transaction's work on a connection. Called by the store's methods.

use async_trait::async_trait;
use diesel::{SqliteConnection, prelude::*};

use super::SqliteStore;
use crate::{
    db::{
        NewUpload, StoreError, UploadStore,
        position::pack,
        query,
        rows::broken,
        schema::{upload_endings, uploads},
        sqlite::append::forget_uses,
    },
    domain::{ConversationKey, Seq, Timestamp, UploadName, UserKey},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Uses of ended conversations that one sweep forgets.
const USES_A_SWEEP: i64 = 500;

#[async_trait]
impl UploadStore for SqliteStore {
    async fn unposted_uploads(&self, user: UserKey) -> Result<usize> {
        self.readers.read(move |c| unposted(c, user, i64::MAX)).await
    }

    async fn record_upload(&self, upload: NewUpload, most: usize) -> Result<bool> {
        self.writer.write(move |c| record(c, &upload, most)).await
    }

    async fn recorded_uploads(&self, names: &[UploadName]) -> Result<Vec<UploadName>> {
        let names = names.iter().map(|name| name.as_str().to_owned()).collect();
        self.readers
            .read(move |c| {
                let found: Vec<String> = query::uploads::recorded(names).load(c)?;
                found.iter().map(|name| parse(name)).collect()
            })
            .await
    }

    async fn sweep_uploads(&self, now: Timestamp, limit: usize) -> Result<Vec<UploadName>> {
        // Nearly always there is nothing: that costs a read, not a commit.
        if self.readers.read(move |c| is_idle(c, now)).await? {
            return Ok(Vec::new());
        }
        self.writer.write(move |c| sweep(c, now, limit)).await
    }
}

fn unposted(connection: &mut SqliteConnection, user: UserKey, most: i64) -> Result<usize> {
    let found: Vec<i64> = query::uploads::unposted(user.0, most).load(connection)?;
    Ok(found.len())
}

fn record(connection: &mut SqliteConnection, new: &NewUpload, most: usize) -> Result<bool> {
    if unposted(connection, new.user, most as i64)? >= most {
        return Ok(false);
    }
    diesel::insert_into(uploads::table)
        .values((
            uploads::name.eq(new.name.as_str()),
            uploads::user_key.eq(new.user.0),
            uploads::content_type.eq(new.name.kind().mime()),
            uploads::bytes.eq(new.bytes as i64),
            uploads::width.eq(new.width as i32),
            uploads::height.eq(new.height as i32),
            uploads::created_at.eq(new.at.millis()),
            uploads::sweep_at.eq(new.sweep_at.millis()),
        ))
        .execute(connection)?;
    Ok(true)
}

fn is_idle(connection: &mut SqliteConnection, now: Timestamp) -> Result<bool> {
    let due: Vec<String> = query::uploads::due(now.millis(), 1).load(connection)?;
    let endings: Vec<i64> = query::uploads::endings().load(connection)?;
    Ok(due.is_empty() && endings.is_empty())
}

fn sweep(connection: &mut SqliteConnection, now: Timestamp, limit: usize) -> Result<Vec<UploadName>> {
    if let Some(ended) = query::uploads::endings().load::<i64>(connection)?.first() {
        forget_ended(connection, *ended, now)?;
    }
    let due: Vec<String> = query::uploads::due(now.millis(), limit as i64).load(connection)?;
    diesel::delete(uploads::table.filter(uploads::name.eq_any(&due))).execute(connection)?;
    due.iter().map(|name| parse(name)).collect()
}

/// A piece of what an ended conversation showed, and with the last piece that it ended.
fn forget_ended(connection: &mut SqliteConnection, key: i64, now: Timestamp) -> Result<()> {
    let (first, last) = (
        pack(ConversationKey(key), Seq(0)),
        pack(ConversationKey(key), Seq(u32::MAX)),
    );
    let piece: Vec<i64> = query::uploads::uses(first, last, USES_A_SWEEP).load(connection)?;
    if let (Some(from), Some(to)) = (piece.first(), piece.last()) {
        forget_uses(connection, *from..=*to, now)?;
    }
    if (piece.len() as i64) < USES_A_SWEEP {
        diesel::delete(upload_endings::table.find(key)).execute(connection)?;
    }
    Ok(())
}

fn parse(name: &str) -> Result<UploadName> {
    UploadName::parse(name).map_err(|_| broken("the name of an upload", 0))
}
