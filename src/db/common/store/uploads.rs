//! Uploads: each function is one transaction's work on a connection. Called by the store's methods.

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Text};

use super::{Engine, Storage};
use crate::db::run::*;
use crate::{
    db::{
        NewUpload, StoreError, UploadStore,
        common::append::{Ledger, forget_uses},
        position::pack,
        query,
        rows::broken,
        schema::{upload_endings, uploads},
        statement::statement,
    },
    domain::{ConversationKey, Seq, Timestamp, UploadName, UserKey},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Uses of ended conversations that one sweep forgets.
const USES_A_SWEEP: i64 = 500;

#[async_trait]
impl<E: Engine> UploadStore for Storage<E> {
    async fn unposted_uploads(&self, user: UserKey) -> Result<usize> {
        self.engine.read(move |c| unposted(c, user, i64::MAX)).await
    }

    async fn record_upload(&self, upload: NewUpload, most: usize) -> Result<bool> {
        self.engine.write(move |c| record(c, &upload, most)).await
    }

    async fn recorded_uploads(&self, names: &[UploadName]) -> Result<Vec<UploadName>> {
        let names = names.iter().map(|name| name.as_str().to_owned()).collect();
        self.engine
            .read(move |c| {
                let found: Vec<String> = query::uploads::recorded(names).load(c)?;
                found.iter().map(|name| parse(name)).collect()
            })
            .await
    }

    async fn sweep_uploads(&self, now: Timestamp, limit: usize) -> Result<Vec<UploadName>> {
        // Nearly always there is nothing: that costs a read, not a commit.
        if self.engine.read(move |c| is_idle(c, now)).await? {
            return Ok(Vec::new());
        }
        self.engine.write(move |c| sweep(c, now, limit)).await
    }
}

fn unposted(connection: &mut impl Db, user: UserKey, most: i64) -> Result<usize> {
    let found: Vec<i64> = query::uploads::unposted(user.0, most).load(connection)?;
    Ok(found.len())
}

fn record(connection: &mut impl Db, new: &NewUpload, most: usize) -> Result<bool> {
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

fn is_idle(connection: &mut impl Db, now: Timestamp) -> Result<bool> {
    let due: Vec<String> = query::uploads::due(now.millis(), 1).load(connection)?;
    let endings: Vec<i64> = query::uploads::endings().load(connection)?;
    Ok(due.is_empty() && endings.is_empty())
}

fn sweep(connection: &mut impl Ledger, now: Timestamp, limit: usize) -> Result<Vec<UploadName>> {
    if let Some(ended) = query::uploads::endings().load::<i64, _>(connection)?.first() {
        forget_ended(connection, *ended, now)?;
    }
    let due: Vec<String> = Due {
        now: now.millis(),
        limit: limit as i64,
    }
    .load(connection)?;
    diesel::delete(uploads::table.filter(uploads::name.eq_any(&due))).execute(connection)?;
    due.iter().map(|name| parse(name)).collect()
}

/// A piece of what an ended conversation showed, and with the last piece that it ended.
fn forget_ended(connection: &mut impl Ledger, key: i64, now: Timestamp) -> Result<()> {
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

statement! {
    /// What is to be swept, longest due first, and stays so until it is. What somebody is just posting waits for the next
    /// sweep.
    Due { now: i64 as BigInt, limit: i64 as BigInt } -> Text,
    "SELECT name FROM uploads WHERE sweep_at IS NOT NULL AND sweep_at <= " {now} " ORDER BY sweep_at LIMIT " {limit}
    ["" | " FOR UPDATE SKIP LOCKED"]
}

fn parse(name: &str) -> Result<UploadName> {
    UploadName::parse(name).map_err(|_| broken("the name of an upload", 0))
}
