//! A line on stderr that tells a person that something is going on. Used by everything that takes long.
//! Never on stdout, which belongs to the report.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

pub struct Progress {
    label: String,
    wanted: bool,
    terminal: bool,
    shown: Cell<Option<Instant>>,
}

impl Progress {
    pub fn new(label: impl Into<String>, wanted: bool) -> Self {
        Self {
            label: label.into(),
            wanted,
            terminal: std::io::stderr().is_terminal(),
            shown: Cell::new(None),
        }
    }

    /// Shows a line unless the last one is too young: a terminal's line is overwritten, a log gets few.
    pub fn show(&self, line: impl FnOnce() -> String) {
        let pause = if self.terminal {
            Duration::from_millis(200)
        } else {
            Duration::from_secs(5)
        };
        if !self.wanted || self.shown.get().is_some_and(|shown| shown.elapsed() < pause) {
            return;
        }
        self.shown.set(Some(Instant::now()));
        let (before, after) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Nobody reads it? Then nobody misses it.
        let _ = write!(std::io::stderr(), "{before}{}: {}{after}", self.label, line());
        let _ = std::io::stderr().flush();
    }

    pub fn done(&self) {
        if self.wanted && self.terminal && self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
