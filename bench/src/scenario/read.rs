//! `read`: what a client waits for when it opens: its list, the newest page of a conversation, an older page, what it searches
//! for. One call at a time, over REST and so over the whole server; the store should not show how much is in it. The words
//! are those of a generated data set (`generate`).

use std::time::Instant;

use reqwest::Client;
use serde_json::Value;

use super::Bench;
use crate::cli::ReadArgs;
use crate::measure::Latency;
use crate::provision::{call, client};

/// The calls of one kind.
struct Kind {
    name: &'static str,
    took: Latency,
}

/// Calls as long as asked for and prints a table.
pub fn run(bench: &Bench, args: &ReadArgs) -> Result<(), String> {
    let token = bench.target.token(&args.user)?;
    let base = format!("{}/api/conversations", bench.target.base());
    let kinds = bench.block_on(measure(&base, &token, args.calls))?;
    for Kind { name, took } in kinds {
        println!(
            "{name:<28}p50 {:>7.2} ms   p99 {:>7.2} ms   max {:>7.2} ms",
            took.quantile_ms(0.5),
            took.quantile_ms(0.99),
            took.max_ms()
        );
    }
    Ok(())
}

async fn measure(base: &str, token: &str, calls: usize) -> Result<Vec<Kind>, String> {
    let client = client()?;
    let list = get(&client, token, &format!("{base}?limit=50")).await?;
    let ids: Vec<String> = list["conversations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|conversation| Some(conversation["id"].as_str()?.to_owned()))
        .collect();
    if ids.is_empty() {
        return Err("the user has no conversations".into());
    }
    let mut kinds = [
        "list",
        "history: newest",
        "history: before",
        "history: around",
        "search: in one, common word",
        "search: in one, rare word",
        "search: in all, common word",
    ]
    .map(|name| Kind {
        name,
        took: Latency::default(),
    });
    let search = base.replace("/conversations", "/search");
    for number in 0..calls {
        let messages = format!("{base}/{}/messages?markRead=false", ids[number % ids.len()]);
        timed(&mut kinds[0], get(&client, token, &format!("{base}?limit=50"))).await?;
        let newest = timed(&mut kinds[1], get(&client, token, &messages)).await?;
        let Some(oldest) = newest["messages"][0]["id"].as_str() else {
            continue;
        };
        timed(
            &mut kinds[2],
            get(&client, token, &format!("{messages}&before={oldest}")),
        )
        .await?;
        timed(
            &mut kinds[3],
            get(&client, token, &format!("{messages}&around={oldest}")),
        )
        .await?;
        let here = format!("conversationId={}", ids[number % ids.len()]);
        for (kind, question) in [
            (4, format!("q=tea&{here}")),
            (5, format!("q=1%20of&{here}")),
            (6, "q=tea".to_owned()),
        ] {
            timed(&mut kinds[kind], get(&client, token, &format!("{search}?{question}"))).await?;
        }
    }
    Ok(kinds.into())
}

async fn get(client: &Client, token: &str, url: &str) -> Result<Value, String> {
    call(client.get(url).bearer_auth(token), "GET").await
}

async fn timed(kind: &mut Kind, asked: impl Future<Output = Result<Value, String>>) -> Result<Value, String> {
    let start = Instant::now();
    let answer = asked.await?;
    kind.took.record(start.elapsed().as_nanos() as u64);
    Ok(answer)
}
