//! The command line: what can be asked for, in clap's words. `main` parses it, the scenarios read it.
//! Never does anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::mixed::{Mix, USUAL};

#[derive(Parser)]
#[command(
    name = "parlor-bench",
    version,
    about = "Measures a running Parlor and checks order and exactly-once delivery while it measures",
    after_help = "The server must run with PARLOR_RATE_LIMITS=off, on this machine (only loopback addresses are loaded).\n\
                  It is never started or stopped by this tool. Each run makes its own users and conversations.\n\n\
                  Example:\n  \
                  PARLOR_RATE_LIMITS=off parlor --data-dir data &\n  \
                  parlor-bench --secret-file data/jwt.secret --pid $! send --rooms 100 --members 2\n\n\
                  Exit codes: 0 measured and nothing violated, 1 violations or nothing measured, 2 could not run."
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub scenario: Scenario,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Server, tool and output")]
pub struct Common {
    /// Where the server listens; a loopback address
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The server's HS256 secret
    #[arg(long, global = true, env = "PARLOR_JWT_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// A file with the secret, which goes before --secret: the server's own is jwt.secret in its data directory
    #[arg(long, global = true, value_name = "PATH")]
    pub secret_file: Option<PathBuf>,
    /// The server's process: its memory and CPU time are reported
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// Threads of this tool, each with an event loop
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Speak Socket.IO (on WebSockets from the start) instead of the plain envelope
    #[arg(long, global = true)]
    pub socketio: bool,
    /// One JSON object per scenario instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress line on stderr
    #[arg(long, global = true)]
    pub no_progress: bool,
}

#[derive(Subcommand)]
pub enum Scenario {
    /// Many rooms in which members talk: acknowledged messages a second and latencies
    Send(SendArgs),
    /// One large room: deliveries a second and delivery latency
    Fanout(FanoutArgs),
    /// Many connections that do nothing: memory for each
    Idle(IdleArgs),
    /// A chat as it is used: sends, typing, reads, reactions, edits and history at once; each kind's rate and latencies
    Mixed(MixedArgs),
    /// The standard matrix: 100 x 2, 100 x 10, one room of 1,000 single and in bursts, 100 x 10 mixed, 10,000 idle
    All(AllArgs),
    /// One client that reads: how long the list and pages of history take, one call at a time
    Read(ReadArgs),
    /// Writes a data set to stdout, for `parlor import`; needs no server
    Generate(GenerateArgs),
}

#[derive(Args, Clone)]
pub struct ReadArgs {
    /// Who reads; in a generated data set u-0 has a hundred conversations, u-1 a tenth of all
    #[arg(long, default_value = "u-0")]
    pub user: String,
    /// Calls of each kind
    #[arg(long, default_value_t = 200, value_parser = positive)]
    pub calls: usize,
}

#[derive(Args, Clone)]
pub struct GenerateArgs {
    /// Messages altogether
    #[arg(long, default_value_t = 1_000_000, value_parser = positive)]
    pub messages: usize,
    /// Conversations, of very different sizes
    #[arg(long, default_value_t = 10_000, value_parser = positive)]
    pub conversations: usize,
    /// Users, u-0 and so on
    #[arg(long, default_value_t = 1_000, value_parser = positive)]
    pub users: usize,
}

#[derive(Args, Clone)]
pub struct Span {
    /// Seconds to measure
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub warmup: f64,
    /// Seconds to wait at the end for the last answers and deliveries
    #[arg(long, default_value_t = 15.0, value_parser = seconds)]
    pub drain: f64,
}

#[derive(Args, Clone)]
pub struct Timing {
    #[command(flatten)]
    pub span: Span,
    /// Compare the history of this many rooms, read back over REST, with what was delivered
    #[arg(long, default_value_t = 0, value_name = "ROOMS")]
    pub verify_history: usize,
}

#[derive(Args, Clone)]
pub struct SendArgs {
    /// Group conversations, made for this run
    #[arg(long, default_value_t = 100, value_parser = positive)]
    pub rooms: usize,
    /// Members of each room, one connection each
    #[arg(long, default_value_t = 2, value_parser = positive)]
    pub members: usize,
    /// Members of each room that send [default: all]
    #[arg(long, value_parser = positive)]
    pub senders: Option<usize>,
    /// Unanswered messages of each sender
    #[arg(long, default_value_t = 64, value_parser = positive)]
    pub in_flight: usize,
    /// Messages a second of all senders together, on a schedule that does not wait for the server (open loop):
    /// latencies count from the scheduled time
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Characters of content
    #[arg(long, default_value_t = 64, value_parser = size)]
    pub size: usize,
    #[command(flatten)]
    pub timing: Timing,
}

#[derive(Args, Clone)]
pub struct FanoutArgs {
    /// Members of the one room, one connection each
    #[arg(long, default_value_t = 1000, value_parser = positive)]
    pub members: usize,
    /// Members that send
    #[arg(long, default_value_t = 1, value_parser = positive)]
    pub senders: usize,
    /// Messages sent at once, in one write
    #[arg(long, default_value_t = 16, value_parser = positive)]
    pub burst: usize,
    /// Bursts of each sender that are not yet delivered to everybody
    #[arg(long, default_value_t = 1, value_parser = positive)]
    pub in_flight: usize,
    /// Characters of content
    #[arg(long, default_value_t = 64, value_parser = size)]
    pub size: usize,
    #[command(flatten)]
    pub timing: Timing,
}

#[derive(Args, Clone)]
pub struct IdleArgs {
    /// Connections to open
    #[arg(long, default_value_t = 10_000, value_parser = positive)]
    pub connections: usize,
    /// Users that share the connections [default: one for each]
    #[arg(long, value_parser = positive)]
    pub users: Option<usize>,
    /// Seconds to keep them open before the memory is read again
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub hold: f64,
}

#[derive(Args, Clone)]
pub struct MixedArgs {
    /// Group conversations, made for this run
    #[arg(long, default_value_t = 100, value_parser = positive)]
    pub rooms: usize,
    /// Members of each room, one connection each; at most 500
    #[arg(long, default_value_t = 10, value_parser = members)]
    pub members: usize,
    /// Unanswered operations of each user
    #[arg(long, default_value_t = 4, value_parser = positive)]
    pub in_flight: usize,
    /// Operations a second of all users together, on a schedule that does not wait for the server (open loop):
    /// latencies count from the scheduled time [default: as many as the window of --in-flight allows]
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Characters of content, 16 to 2000
    #[arg(long, default_value_t = 64, value_parser = telling_size)]
    pub size: usize,
    /// Weights of the operations; what is not named is not done
    #[arg(long, default_value = USUAL, value_name = "OP=WEIGHT,…")]
    pub mix: Mix,
    #[command(flatten)]
    pub span: Span,
}

#[derive(Args, Clone)]
pub struct AllArgs {
    /// Connections of the idle part
    #[arg(long, default_value_t = 10_000, value_parser = positive)]
    pub connections: usize,
    /// Members of the one large room
    #[arg(long, default_value_t = 1000, value_parser = positive)]
    pub members: usize,
    /// Rooms of the sending parts
    #[arg(long, default_value_t = 100, value_parser = positive)]
    pub rooms: usize,
    #[command(flatten)]
    pub timing: Timing,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn size(text: &str) -> Result<usize, String> {
    positive(text).and_then(|size| {
        if size <= 2000 {
            Ok(size)
        } else {
            Err("a text has at most 2000 characters".into())
        }
    })
}

/// Enough that no two edits of a user have the same content: one that changes nothing takes no position.
fn telling_size(text: &str) -> Result<usize, String> {
    size(text).and_then(|size| match size {
        0..16 => Err("at least 16 characters, by which edits differ".into()),
        _ => Ok(size),
    })
}

/// Whoever opens a room is told all its members in one frame.
fn members(text: &str) -> Result<usize, String> {
    positive(text).and_then(|members| match members {
        501.. => Err("a mixed room has at most 500 members".into()),
        _ => Ok(members),
    })
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds, up to a day".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=1e7).contains(&rate) => Ok(rate),
        _ => Err("a number a second, from 0.1 to 10,000,000".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            vec!["parlor-bench", "send", "--size", "0"],
            vec!["parlor-bench", "send", "--size", "2001"],
            vec!["parlor-bench", "send", "--seconds", "-1"],
            vec!["parlor-bench", "send", "--rate", "0"],
            vec!["parlor-bench", "fanout", "--burst", "0"],
            vec!["parlor-bench", "--threads", "0", "idle"],
            vec!["parlor-bench", "mixed", "--size", "15"],
            vec!["parlor-bench", "mixed", "--members", "501"],
            vec!["parlor-bench", "mixed", "--mix", "sends=1"],
            vec!["parlor-bench", "mixed", "--verify-history", "1"],
            vec!["parlor-bench"],
        ] {
            assert!(Cli::try_parse_from(&arguments).is_err(), "{arguments:?}");
        }
    }
}
