//! `generate`: a data set of any size, as an export that `parlor import` reads (docs/EXPORT.md). Called by `main`; needs no
//! server. The same seed and sizes give the same file.
//!
//! Conversations are of very different sizes, as in life: the first has the most messages. Everybody is called `u-N`. Two
//! have more conversations than others, from the largest down: u-0 a hundred however many there are, so that what they read
//! is the same in a small store and in a large one, and u-1 a tenth of all.

use std::io::{self, BufWriter, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::GenerateArgs;

/// When the first message was sent, in milliseconds since 1970; each is a second after the one before it.
const BEGINS: u64 = 1_700_000_000_000;
/// How many members a conversation has.
const MEMBERS: u64 = 4;
/// How many conversations u-0 has, if there are so many.
const OF_FIRST: u64 = 100;
/// One in so many messages was edited.
const EDITED: u64 = 50;

/// The tables that get rows, with their columns, in the order of an export.
const TABLES: [(&str, &str); 9] = [
    ("meta", "name value"),
    (
        "users",
        "key id name name_folded login display_name display_name_folded avatar_url password_hash is_admin created_at \
         last_seen_at told",
    ),
    (
        "conversations",
        "key id kind name slug direct_low direct_high invite_code password_hash max_members retention_seconds \
         slow_mode_seconds created_by created_at deleted_at",
    ),
    (
        "heads",
        "conversation_key seq last_message_seq active_at member_count deleted expired_seq",
    ),
    (
        "members",
        "conversation_key user_key role joined_at last_read_seq last_read_at last_sent_at",
    ),
    (
        "messages",
        "position change_position id kind sender_key content client_id client_hash reply_to created_at edited_at deleted_at \
         deleted_by mentions",
    ),
    (
        "message_versions",
        "message_position change_position content written_at",
    ),
    ("read_marks", "conversation_key user_key seq at"),
    ("changes", "position message_position message_id kind actor_key at"),
];

/// Writes the file to stdout.
pub fn run(args: &GenerateArgs) -> Result<(), String> {
    let set = Set::new(args);
    let mut out = File {
        out: BufWriter::with_capacity(1 << 20, io::stdout().lock()),
        sum: Sha256::new(),
        rows: 0,
    };
    set.write(&mut out).map_err(|error| error.to_string())
}

/// What the data set is made of.
struct Set {
    users: u64,
    /// How many messages each conversation has; its key is its place, from 1.
    sizes: Vec<u64>,
}

impl Set {
    fn new(args: &GenerateArgs) -> Self {
        let weight = |rank: usize| 1.0 / (rank as f64 + 10.0);
        let all: f64 = (0..args.conversations).map(weight).sum();
        let mut sizes: Vec<u64> = (0..args.conversations)
            .map(|rank| (args.messages as f64 * weight(rank) / all) as u64)
            .collect();
        // What rounding left over.
        let rest = (args.messages as u64).saturating_sub(sizes.iter().sum());
        for size in sizes.iter_mut().take(rest as usize) {
            *size += 1;
        }
        Self {
            users: (args.users as u64).max(MEMBERS + 2),
            sizes,
        }
    }

    /// The members of a conversation, by key: its owner first.
    fn members(&self, key: u64) -> Vec<u64> {
        let mut members: Vec<u64> = Vec::new();
        let every = (self.sizes.len() as u64 / OF_FIRST).max(1);
        if (key - 1).is_multiple_of(every) && (key - 1) / every < OF_FIRST {
            members.push(1);
        }
        if (key - 1).is_multiple_of(10) {
            members.push(2);
        }
        let mut draw = key;
        while (members.len() as u64) < MEMBERS {
            draw = mixed(draw);
            let user = 3 + draw % (self.users - 2);
            if !members.contains(&user) {
                members.push(user);
            }
        }
        members
    }

    fn write(&self, out: &mut File<impl Write>) -> io::Result<()> {
        out.line(&json!({"parlor": "export", "format": 1, "atRest": true}))?;
        for (name, columns) in TABLES {
            let columns: Vec<&str> = columns.split(' ').collect();
            out.line(&json!({"table": name, "columns": columns}))?;
            match name {
                "meta" => out.row(&json!(["epoch", "0199-generated"]))?,
                "users" => self.write_users(out)?,
                "messages" => self.each_message(|m| out.row(&m.row()))?,
                "message_versions" => self.each_message(|m| m.version().map_or(Ok(()), |row| out.row(&row)))?,
                "changes" => self.each_message(|m| m.change().map_or(Ok(()), |row| out.row(&row)))?,
                other => self.write_conversations(out, other)?,
            }
        }
        out.end()
    }

    fn write_users(&self, out: &mut File<impl Write>) -> io::Result<()> {
        for key in 1..=self.users {
            let (id, name) = (format!("u-{}", key - 1), format!("person {key}"));
            out.row(&json!([
                key, id, name, name, null, name, name, null, null, 0, BEGINS, null, null
            ]))?;
        }
        Ok(())
    }

    fn write_conversations(&self, out: &mut File<impl Write>, table: &str) -> io::Result<()> {
        for (key, size) in (1..).zip(&self.sizes) {
            // The edits of a conversation come after its messages.
            let seq = size + size / EDITED;
            let members = self.members(key);
            match table {
                "conversations" => {
                    let (id, name) = (hex(uuid(BEGINS, 0, mixed(key))), format!("talk {key}"));
                    out.row(&json!([
                        key, id, 1, name, null, null, null, null, null, null, null, null, members[0], BEGINS, null
                    ]))?;
                }
                "heads" => out.row(&json!([key, seq, size, at(key, *size), members.len(), 0, 0]))?,
                _ => {
                    let mut members: Vec<(usize, u64)> = members.into_iter().enumerate().collect();
                    members.sort_by_key(|(_, user)| *user);
                    for (place, user) in members {
                        // Half have read everything, the others a part.
                        let read = if place % 2 == 0 { seq } else { seq / 2 };
                        let role = if place == 0 { 2 } else { 0 };
                        match table {
                            "members" => out.row(&json!([key, user, role, BEGINS, read, null, null]))?,
                            _ if read > 0 => out.row(&json!([key, user, read, at(key, read)]))?,
                            _ => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// All messages in the order of their positions.
    fn each_message(&self, mut take: impl FnMut(Message) -> io::Result<()>) -> io::Result<()> {
        for (key, size) in (1..).zip(&self.sizes) {
            let members = self.members(key);
            for seq in 1..=*size {
                let edit = (seq % EDITED == 0).then(|| size + seq / EDITED);
                let sender = members[(mixed(key ^ seq) % MEMBERS) as usize];
                take(Message { key, seq, edit, sender })?;
            }
        }
        Ok(())
    }
}

/// One message.
struct Message {
    key: u64,
    seq: u64,
    /// The position of its edit.
    edit: Option<u64>,
    sender: u64,
}

impl Message {
    fn id(&self) -> String {
        hex(uuid(at(self.key, self.seq), self.seq, mixed(self.key * 31 + self.seq)))
    }

    fn position(&self, seq: u64) -> u64 {
        self.key << 32 | seq
    }

    fn row(&self) -> Value {
        let words = [
            "tea", "boat", "harbour", "window", "question", "garden", "train", "answer",
        ];
        let word = |n: u64| words[(mixed(self.key * 7 + self.seq * 13 + n) % 8) as usize];
        let content = format!(
            "{} {} {} number {} of {}",
            word(0),
            word(1),
            word(2),
            self.seq,
            self.key
        );
        let client_id = format!("g-{}", self.seq);
        let position = self.position(self.seq);
        let changed = self.edit.map_or(position, |seq| self.position(seq));
        let edited_at = self.edit.map(|_| at(self.key, self.seq) + 500);
        json!([
            position,
            changed,
            self.id(),
            0,
            self.sender,
            content,
            client_id,
            client_hash(self.key, self.sender, &client_id),
            null,
            at(self.key, self.seq),
            edited_at,
            null,
            null,
            null
        ])
    }

    /// What it said before its edit.
    fn version(&self) -> Option<Value> {
        let (from, to) = (self.position(self.seq), self.position(self.edit?));
        Some(json!([from, to, "before it was edited", at(self.key, self.seq)]))
    }

    /// Its edit, as a change.
    fn change(&self) -> Option<Value> {
        let seq = self.edit?;
        let when = at(self.key, self.seq) + 500;
        Some(json!([
            self.position(seq),
            self.position(self.seq),
            self.id(),
            1,
            self.sender,
            when
        ]))
    }
}

fn at(key: u64, seq: u64) -> u64 {
    BEGINS + key + seq * 1000
}

/// The id of a message: as the server makes it, with the seq inside.
fn uuid(millis: u64, seq: u64, random: u64) -> u128 {
    let high = millis << 16 | 0x7000 | (random >> 30) & 0xfff;
    let low = 0b10 << 62 | seq << 30 | random & 0x3fff_ffff;
    u128::from(high) << 64 | u128::from(low)
}

fn hex(id: u128) -> String {
    format!("{id:032x}")
}

/// By which the server finds a client id: docs/decisions/0002-position.md.
fn client_hash(key: u64, sender: u64, client_id: &str) -> i64 {
    #[expect(deprecated, reason = "it is SipHash-2-4, which its successor need not be")]
    let mut hasher = std::hash::SipHasher::new();
    use std::hash::Hasher as _;
    hasher.write(&key.to_le_bytes());
    hasher.write(&sender.to_le_bytes());
    hasher.write(client_id.as_bytes());
    (key << 44 | hasher.finish() >> 20) as i64
}

/// A number that looks drawn, from one that is not (splitmix64).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The file, with its checksum so far.
struct File<W> {
    out: W,
    sum: Sha256,
    rows: u64,
}

impl<W: Write> File<W> {
    fn line(&mut self, value: &Value) -> io::Result<()> {
        let line = format!("{value}\n");
        self.sum.update(&line);
        self.out.write_all(line.as_bytes())
    }

    fn row(&mut self, values: &Value) -> io::Result<()> {
        self.rows += 1;
        self.line(values)
    }

    fn end(&mut self) -> io::Result<()> {
        let sum = std::mem::take(&mut self.sum).finalize();
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        let end = json!({"end": true, "rows": self.rows, "sha256": hex});
        writeln!(self.out, "{end}")?;
        self.out.flush()
    }
}
