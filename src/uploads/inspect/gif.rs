//! GIF, block by block: palettes, frames, their timing and how often they repeat stay. Comments, texts, what programs left
//! there, and whatever stands behind the end go.

use super::{
    Frames, Unfit,
    bytes::{Bytes, area},
};

/// A flag: colours follow.
const COLOURED: u8 = 0x80;
/// Flags: how many, as a power of two.
const COLOURS: u8 = 0x07;
/// What a file that has no colours at all is shown in: GIF89a leaves it to whoever shows it, but begins it so.
const BLACK_AND_WHITE: [u8; 6] = [0, 0, 0, 0xff, 0xff, 0xff];

/// The file made anew of what stays.
pub fn rewrite(file: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut rest = Bytes(file);
    let mut out = Vec::with_capacity(file.len());
    rest.take(6)?;
    out.extend_from_slice(b"GIF89a");
    let screen = rest.take(7)?;
    out.extend_from_slice(screen);
    out.extend_from_slice(palette(&mut rest, screen[4])?);
    let mut frames = Frames::default();
    let mut colourless = false;
    // How the next frame is shown: belongs to it alone.
    let mut control: Option<[u8; 8]> = None;
    // Some writers leave out the very last byte, the end.
    while !(rest.0.is_empty() && frames.any()) {
        match rest.byte()? {
            0x2c => {
                if let Some(control) = control.take() {
                    out.extend_from_slice(&control);
                }
                colourless |= frame(&mut rest, &mut out, &mut frames)?;
            }
            0x21 => match rest.byte()? {
                0xf9 => control = Some(timing(&mut rest)?),
                0xff => application(&mut rest, &mut out)?,
                other => {
                    sub_blocks(&mut rest)?;
                    if other == 0x01 {
                        // A text, which goes, and with it how it was to be shown.
                        control = None;
                    }
                }
            },
            0x3b => break,
            _ => return Err(Unfit::Broken("a block is of no known kind")),
        }
    }
    out.push(0x3b);
    if colourless && screen[4] & COLOURED == 0 {
        out[10] = screen[4] & !COLOURS | COLOURED;
        out.splice(13..13, BLACK_AND_WHITE);
    }
    Ok(out)
}

/// Whether it is shown in the colours of the whole file, having none of its own.
fn frame(rest: &mut Bytes<'_>, out: &mut Vec<u8>, frames: &mut Frames) -> Result<bool, Unfit> {
    let place: [u8; 9] = rest.array()?;
    frames.count(area([place[4], place[5]], [place[6], place[7]]))?;
    out.push(0x2c);
    out.extend_from_slice(&place);
    out.extend_from_slice(palette(rest, place[8])?);
    out.push(rest.byte()?);
    out.extend_from_slice(sub_blocks(rest)?);
    Ok(place[8] & COLOURED == 0)
}

/// The colours that `flags` announce.
fn palette<'a>(rest: &mut Bytes<'a>, flags: u8) -> Result<&'a [u8], Unfit> {
    let colours = if flags & COLOURED == 0 {
        0
    } else {
        2 << (flags & COLOURS)
    };
    rest.take(3 * colours)
}

/// A graphic control extension: one block of four bytes.
fn timing(rest: &mut Bytes<'_>) -> Result<[u8; 8], Unfit> {
    let block: [u8; 6] = rest.array()?;
    let [4, a, b, c, d, 0] = block else {
        return Err(Unfit::Broken("the timing of a frame cannot be read"));
    };
    Ok([0x21, 0xf9, 4, a, b, c, d, 0])
}

/// Of what applications leave only how often the frames repeat stays.
fn application(rest: &mut Bytes<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let blocks = sub_blocks(rest)?;
    let repeats = [&b"\x0bNETSCAPE2.0"[..], b"\x0bANIMEXTS1.0"]
        .into_iter()
        .find_map(|name| blocks.strip_prefix(name));
    if let Some([3, 1, low, high, ..]) = repeats {
        out.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
        out.extend_from_slice(&[*low, *high, 0]);
    }
    Ok(())
}

/// Blocks, each behind its length, up to and with the empty one.
fn sub_blocks<'a>(rest: &mut Bytes<'a>) -> Result<&'a [u8], Unfit> {
    let begin = rest.0;
    loop {
        let length = rest.byte()?;
        rest.take(length.into())?;
        if length == 0 {
            return Ok(&begin[..begin.len() - rest.0.len()]);
        }
    }
}
