//! WebSocket close codes (RFC 6455 §7.4 and the contract, section 2), each once, with the reason that goes along.

use super::ErrorCode;

macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        /// Why the server closes a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[$doc])* $name,)* }

        impl CloseCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number on the wire.
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }

            /// The reason that goes with it: at most 123 bytes.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason),* }
            }
        }
    };
}

impl CloseCode {
    /// The same in the words of a refusal, for whoever is told by an event.
    pub fn error_code(self) -> ErrorCode {
        match self {
            Self::Normal | Self::Restarting | Self::Overloaded | Self::HeartbeatMissed | Self::TooSlow => {
                ErrorCode::Unavailable
            }
            Self::Internal => ErrorCode::Internal,
            Self::ProtocolError | Self::Unsupported | Self::NotUtf8 | Self::NotThisProtocol | Self::Malformed => {
                ErrorCode::ValidationError
            }
            Self::TooBig => ErrorCode::PayloadTooLarge,
            Self::Unauthorized => ErrorCode::Unauthorized,
            Self::Expired => ErrorCode::TokenExpired,
            Self::Revoked => ErrorCode::Forbidden,
            Self::Flood => ErrorCode::RateLimited,
        }
    }

    /// Whether a client may simply come back. The others first have to mend something.
    pub fn may_return(self) -> bool {
        match self {
            Self::Internal
            | Self::Restarting
            | Self::Overloaded
            | Self::HeartbeatMissed
            | Self::Flood
            | Self::TooSlow => true,
            Self::Normal
            | Self::ProtocolError
            | Self::Unsupported
            | Self::NotUtf8
            | Self::TooBig
            | Self::NotThisProtocol
            | Self::Malformed
            | Self::Unauthorized
            | Self::Expired
            | Self::Revoked => false,
        }
    }

    /// The code of a close frame's payload. Some share a number: their reasons tell them apart.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let (number, reason) = payload.split_first_chunk()?;
        let number = u16::from_be_bytes(*number);
        let mut same = Self::ALL.iter().copied().filter(|code| code.number() == number);
        same.clone()
            .find(|code| code.reason().as_bytes() == reason)
            .or(same.next())
    }
}

close_codes! {
    /// The client said goodbye; so do we.
    Normal = 1000, "goodbye";
    /// The peer broke RFC 6455.
    ProtocolError = 1002, "websocket protocol error";
    /// A binary frame.
    Unsupported = 1003, "text frames only";
    /// A text that is not UTF-8.
    NotUtf8 = 1007, "not UTF-8";
    /// A frame or message beyond the bound, or of too many fragments.
    TooBig = 1009, "frame too big";
    /// A defect on our side.
    Internal = 1011, "internal error";
    /// The server restarts.
    Restarting = 1012, "restarting: reconnect and sync";
    /// The server has more than it can take.
    Overloaded = 1013, "overloaded: reconnect later and sync";
    /// Five bad frames in a row.
    NotThisProtocol = 4400, "five frames in a row were not this protocol";
    /// A packet of Socket.IO that cannot be read, or that must not come at its time.
    Malformed = 4400, "a packet was not this protocol";
    /// The token is invalid or revoked.
    Unauthorized = 4401, "token invalid, expired or revoked";
    /// The token ended, and no other one came.
    Expired = 4401, "token expired";
    /// An administrator ended it.
    Revoked = 4403, "access revoked";
    /// Nothing was heard for too long.
    HeartbeatMissed = 4408, "heartbeat missed";
    /// Far over the rate limits.
    Flood = 4429, "flood: far over the rate limits";
    /// The client reads too slowly.
    TooSlow = 4430, "too slow to read: reconnect and sync";
}
