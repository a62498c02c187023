//! What the users of `mixed` do, and how often: the kinds of operations and their weights. `cli` parses it, the shards
//! pick from it. Never knows how an operation is done.

use std::str::FromStr;

/// A kind of operation. The name on the command line and in the report is `name`, and only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `send_message`.
    Send,
    /// `typing_start`.
    Typing,
    /// `mark_read` up to the newest position.
    Read,
    /// `add_reaction` or `remove_reaction` on one of the newest messages.
    React,
    /// `edit_message` on one of the user's own newest messages.
    Edit,
    /// The newest page of history over REST.
    History,
}

impl Op {
    pub const ALL: [Self; 6] = [
        Self::Send,
        Self::Typing,
        Self::Read,
        Self::React,
        Self::Edit,
        Self::History,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Typing => "typing",
            Self::Read => "read",
            Self::React => "react",
            Self::Edit => "edit",
            Self::History => "history",
        }
    }
}

/// Weights in the order of `Op::ALL`; their sum is not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix([u32; Op::ALL.len()]);

/// A chat as it is used: most of what is said is that somebody is typing.
pub const USUAL: &str = "send=30,typing=35,read=15,react=10,edit=5,history=5";

/// Far above any sensible weight, far below an overflow of their sum.
const HEAVIEST: u32 = 1_000_000;

impl Mix {
    /// Which operation a random number stands for.
    pub fn pick(&self, random: u64) -> Op {
        let sum: u64 = self.0.iter().copied().map(u64::from).sum();
        let mut left = random % sum.max(1);
        for (op, weight) in Op::ALL.into_iter().zip(self.0) {
            match left.checked_sub(u64::from(weight)) {
                Some(rest) => left = rest,
                None => return op,
            }
        }
        Op::Send
    }
}

impl FromStr for Mix {
    type Err = String;

    /// `send=30,typing=35`: what is not named is not done.
    fn from_str(text: &str) -> Result<Self, String> {
        let names = Op::ALL.map(Op::name).join(", ");
        let mut weights = [None; Op::ALL.len()];
        for part in text.split(',') {
            let (name, weight) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is not an operation and its weight, as in {USUAL}"))?;
            let name = name.trim();
            let place = Op::ALL.iter().position(|op| op.name() == name);
            let place = place.ok_or_else(|| format!("`{name}` is no operation: there are {names}"))?;
            let weight: u32 = weight
                .trim()
                .parse()
                .ok()
                .filter(|weight| *weight <= HEAVIEST)
                .ok_or_else(|| format!("the weight of {name} is a whole number from 0 to {HEAVIEST}"))?;
            if weights[place].replace(weight).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        let weights = weights.map(|weight| weight.unwrap_or(0));
        if weights.iter().all(|weight| *weight == 0) {
            return Err("at least one weight must be above 0".into());
        }
        Ok(Self(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_gets_its_share() {
        let mix: Mix = USUAL.parse().unwrap();
        let mut counts = [0; Op::ALL.len()];
        for random in 0..1000 {
            counts[mix.pick(random) as usize] += 1;
        }
        assert_eq!(counts, [300, 350, 150, 100, 50, 50]);
    }

    #[test]
    fn what_is_not_named_is_not_done() {
        let mix: Mix = "edit=1, read=0".parse().unwrap();
        assert!((0..10).all(|random| mix.pick(random) == Op::Edit));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, why) in [
            ("", "not an operation and its weight"),
            ("send", "not an operation and its weight"),
            ("sned=1", "`sned` is no operation: there are send, typing,"),
            ("send=-1", "the weight of send is a whole number"),
            ("send=1.5", "the weight of send is a whole number"),
            ("send=1000001", "the weight of send is a whole number"),
            ("send=1,send=2", "send is there twice"),
            ("send=0,edit=0", "at least one weight"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
