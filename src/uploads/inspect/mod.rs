//! What a picture is, and the same picture without what does not belong to it. A file is taken apart by a walker for its type,
//! put together again from the parts that are allowed, and the result is decoded once: what is stored is what was decoded.
//! The coded pixels are never changed. Pure; blocks for as long as a picture takes, so called on a thread for blocking work.

mod bytes;
mod exif;
mod gif;
mod jpeg;
mod png;
#[cfg(test)]
mod tests;
mod webp;

use std::io::Cursor;

use image::{ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, error::ImageResult};

use crate::domain::{ImageType, limits};

/// Most memory that a picture may take unpacked: 25 million pixels of four bytes, and some more.
const UNPACKED_BYTES: u64 = 128 << 20;

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// None of the four types.
    #[error("this is no PNG, JPEG, GIF or WebP")]
    NoPicture,
    /// It begins like a picture, but is none that can be shown.
    #[error("this picture cannot be read: {0}")]
    Broken(&'static str),
    /// It would take more than a viewer's memory should be asked for.
    #[error("this picture is too large: {0}")]
    TooLarge(&'static str),
}

/// A picture that was taken apart and put together again, not decoded yet.
#[derive(Debug)]
pub struct Picture {
    /// What it is.
    pub kind: ImageType,
    /// As its header says, before it is turned the right way up.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// Memory that decoding takes.
    pub unpacked: u64,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// Takes a file apart and looks at its header: cheap, whatever the file says that it is.
pub fn open(file: &[u8]) -> Result<Picture, Unfit> {
    let kind = ImageType::from_magic(file).ok_or(Unfit::NoPicture)?;
    let bytes = match kind {
        ImageType::Png => png::rewrite(file),
        ImageType::Jpeg => jpeg::rewrite(file),
        ImageType::Gif => gif::rewrite(file),
        ImageType::WebP => webp::rewrite(file),
    }?;
    let decoder = decoder(kind, &bytes).map_err(unfit)?;
    let ((width, height), unpacked) = (decoder.dimensions(), decoder.total_bytes());
    drop(decoder);
    if width == 0 || height == 0 {
        return Err(Unfit::Broken("it has no pixels"));
    }
    if u64::from(width) * u64::from(height) > limits::IMAGE_PIXELS {
        return Err(Unfit::TooLarge("it has more than 25 million pixels"));
    }
    if unpacked > UNPACKED_BYTES {
        return Err(Unfit::TooLarge("it takes more than 128 MiB of memory"));
    }
    Ok(Picture {
        kind,
        width,
        height,
        unpacked,
        bytes,
    })
}

/// Decodes the picture (of several frames the first one), as a viewer will.
pub fn decode(picture: &Picture) -> Result<(), Unfit> {
    let decoder = decoder(picture.kind, &picture.bytes).map_err(unfit)?;
    let mut pixels = vec![0; picture.unpacked as usize];
    decoder.read_image(&mut pixels).map_err(unfit)
}

fn decoder(kind: ImageType, bytes: &[u8]) -> ImageResult<impl ImageDecoder + '_> {
    let format = match kind {
        ImageType::Png => ImageFormat::Png,
        ImageType::Jpeg => ImageFormat::Jpeg,
        ImageType::Gif => ImageFormat::Gif,
        ImageType::WebP => ImageFormat::WebP,
    };
    let mut most = Limits::no_limits();
    most.max_image_width = Some(limits::IMAGE_SIDE);
    most.max_image_height = Some(limits::IMAGE_SIDE);
    most.max_alloc = Some(2 * UNPACKED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(most);
    reader.into_decoder()
}

/// The decoders' own words are for programmers, and may quote the file.
fn unfit(error: ImageError) -> Unfit {
    match error {
        ImageError::Limits(_) => Unfit::TooLarge("it is more than 16384 pixels wide or high"),
        _ => Unfit::Broken("its pixels make no sense"),
    }
}

/// Most frames of an animation.
const FRAMES: u32 = 2000;
/// Most pixels of all frames together.
const FRAME_PIXELS: u64 = 20 * limits::IMAGE_PIXELS;

/// What the frames of an animation cost whoever shows it.
#[derive(Debug, Default)]
struct Frames {
    frames: u32,
    pixels: u64,
}

impl Frames {
    /// Whether there was one.
    fn any(&self) -> bool {
        self.frames > 0
    }

    /// One more, of so many pixels.
    fn count(&mut self, pixels: u64) -> Result<(), Unfit> {
        self.frames += 1;
        self.pixels = self.pixels.saturating_add(pixels);
        if self.frames > FRAMES || self.pixels > FRAME_PIXELS {
            return Err(Unfit::TooLarge("it has too many frames"));
        }
        Ok(())
    }
}
