//! What the machine says of the server and of this tool: resident memory and CPU time. `drive` reads it at the turns of
//! a run. Never fails a run: what cannot be read is missing from the report, with the reason on stderr once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::measure::{cpu_seconds, resident_bytes};
use crate::provision;
use crate::target::Target;

/// One look. `None`: could not be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    pub server_rss: Option<u64>,
    pub server_cpu: Option<f64>,
    pub own_cpu: Option<f64>,
}

pub struct Probe {
    pid: Option<u32>,
    /// Without a pid the server is asked for its memory, where a scenario needs it.
    ask: Option<Arc<Target>>,
    complained: AtomicBool,
}

impl Probe {
    pub fn new(pid: Option<u32>, ask: Option<Arc<Target>>) -> Self {
        Self {
            pid,
            ask: ask.filter(|_| pid.is_none()),
            complained: AtomicBool::new(false),
        }
    }

    pub fn cpu(&self) -> Reading {
        Reading {
            server_rss: None,
            server_cpu: self.pid.and_then(cpu_seconds),
            own_cpu: cpu_seconds(std::process::id()),
        }
    }

    pub async fn read(&self) -> Reading {
        let rss = match (self.pid, &self.ask) {
            (Some(pid), _) => resident_bytes(pid).map(Some),
            (None, Some(target)) => resident_by_metrics(target).await.map(Some),
            (None, None) => Ok(None),
        };
        let server_rss = rss.unwrap_or_else(|why| {
            if !self.complained.swap(true, Ordering::Relaxed) {
                eprintln!("the server's memory is unknown: {why} (give its process with --pid)");
            }
            None
        });
        Reading {
            server_rss,
            ..self.cpu()
        }
    }
}

async fn resident_by_metrics(target: &Target) -> Result<u64, String> {
    let request = provision::client()?
        .get(format!("{}/metrics", target.base()))
        .bearer_auth(target.admin_token()?);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("GET /metrics: {status}"));
    }
    resident_of(&text).ok_or_else(|| "GET /metrics has no gauge of resident bytes".into())
}

/// The first gauge that by its name is resident memory in bytes.
fn resident_of(metrics: &str) -> Option<u64> {
    let samples = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '));
    let mut resident = samples.filter(|(name, _)| name.contains("resident") || name.contains("rss"));
    resident
        .find_map(|(_, value)| value.trim().parse::<f64>().ok())
        .map(|bytes| bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_gauge() {
        let text = "# TYPE parlor_resident_bytes gauge\nparlor_sessions 3\nparlor_resident_bytes 1.5e6\n";
        assert_eq!(resident_of(text), Some(1_500_000));
        assert_eq!(resident_of("parlor_sessions 3\n"), None);
    }
}
