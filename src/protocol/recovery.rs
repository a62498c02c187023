//! Connection state recovery of Socket.IO without a memory of connections: what a client was told is in the two texts that
//! every stock client keeps and shows again, `pid` and offset. The `pid` says where each of its conversations stood when it
//! connected first; the offset, last argument of every durable event, what was told since. Pure. Called by `http::socketio`;
//! trusts nothing that it decodes: who is a member is asked of the store. Fuzzed by `fuzz/`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use indexmap::{IndexMap, map::Entry};
use uuid::Uuid;

use crate::domain::{ConversationId, Seq, UserId, limits};

/// More conversations than this are not kept track of: their user gets no `pid`, and catches up by `sync`.
pub const CONVERSATIONS: usize = 1000;
/// Longest offset, in characters: beyond it, it says that nothing can be recovered. It goes along with every event.
const OFFSET_CHARS: usize = 1024;
/// The offset of somebody who has been told of too many conversations: read by nobody as anything.
const LOST_TRACK: &str = "-";
/// Changes that are told again at the most, over all conversations.
const MISSED_MAX: u64 = 5000;
/// The first byte of a `pid`.
const VERSION: u8 = 2;

/// Whose history of what: the store's epoch and the user, so that neither a restored backup nor another user of the same
/// browser recovers what was not theirs. No secret, and nothing rests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; 8]);

impl Mark {
    /// Of `user` in the history called `epoch`.
    pub fn new(epoch: &str, user: &UserId) -> Self {
        // FNV-1a: the same in every version of the server.
        let bytes = epoch.bytes().chain([0]).chain(user.as_str().bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash.to_be_bytes())
    }
}

/// What a client was told of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// Where it stood in the `pid`; `None` for one that came later.
    base: Option<Seq>,
    /// The last position told; `None` once it is no longer the user's.
    now: Option<Seq>,
}

/// Tells the `pid`s of one user apart, so that none is given twice: the id of the first connection, which stays the client's
/// `socket.id` as often as it is recovered.
pub type Origin = [u8; 16];

/// What a client was told.
#[derive(Debug, Clone)]
pub struct Track {
    pid: Option<String>,
    origin: Origin,
    /// Those of the `pid` first, in its order.
    told: IndexMap<ConversationId, Told>,
    offset: String,
}

/// What a client must be told when it comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missed {
    /// Conversations with changes after the first position, up to and with the second.
    pub changes: Vec<(ConversationId, Seq, Seq)>,
    /// Conversations that it has not been told of.
    pub gained: Vec<ConversationId>,
    /// Conversations that are no longer the user's.
    pub lost: Vec<ConversationId>,
}

impl Track {
    /// Of a client that connects for the first time: `standing` is where its conversations stand.
    pub fn fresh(mark: Mark, origin: Origin, standing: impl Iterator<Item = (ConversationId, Seq)>) -> Self {
        let told = |base| Told {
            base: Some(base),
            now: Some(base),
        };
        let told: IndexMap<_, _> = standing.map(|(id, seq)| (id, told(seq))).collect();
        let mut track = Self {
            told,
            ..Self::none(origin)
        };
        if track.told.len() > CONVERSATIONS {
            track.told = IndexMap::new();
        } else {
            track.pid = Some(track.write_pid(mark));
        }
        track
    }

    /// Of a client that keeps nothing.
    pub fn none(origin: Origin) -> Self {
        Self {
            pid: None,
            origin,
            told: IndexMap::new(),
            offset: String::new(),
        }
    }

    /// Of a client that shows what it was given; `None` when that cannot be read, or is another user's or history's.
    pub fn resumed(mark: Mark, pid: &str, offset: Option<&str>) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(pid).ok()?;
        let rest = bytes.strip_prefix(&[VERSION])?.strip_prefix(&mark.0)?;
        let (origin, rest) = rest.split_first_chunk()?;
        let mut rest = Reader(rest);
        let mut track = Self {
            pid: Some(pid.to_owned()),
            origin: *origin,
            told: IndexMap::new(),
            offset: String::new(),
        };
        while !rest.0.is_empty() {
            let (id, base) = (rest.id()?, Seq(rest.number()?));
            let told = Told {
                base: Some(base),
                now: Some(base),
            };
            if track.told.len() == CONVERSATIONS || track.told.insert(id, told).is_some() {
                return None;
            }
        }
        track.read_offset(offset.unwrap_or_default())?;
        Some(track)
    }

    /// The first connection.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Which of a user's `pid`s an offset belongs to: the end of an id, which is random.
    fn salt(&self) -> [u8; 4] {
        let [.., a, b, c, d] = self.origin;
        [a, b, c, d]
    }

    /// What the client shows again; `None` when it is not kept track of.
    pub fn pid(&self) -> Option<&str> {
        self.pid.as_deref()
    }

    /// What to tell a client whose conversations stand as `standing` says; `None` when it is too much, or what the client
    /// was told never was.
    pub fn missed(&self, standing: &[(ConversationId, Seq)]) -> Option<Missed> {
        let mut missed = Missed::default();
        let (mut total, mut still) = (0, 0);
        for (id, head) in standing {
            let Some(now) = self.told.get(id).and_then(|told| told.now) else {
                missed.gained.push(*id);
                continue;
            };
            still += 1;
            let count = head.0.checked_sub(now.0)?;
            if count > limits::SYNC_RESET_AFTER {
                return None;
            }
            total += u64::from(count);
            if count > 0 {
                missed.changes.push((*id, now, *head));
            }
        }
        let known = self.told.values().filter(|told| told.now.is_some()).count();
        if known > still {
            let theirs: std::collections::HashSet<_> = standing.iter().map(|(id, _)| *id).collect();
            let lost = self
                .told
                .iter()
                .filter(|(id, told)| told.now.is_some() && !theirs.contains(*id));
            missed.lost = lost.map(|(id, _)| *id).collect();
        }
        (total <= MISSED_MAX).then_some(missed)
    }

    /// The client is told of a change.
    pub fn tell(&mut self, id: ConversationId, seq: Seq) {
        if self.pid.is_some() {
            let told = self.told.entry(id).or_insert(Told { base: None, now: None });
            told.now = Some(seq);
        }
    }

    /// The client is told of a conversation that stands at `seq`; one that it knows stays where it is.
    pub fn gain(&mut self, id: ConversationId, seq: Seq) {
        if self.pid.is_none() {
            return;
        }
        match self.told.entry(id) {
            Entry::Vacant(place) => {
                place.insert(Told {
                    base: None,
                    now: Some(seq),
                });
            }
            Entry::Occupied(mut place) => {
                place.get_mut().now.get_or_insert(seq);
            }
        }
    }

    /// The client is told that a conversation is no longer the user's.
    pub fn lose(&mut self, id: ConversationId) {
        if let Some(told) = self.told.get_mut(&id) {
            told.now = None;
        }
    }

    /// What goes along with the event just told; empty when the client is not kept track of. Letters, digits, `-` and `_`.
    pub fn offset(&mut self) -> &str {
        self.offset.clear();
        if self.pid.is_none() {
            return "";
        }
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&self.salt());
        let mut last = 0;
        for (index, told) in self.told.values().enumerate() {
            if let Some(base) = told.base
                && told.now != Some(base)
            {
                write_number(&mut bytes, (index + 1 - last) as u32);
                last = index + 1;
                write_number(
                    &mut bytes,
                    told.now.map_or(0, |now| now.0.saturating_sub(base.0).saturating_add(1)),
                );
            }
        }
        let mut later = self.told.iter().filter(|(_, told)| told.base.is_none()).peekable();
        if later.peek().is_some() {
            write_number(&mut bytes, 0);
        }
        for (id, told) in later {
            bytes.extend_from_slice(id.0.as_bytes());
            write_number(&mut bytes, told.now.map_or(0, |now| now.0.saturating_add(1)));
        }
        if bytes.len() > OFFSET_CHARS / 4 * 3 {
            self.offset.push_str(LOST_TRACK);
        } else {
            URL_SAFE_NO_PAD.encode_string(&bytes, &mut self.offset);
        }
        &self.offset
    }

    fn write_pid(&self, mark: Mark) -> String {
        let mut bytes = Vec::with_capacity(25 + self.told.len() * 19);
        bytes.push(VERSION);
        bytes.extend_from_slice(&mark.0);
        bytes.extend_from_slice(&self.origin);
        for (id, told) in &self.told {
            bytes.extend_from_slice(id.0.as_bytes());
            write_number(&mut bytes, told.base.unwrap_or_default().0);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read_offset(&mut self, offset: &str) -> Option<()> {
        if offset.is_empty() {
            return Some(());
        }
        if offset.len() > OFFSET_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(offset).ok()?;
        let (salt, rest) = bytes.split_first_chunk()?;
        if *salt != self.salt() {
            // A client keeps its last offset when it gets another `pid`: it was told of nothing since.
            return Some(());
        }
        let mut rest = Reader(rest);
        let mut index = 0;
        while !rest.0.is_empty() {
            match rest.number()? {
                0 => return self.read_later(rest),
                step => index += step as usize,
            }
            let code = rest.number()?;
            let (_, told) = self.told.get_index_mut(index - 1)?;
            told.now = match code {
                0 => None,
                more => Some(Seq(told.base?.0.checked_add(more - 1)?)),
            };
        }
        Some(())
    }

    fn read_later(&mut self, mut rest: Reader<'_>) -> Option<()> {
        while !rest.0.is_empty() {
            let (id, code) = (rest.id()?, rest.number()?);
            let now = code.checked_sub(1).map(Seq);
            if self.told.insert(id, Told { base: None, now }).is_some() {
                return None;
            }
        }
        Some(())
    }
}

/// Seven bits a byte, the lowest first.
fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u32> {
        let mut number = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number.try_into().ok();
            }
        }
        None
    }

    fn id(&mut self) -> Option<ConversationId> {
        let (id, rest) = self.0.split_first_chunk::<16>()?;
        self.0 = rest;
        Some(ConversationId(Uuid::from_bytes(*id)))
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
