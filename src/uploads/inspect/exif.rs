//! The one thing of EXIF that stays: which way up the picture is. Everything else in it (where and when it was taken, with
//! what, a small copy of the picture before it was cropped) goes.

use image::metadata::Orientation;

/// Which way up an EXIF block (from its byte order mark on) says that the picture is; nothing when it says the usual.
pub fn orientation(block: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(block).filter(|found| *found != Orientation::NoTransforms)
}

/// An EXIF block that says nothing but this: a header, one directory with one entry, no further directory.
pub fn block(orientation: Orientation) -> [u8; 26] {
    let mut block = *b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    block[19] = orientation.to_exif();
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for turned in 2..=8 {
            let wanted = Orientation::from_exif(turned).unwrap();
            assert_eq!(orientation(&block(wanted)), Some(wanted));
        }
        assert_eq!(orientation(&block(Orientation::NoTransforms)), None);
        assert_eq!(orientation(b"II*\0"), None);
        assert_eq!(orientation(b""), None);
    }
}
