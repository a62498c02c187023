//! WebP, chunk by chunk: the picture or its frames, transparency and the colour profile stay. EXIF but for the way up, XMP,
//! chunks that nobody knows, and whatever stands behind the end go.

use image::metadata::Orientation;

use super::{Frames, Unfit, bytes::Bytes, exif};

/// Flags of a `VP8X` chunk.
const ANIMATED: u8 = 0x02;
/// See [`ANIMATED`].
const TURNED: u8 = 0x08;
/// See [`ANIMATED`]: transparency and colour profile.
const LOOKS: u8 = 0x10 | 0x20;

/// The file made anew of what stays.
pub fn rewrite(file: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut rest = Bytes(file);
    rest.take(4)?;
    let size = u32::from_le_bytes(rest.array()?) as usize;
    let mut body = Bytes(rest.take(size)?);
    body.take(4)?;
    let mut out = Vec::with_capacity(file.len());
    out.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    let first = Chunk::read(&mut body)?;
    match &first.name {
        b"VP8 " | b"VP8L" => put(&mut out, &first.name, first.data),
        b"VP8X" => extended(first.data, body, &mut out)?,
        _ => return Err(Unfit::Broken("it does not begin with a picture")),
    }
    let size = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    Ok(out)
}

/// The file with a header that announces what else is there.
fn extended(header: &[u8], mut body: Bytes<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let header: &[u8; 10] = header.first_chunk().ok_or(Unfit::Broken("its header is too short"))?;
    let animated = header[0] & ANIMATED != 0;
    let (mut kept, mut turned, mut frames) = (Vec::with_capacity(body.0.len()), None, Frames::default());
    while !body.0.is_empty() {
        let chunk = Chunk::read(&mut body)?;
        match (&chunk.name, animated) {
            (b"ICCP", _) | (b"ANIM", true) | (b"ALPH" | b"VP8 " | b"VP8L", false) => {
                put(&mut kept, &chunk.name, chunk.data);
            }
            (b"ANMF", true) => put(&mut kept, b"ANMF", &frame(chunk.data, &mut frames)?),
            (b"EXIF", _) => turned = turned.or_else(|| way_up(chunk.data)),
            _ => {}
        }
    }
    let mut told = [0; 10];
    told[0] = header[0] & (ANIMATED | LOOKS) | turned.map_or(0, |_| TURNED);
    told[4..].copy_from_slice(&header[4..]);
    put(out, b"VP8X", &told);
    out.extend_from_slice(&kept);
    if let Some(turned) = turned {
        put(out, b"EXIF", &exif::block(turned));
    }
    Ok(())
}

/// Some writers put before the block what only JPEG has there.
fn way_up(data: &[u8]) -> Option<Orientation> {
    exif::orientation(data.strip_prefix(b"Exif\0\0").unwrap_or(data))
}

/// A frame: sixteen bytes about it, then chunks.
fn frame(data: &[u8], frames: &mut Frames) -> Result<Vec<u8>, Unfit> {
    let mut rest = Bytes(data);
    let about: [u8; 16] = rest.array()?;
    let side = |at: usize| u64::from(u32::from_le_bytes([about[at], about[at + 1], about[at + 2], 0])) + 1;
    frames.count(side(6) * side(9))?;
    let mut out = about.to_vec();
    while !rest.0.is_empty() {
        let chunk = Chunk::read(&mut rest)?;
        if matches!(&chunk.name, b"ALPH" | b"VP8 " | b"VP8L") {
            put(&mut out, &chunk.name, chunk.data);
        }
    }
    Ok(out)
}

struct Chunk<'a> {
    name: [u8; 4],
    data: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn read(rest: &mut Bytes<'a>) -> Result<Self, Unfit> {
        let name = rest.array()?;
        let length = u32::from_le_bytes(rest.array()?) as usize;
        let data = rest.take(length)?;
        // To an even length; some writers leave it out at the very end.
        if length % 2 == 1 && !rest.0.is_empty() {
            rest.take(1)?;
        }
        Ok(Self { name, data })
    }
}

fn put(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
}
