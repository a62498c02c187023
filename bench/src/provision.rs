//! Makes the users and conversations of a run over REST, a bounded number of calls at a time. Scenarios call it first.
//! Fresh users and rooms every time: nothing of an earlier run is delivered into this one.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::target::{Target, unix_seconds};
use crate::world::{Room, User, World};

/// Calls under way at once: enough to hide the latency, few enough to leave the server unstressed before it is measured.
const AT_ONCE: usize = 32;

/// What a scenario needs to exist.
pub struct Wanted {
    pub users: usize,
    pub rooms: usize,
    pub members: usize,
}

pub async fn provision(target: &Target, wanted: &Wanted, progress: &Progress) -> Result<Arc<World>, String> {
    let client = client()?;
    let run = format!("b{:x}{:x}", unix_seconds(), std::process::id());
    let users = (0..wanted.users)
        .map(|index| {
            let id = format!("{run}-{index}");
            Ok(User {
                token: target.token(&id)?,
                id,
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    introduce(target, &client, &users, progress).await?;
    let rooms = make_rooms(target, &client, &users, wanted, progress).await?;
    progress.done();
    Ok(Arc::new(World { run, users, rooms }))
}

pub fn client() -> Result<Client, String> {
    // No proxy: the address is loopback, whatever the environment says.
    Client::builder().no_proxy().build().map_err(|error| error.to_string())
}

/// A user is known to the server once it has made any call.
async fn introduce(target: &Target, client: &Client, users: &[User], progress: &Progress) -> Result<(), String> {
    let me = format!("{}/api/me", target.base());
    let calls = users
        .iter()
        .map(|user| call(client.get(&me).bearer_auth(&user.token), "GET /api/me"));
    let mut done = 0;
    let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
    while calls.try_next().await?.is_some() {
        done += 1;
        progress.show(|| format!("{done} of {} users known to the server", users.len()));
    }
    Ok(())
}

async fn make_rooms(
    target: &Target,
    client: &Client,
    users: &[User],
    wanted: &Wanted,
    progress: &Progress,
) -> Result<Vec<Room>, String> {
    let url = format!("{}/api/conversations", target.base());
    let url = &url;
    let make = |index: usize| async move {
        let first = index * wanted.members;
        let members = &users[first..first + wanted.members];
        let invited: Vec<&str> = members[1..].iter().map(|user| user.id.as_str()).collect();
        let body = json!({"kind": "group", "name": format!("bench {index}"), "memberIds": invited});
        let request = client.post(url).bearer_auth(&members[0].token).json(&body);
        let answer = call(request, "POST /api/conversations").await?;
        match answer["conversation"]["id"].as_str() {
            Some(id) => Ok(Room {
                conversation: id.to_owned(),
                first,
                members: wanted.members,
            }),
            None => Err(format!(
                "POST /api/conversations answered without a conversation: {answer}"
            )),
        }
    };
    let mut rooms = Vec::with_capacity(wanted.rooms);
    let mut calls = stream::iter((0..wanted.rooms).map(make)).buffered(AT_ONCE);
    while let Some(room) = calls.try_next().await? {
        rooms.push(room);
        progress.show(|| format!("{} of {} conversations made", rooms.len(), wanted.rooms));
    }
    Ok(rooms)
}

/// One call; the answer's JSON, or what went wrong in words.
pub async fn call(request: RequestBuilder, what: &str) -> Result<Value, String> {
    let answer = request
        .send()
        .await
        .map_err(|error| format!("{what}: {}", rooted(&error)))?;
    let status = answer.status();
    let body = answer.text().await.map_err(|error| format!("{what}: {error}"))?;
    if status.as_u16() == 429 {
        return Err(format!(
            "{what}: the server limits the rate; it must run with PARLOR_RATE_LIMITS=off"
        ));
    }
    if status.as_u16() == 401 {
        return Err(format!(
            "{what}: 401, the tokens are not accepted: is this the server's own secret? {body}"
        ));
    }
    if !status.is_success() {
        return Err(format!("{what}: {status} {body}"));
    }
    serde_json::from_str(&body).map_err(|error| format!("{what}: {error} in {body}"))
}

/// The innermost cause: “connection refused” rather than “error sending request”.
fn rooted(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => rooted(source),
        None => error.to_string(),
    }
}
