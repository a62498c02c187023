//! JPEG, segment by segment: tables, frame, scans and the colour profile stay. Comments, EXIF but for the way up, XMP, IPTC,
//! makers' notes, small copies of the picture, and whatever stands behind the end go.

use super::{Unfit, bytes::Bytes, exif};

/// How a colour profile begins (in APP2).
const PROFILE: &[u8] = b"ICC_PROFILE\0";
/// How EXIF begins (in APP1).
const EXIF: &[u8] = b"Exif\0\0";

/// The file made anew of what stays.
pub fn rewrite(file: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut rest = Bytes(file);
    rest.take(2)?;
    let mut walk = Walk::default();
    walk.kept.reserve(file.len());
    // Some writers leave out the end, or half of it.
    while !(walk.scans && rest.0.iter().all(|byte| *byte == 0xff)) {
        let marker = marker(&mut rest)?;
        if marker == 0xd9 {
            break;
        }
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            return Err(Unfit::Broken("a segment stands where none can"));
        }
        let length = usize::from(u16::from_be_bytes(rest.array()?));
        let data = rest.take(length.checked_sub(2).ok_or(Unfit::Broken("a segment has no length"))?)?;
        walk.segment(marker, data)?;
        if marker == 0xda {
            walk.kept.extend_from_slice(scan(&mut rest)?);
            walk.scans = true;
        }
    }
    walk.end(file.len())
}

/// The next marker's code. Any number of 0xff may stand before it.
fn marker(rest: &mut Bytes<'_>) -> Result<u8, Unfit> {
    if rest.byte()? != 0xff {
        return Err(Unfit::Broken("a segment begins with no marker"));
    }
    loop {
        match rest.byte()? {
            0xff => {}
            0 => return Err(Unfit::Broken("a segment begins with no marker")),
            code => return Ok(code),
        }
    }
}

/// The coded picture behind a scan's header: up to the next marker that is not one of its own, or to the end.
fn scan<'a>(rest: &mut Bytes<'a>) -> Result<&'a [u8], Unfit> {
    let bytes = rest.0;
    let mut at = 0;
    loop {
        match bytes.get(at..at + 2) {
            None => return rest.take(bytes.len() - usize::from(bytes.last() == Some(&0xff))),
            Some([0xff, 0 | 0xd0..=0xd7]) => at += 2,
            // Fill bytes belong to the marker that follows.
            Some([0xff, _]) => return rest.take(at),
            Some(_) => at += 1,
        }
    }
}

#[derive(Default)]
struct Walk {
    /// APP0, without its small copy of the picture: must stand first.
    jfif: Option<[u8; 18]>,
    turned: Option<image::metadata::Orientation>,
    kept: Vec<u8>,
    frame: bool,
    scans: bool,
}

impl Walk {
    fn segment(&mut self, marker: u8, data: &[u8]) -> Result<(), Unfit> {
        match marker {
            // Baseline, extended, progressive.
            0xc0..=0xc2 => {
                if std::mem::replace(&mut self.frame, true) {
                    return Err(Unfit::Broken("it has two frames"));
                }
                self.keep(marker, data);
            }
            // Huffman and quantisation tables, restart interval, a scan.
            0xc4 | 0xdb | 0xdd | 0xda => self.keep(marker, data),
            0xe0 => self.jfif = self.jfif.or_else(|| jfif(data)),
            0xe1 => {
                let block = data.strip_prefix(EXIF);
                self.turned = self.turned.or_else(|| block.and_then(exif::orientation));
            }
            0xe2 if data.starts_with(PROFILE) => self.keep(marker, data),
            // Says how colours are to be read.
            0xee if data.starts_with(b"Adobe") && data.len() == 12 => self.keep(marker, data),
            0xe2..=0xef | 0xfe => {}
            _ => return Err(Unfit::Broken("it is coded in a way that browsers do not show")),
        }
        Ok(())
    }

    fn keep(&mut self, marker: u8, data: &[u8]) {
        put(&mut self.kept, marker, &[data]);
    }

    fn end(self, size: usize) -> Result<Vec<u8>, Unfit> {
        if !(self.frame && self.scans) {
            return Err(Unfit::Broken("there is no picture in it"));
        }
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&[0xff, 0xd8]);
        out.extend_from_slice(self.jfif.as_ref().map_or(&[], <[u8; 18]>::as_slice));
        if let Some(turned) = self.turned {
            put(&mut out, 0xe1, &[EXIF, &exif::block(turned)]);
        }
        out.extend_from_slice(&self.kept);
        out.extend_from_slice(&[0xff, 0xd9]);
        Ok(out)
    }
}

/// Version and density; the small copy of the picture behind them is said to be none.
fn jfif(data: &[u8]) -> Option<[u8; 18]> {
    let told: &[u8; 12] = data.first_chunk()?;
    if !told.starts_with(b"JFIF\0") {
        return None;
    }
    let mut out = *b"\xff\xe0\0\x10............\0\0";
    out[4..16].copy_from_slice(told);
    Some(out)
}

fn put(out: &mut Vec<u8>, marker: u8, data: &[&[u8]]) {
    // Read with a length of two bytes, or shorter than that: it fits.
    let length = 2 + data.iter().map(|part| part.len()).sum::<usize>() as u16;
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&length.to_be_bytes());
    data.iter().for_each(|part| out.extend_from_slice(part));
}
