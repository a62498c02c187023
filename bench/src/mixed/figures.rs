//! What each kind of operation took and what it was refused with. The shards count, the report shows.
//! As in `measure`: rates count answers within the window, latencies belong to what was asked within it.

use std::collections::BTreeMap;

use super::mix::Op;
use crate::measure::{Latency, Window};

#[derive(Default)]
pub struct Figure {
    pub asked: u64,
    pub answered: u64,
    pub latency: Latency,
    /// By code, over the whole run.
    pub refused: BTreeMap<String, u64>,
}

#[derive(Default)]
pub struct Figures {
    pub window: Window,
    pub answered_ever: u64,
    kinds: [Figure; Op::ALL.len()],
}

impl Figures {
    /// `at` in open loop is the intended time.
    pub fn asked(&mut self, op: Op, at: u64) {
        self.kinds[op as usize].asked += u64::from(self.window.has(at));
    }

    pub fn answered(&mut self, op: Op, now: u64, at: u64) {
        self.answered_ever += 1;
        let figure = &mut self.kinds[op as usize];
        figure.answered += u64::from(self.window.has(now));
        if self.window.has(at) {
            figure.latency.record(now.saturating_sub(at));
        }
    }

    pub fn refused(&mut self, op: Op, code: &str) {
        *self.kinds[op as usize].refused.entry(code.to_owned()).or_default() += 1;
    }

    pub fn merge(&mut self, other: Self) {
        self.answered_ever += other.answered_ever;
        for (ours, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            ours.asked += theirs.asked;
            ours.answered += theirs.answered;
            ours.latency.merge(&theirs.latency);
            for (code, count) in theirs.refused {
                *ours.refused.entry(code).or_default() += count;
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Op, &Figure)> + Clone {
        Op::ALL.into_iter().zip(&self.kinds)
    }
}
