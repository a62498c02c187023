//! What must hold for any file that a client uploads: it is refused, or what is left of it is a picture that is not changed by
//! being taken apart again, and hardly longer than what was sent. Called by the fuzz target `pictures` and, with the committed
//! seeds, by `tests/it/corpus.rs`; panics when something does not hold.

use parlor::{domain::ImageType, uploads::inspect};

/// What a header or a way up may add.
const MORE: usize = 64;

/// Whatever the bytes are.
pub fn check(file: &[u8]) {
    let Ok(picture) = inspect::open(file) else { return };
    assert_eq!(ImageType::from_magic(file), Some(picture.kind));
    assert!(picture.bytes.len() <= file.len() + MORE);
    // Small ones only, or a fuzzer would do nothing else.
    if picture.unpacked > 1 << 20 || inspect::decode(&picture).is_err() {
        return;
    }
    let again = inspect::open(&picture.bytes).expect("what was kept is a picture");
    assert_eq!((again.width, again.height), (picture.width, picture.height));
    assert_eq!(again.bytes, picture.bytes);
}
