//! What must hold for any bytes that a client sends: the same inputs however the network cuts them, nothing beyond the
//! bounds, nothing behind the end. Called by the fuzz target `frames` and, with the committed seeds, by `tests/it/corpus.rs`;
//! panics when something does not hold.

use parlor::{
    actors::session::Input,
    domain::limits,
    http::ws::Assembly,
    protocol::{CloseCode, frame::HEADER_MAX},
};

/// A client's header is a server's and a key.
const KEY_BYTES: usize = 4;
/// RFC 6455 §5.5.
const CONTROL_BYTES: usize = 125;

/// An input that outlives the buffer it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    Close,
    Violation(CloseCode),
}

impl From<Input<'_>> for Seen {
    fn from(input: Input<'_>) -> Seen {
        match input {
            Input::Text(text) => Seen::Text(text.to_owned()),
            Input::Ping(payload) => Seen::Ping(payload.to_vec()),
            Input::Pong => Seen::Pong,
            Input::Binary(_) | Input::Request { .. } | Input::Refused { .. } => {
                panic!("the plain envelope has no {input:?}")
            }
            Input::Close => Seen::Close,
            Input::Violation(code) => Seen::Violation(code),
        }
    }
}

/// The first byte says how many of the following ones are lengths to cut the rest into, over and over.
pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let (cuts, stream) = rest.split_at(rest.len().min(usize::from(count % 8)));
    let whole = read(stream, &[], usize::MAX);
    assert_eq!(read(stream, cuts, usize::MAX), whole, "cut by {cuts:?}");
    if stream.len() <= 4096 {
        assert_eq!(read(stream, &[1], usize::MAX), whole, "byte by byte");
    }
    for input in &whole {
        match input {
            Seen::Text(text) => assert!(text.len() <= limits::FRAME_BYTES),
            Seen::Ping(payload) => assert!(payload.len() <= CONTROL_BYTES),
            Seen::Pong | Seen::Close | Seen::Violation(_) => {}
        }
    }
    let ends = |input: &Seen| matches!(input, Seen::Close | Seen::Violation(_));
    let end = whole.iter().position(ends);
    assert!(end.is_none_or(|end| end + 1 == whole.len()), "{whole:?}");
    // A session that wants no more gets no more.
    let wanted = whole.len() / 2;
    if wanted > 0 {
        assert_eq!(read(stream, cuts, wanted), whole[..wanted]);
    }
}

/// What comes of a stream that is cut into pieces of these lengths, taking at most `wanted`.
fn read(stream: &[u8], cuts: &[u8], wanted: usize) -> Vec<Seen> {
    let mut assembly = Assembly::default();
    let mut seen = Vec::new();
    let mut rest = stream;
    let mut lengths = cuts.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |cut| usize::from(*cut).max(1));
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        assembly.feed(&mut piece.to_vec(), &mut |input| {
            seen.push(Seen::from(input));
            seen.len() < wanted
        });
        // An unfinished frame and an unfinished message.
        assert!(assembly.held() <= 2 * limits::FRAME_BYTES + HEADER_MAX + KEY_BYTES);
        rest = behind;
    }
    seen
}
