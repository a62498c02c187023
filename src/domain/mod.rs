//! The nouns of the product: ids, names, users, conversations, messages, permissions, time.
//! Pure values, parsed at the door: inside, an invalid one cannot exist. Called by everybody; imports nothing of ours, does no I/O.

pub mod clock;
pub mod conversation;
pub mod drawing;
pub mod entry;
pub mod ids;
pub mod invalid;
pub mod json;
pub mod limits;
pub mod mention;
pub mod message;
pub mod names;
pub mod permission;
pub mod reaction;
pub mod upload;
pub mod user;
pub mod words;

pub use clock::{Clock, Entropy, Timestamp};
pub use conversation::{Conversation, Kind, Member, Policies, Role, Settings};
pub use entry::{InviteCode, PasswordHash, Slug};
pub use ids::{ConversationId, ConversationKey, MessageId, Seq, SessionId, UserId, UserKey};
pub use invalid::Invalid;
pub use message::{Content, Message, MessageType, Reaction};
pub use names::{ClientId, ConversationName, DisplayName, Password, Username};
pub use reaction::{Emoji, ReactionSet};
pub use upload::{ImageType, UploadName};
pub use user::User;
