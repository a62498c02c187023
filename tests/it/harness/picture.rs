//! Pictures and forms for uploads: made here, so that a test says what is in them.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::{Answer, Call, Chat, Person};

const BOUNDARY: &str = "----a-boundary-of-the-test";

/// A picture with something on it, of this many pixels.
pub fn picture(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let shade = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) as u8;
    let pixels = RgbImage::from_fn(width, height, |x, y| image::Rgb([shade(x, y), shade(y, x), 128]));
    let mut out = Cursor::new(Vec::new());
    DynamicImage::from(pixels).write_to(&mut out, format).expect("written");
    out.into_inner()
}

/// A small PNG.
pub fn png() -> Vec<u8> {
    picture(ImageFormat::Png, 24, 16)
}

/// A chunk of a PNG, with its checksum.
pub fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], &named, &crc32fast::hash(&named).to_be_bytes()].concat()
}

/// A PNG of exactly this many bytes: a small one with a text that fills it up.
pub fn png_of(bytes: usize) -> Vec<u8> {
    let small = png();
    let text = png_chunk(b"tEXt", &vec![b'x'; bytes - small.len() - 12]);
    [&small[..33], &text, &small[33..]].concat()
}

/// A part of a form: its headers and its body.
pub struct Part<'a> {
    pub disposition: &'a str,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
}

impl<'a> Part<'a> {
    /// A file in the field `image`.
    pub fn image(content_type: &'a str, body: &'a [u8]) -> Part<'a> {
        Part {
            disposition: r#"form-data; name="image"; filename="a.png""#,
            content_type: Some(content_type),
            body,
        }
    }
}

/// The body of a form.
pub fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Disposition: {}\r\n", part.disposition).as_bytes());
        if let Some(content_type) = part.content_type {
            body.extend_from_slice(format!("Content-Type: {content_type}\r\n").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(part.body);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

impl Call {
    pub fn form(self, parts: &[Part<'_>]) -> Call {
        self.body(&format!("multipart/form-data; boundary={BOUNDARY}"), form(parts))
    }
}

impl Person {
    /// Uploads a file that they say is of this type.
    pub async fn uploads(&self, content_type: &str, file: &[u8]) -> Answer {
        self.uploads_form(&[Part::image(content_type, file)]).await
    }

    pub async fn uploads_form(&self, parts: &[Part<'_>]) -> Answer {
        self.call("POST", "/api/uploads").form(parts).send().await
    }

    /// Uploads a small picture; its URL.
    pub async fn uploads_a_picture(&self) -> String {
        let answer = self.uploads("image/png", &png()).await.ok(201);
        answer["url"].as_str().expect("a url").to_owned()
    }

    pub async fn posts_of_type(&self, chat: &Chat, kind: &str, content: &Value) -> Answer {
        self.post(&chat.path("/messages"), json!({"type": kind, "content": content}))
            .await
    }

    /// Posts an upload; the message.
    pub async fn posts_image(&self, chat: &Chat, url: &str) -> Value {
        let answer = self.posts_of_type(chat, "image", &json!(url)).await.ok(201);
        answer["message"].clone()
    }
}
