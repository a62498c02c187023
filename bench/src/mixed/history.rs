//! The pages of history that `mixed` reads over REST, on connections that are kept alive. A shard asks for them through a
//! channel, as it cannot wait; `drive` serves the channel. Never judges a page.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::shard::Shard;
use crate::envelope::Refused;
use crate::fault::Kind;
use crate::message::Parsed;
use crate::target::Target;
use crate::world::World;

/// REST calls of all threads under way at once, and so their connections. More wait here, and their latency with them.
pub const AT_ONCE: usize = 256;
/// Messages of a page.
const PAGE: usize = 50;

/// A page that somebody wants.
pub struct Errand {
    /// In the shard.
    pub seat: usize,
    /// In the world.
    pub user: usize,
    pub room: usize,
    /// In open loop the intended time.
    pub at: u64,
    /// The newest message that was known when it was asked for: the page must not end before it.
    pub newest: u64,
}

/// Why there is no page.
pub enum Failure {
    Refused(String),
    /// No answer, or one that cannot be read.
    Broken(Kind, String),
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Parsed>,
}

#[derive(Deserialize)]
struct Failed {
    error: Refused,
}

/// Serves a shard's errands for as long as it lives.
pub async fn serve(
    shard: Rc<RefCell<Shard>>,
    mut errands: UnboundedReceiver<Errand>,
    client: Client,
    (target, world): (Arc<Target>, Arc<World>),
    at_once: usize,
) {
    let places = Arc::new(Semaphore::new(at_once.max(1)));
    while let Some(errand) = errands.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (shard, client, target, world) = (shard.clone(), client.clone(), target.clone(), world.clone());
        tokio::task::spawn_local(async move {
            let page = fetch(&client, &target, &world, &errand).await;
            drop(place);
            shard.borrow_mut().on_page(&errand, page);
        });
    }
}

/// The newest page. It does not mark as read: that is an operation of its own.
async fn fetch(client: &Client, target: &Target, world: &World, errand: &Errand) -> Result<Vec<Parsed>, Failure> {
    let conversation = &world.rooms[errand.room].conversation;
    let url = format!(
        "{}/api/conversations/{conversation}/messages?limit={PAGE}&markRead=false",
        target.base()
    );
    let request = client.get(url).bearer_auth(&world.user_of(errand.user).token);
    let broken = |error: reqwest::Error| Failure::Broken(Kind::Unanswered, error.to_string());
    let answer = request.send().await.map_err(broken)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(broken)?;
    let unreadable = |error: serde_json::Error| Failure::Broken(Kind::Unreadable, format!("{status}, {error}"));
    if status.is_success() {
        let page: Page = serde_json::from_slice(&body).map_err(unreadable)?;
        return Ok(page.messages);
    }
    let failed: Failed = serde_json::from_slice(&body).map_err(unreadable)?;
    Err(Failure::Refused(failed.error.code))
}
