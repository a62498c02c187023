//! A wire to a PostgreSQL server that a test can cut or hold. Tests of `outage` connect through it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
};

/// Listens on a free port, and passes everything on to the socket in a server's folder.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    armed: AtomicBool,
    cuts: AtomicUsize,
    /// Whether bytes pass.
    flows: watch::Sender<bool>,
}

impl Proxy {
    pub async fn to(dir: &Path) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let socket = dir.join(".s.PGSQL.5432");
        let state = Arc::new(State {
            armed: AtomicBool::new(false),
            cuts: AtomicUsize::new(0),
            flows: watch::channel(true).0,
        });
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A server that is not there refuses here: the client's connection just ends.
                if let Ok(server) = UnixStream::connect(&socket).await {
                    tokio::spawn(pass(client, server, shared.clone()));
                }
            }
        });
        Proxy { port, state, accepting }
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://parlor@127.0.0.1:{}/{database}", self.port)
    }

    /// The next bytes that come from the server, on any connection, are lost, and the connection with them.
    pub fn cut_at_the_next_answer(&self) {
        self.state.armed.store(true, Ordering::SeqCst);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// From now on nothing arrives, and nobody is told.
    pub fn stalls(&self) {
        self.state.flows.send_replace(false);
    }

    pub fn flows(&self) {
        self.state.flows.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, mut server: UnixStream, state: Arc<State>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut flows = state.flows.subscribe();
    loop {
        if flows.wait_for(|flows| *flows).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            changed = flows.changed() => if changed.is_err() { return },
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if state.armed.swap(false, Ordering::SeqCst) {
                    state.cuts.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
