//! The bounds that the contract states, each once. Whatever an operator may change is in `config` instead.

/// Longest text message, in Unicode code points after trimming.
pub const TEXT_CHARS: usize = 2000;
/// Longest preview of a text in the messages that answer it, in code points.
pub const QUOTE_CHARS: usize = 140;
/// Members that one message may mention; the names behind them are words like others.
pub const MENTIONS: usize = 50;
/// Reactions that a message may have, of all users and emoji.
pub const REACTIONS: usize = 1000;
/// Longest name of an emoji of the configured set, in characters, and longest emoji that is its own name, in code points.
pub const EMOJI_CHARS: (usize, usize) = (32, 16);
/// Most emoji that the configured set may have.
pub const EMOJI: usize = 100;
/// Largest drawing, in bytes as it was sent.
pub const DRAWING_BYTES: usize = 64 * 1024;
/// Most operations of a drawing.
pub const DRAWING_OPERATIONS: usize = 10_000;
/// How deep a drawing may be nested, itself being the first level.
pub const DRAWING_LEVELS: usize = 8;
/// Longest side of a drawing.
pub const DRAWING_SIDE: u32 = 8192;
/// Largest image, in bytes as it was sent.
pub const IMAGE_BYTES: usize = 2 * 1024 * 1024;
/// Most pixels of an image.
pub const IMAGE_PIXELS: u64 = 25_000_000;
/// Longest side of an image, in pixels.
pub const IMAGE_SIDE: u32 = 16_384;
/// Uploads that a user may have which are in no message.
pub const UPLOADS_UNPOSTED: usize = 100;
/// How long an upload that is in no message is kept, in hours.
pub const UPLOAD_UNPOSTED_HOURS: u64 = 50;
/// Longest `clientId`, in characters.
pub const CLIENT_ID_CHARS: usize = 64;
/// Longest user id, in characters.
pub const USER_ID_CHARS: usize = 64;
/// Shortest and longest username.
pub const USERNAME_CHARS: (usize, usize) = (2, 32);
/// Longest display name, in code points.
pub const DISPLAY_NAME_CHARS: usize = 64;
/// Longest name of a group, channel or room, in code points.
pub const CONVERSATION_NAME_CHARS: usize = 100;
/// Shortest and longest password, in bytes (argon2 is fed no more than this).
pub const PASSWORD_BYTES: (usize, usize) = (8, 256);
/// Longest avatar URL, in bytes.
pub const AVATAR_URL_BYTES: usize = 2048;
/// Shortest and longest password of a conversation, in bytes.
pub const ROOM_PASSWORD_BYTES: (usize, usize) = (1, 256);
/// Rooms that a user may be in.
pub const ROOMS_OF_A_USER: usize = 20;
/// Members of a room, unless its policy says otherwise.
pub const ROOM_MEMBERS: u32 = 16;
/// How long a room keeps its messages, in seconds, unless its policy says otherwise.
pub const ROOM_RETENTION_SECONDS: u32 = 172_800;
/// Pause between two messages of one user of a room, in seconds, unless its policy says otherwise.
pub const ROOM_SLOW_MODE_SECONDS: u32 = 1;
/// Largest WebSocket frame and message, in bytes.
pub const FRAME_BYTES: usize = 128 * 1024;
/// Most fragments one WebSocket message may come in.
pub const FRAGMENTS: usize = 256;
/// Bad frames in a row that close a connection with 4400.
pub const BAD_FRAMES: u32 = 5;
/// Longest text that a search may look for, in code points.
pub const SEARCH_CHARS: usize = 200;
/// Messages that a search gives unasked.
pub const SEARCH_DEFAULT: usize = 20;
/// Conversations that one search looks through, those with the newest messages first.
pub const SEARCH_CONVERSATIONS: usize = 1000;
/// Users that one `get_presence` may name.
pub const PRESENCE_USERS: usize = 500;
/// Conversations that one `sync` may name.
pub const SYNC_CURSORS: usize = 1000;
/// Messages in a page: what an answer gives unasked, and at the most.
pub const PAGE_DEFAULT: usize = 50;
/// See [`PAGE_DEFAULT`].
pub const PAGE_MAX: usize = 100;
/// Content that a page of messages may hold, in bytes: fifty of the longest texts fit. One message is always given.
pub const PAGE_BYTES: usize = 512 * 1024;
/// Messages in one page of `sync`: unasked and at the most.
pub const SYNC_PAGE_DEFAULT: usize = 200;
/// See [`SYNC_PAGE_DEFAULT`].
pub const SYNC_PAGE_MAX: usize = 1000;
/// Missed changes beyond which `sync` answers with `reset`.
pub const SYNC_RESET_AFTER: u32 = 1000;
/// Members that a group or room may be created with or hold, unless its policy says less.
pub const GROUP_MEMBERS: usize = 5000;
/// Fewest and most members that the policy of a group may allow.
pub const MAX_MEMBERS: (u32, u32) = (2, GROUP_MEMBERS as u32);
/// Shortest and longest that a policy may have messages kept, in seconds: the store has 31 bits for it.
pub const RETENTION_SECONDS: (u32, u32) = (60, i32::MAX as u32);
/// Positions that one step of retention removes at the most.
pub const EXPIRED_AT_ONCE: u32 = 500;
/// Longest pause between two messages of one user that a policy may ask for, in seconds.
pub const SLOW_MODE_SECONDS: u32 = 3600;
/// Unread messages are counted exactly up to here, then reported as this figure.
pub const UNREAD_COUNT_MAX: u32 = 10_000;
/// How long a typing notice lives without being renewed, in milliseconds.
pub const TYPING_MS: u64 = 5_000;
/// How long a request may wait for its answer, in milliseconds, before it is answered `UNAVAILABLE`. The contract says 10 s;
/// this leaves room for the way back.
pub const ANSWER_WITHIN_MS: u64 = 8_000;
/// How long before its end an open session's token is announced as expiring, in seconds.
pub const TOKEN_EXPIRING_SECONDS: i64 = 60;
