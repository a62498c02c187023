//! PNG (and APNG), chunk by chunk: only those that make the picture stay. Texts, times, EXIF but for the way up, chunks that
//! nobody knows, and whatever stands behind the end go.

use super::{Frames, Unfit, bytes::Bytes, exif};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The chunks that stay as they are: the picture, its frames, its colours, the shape of its pixels.
const KEPT: &[&[u8; 4]] = &[
    b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD",
    b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

/// The file made anew of what stays.
pub fn rewrite(file: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut rest = Bytes(file);
    rest.take(SIGNATURE.len())?;
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut header: Option<&[u8]> = None;
    let mut turned = None;
    let mut frames = Frames::default();
    loop {
        let chunk = Chunk::read(&mut rest)?;
        match (chunk.name, header) {
            (b"IHDR", None) => header = Some(chunk.whole),
            (b"IHDR", Some(_)) => return Err(Unfit::Broken("it has two headers")),
            (_, None) => return Err(Unfit::Broken("it does not begin with a header")),
            (b"IEND", Some(_)) => {
                if !chunk.data.is_empty() {
                    return Err(Unfit::Broken("there is something in its end"));
                }
                kept.push(chunk.whole);
                break;
            }
            (b"eXIf", _) => turned = turned.or_else(|| exif::orientation(chunk.data)),
            (name, _) if KEPT.contains(&name) => {
                if name == b"fcTL" {
                    frames.count(chunk.frame_area()?)?;
                }
                kept.push(chunk.whole);
            }
            // An upper case letter: the picture cannot be shown without it.
            (name, _) if name[0].is_ascii_uppercase() => {
                return Err(Unfit::Broken("it needs a chunk that nobody knows"));
            }
            _ => {}
        }
    }
    let mut out = Vec::with_capacity(file.len());
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(header.unwrap_or_default());
    if let Some(turned) = turned {
        write(&mut out, b"eXIf", &exif::block(turned));
    }
    kept.iter().for_each(|chunk| out.extend_from_slice(chunk));
    Ok(out)
}

struct Chunk<'a> {
    name: &'a [u8; 4],
    data: &'a [u8],
    /// With its length and checksum.
    whole: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn read(rest: &mut Bytes<'a>) -> Result<Self, Unfit> {
        let begin = rest.0;
        let length = u32::from_be_bytes(rest.array()?);
        let name = rest.take(4)?.first_chunk().ok_or(Unfit::Broken("it is truncated"))?;
        let data = rest.take(length as usize)?;
        let checksum = u32::from_be_bytes(rest.array()?);
        // Name and data follow each other.
        if crc32fast::hash(&begin[4..8 + data.len()]) != checksum {
            return Err(Unfit::Broken("a checksum is wrong"));
        }
        let whole = &begin[..begin.len() - rest.0.len()];
        Ok(Self { name, data, whole })
    }

    /// Of an `fcTL`: sequence number, width, height, …
    fn frame_area(&self) -> Result<u64, Unfit> {
        let mut fields = Bytes(self.data);
        let [_, width, height] = [fields.array()?, fields.array()?, fields.array()?].map(u32::from_be_bytes);
        Ok(u64::from(width).saturating_mul(height.into()))
    }
}

fn write(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let from = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(data);
    let checksum = crc32fast::hash(&out[from..]);
    out.extend_from_slice(&checksum.to_be_bytes());
}
