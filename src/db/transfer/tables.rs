//! What is carried from one database to another: every table, with its columns in the order in which they are written, but
//! for the search index, which follows from the messages. A test compares it with what the migrations make.

/// What a column holds, as both databases can be asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of any size.
    Int,
    /// Yes or no: 1 or 0.
    Bool,
    /// A text.
    Text,
    /// A UUID: 32 hexadecimal digits.
    Uuid,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// What it is called.
    pub name: &'static str,
    /// The columns by which its rows are ordered, the first ones of `columns`: its primary key.
    pub key: usize,
    /// All of them.
    pub columns: &'static [(&'static str, Kind)],
    /// Whether the database gives out the first column by itself, and has to be told how far it is.
    pub counted: bool,
}

use Kind::{Bool, Int, Text, Uuid};

/// Every table, in the order in which it is carried.
#[rustfmt::skip]
pub const TABLES: &[Table] = &[
    Table { name: "meta", key: 1, counted: false, columns: &[("name", Text), ("value", Text)] },
    Table { name: "users", key: 1, counted: true, columns: &[
        ("key", Int), ("id", Text), ("name", Text), ("name_folded", Text), ("login", Text), ("display_name", Text),
        ("display_name_folded", Text), ("avatar_url", Text), ("password_hash", Text), ("is_admin", Bool),
        ("created_at", Int), ("last_seen_at", Int), ("told", Text),
    ] },
    Table { name: "revoked_tokens", key: 1, counted: false, columns: &[("jti", Text), ("expires_at", Int)] },
    Table { name: "conversations", key: 1, counted: true, columns: &[
        ("key", Int), ("id", Uuid), ("kind", Int), ("name", Text), ("slug", Text), ("direct_low", Int), ("direct_high", Int),
        ("invite_code", Text), ("password_hash", Text), ("max_members", Int), ("retention_seconds", Int),
        ("slow_mode_seconds", Int), ("created_by", Int), ("created_at", Int), ("deleted_at", Int),
    ] },
    Table { name: "heads", key: 1, counted: false, columns: &[
        ("conversation_key", Int), ("seq", Int), ("last_message_seq", Int), ("active_at", Int), ("member_count", Int),
        ("deleted", Bool), ("expired_seq", Int),
    ] },
    Table { name: "members", key: 2, counted: false, columns: &[
        ("conversation_key", Int), ("user_key", Int), ("role", Int), ("joined_at", Int), ("last_read_seq", Int),
        ("last_read_at", Int), ("last_sent_at", Int),
    ] },
    Table { name: "messages", key: 1, counted: false, columns: &[
        ("position", Int), ("change_position", Int), ("id", Uuid), ("kind", Int), ("sender_key", Int), ("content", Text),
        ("client_id", Text), ("client_hash", Int), ("reply_to", Uuid), ("created_at", Int), ("edited_at", Int),
        ("deleted_at", Int), ("deleted_by", Int), ("mentions", Text),
    ] },
    Table { name: "mentions", key: 2, counted: false, columns: &[("user_key", Int), ("position", Int)] },
    Table { name: "message_versions", key: 2, counted: false, columns: &[
        ("message_position", Int), ("change_position", Int), ("content", Text), ("written_at", Int),
    ] },
    Table { name: "reactions", key: 3, counted: false, columns: &[
        ("message_position", Int), ("emoji", Text), ("user_key", Int), ("position", Int), ("first_position", Int),
    ] },
    Table { name: "read_marks", key: 3, counted: false, columns: &[
        ("conversation_key", Int), ("user_key", Int), ("seq", Int), ("at", Int),
    ] },
    Table { name: "changes", key: 1, counted: false, columns: &[
        ("position", Int), ("message_position", Int), ("message_id", Uuid), ("kind", Int), ("actor_key", Int), ("at", Int),
    ] },
    Table { name: "uploads", key: 1, counted: false, columns: &[
        ("name", Text), ("user_key", Int), ("content_type", Text), ("bytes", Int), ("width", Int), ("height", Int),
        ("created_at", Int), ("sweep_at", Int),
    ] },
    Table { name: "upload_uses", key: 1, counted: false, columns: &[("position", Int), ("name", Text)] },
    Table { name: "upload_endings", key: 1, counted: false, columns: &[("conversation_key", Int)] },
    Table { name: "webhook_endpoints", key: 1, counted: true, columns: &[
        ("key", Int), ("url", Text), ("created_at", Int),
    ] },
    Table { name: "webhook_cursors", key: 2, counted: false, columns: &[
        ("endpoint_key", Int), ("conversation_key", Int), ("seq", Int),
    ] },
];

/// The table of this name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}
