//! Names of uploads and the types of picture there are. A name is all that one needs to see the picture, so it is made of
//! secret randomness by `uploads`; parsed at the door by `message` (the content of an image) and by `http`.

use std::fmt;

use super::Invalid;

/// A type of picture that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageType {
    /// PNG, also animated.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF, also animated.
    Gif,
    /// WebP, also animated.
    WebP,
}

impl ImageType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Gif, Self::WebP];

    /// What a file of it is called behind the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::WebP => "webp",
        }
    }

    /// What it is called in `Content-Type`.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
        }
    }

    /// The type that a client calls so, without parameters, in any case. `image/jpg` is no registered name, but a common one.
    pub fn from_mime(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == "image/jpg" {
            return Some(Self::Jpeg);
        }
        Self::ALL.into_iter().find(|one| one.mime() == text)
    }

    /// The type whose magic bytes stand at the beginning.
    pub fn from_magic(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }
}

/// What an upload is called: 26 characters of `a-z2-7`, a dot, the extension of its type. Nothing of it is the client's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadName(Box<str>);

/// Characters that 26 of make 130 bits.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters before the dot.
const STEM: usize = 26;
/// What stands before the name in the content of a message and in a request.
const PATH: &str = "/uploads/";

impl UploadName {
    /// A new name, of 26 secret random bytes (five bits of each are used).
    pub fn new(random: [u8; STEM], kind: ImageType) -> Self {
        let stem = random.map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
        let mut name: String = stem.iter().collect();
        name.push('.');
        name.push_str(kind.extension());
        Self(name.into())
    }

    /// Parses a name; whether there is such an upload is for the store to say.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = text.split_once('.').is_some_and(|(stem, extension)| {
            stem.len() == STEM
                && stem.bytes().all(|byte| ALPHABET.contains(&byte))
                && ImageType::ALL.iter().any(|kind| kind.extension() == extension)
        });
        if found {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new("name", "is not one of an upload"))
        }
    }

    /// Parses what an upload was answered with: `/uploads/` and the name.
    pub fn from_url(url: &str) -> Result<Self, Invalid> {
        let name = url.strip_prefix(PATH).and_then(|name| Self::parse(name).ok());
        name.ok_or_else(|| Invalid::new("content", "must be the url that an upload was answered with"))
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("{PATH}{}", self.0)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first two characters: what uploads are spread over folders by.
    pub fn shard(&self) -> &str {
        &self.0[..2]
    }

    /// What it is a picture of.
    pub fn kind(&self) -> ImageType {
        let found = ImageType::ALL
            .into_iter()
            .find(|kind| self.0[STEM + 1..] == *kind.extension());
        // Not reached: `parse` and `new` allow no other extension.
        found.unwrap_or(ImageType::Png)
    }
}

impl fmt::Display for UploadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parsed_again_and_says_its_type() {
        for kind in ImageType::ALL {
            let name = UploadName::new([0xff; STEM], kind);
            assert_eq!(name.as_str(), format!("{}.{}", "7".repeat(STEM), kind.extension()));
            assert_eq!((name.kind(), name.shard()), (kind, "77"));
            assert_eq!(UploadName::from_url(&name.url()).unwrap(), name);
        }
    }

    #[test]
    fn nothing_else_is_a_name() {
        let stem = "a".repeat(STEM);
        for bad in [
            "",
            &stem,
            &format!("{stem}."),
            &format!("{stem}.svg"),
            &format!("{stem}.PNG"),
            &format!("{stem}.php.png"),
            &format!("{stem}.png/"),
            &format!("{stem}.png\0"),
            &format!("{stem}a.png"),
            &format!("{}A.png", &stem[1..]),
            &format!("{}1.png", &stem[1..]),
            &format!("../{}.png", &stem[3..]),
            &format!("{}ä.png", &stem[2..]),
        ] {
            assert!(UploadName::parse(bad).is_err(), "{bad}");
            assert!(UploadName::from_url(&format!("/uploads/{bad}")).is_err(), "{bad}");
        }
        let good = format!("{stem}.png");
        assert!(UploadName::parse(&good).is_ok());
        for prefix in ["", "uploads/", "//uploads/", "https://a.example/uploads/", "/uploads//"] {
            assert!(UploadName::from_url(&format!("{prefix}{good}")).is_err(), "{prefix}");
        }
    }

    #[test]
    fn types_are_known_by_their_magic_bytes() {
        assert_eq!(ImageType::from_magic(b"\x89PNG\r\n\x1a\n..."), Some(ImageType::Png));
        assert_eq!(ImageType::from_magic(b"\xff\xd8\xff\xe0"), Some(ImageType::Jpeg));
        assert_eq!(ImageType::from_magic(b"GIF87a"), Some(ImageType::Gif));
        assert_eq!(ImageType::from_magic(b"RIFF\0\0\0\0WEBP"), Some(ImageType::WebP));
        for other in [
            &b""[..],
            b"<svg",
            b"GIF88a",
            b"RIFF\0\0\0\0WAVE",
            b"BM",
            b"\x89PNG",
            b"%PDF-1.7",
        ] {
            assert_eq!(ImageType::from_magic(other), None);
        }
        assert_eq!(ImageType::from_mime("IMAGE/JPG"), Some(ImageType::Jpeg));
        assert_eq!(ImageType::from_mime("image/svg+xml"), None);
    }
}
