//! Images: uploaded as a form, looked at, stripped of what does not belong to them, posted by their uploader alone, shown to
//! whoever knows the name, gone when no message shows them. And everything that somebody hostile may upload instead.

use std::{path::PathBuf, time::Instant};

use image::{GenericImageView, ImageDecoder, ImageFormat, codecs::jpeg::JpegDecoder, metadata::Orientation};
use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

const MIB: usize = 1024 * 1024;

/// Waits until nothing is found there any more. What was found is only too late when it was asked for after the deadline: a
/// test that got no processor meanwhile says nothing about the server.
async fn is_gone(server: &Server, url: &str) {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= DEADLINE;
        let answer = server.call("GET", url).send().await;
        if answer.status == 404 {
            return;
        }
        assert!(
            !late,
            "{url} is still there after {DEADLINE:?}: {}",
            where_it_stands(server, url, &answer)
        );
    }
}

/// For a failure: what the record, the file and the clock say.
fn where_it_stands(server: &Server, url: &str, answer: &Answer) -> String {
    let name = url.strip_prefix("/uploads/").expect("a url");
    let mut store = Store::open(server.place());
    let records = store.reads(&format!("SELECT count(*) FROM uploads WHERE name = '{name}'"));
    let uses = store.reads(&format!("SELECT count(*) FROM upload_uses WHERE name = '{name}'"));
    let sweep_at = store.reads(&format!(
        "SELECT coalesce(max(sweep_at), -1) FROM uploads WHERE name = '{name}'"
    ));
    let now = parlor::domain::Clock::System.now().millis();
    format!(
        "the answer is {}, the file is there: {}, {records} records, {uses} uses, to be swept at {sweep_at}, now {now}",
        answer.status,
        file_of(server, url).exists()
    )
}

/// The files of uploads, whatever their names.
fn files(server: &Server) -> Vec<PathBuf> {
    let Ok(shards) = std::fs::read_dir(server.place().data().join("uploads")) else {
        return Vec::new();
    };
    let inside = |shard: std::io::Result<std::fs::DirEntry>| {
        let files = std::fs::read_dir(shard.expect("readable").path()).expect("a folder");
        files.map(|file| file.expect("readable").path())
    };
    shards.flat_map(inside).collect()
}

fn file_of(server: &Server, url: &str) -> PathBuf {
    let name = url.strip_prefix("/uploads/").expect("a url");
    server.place().data().join("uploads").join(&name[..2]).join(name)
}

fn url_of(answer: Answer) -> String {
    let body = answer.ok(201);
    assert_shape(&body, &json!({"url": "<text>"}));
    body["url"].as_str().expect("a url").to_owned()
}

#[tokio::test]
async fn an_image_is_uploaded_posted_and_seen() {
    let (server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    for (format, kind, extension) in [
        (ImageFormat::Png, "image/png", "png"),
        (ImageFormat::Jpeg, "image/jpeg", "jpg"),
        (ImageFormat::Gif, "image/gif", "gif"),
        (ImageFormat::WebP, "image/webp", "webp"),
    ] {
        let file = picture(format, 40, 30);
        let url = url_of(alice.uploads(kind, &file).await);
        let name = url.strip_prefix("/uploads/").expect("below /uploads");
        let (stem, found) = name.split_once('.').expect("an extension");
        assert_eq!((stem.len(), found), (26, extension));
        let data = json!({"conversationId": chat.id, "type": "image", "content": url});
        let sent = alice_tab.does("send_message", data).await["message"].clone();
        assert_eq!((&sent["type"], &sent["content"]), (&json!("image"), &json!(url)));
        let seen = bob_tab.sees("new_message", |data| data["content"] == url).await;
        assert_eq!(seen, sent);
        let shown = server.call("GET", &url).send().await;
        assert_eq!((shown.status, shown.header("content-type")), (200, kind));
        let pixels = |file: &[u8]| image::load_from_memory(file).expect("a picture").to_rgba8();
        assert_eq!(pixels(&shown.bytes), pixels(&file));
    }
    assert_eq!(bob.history(&chat).await.len(), 4);
}

#[tokio::test]
async fn an_image_is_served_so_that_nothing_in_it_runs() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let url = alice.uploads_a_picture().await;
    let shown = server
        .call("GET", &url)
        .header("origin", "https://evil.example")
        .send()
        .await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    assert_eq!(shown.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(shown.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(shown.header("cache-control"), "private, max-age=86400, immutable");
    assert_eq!(shown.header("content-length"), shown.bytes.len().to_string());
    let tag = shown.header("etag").to_owned();
    let again = server.call("GET", &url).header("if-none-match", &tag).send().await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    let other = server
        .call("GET", &url)
        .header("if-none-match", "\"other\"")
        .send()
        .await;
    assert_eq!(other.bytes, shown.bytes);
    let head = server.call("HEAD", &url).send().await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.header("content-length"), shown.header("content-length"));
}

#[tokio::test]
async fn a_large_image_comes_as_a_whole() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let file = picture(ImageFormat::Png, 700, 500);
    assert!((500_000..2 * MIB).contains(&file.len()), "{}", file.len());
    let url = url_of(alice.uploads("image/png", &file).await);
    let shown = server.call("GET", &url).send().await;
    assert_eq!(shown.bytes, std::fs::read(file_of(&server, &url)).expect("the file"));
    assert_eq!(shown.bytes, file, "nothing was in it that had to go");
}

#[tokio::test]
async fn no_name_leads_anywhere_but_to_an_upload() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let url = alice.uploads_a_picture().await;
    let shard = &url["/uploads/".len()..][..2];
    for path in [
        "/uploads/",
        "/uploads/nothing.png",
        "/uploads/aaaaaaaaaaaaaaaaaaaaaaaaaa.png",
        "/uploads/..%2fparlor.sqlite3",
        "/uploads/%2e%2e%2fparlor.sqlite3",
        "/uploads/..%5cparlor.sqlite3",
        "/uploads/../parlor.sqlite3",
        "/uploads//etc/passwd",
        "/uploads/%00.png",
        &format!("/uploads/{shard}"),
        &format!("{url}/"),
        &format!("{url}%00"),
        &url.to_uppercase().replace("/UPLOADS", "/uploads"),
        &url.replace(".png", ".svg"),
        &url.replace(".png", ".jpg"),
    ] {
        server.call("GET", path).send().await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn where_it_was_taken_is_nobodys_business() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let secret = b"52.5200N 13.4050E";
    // EXIF as a phone writes it: a way up, a directory of the place.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0".to_vec();
    exif.extend_from_slice(&[0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
    exif.extend_from_slice(&[0x25, 0x88, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend_from_slice(secret);
    let mut segment = vec![0xff, 0xe1];
    segment.extend_from_slice(&(exif.len() as u16 + 2).to_be_bytes());
    segment.extend_from_slice(&exif);
    let plain = picture(ImageFormat::Jpeg, 40, 30);
    let file = [&plain[..2], &segment, &plain[2..], secret].concat();
    let url = url_of(alice.uploads("image/jpeg", &file).await);
    let shown = server.call("GET", &url).send().await.bytes;
    let stored = std::fs::read(file_of(&server, &url)).expect("the file");
    assert_eq!(shown, stored);
    assert!(!shown.windows(secret.len()).any(|window| window == secret));
    let mut decoder = JpegDecoder::new(std::io::Cursor::new(&shown)).expect("a JPEG");
    assert_eq!(
        decoder.orientation().expect("readable"),
        Orientation::Rotate90,
        "it stays the right way up"
    );
    assert_eq!(
        image::load_from_memory(&shown).expect("a picture").dimensions(),
        (40, 30)
    );
}

#[tokio::test]
async fn only_the_uploader_may_post_an_image_and_only_an_upload_is_one() {
    let (server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let url = alice.uploads_a_picture().await;
    let stolen = json!({"conversationId": chat.id, "type": "image", "content": url, "clientId": "c-1"});
    refused(bob_tab.asks("send_message", stolen).await, "FORBIDDEN");
    bob.posts_of_type(&chat, "image", &json!(url))
        .await
        .refused(403, "FORBIDDEN");
    for wrong in [
        json!("/uploads/aaaaaaaaaaaaaaaaaaaaaaaaaa.png"),
        json!(url.replace(".png", ".gif")),
        json!(url.trim_start_matches("/uploads/")),
        json!(format!("http://{}{url}", server.realm.host())),
        json!(format!("{url}?a=b")),
        json!(format!(" {url}")),
        json!("https://evil.example/track.png"),
        json!("data:image/png;base64,AAAA"),
        json!("javascript:alert(1)"),
        json!(""),
        json!(null),
        json!({"url": url}),
    ] {
        let answer = alice.posts_of_type(&chat, "image", &wrong).await;
        answer.refused(400, "VALIDATION_ERROR");
        let data = json!({"conversationId": chat.id, "type": "image", "content": wrong});
        refused(alice_tab.asks("send_message", data).await, "VALIDATION_ERROR");
    }
    assert!(bob.history(&chat).await.is_empty());
    // Refused sends took no position and used up no clientId.
    let posted = alice.posts_image(&chat, &url).await;
    assert_eq!(posted["seq"], 1);
    bob_tab.sends_as(&chat, "c-1", "mine").await.expect("sent");
}

#[tokio::test]
async fn an_image_may_be_posted_again_and_a_repeated_client_id_posts_it_once() {
    let (_server, alice, _bob, chat) = pair().await;
    let tab = alice.connect().await;
    let url = alice.uploads_a_picture().await;
    let data = json!({"conversationId": chat.id, "type": "image", "content": url, "clientId": "c-1"});
    let first = tab.does("send_message", data.clone()).await;
    assert_eq!(tab.does("send_message", data).await, first);
    let other = alice.group("Others", &[]).await;
    alice.posts_image(&chat, &url).await;
    alice.posts_image(&other, &url).await;
    assert_eq!(alice.history(&chat).await.len(), 2);
}

#[tokio::test]
async fn an_image_goes_with_the_last_message_that_shows_it() {
    let (server, alice, bob, chat) = pair().await;
    let (url, other) = (alice.uploads_a_picture().await, alice.uploads_a_picture().await);
    let first = alice.posts_image(&chat, &url).await;
    let second = alice.posts_image(&chat, &url).await;
    let sacrifice = alice.posts_image(&chat, &other).await;
    alice.deletes(&chat, &first).await;
    alice.deletes(&chat, &sacrifice).await;
    // Once that one is gone, the sweep has come by: the first one's deletion was there to be seen by it.
    is_gone(&server, &other).await;
    assert_eq!(server.call("GET", &url).send().await.status, 200);
    alice.deletes(&chat, &second).await;
    is_gone(&server, &url).await;
    assert!(files(&server).is_empty());
    alice
        .posts_of_type(&chat, "image", &json!(url))
        .await
        .refused(400, "VALIDATION_ERROR");
    let contents: Vec<Value> = bob
        .history(&chat)
        .await
        .iter()
        .map(|message| message["content"].clone())
        .collect();
    assert_eq!(contents, [Value::Null, Value::Null, Value::Null]);
}

#[tokio::test]
async fn the_images_of_a_conversation_go_with_it() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let (ends, stays) = (alice.group("Ends", &[]).await, alice.group("Stays", &[]).await);
    let (lost, shared) = (alice.uploads_a_picture().await, alice.uploads_a_picture().await);
    alice.posts_image(&ends, &lost).await;
    alice.posts_image(&ends, &shared).await;
    alice.posts_image(&stays, &shared).await;
    alice.delete(&ends.path("")).await.ok(204);
    is_gone(&server, &lost).await;
    assert_eq!(server.call("GET", &shared).send().await.status, 200);
    alice.leaves(&stays).await;
    is_gone(&server, &shared).await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn an_image_that_was_never_posted_goes_after_fifty_hours() {
    let (server, alice, _bob, chat) = pair().await;
    let (forgotten, posted) = (alice.uploads_a_picture().await, alice.uploads_a_picture().await);
    alice.posts_image(&chat, &posted).await;
    let mut store = Store::open(server.place());
    // As long as that is promised: to the millisecond in the record, 50 h after it was made.
    let hours = "sweep_at = created_at + 50 * 3600 * 1000";
    let earlier = "created_at = created_at - 50 * 3600 * 1000, sweep_at = sweep_at - 50 * 3600 * 1000";
    assert_eq!(store.changes(&format!("UPDATE uploads SET {earlier} WHERE {hours}")), 1);
    is_gone(&server, &forgotten).await;
    assert_eq!(server.call("GET", &posted).send().await.status, 200);
    alice
        .posts_of_type(&chat, "image", &json!(forgotten))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn images_survive_a_kill_and_lost_files_do_not() {
    let (mut server, alice, _bob, chat) = pair().await;
    let (posted, kept) = (alice.uploads_a_picture().await, alice.uploads_a_picture().await);
    alice.posts_image(&chat, &posted).await;
    server.kill().await;
    // What a crash leaves: files without a record, a half one; and what an operator put there.
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let leave = |name: &str, modified: Option<std::time::SystemTime>| {
        let folder = server.place().data().join("uploads").join("aa");
        std::fs::create_dir_all(&folder).expect("made");
        let file = std::fs::File::create(folder.join(name)).expect("made");
        if let Some(modified) = modified {
            file.set_modified(modified).expect("set");
        }
        folder.join(name)
    };
    let lost = leave("aaaaaaaaaaaaaaaaaaaaaaaaaa.png", Some(long_ago));
    let half = leave("aabaaaaaaaaaaaaaaaaaaaaaaa.gif.part", Some(long_ago));
    let young = leave("aacaaaaaaaaaaaaaaaaaaaaaaa.png", None);
    let foreign = leave("notes.txt", Some(long_ago));
    for url in [&posted, &kept] {
        let file = std::fs::File::options().append(true).open(file_of(&server, url));
        file.expect("there").set_modified(long_ago).expect("set");
    }
    server.restart().await;
    is_gone(&server, "/uploads/aaaaaaaaaaaaaaaaaaaaaaaaaa.png").await;
    let start = Instant::now();
    while half.exists() {
        assert!(start.elapsed() < DEADLINE, "the half one is still there");
        tokio::task::yield_now().await;
    }
    assert!(!lost.exists() && young.exists() && foreign.exists());
    for url in [&posted, &kept] {
        assert_eq!(server.call("GET", url).send().await.status, 200, "{url}");
    }
    alice.posts_image(&chat, &kept).await;
}

#[tokio::test]
async fn what_is_no_image_of_the_type_it_says_is_refused() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let (png, gif) = (png(), picture(ImageFormat::Gif, 8, 8));
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
    for (says, file) in [
        ("image/png", &gif[..]),
        ("image/jpeg", &png),
        ("image/gif", b"<html><script>alert(1)</script>"),
        ("image/png", svg),
        ("image/svg+xml", svg),
        ("image/bmp", b"BM......"),
        ("image/avif", b"\0\0\0\x1cftypavif"),
        ("text/html", &png),
        ("application/octet-stream", &png),
        ("image/png", b"\x89PN"),
        ("image/webp", b"RIFF\0\0\0\0WAVEfmt "),
    ] {
        let answer = alice.uploads(says, file).await;
        answer.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let untold = Part {
        disposition: r#"form-data; name="image""#,
        content_type: None,
        body: &png,
    };
    alice
        .uploads_form(&[untold])
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    assert!(files(&server).is_empty());
}

#[tokio::test]
async fn a_file_that_only_begins_like_an_image_is_refused() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let png = png();
    let mut broken = png.clone();
    broken[50] ^= 0xff;
    for (says, file) in [
        ("image/png", &png[..png.len() / 2]),
        ("image/png", &png[..png.len() - 1]),
        ("image/png", &png[..8]),
        ("image/png", &broken),
        ("image/jpeg", b"\xff\xd8\xff\xe0/*<script>alert(1)</script>*/"),
        ("image/gif", b"GIF89a/*<script>alert(1)</script>*/=1;"),
        ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 \x04\0\0\0...."),
        ("image/gif", &[b"GIF89a", &png[6..]].concat()),
    ] {
        alice.uploads(says, file).await.refused(400, "VALIDATION_ERROR");
    }
    assert!(files(&server).is_empty());
}

#[tokio::test]
async fn a_polyglot_loses_its_other_half_and_a_client_does_not_name_files() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let other_half = b"<script>alert(1)</script>";
    let png = png();
    let comment = png_chunk(b"tEXt", &[b"Comment\0", &other_half[..]].concat());
    let file = [&png[..33], &comment, &png[33..], other_half, b"PK\x03\x04"].concat();
    let part = |name: &'static str| Part {
        disposition: name,
        content_type: Some("image/png"),
        body: &file,
    };
    for name in [
        r#"form-data; name="image"; filename="a.php.png""#,
        r#"form-data; name="image"; filename="../../evil.html""#,
        r#"form-data; name="image"; filename="evil.svg""#,
        r#"form-data; name="image""#,
    ] {
        let url = url_of(alice.uploads_form(&[part(name)]).await);
        let name = url.strip_prefix("/uploads/").and_then(|name| name.strip_suffix(".png"));
        let drawn = |name: &str| name.len() == 26 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        assert!(name.is_some_and(drawn), "{url}");
        let shown = server.call("GET", &url).send().await;
        assert_eq!(shown.header("content-type"), "image/png");
        assert!(!shown.bytes.windows(other_half.len()).any(|window| window == other_half));
        assert!(shown.bytes.len() < png.len() + 4);
    }
}

/// A PNG whose header says that it is so large.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let rows = [0x78, 0x9c, 0x03, 0, 0, 0, 0, 1];
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        png_chunk(b"IHDR", &header),
        png_chunk(b"IDAT", &rows),
        png_chunk(b"IEND", b""),
    ]
    .concat()
}

#[tokio::test]
async fn a_decompression_bomb_is_refused_by_what_it_says() {
    let (server, alice, bob, chat) = pair().await;
    for (width, height) in [(5001, 5000), (60_000, 60_000), (u32::MAX, u32::MAX), (16_385, 1)] {
        let refused = alice.uploads("image/png", &bomb(width, height)).await;
        assert!(refused.took < ANSWERED_WITHIN);
        refused.refused(400, "VALIDATION_ERROR");
    }
    // One that is as large as it may be, of one colour: small as a file.
    let mut white = std::io::Cursor::new(Vec::new());
    let pixels = image::GrayImage::from_pixel(5000, 5000, image::Luma([255]));
    pixels.write_to(&mut white, ImageFormat::Png).expect("written");
    let white = white.into_inner();
    assert!(white.len() < 200_000);
    url_of(alice.uploads("image/png", &white).await);
    assert_eq!(files(&server).len(), 1);
    alice.posts(&chat, "still here").await;
    assert_eq!(bob.texts(&chat).await, ["still here"]);
}

#[tokio::test]
async fn an_image_has_two_megabytes_at_the_most() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    // What fills it up is a text, which goes.
    url_of(alice.uploads("image/png", &png_of(2 * MIB)).await);
    for bytes in [2 * MIB + 1, 3 * MIB, 7 * MIB] {
        let answer = alice.uploads("image/png", &png_of(bytes)).await;
        answer.refused(413, "PAYLOAD_TOO_LARGE");
    }
    assert_eq!(files(&server).len(), 1);
}

/// Announced as larger than anything that is read: answered at once, before the body is there.
#[tokio::test]
async fn a_body_that_is_announced_as_huge_is_refused_unread() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut raw = Raw::plain(&server.realm, None).await;
    let head = format!(
        "POST /api/uploads HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000000000\r\n\r\n--b\r\n",
        server.realm.host(),
        alice.token
    );
    raw.sends(head.as_bytes()).await;
    let answer = raw.reads_head().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_form_has_one_image_whatever_else_is_in_it() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let png = png();
    let text = || Part {
        disposition: r#"form-data; name="caption""#,
        content_type: None,
        body: b"hello",
    };
    let misnamed = || Part {
        disposition: r#"form-data; name="file"; filename="a.png""#,
        content_type: Some("image/png"),
        body: &png,
    };
    let image = || Part::image("image/png", &png);
    let twice = vec![image(), image()];
    for parts in [
        vec![],
        vec![text()],
        vec![misnamed()],
        twice,
        vec![image(), text(), image()],
    ] {
        alice.uploads_form(&parts).await.refused(400, "VALIDATION_ERROR");
    }
    // More of it than of an image, and without an end, as far as the server cares.
    let flood = vec![b'x'; 9 << 20];
    let flood = Part {
        disposition: r#"form-data; name="caption""#,
        content_type: None,
        body: &flood,
    };
    alice
        .uploads_form(&[image(), flood])
        .await
        .refused(413, "PAYLOAD_TOO_LARGE");
    alice.uploads("image/png", b"").await.refused(400, "VALIDATION_ERROR");
    let nameless = Part {
        disposition: "form-data",
        content_type: Some("image/png"),
        body: &png,
    };
    alice.uploads_form(&[nameless]).await.refused(400, "VALIDATION_ERROR");
    assert!(files(&server).is_empty());
    // As upload widgets send it.
    alice.uploads_form(&[text(), image(), misnamed(), text()]).await.ok(201);
    assert_eq!(files(&server).len(), 1);
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let post = || alice.call("POST", "/api/uploads");
    post().send().await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let json = post()
        .json(&json!({"image": "data:image/png;base64,AAAA"}))
        .send()
        .await;
    json.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    post()
        .body("image/png", png())
        .send()
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let unbounded = post().body("multipart/form-data", form(&[])).send().await;
    unbounded.refused(400, "VALIDATION_ERROR");
    // Ends before it is complete.
    let whole = form(&[Part::image("image/png", &png())]);
    let half = post().body(
        "multipart/form-data; boundary=----a-boundary-of-the-test",
        &whole[..whole.len() / 2],
    );
    half.send().await.refused(400, "VALIDATION_ERROR");
    let noise = post().body("multipart/form-data; boundary=x", vec![0xaa; 100_000]);
    noise.send().await.refused(400, "VALIDATION_ERROR");
    assert!(files(&server).is_empty());
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_the_chat_goes_on() {
    let server = Server::with().set("upload_reserve_mib", 1_000_000_000).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    alice.uploads("image/png", &png()).await.refused(503, "UNAVAILABLE");
    assert!(files(&server).is_empty());
    alice.posts(&chat, "no picture today").await;
    assert_eq!(bob.texts(&chat).await, ["no picture today"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_unavailable() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .place()
        .write("data/uploads", "a file where the folder should be");
    alice.uploads("image/png", &png()).await.refused(503, "UNAVAILABLE");
    std::fs::remove_file(server.place().data().join("uploads")).expect("removed");
    alice.uploads_a_picture().await;
}

#[tokio::test]
async fn a_database_that_cannot_commit_keeps_no_image() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    alice.uploads_a_picture().await;
    let mut store = Store::open(server.place());
    store.locks();
    let answer = alice.uploads("image/png", &png()).await;
    assert!(answer.took < ANSWERED_WITHIN, "answered after {:?}", answer.took);
    answer.refused(503, "UNAVAILABLE");
    store.unlocks();
    alice.uploads_a_picture().await;
    assert_eq!(
        files(&server).len(),
        2,
        "the one that was not recorded left nothing behind"
    );
}

#[tokio::test]
async fn nobody_piles_up_images_that_they_never_post() {
    let (server, alice, bob, chat) = pair().await;
    let mut urls = Vec::new();
    for _ in 0..100 {
        urls.push(alice.uploads_a_picture().await);
    }
    alice.uploads("image/png", &png()).await.refused(409, "LIMIT_REACHED");
    bob.uploads_a_picture().await;
    alice.posts_image(&chat, &urls[0]).await;
    alice.uploads_a_picture().await;
    alice.uploads("image/png", &png()).await.refused(409, "LIMIT_REACHED");
    assert_eq!(files(&server).len(), 102);
}

#[tokio::test]
async fn uploads_count_against_the_rate_of_events() {
    let setup = Server::with()
        .env("PARLOR_RATE_LIMITS", "on")
        .set("rate_events_per_second", 1);
    let server = setup.start().await;
    let alice = server.user("alice").await;
    let (mut taken, mut refused) = (0, 0);
    let file = png();
    let at_once = (0..5).map(|_| alice.uploads("image/png", &file));
    for answer in futures_util::future::join_all(at_once).await {
        match answer.status {
            201 => taken += 1,
            _ => {
                let error = answer.refused(429, "RATE_LIMITED");
                assert!(
                    error["retryAfterMs"]
                        .as_u64()
                        .is_some_and(|ms| (1..=1000).contains(&ms)),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(taken >= 1 && refused >= 1, "{taken} taken, {refused} refused");
}

/// Somebody who chose half a dozen photos at once gets all of them through.
#[tokio::test]
async fn one_user_may_upload_many_at_once() {
    let (server, alice, _bob, _chat) = pair().await;
    let file = picture(ImageFormat::Png, 300, 300);
    let work = (0..6).map(|_| alice.uploads("image/png", &file));
    for answer in futures_util::future::join_all(work).await {
        url_of(answer);
    }
    assert_eq!(files(&server).len(), 6);
}

/// Many people at once, some of them hostile: everybody gets their own answer, and every file has its record.
#[tokio::test]
async fn many_upload_at_once() {
    let server = Server::start().await;
    let mut people = Vec::new();
    for number in 0..20 {
        people.push(server.user(&format!("user{number}")).await);
    }
    let (good, large, bad) = (picture(ImageFormat::Jpeg, 600, 400), bomb(60_000, 60_000), png());
    let work = people.iter().map(|person| async {
        let mut urls = Vec::new();
        for _ in 0..3 {
            urls.push(url_of(person.uploads("image/jpeg", &good).await));
            person
                .uploads("image/png", &large)
                .await
                .refused(400, "VALIDATION_ERROR");
            person
                .uploads("image/gif", &bad)
                .await
                .refused(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        urls
    });
    let mut urls: Vec<String> = futures_util::future::join_all(work).await.concat();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 60, "every name is one's own");
    assert_eq!(files(&server).len(), 60);
    for url in &urls {
        assert_eq!(server.call("GET", url).send().await.status, 200);
    }
}

/// The same upload posted, deleted and posted again by several tabs at once: whatever the order, a message that is shown
/// has its picture.
#[tokio::test]
async fn posting_and_deleting_at_once_loses_no_image_that_is_shown() {
    let (server, alice, bob, chat) = pair().await;
    let url = alice.uploads_a_picture().await;
    let first = alice.posts_image(&chat, &url).await;
    let work = (0..8).map(|_| async {
        for _ in 0..10 {
            let message = alice.posts_image(&chat, &url).await;
            alice.deletes(&chat, &message).await;
        }
    });
    futures_util::future::join_all(work).await;
    assert_eq!(server.call("GET", &url).send().await.status, 200);
    alice.deletes(&chat, &first).await;
    is_gone(&server, &url).await;
    assert!(
        bob.history(&chat)
            .await
            .iter()
            .all(|message| message["content"].is_null())
    );
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn ready_says_how_large_images_and_drawings_may_be() {
    let server = Server::start().await;
    let tab = server.user("alice").await.connect().await;
    assert_has(
        &tab.ready["limits"],
        &json!({"imageBytes": 2 * MIB, "drawingBytes": 65_536}),
    );
}
