//! Ports for servers that are to be found at the same address again after they were down, or that cannot choose one
//! themselves. Used by the harnesses of the suites; the ones in JavaScript have the same in `index.mjs`.

use std::net::TcpListener;

/// Whoever listens on a port of this address owns the port of the same number on 127.0.0.1.
const RESERVES: &str = "127.0.0.2";

/// Below the range from which systems take the ports of outgoing connections: nobody takes it while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1 that no other test takes, of this or of another process, until this is dropped. The kernel gives
/// it back when the process ends, however that happens.
pub struct Port {
    number: u16,
    _reserved: TcpListener,
}

impl Port {
    /// # Panics
    /// Panics if all of them are taken.
    pub fn reserve() -> Port {
        PORTS
            .into_iter()
            .find_map(|number| {
                let reserved = TcpListener::bind((RESERVES, number)).ok()?;
                // It may be a server's that no test started.
                TcpListener::bind(("127.0.0.1", number)).ok()?;
                Some(Port {
                    number,
                    _reserved: reserved,
                })
            })
            .unwrap_or_else(|| panic!("no port of {PORTS:?} is free"))
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}
