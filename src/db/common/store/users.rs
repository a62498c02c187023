//! Users and their tokens: each function is one transaction's work on a connection. Called by the store's methods.

use crate::db::run::*;
use std::sync::Arc;

use crate::{
    db::{
        Account, Credentials, NewAccount, StoreError, TokenUser, query,
        rows::{AccountRow, UserRow, broken},
        schema::{revoked_tokens, users},
        told::Anew,
    },
    domain::{Timestamp, User, UserId, UserKey},
};

type Result<T> = std::result::Result<T, StoreError>;

pub fn create(connection: &mut impl Db, new: &NewAccount) -> Result<Option<Arc<User>>> {
    let taken: Option<AccountRow> = query::users::account_by_login(&new.folded)
        .get_result(connection)
        .optional()?;
    if taken.is_some() {
        return Ok(None);
    }
    diesel::insert_into(users::table)
        .values((
            users::id.eq(new.id.as_str()),
            users::name.eq(&new.name),
            users::name_folded.eq(new.name.to_lowercase()),
            users::login.eq(&new.folded),
            users::display_name.eq(&new.display_name),
            users::display_name_folded.eq(new.display_name.to_lowercase()),
            users::password_hash.eq(&new.password_hash),
            users::is_admin.eq(new.admin),
            users::created_at.eq(new.at.millis()),
        ))
        .execute(connection)?;
    Ok(account(connection, new.id.as_str())?.map(|account| account.user))
}

pub fn credentials(connection: &mut impl Db, folded: &str) -> Result<Option<Credentials>> {
    let row: Option<AccountRow> = query::users::account_by_login(folded)
        .get_result(connection)
        .optional()?;
    let Some(mut row) = row else { return Ok(None) };
    let Some(password_hash) = row.password_hash.take() else {
        return Ok(None);
    };
    Ok(Some(Credentials {
        account: row.try_into()?,
        password_hash,
    }))
}

pub fn set_password(connection: &mut impl Db, folded: &str, hash: &str) -> Result<bool> {
    let changed = diesel::update(users::table.filter(users::login.eq(folded)))
        .set(users::password_hash.eq(hash))
        .execute(connection)?;
    Ok(changed > 0)
}

pub fn set_admin(connection: &mut impl Db, id: &str, admin: bool) -> Result<bool> {
    let changed = diesel::update(users::table.filter(users::id.eq(id)))
        .set(users::is_admin.eq(admin))
        .execute(connection)?;
    Ok(changed > 0)
}

pub fn account(connection: &mut impl Db, id: &str) -> Result<Option<Account>> {
    let row: Option<AccountRow> = query::users::account(id).get_result(connection).optional()?;
    row.map(TryInto::try_into).transpose()
}

/// Whether putting `said` would change nothing, so that a reader can answer. Whoever registered here says themselves what
/// they are called.
pub fn is_put(account: &Account, said: &TokenUser) -> bool {
    let user = &account.user;
    let same = |said: &Option<String>, known: &str| said.as_deref().is_none_or(|said| said == known);
    account.local
        || same(&said.name, &user.name)
            && same(&said.display_name, &user.display_name)
            && (said.avatar_url.is_none() || said.avatar_url == user.avatar_url)
}

pub fn put(connection: &mut impl Db, said: &TokenUser) -> Result<Account> {
    match account(connection, said.id.as_str())? {
        Some(account) if is_put(&account, said) => return Ok(account),
        Some(known) => profile(connection, &known.user, said)?,
        None => first_seen(connection, said, None)?,
    }
    account(connection, said.id.as_str())?.ok_or_else(|| broken("a user who was just put", 0))
}

pub fn record(connection: &mut impl Db, token: &TokenUser) -> Result<Account> {
    let known = account(connection, token.id.as_str())?;
    let told = known.as_ref().and_then(|known| known.told.as_deref());
    match (&known, Anew::of(token, told)) {
        (None, anew) => first_seen(connection, token, anew.map(|anew| anew.told))?,
        (Some(known), Some(anew)) if !known.local => {
            diesel::update(users::table.find(known.user.key.0))
                .set(users::told.eq(&anew.told))
                .execute(connection)?;
            profile(connection, &known.user, &anew.only(token))?;
        }
        (Some(known), _) => return Ok(known.clone()),
    }
    account(connection, token.id.as_str())?.ok_or_else(|| broken("a user who was just recorded", 0))
}

/// Gives `known` what is said.
fn profile(connection: &mut impl Db, known: &User, said: &TokenUser) -> Result<()> {
    let name = said.name.as_deref().unwrap_or(&known.name);
    let display_name = said.display_name.as_deref().unwrap_or(&known.display_name);
    let avatar_url = said.avatar_url.as_ref().or(known.avatar_url.as_ref());
    diesel::update(users::table.find(known.key.0))
        .set((
            users::name.eq(name),
            users::name_folded.eq(name.to_lowercase()),
            users::display_name.eq(display_name),
            users::display_name_folded.eq(display_name.to_lowercase()),
            users::avatar_url.eq(avatar_url),
        ))
        .execute(connection)?;
    Ok(())
}

fn first_seen(connection: &mut impl Db, said: &TokenUser, told: Option<String>) -> Result<()> {
    let name = said.name.as_deref().unwrap_or(said.id.as_str());
    let display_name = said.display_name.as_deref().unwrap_or(name);
    diesel::insert_into(users::table)
        .values((
            users::id.eq(said.id.as_str()),
            users::name.eq(name),
            users::name_folded.eq(name.to_lowercase()),
            users::display_name.eq(display_name),
            users::display_name_folded.eq(display_name.to_lowercase()),
            users::avatar_url.eq(said.avatar_url.as_ref()),
            users::created_at.eq(said.at.millis()),
            users::told.eq(told),
        ))
        .execute(connection)?;
    Ok(())
}

pub fn by_ids(connection: &mut impl Db, ids: &[UserId]) -> Result<Vec<Arc<User>>> {
    let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
    let rows: Vec<UserRow> = query::users::by_ids(ids).load(connection)?;
    rows.into_iter().map(|row| Ok(Arc::new(row.try_into()?))).collect()
}

/// The `limit` first by name of those whose name begins with `query` and of those whose display name does, together.
pub fn search(connection: &mut impl Db, query: &str, limit: usize) -> Result<Vec<Arc<User>>> {
    let from = query.to_lowercase();
    // Every text that begins with `from` is below this.
    let below = format!("{from}\u{10FFFF}");
    let limit_rows = limit as i64;
    let mut found: Vec<(String, UserRow)> = query::users::by_name(&from, &below, limit_rows).load(connection)?;
    if !from.is_empty() {
        let keys: Vec<(String, i64)> =
            query::users::keys_by_display_name(&from, &below, limit_rows).load(connection)?;
        let keys = keys.into_iter().map(|(_, key)| key).collect();
        let rows: Vec<UserRow> = query::users::by_keys(keys).load(connection)?;
        found.extend(rows.into_iter().map(|row| (row.name.to_lowercase(), row)));
    }
    found.sort_by(|(one, a), (other, b)| one.cmp(other).then(a.key.cmp(&b.key)));
    found.dedup_by_key(|(_, row)| row.key);
    found.truncate(limit);
    found
        .into_iter()
        .map(|(_, row)| Ok(Arc::new(row.try_into()?)))
        .collect()
}

pub fn update_profile(
    connection: &mut impl Db,
    user: UserKey,
    display_name: Option<&str>,
    avatar_url: Option<Option<&str>>,
) -> Result<Arc<User>> {
    if let Some(name) = display_name {
        diesel::update(users::table.find(user.0))
            .set((
                users::display_name.eq(name),
                users::display_name_folded.eq(name.to_lowercase()),
            ))
            .execute(connection)?;
    }
    if let Some(url) = avatar_url {
        diesel::update(users::table.find(user.0))
            .set(users::avatar_url.eq(url))
            .execute(connection)?;
    }
    let row: Option<UserRow> = query::users::by_keys(vec![user.0]).get_result(connection).optional()?;
    let row = row.ok_or_else(|| broken("a user", user.0))?;
    Ok(Arc::new(row.try_into()?))
}

pub fn set_last_seen(connection: &mut impl Db, seen: &[(UserKey, Timestamp)]) -> Result<()> {
    // In one order: several servers may write down the same users at once.
    let mut seen = seen.to_vec();
    seen.sort_unstable_by_key(|(user, _)| user.0);
    for (user, at) in seen {
        diesel::update(users::table.find(user.0))
            .set(users::last_seen_at.eq(at.millis()))
            .execute(connection)?;
    }
    Ok(())
}

pub fn last_seen(connection: &mut impl Db, ids: &[UserId]) -> Result<Vec<(UserId, Option<Timestamp>)>> {
    let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
    let rows: Vec<(String, Option<i64>)> = query::users::last_seen(ids).load(connection)?;
    let rows = rows.into_iter().map(|(id, at)| {
        let id = UserId::parse(&id).map_err(|_| broken("a user's id", 0))?;
        Ok((id, at.map(Timestamp::from_millis)))
    });
    rows.collect()
}

pub fn revoke(connection: &mut impl Db, jti: &str, expires_at: Timestamp) -> Result<()> {
    diesel::insert_into(revoked_tokens::table)
        .values((
            revoked_tokens::jti.eq(jti),
            revoked_tokens::expires_at.eq(expires_at.millis()),
        ))
        .on_conflict(revoked_tokens::jti)
        .do_update()
        .set(revoked_tokens::expires_at.eq(expires_at.millis()))
        .execute(connection)?;
    Ok(())
}

pub fn revoked(connection: &mut impl Db, now: Timestamp) -> Result<Vec<(String, Timestamp)>> {
    diesel::delete(revoked_tokens::table.filter(revoked_tokens::expires_at.le(now.millis()))).execute(connection)?;
    let rows: Vec<(String, i64)> = revoked_tokens::table.load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(jti, at)| (jti, Timestamp::from_millis(at)))
        .collect())
}
