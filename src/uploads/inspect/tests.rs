//! Pictures that are made here, honest and hostile: what is taken, what is left of it, what is refused.

use std::sync::LazyLock;

use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, RgbImage,
    codecs::{gif::GifDecoder, gif::GifEncoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};
use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"GPS 52.5200 N 13.4050 E";

/// A picture with something on it.
fn pixels(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8 * 8, y as u8 * 8, 128])).into()
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    pixels(24, 16).write_to(&mut out, format).unwrap();
    out.into_inner()
}

static EVERY_FORMAT: LazyLock<[(ImageType, Vec<u8>); 4]> = LazyLock::new(|| {
    [
        (ImageType::Png, encoded(ImageFormat::Png)),
        (ImageType::Jpeg, encoded(ImageFormat::Jpeg)),
        (ImageType::Gif, encoded(ImageFormat::Gif)),
        (ImageType::WebP, encoded(ImageFormat::WebP)),
    ]
});

fn every_format() -> impl Iterator<Item = (ImageType, &'static [u8])> {
    EVERY_FORMAT.iter().map(|(kind, file)| (*kind, file.as_slice()))
}

fn taken(file: &[u8]) -> Picture {
    let picture = open(file).unwrap();
    decode(&picture).unwrap();
    picture
}

fn refused(file: &[u8]) -> Unfit {
    open(file).and_then(|picture| decode(&picture)).unwrap_err()
}

fn holds(file: &[u8], what: &[u8]) -> bool {
    file.windows(what.len()).any(|window| window == what)
}

/// EXIF as a phone writes it: little endian, a place, a way up.
fn phone_exif(turned: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x02\0".to_vec();
    block.extend_from_slice(&[0x12, 0x01, 3, 0, 1, 0, 0, 0, turned, 0, 0, 0]);
    // The GPS directory, of which the text below stands for.
    block.extend_from_slice(&[0x25, 0x88, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0]);
    block.extend_from_slice(&[0, 0, 0, 0]);
    block.extend_from_slice(SECRET);
    block
}

fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(name);
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(&crc32fast::hash(&chunk[4..]).to_be_bytes());
    chunk
}

/// `file` with `what` behind its first `at` bytes.
fn with(file: &[u8], at: usize, what: &[u8]) -> Vec<u8> {
    [&file[..at], what, &file[at..]].concat()
}

/// Behind the signature and IHDR.
const PNG_BODY: usize = 8 + 25;

fn jpeg_segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let mut segment = vec![0xff, marker];
    segment.extend_from_slice(&(data.len() as u16 + 2).to_be_bytes());
    segment.extend_from_slice(data);
    segment
}

fn webp_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = name.to_vec();
    chunk.extend_from_slice(&(data.len() as u32).to_le_bytes());
    chunk.extend_from_slice(data);
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A WebP with metadata, as editors write it.
fn webp_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let simple = encoded(ImageFormat::WebP);
    let mut body = b"WEBP".to_vec();
    body.extend(webp_chunk(b"VP8X", &[0x0c, 0, 0, 0, 23, 0, 0, 15, 0, 0]));
    body.extend_from_slice(&simple[12..]);
    chunks.iter().for_each(|chunk| body.extend_from_slice(chunk));
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend(body);
    file
}

fn shown(file: &[u8]) -> Vec<u8> {
    image::load_from_memory(file).unwrap().into_rgba8().into_raw()
}

#[test]
fn a_picture_stays_what_it_is() {
    for (kind, file) in every_format() {
        let picture = taken(file);
        assert_eq!((picture.kind, picture.width, picture.height), (kind, 24, 16));
        assert_eq!(shown(&picture.bytes), shown(file), "{kind:?}");
        // Taken apart once more nothing changes.
        assert_eq!(taken(&picture.bytes).bytes, picture.bytes, "{kind:?}");
    }
}

#[test]
fn whatever_stands_behind_the_end_goes() {
    for (kind, file) in every_format() {
        let polyglot = [file, b"<script>alert(1)</script>PK\x03\x04"].concat();
        assert_eq!(taken(&polyglot).bytes, taken(file).bytes, "{kind:?}");
    }
}

/// Whether nothing of so much of a file is missing but what browsers do without.
fn begins_without_end(kind: ImageType, file: &[u8], length: usize) -> bool {
    match kind {
        ImageType::Gif => length == file.len() - 1,
        ImageType::Jpeg => {
            let scan = file.windows(2).position(|marker| marker == b"\xff\xda").unwrap();
            length >= scan + 2 + usize::from(u16::from_be_bytes([file[scan + 2], file[scan + 3]]))
        }
        ImageType::Png | ImageType::WebP => false,
    }
}

#[test]
fn an_end_that_is_missing_is_written() {
    for (kind, cuts) in [(ImageType::Gif, 1..=1), (ImageType::Jpeg, 1..=2)] {
        let file = every_format().find(|(found, _)| *found == kind).unwrap().1;
        for cut in cuts {
            let picture = taken(&file[..file.len() - cut]);
            assert_eq!(picture.bytes, taken(file).bytes, "{kind:?} without its last {cut}");
        }
    }
}

#[test]
fn a_gif_without_colours_gets_two() {
    // The smallest transparent one, as many sites have it.
    let file = b"GIF89a\x01\0\x01\0\0\0\0\x21\xf9\x04\x01\x0a\0\x01\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0\x3b";
    let picture = taken(file);
    assert_eq!(&picture.bytes[..19], b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff");
    assert_eq!(&picture.bytes[19..], &file[13..]);
    assert_eq!(shown(&picture.bytes)[3], 0, "transparent");
    // Colours of the frame's own are enough.
    let own = [&file[..30], b"\x80\xff\0\0\0\0\xff", &file[31..]].concat();
    assert_eq!(taken(&own).bytes, own);
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    for (kind, file) in every_format() {
        for length in 0..file.len() {
            if begins_without_end(kind, file, length) {
                taken(&file[..length]);
                continue;
            }
            let refused = refused(&file[..length]);
            let begun = ImageType::from_magic(&file[..length]).is_some();
            assert_eq!(
                matches!(refused, Unfit::Broken(_)),
                begun,
                "{kind:?} at {length}: {refused}"
            );
        }
    }
}

#[test]
fn png_loses_texts_times_and_places_and_keeps_its_way_up() {
    let mut file = encoded(ImageFormat::Png);
    for (name, data) in [
        (b"tEXt", [b"Comment\0", SECRET].concat()),
        (b"iTXt", [b"XML:com.adobe.xmp\0\0\0\0\0", SECRET].concat()),
        (b"tIME", vec![7; 7]),
        (b"prVt", SECRET.to_vec()),
        (b"eXIf", phone_exif(6)),
    ] {
        file = with(&file, PNG_BODY, &png_chunk(name, &data));
    }
    let picture = taken(&file);
    assert!(!holds(&picture.bytes, SECRET) && !holds(&picture.bytes, b"tIME"));
    assert_eq!(shown(&picture.bytes), shown(&file));
    let mut decoder = PngDecoder::new(Cursor::new(&picture.bytes)).unwrap();
    assert_eq!(decoder.orientation().unwrap(), Orientation::Rotate90);
}

#[test]
fn jpeg_loses_what_the_camera_wrote_and_keeps_its_way_up_and_colours() {
    let mut file = encoded(ImageFormat::Jpeg);
    let profile = [b"ICC_PROFILE\0\x01\x01", &[9; 200][..]].concat();
    for segment in [
        jpeg_segment(0xfe, SECRET),
        jpeg_segment(0xed, &[b"Photoshop 3.0\0", SECRET].concat()),
        jpeg_segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat()),
        jpeg_segment(0xe2, &[b"MPF\0", SECRET].concat()),
        jpeg_segment(0xe2, &profile),
        jpeg_segment(0xe1, &[b"Exif\0\0", &phone_exif(8)[..]].concat()),
    ] {
        file = with(&file, 2, &segment);
    }
    let picture = taken(&file);
    assert!(!holds(&picture.bytes, SECRET));
    assert!(holds(&picture.bytes, &profile));
    assert_eq!(&picture.bytes[..4], b"\xff\xd8\xff\xe0", "APP0 stands first");
    let mut decoder = JpegDecoder::new(Cursor::new(&picture.bytes)).unwrap();
    assert_eq!(decoder.orientation().unwrap(), Orientation::Rotate270);
}

#[test]
fn the_small_copy_in_a_jpegs_header_goes() {
    let file = encoded(ImageFormat::Jpeg);
    // APP0 with a picture of 2 by 1 pixels, in the place of the one that is there.
    let copy = jpeg_segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\x02\x01secret");
    assert_eq!(&file[2..4], b"\xff\xe0");
    let file = [&file[..2], &copy, &file[20..]].concat();
    let picture = taken(&file);
    assert!(!holds(&picture.bytes, b"secret"));
    assert_eq!(&picture.bytes[2..20], b"\xff\xe0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
}

#[test]
fn a_way_up_that_is_the_usual_leaves_no_exif_behind() {
    let file = encoded(ImageFormat::Jpeg);
    let exif = [b"Exif\0\0", &phone_exif(1)[..]].concat();
    let picture = taken(&with(&file, 2, &jpeg_segment(0xe1, &exif)));
    assert_eq!(picture.bytes, taken(&file).bytes);
}

#[test]
fn gif_keeps_its_frames_and_loses_comments() {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new(&mut out);
    encoder.set_repeat(image::codecs::gif::Repeat::Finite(3)).unwrap();
    for shade in [10, 200] {
        let frame = image::RgbaImage::from_pixel(8, 8, image::Rgba([shade, 0, 0, 255]));
        encoder
            .encode_frame(image::Frame::from_parts(
                frame,
                0,
                0,
                image::Delay::from_numer_denom_ms(70, 1),
            ))
            .unwrap();
    }
    drop(encoder);
    // Behind the header: a comment, XMP, a text with its timing.
    let body = 13
        + if out[10] & 0x80 == 0 {
            0
        } else {
            3 * (2 << (out[10] & 7))
        };
    let mut foreign = vec![0x21, 0xfe, SECRET.len() as u8];
    foreign.extend_from_slice(SECRET);
    foreign.extend_from_slice(b"\0\x21\xff\x0bXMP DataXMP\x06secret\0");
    foreign.extend_from_slice(b"\x21\xf9\x04\0\x01\0\0\0\x21\x01\x0c............\x06secret\0");
    let file = with(&out, body, &foreign);
    let picture = taken(&file);
    assert!(!holds(&picture.bytes, SECRET) && !holds(&picture.bytes, b"secret"));
    assert!(holds(&picture.bytes, b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x03\0\0"));
    let frames = |file: &[u8]| {
        let frames = GifDecoder::new(Cursor::new(file)).unwrap().into_frames();
        frames.collect_frames().unwrap()
    };
    let (kept, made) = (frames(&picture.bytes), frames(&out));
    assert_eq!(kept.len(), 2);
    for (kept, made) in kept.iter().zip(&made) {
        assert_eq!((kept.buffer(), kept.delay()), (made.buffer(), made.delay()));
    }
}

#[test]
fn webp_loses_what_editors_wrote_and_keeps_its_way_up() {
    let file = webp_with(&[
        webp_chunk(b"XMP ", SECRET),
        webp_chunk(b"EXIF", &phone_exif(3)),
        webp_chunk(b"prvt", SECRET),
    ]);
    let picture = taken(&file);
    assert!(!holds(&picture.bytes, SECRET) && !holds(&picture.bytes, b"XMP "));
    assert_eq!(shown(&picture.bytes), shown(&file));
    let mut decoder = WebPDecoder::new(Cursor::new(&picture.bytes)).unwrap();
    assert_eq!(decoder.orientation().unwrap(), Orientation::Rotate180);
    // Without a way up no EXIF is announced.
    let plain = taken(&webp_with(&[webp_chunk(b"EXIF", &phone_exif(1))]));
    assert!(!holds(&plain.bytes, b"EXIF"));
    assert_eq!(&plain.bytes[12..21], b"VP8X\x0a\0\0\0\0");
}

#[test]
fn only_chunks_that_make_the_picture_stay_in_a_frame_of_webp() {
    let simple = encoded(ImageFormat::WebP);
    let about = [&[0; 6][..], &[23, 0, 0, 15, 0, 0], &[100, 0, 0, 0]].concat();
    let frame = [&about[..], &simple[12..], &webp_chunk(b"prvt", SECRET)].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(webp_chunk(b"VP8X", &[0x02, 0, 0, 0, 23, 0, 0, 15, 0, 0]));
    body.extend(webp_chunk(b"ANIM", &[0; 6]));
    body.extend(webp_chunk(b"ANMF", &frame));
    body.extend(webp_chunk(b"ANMF", &frame));
    let file = [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat();
    let picture = taken(&file);
    assert!(!holds(&picture.bytes, SECRET));
    let frames = WebPDecoder::new(Cursor::new(&picture.bytes)).unwrap().into_frames();
    assert_eq!(frames.collect_frames().unwrap().len(), 2);
}

/// A PNG that says it is so large, of rows that are not there.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[8, 6, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(png_chunk(b"IHDR", &header));
    file.extend(png_chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]));
    file.extend(png_chunk(b"IEND", &[]));
    file
}

#[test]
fn a_picture_that_says_it_is_huge_is_refused_by_its_header() {
    for (width, height) in [
        (5001, 5000),
        (16_385, 1),
        (1, 16_385),
        (65_535, 65_535),
        (u32::MAX >> 1, u32::MAX >> 1),
    ] {
        let refused = open(&bomb(width, height)).unwrap_err();
        assert!(matches!(refused, Unfit::TooLarge(_)), "{width} by {height}: {refused}");
    }
    // At the bound it is looked at, and found to hold nothing.
    assert!(matches!(refused(&bomb(5000, 5000)), Unfit::Broken(_)));
    assert!(matches!(refused(&bomb(0, 5000)), Unfit::Broken(_)));
    // A GIF's header says it in two bytes each.
    let mut gif = encoded(ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    assert!(matches!(refused(&gif), Unfit::TooLarge(_)));
    // 16 bits a channel: few pixels, much memory.
    let mut deep = bomb(4500, 5000);
    deep[24] = 16;
    let checksum = crc32fast::hash(&deep[12..29]);
    deep[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert!(matches!(open(&deep).unwrap_err(), Unfit::TooLarge(_)));
}

#[test]
fn an_animation_that_never_ends_is_refused() {
    let gif = encoded(ImageFormat::Gif);
    let frame = gif.iter().position(|byte| *byte == 0x2c).unwrap();
    let one = &gif[frame..gif.len() - 1];
    let many = [&gif[..frame], &one.repeat(FRAMES as usize + 1), b"\x3b"].concat();
    assert_eq!(open(&many).unwrap_err(), Unfit::TooLarge("it has too many frames"));
    let huge = {
        let mut one = one.to_vec();
        one[5..9].copy_from_slice(&[0, 0x40, 0, 0x40]);
        [&gif[..frame], &one.repeat(3), b"\x3b"].concat()
    };
    assert_eq!(open(&huge).unwrap_err(), Unfit::TooLarge("it has too many frames"));
}

#[test]
fn what_is_no_picture_is_refused_as_such() {
    for file in [
        &b""[..],
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><svg/>",
        b"<html>",
        b"%PDF-1.7",
        b"BM\0\0",
        b"\0\0\x01\0",
        b"\0\0\0\x1cftypavif",
        b"RIFF\0\0\0\0WAVE",
    ] {
        assert_eq!(open(file).unwrap_err(), Unfit::NoPicture);
    }
}

#[test]
fn what_only_begins_like_a_picture_is_refused() {
    let script = b"/*<script>alert(1)</script>";
    for magic in [
        &b"\x89PNG\r\n\x1a\n"[..],
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"RIFF\x20\0\0\0WEBP",
    ] {
        let refused = refused(&[magic, script].concat());
        assert!(matches!(refused, Unfit::Broken(_) | Unfit::TooLarge(_)), "{refused}");
    }
    // Of one type by its first bytes, of another by the rest.
    let png = encoded(ImageFormat::Png);
    assert!(matches!(refused(&[b"GIF89a", &png[6..]].concat()), Unfit::Broken(_)));
}

#[test]
fn a_png_must_be_whole_in_its_parts() {
    let file = encoded(ImageFormat::Png);
    let mut flipped = file.clone();
    flipped[PNG_BODY + 10] ^= 1;
    assert_eq!(refused(&flipped), Unfit::Broken("a checksum is wrong"));
    let twice = with(&file, PNG_BODY, &file[8..PNG_BODY]);
    assert_eq!(refused(&twice), Unfit::Broken("it has two headers"));
    let needed = with(&file, PNG_BODY, &png_chunk(b"NEED", b""));
    assert_eq!(refused(&needed), Unfit::Broken("it needs a chunk that nobody knows"));
    let headless = [&file[..8], &file[PNG_BODY..]].concat();
    assert_eq!(refused(&headless), Unfit::Broken("it does not begin with a header"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is done to a picture: it is refused, or what is left of it is a picture that stays as it is.
    #[test]
    fn damage_is_survived(which in 0..4usize, cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut file = EVERY_FORMAT[which].1.clone();
        for (at, byte) in cuts {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(picture) = open(&file) && decode(&picture).is_ok() {
            prop_assert_eq!(open(&picture.bytes).unwrap().bytes, picture.bytes);
        }
    }

    /// Bytes that only begin like one.
    #[test]
    fn noise_is_survived(which in 0..4usize, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, file) = &EVERY_FORMAT[which];
        let _ = open(&[&file[..12], &noise].concat()).map(|picture| decode(&picture));
    }
}
