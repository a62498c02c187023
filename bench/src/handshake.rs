//! Opening one connection: TCP, the HTTP upgrade by hand, and the wait for `ready`. `drive` calls it, bounded.
//! Never keeps anything once the connection stands: the bytes behind `ready` are handed on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::envelope::{self, Incoming};
use crate::target::Target;
use crate::wire::{self, next_frame};

/// RFC 6455's own example of a key and what must be answered to it. A fresh key a connection defends against caches in
/// between; on loopback there are none, and the answer can be checked without SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const PATIENCE: Duration = Duration::from_secs(15);
const LONGEST_HEAD: usize = 16 * 1024;

/// Connections from one source address; the kernel has about 28,000 ports for each by default.
const PER_SOURCE: usize = 20_000;

/// An upgraded connection that has got its `ready`, and the bytes that came behind it.
pub async fn open(target: &Target, connection: usize, token: &str) -> Result<(TcpStream, Vec<u8>), String> {
    let server = target.address;
    let opened = tokio::time::timeout(PATIENCE, async {
        let mut stream = connect(server, connection)
            .await
            .map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let rest = upgrade(&mut stream, target, token).await?;
        if target.socketio {
            // The token came with the upgrade: nothing has to be shown but the wish.
            let mut wish = Vec::new();
            wire::put_frame(&mut wish, wire::TEXT, [0; 4], b"40");
            stream.write_all(&wish).await.map_err(|error| error.to_string())?;
        }
        let rest = await_ready(&mut stream, rest).await?;
        Ok((stream, rest))
    });
    opened
        .await
        .unwrap_or_else(|_| Err(format!("no `ready` within {} s", PATIENCE.as_secs())))
}

async fn connect(server: SocketAddr, connection: usize) -> std::io::Result<TcpStream> {
    let source = connection / PER_SOURCE;
    if source == 0 || server.is_ipv6() {
        return TcpStream::connect(server).await;
    }
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1 + (source % 250) as u8)),
        0,
    ))?;
    socket.connect(server).await
}

async fn upgrade(stream: &mut TcpStream, target: &Target, token: &str) -> Result<Vec<u8>, String> {
    let server = target.address;
    let path = if target.socketio {
        "/socket.io/?EIO=4&transport=websocket"
    } else {
        "/ws"
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\nAuthorization: Bearer {token}\r\nUser-Agent: parlor-bench\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| format!("upgrade: {error}"))?;
    let mut bytes = Vec::with_capacity(1024);
    let end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if bytes.len() > LONGEST_HEAD {
            return Err("upgrade: an endless answer".into());
        }
        more(stream, &mut bytes).await?;
    };
    let rest = bytes.split_off(end);
    accepted(&String::from_utf8_lossy(&bytes), &rest)?;
    Ok(rest)
}

fn accepted(head: &str, body: &[u8]) -> Result<(), String> {
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split_whitespace().nth(1) != Some("101") {
        return Err(format!("upgrade refused: {status} {}", String::from_utf8_lossy(body)));
    }
    let accept = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"));
    match accept {
        Some((_, value)) if value.trim() == ACCEPT => Ok(()),
        _ => Err("upgrade: the Sec-WebSocket-Accept header is wrong".into()),
    }
}

/// A session gets its events from `ready` on, so nothing before it is missed by waiting.
async fn await_ready(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    loop {
        while let Some((frame, used)) = next_frame(&bytes).map_err(|error| error.to_string())? {
            match frame.opcode {
                wire::CLOSE => {
                    return Err(format!(
                        "closed with {} before `ready`",
                        wire::close_code(frame.payload)
                    ));
                }
                wire::TEXT if envelope::sort(frame.payload) == Incoming::Ready => return Ok(bytes.split_off(used)),
                _ => drop(bytes.drain(..used)),
            }
        }
        more(stream, &mut bytes).await?;
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(), String> {
    match stream.read_buf(bytes).await {
        Ok(0) => Err("the server closed the connection before `ready`".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_right_answer_is_accepted() {
        let head = |status: &str, accept: &str| format!("HTTP/1.1 {status}\r\nsec-websocket-accept: {accept}\r\n\r\n");
        assert_eq!(accepted(&head("101 Switching Protocols", ACCEPT), b""), Ok(()));
        assert!(accepted(&head("101 Switching Protocols", "x"), b"").is_err());
        assert!(
            accepted(&head("401 Unauthorized", ""), b"no token")
                .unwrap_err()
                .contains("no token")
        );
    }
}
